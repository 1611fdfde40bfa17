//! Lines of every list format go in; what rules they give is compared with what they must mean.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Reader, parse};
use crate::name::Name;
use crate::pattern::Pattern;
use crate::record_type::{self, A, AAAA};
use crate::report::Reason;
use crate::rule::{Rule, Target};
use crate::source::Action;
use crate::terms::{ClientPattern, Reply, Terms};

mod files;
mod page;
mod properties;
mod terms;

/// The rules of one line.
fn read(line: &str) -> Result<Vec<Rule>, Reason> {
    let mut rules = Vec::new();
    parse(line, &mut rules).map(|()| rules)
}

/// The rules of some lines, in normal form; those that are rejected stand with their reason.
fn read_file(text: &str) -> Vec<String> {
    let mut reader = Reader::default();
    let mut shown = Vec::new();
    for line in text.split('\n') {
        let mut rules = Vec::new();
        match reader.read(line, &mut rules) {
            Ok(()) => shown.extend(rules.iter().map(ToString::to_string)),
            Err(reason) => shown.push(format!("{}: {reason}", line.trim())),
        }
    }
    shown
}

/// Who asks for what: `name [TYPE] [from CLIENT]`.
#[derive(Debug)]
struct Asked {
    name: Name,
    rtype: u16,
    client: Option<String>,
}

impl Asked {
    fn parse(text: &str) -> Self {
        let (question, client) = match text.split_once(" from ") {
            Some((question, client)) => (question, Some(client.to_owned())),
            None => (text, None),
        };
        let (name, rtype) = question.split_once(' ').unwrap_or((question, "A"));
        let rtype = record_type::number(rtype).expect("a record type");
        Self { name: Name::parse(name).expect("a name"), rtype, client }
    }

    /// What some rules do to the name: the obvious way to find out, by trying each.
    fn decide(&self, rules: &[Rule]) -> Option<(Action, Option<Reply>)> {
        let rule = rules.iter().find(|rule| self.is_met_by(rule))?;
        Some((rule.action, rule.terms.as_ref().and_then(|terms| terms.reply.clone())))
    }

    fn is_met_by(&self, rule: &Rule) -> bool {
        let is_target = match &rule.target {
            Target::Exact(name) => self.name == *name,
            Target::Subtree(name) => self.name.is_within(name),
            Target::Pattern(Pattern::Glob(glob)) => glob.matches(&self.name.to_string()),
            Target::Pattern(Pattern::Regex(regex)) => regex.matches(&self.name.to_string()),
        };
        let Some(terms) = &rule.terms else { return is_target };
        is_target != terms.is_inverted
            && !terms.is_cancelling
            && terms.hold(&self.name, self.rtype)
            && self.is_concerned(terms)
    }

    fn is_concerned(&self, terms: &Terms) -> bool {
        let Some(clients) = &terms.clients else { return true };
        let is_me = |pattern: &ClientPattern| match (&self.client, pattern) {
            (None, _) => false,
            (Some(client), ClientPattern::Name(name)) => **name == **client,
            (Some(client), ClientPattern::Network(network, bits)) => {
                client.parse().is_ok_and(|address| is_within(address, *network, *bits))
            }
        };
        (clients.included.is_empty() || clients.included.iter().any(is_me))
            && !clients.excluded.iter().any(is_me)
    }

    /// What is answered, as a person would write it.
    fn answer(&self, reply: &Reply) -> String {
        match (reply, self.rtype) {
            (Reply::Addresses(v4, _), A) => v4.unwrap_or(Ipv4Addr::UNSPECIFIED).to_string(),
            (Reply::Addresses(_, v6), AAAA) => v6.unwrap_or(Ipv6Addr::UNSPECIFIED).to_string(),
            (reply, _) => reply.to_string(),
        }
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (address.to_bits() ^ network.to_bits()).leading_zeros() >= u32::from(bits)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            (address.to_bits() ^ network.to_bits()).leading_zeros() >= u32::from(bits)
        }
        _ => false,
    }
}
