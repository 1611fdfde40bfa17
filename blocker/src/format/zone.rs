//! Lines of a response policy zone: each name's record says what is answered in its place.

use std::net::IpAddr;

use super::unbound::is_sink;
use super::{name, wild_name};
use crate::name::Name;
use crate::record_type::{A, AAAA, CNAME, Mnemonic, NS, SIGNING, SOA};
use crate::report::Reason;
use crate::rule::{Rule, Target};
use crate::terms::Reply;

pub(super) use directive::Directive;
pub(super) use record::Record;

mod directive;
mod origin;
mod record;

/// What the lines so far of a zone file have said.
#[derive(Debug, Default)]
pub(crate) struct Zone {
    origin: origin::Origin,
    /// The names of the last record, which a line without any is about too.
    owner: Option<Owner>,
    /// How many further lines may belong to the last record, whose parenthesis is open.
    open_lines: u8,
}

/// Whose record it is: a name, or all names below it.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Exact(Name),
    Subtree(Name),
}

impl Zone {
    /// Whether the next line may still belong to the last record.
    pub(super) const fn is_inside_record(&self) -> bool {
        self.open_lines > 0
    }

    /// Whether the line still belongs to a record with an open parenthesis.
    pub(super) fn takes_up(&mut self, line: &str) -> bool {
        let is_open = self.open_lines > 0;
        if is_open {
            self.open_lines -= 1;
            if record::without_comment(line).contains(')') {
                self.open_lines = 0;
            }
        }
        is_open
    }

    /// The rule of a record, if it is not about the zone itself.
    ///
    /// # Errors
    /// When the record asks for something that is not a rule for a name, or not understood.
    pub(super) fn read(&mut self, record: &Record<'_>) -> Result<Option<Rule>, Reason> {
        if record.data.contains('(') && !record.data.contains(')') {
            self.open_lines = MAX_RECORD_LINES;
        }
        if record.rtype == SOA {
            self.origin.found_apex(record.owner);
        }
        if record.rtype == SOA || record.rtype == NS || SIGNING.contains(&record.rtype) {
            return Ok(None);
        }
        match record.owner {
            Some(APEX) => self.owner = None,
            Some(owner) => {
                // Where it is refused, lines without an owner must not go to the one before.
                self.owner = None;
                self.owner = self.find_owner(owner)?;
            }
            None if self.owner.is_none() => return Err(Reason::SeveralNames),
            None => {}
        }
        self.owner.map(|owner| owner.rule(record)).transpose()
    }

    /// The names that a record's owner stands for; nothing when it is the zone's own name.
    fn find_owner(&self, text: &str) -> Result<Option<Owner>, Reason> {
        let (name, wrap): (_, fn(Name) -> Owner) = match wild_name(text)? {
            Target::Subtree(name) => (name, Owner::Subtree),
            Target::Exact(name) => (name, Owner::Exact),
            Target::Pattern(_) => return Err(Reason::Root),
        };
        let is_relative = !text.ends_with('.');
        let name = if is_relative { self.origin.extend(name)? } else { self.origin.cut(name) };
        Ok((!name.is_root()).then(|| wrap(name)))
    }
}

impl Owner {
    fn rule(self, record: &Record<'_>) -> Result<Rule, Reason> {
        let (name, target) = match self {
            Self::Exact(name) => (name, Target::Exact(name)),
            Self::Subtree(name) => (name, Target::Subtree(name)),
        };
        if let Some(trigger) = name.labels().last().and_then(trigger) {
            return Err(Reason::Trigger(trigger.into()));
        }
        match record.rtype {
            CNAME => rule_of_alias(target, record.data),
            A | AAAA => rule_of_address(target, record),
            other => Err(Reason::ZoneRecord(Mnemonic(other).to_string().into())),
        }
    }
}

/// The last label of the names of rules that are about something other than the name asked for.
fn trigger(label: &[u8]) -> Option<&'static str> {
    TRIGGERS.into_iter().find(|trigger| trigger.as_bytes() == label)
}

/// What is done with a name that is an alias of one with a meaning of its own.
fn rule_of_alias(target: Target, alias: &str) -> Result<Rule, Reason> {
    let reply = match alias {
        "." => Reply::NxDomain,
        "*." => Reply::NoData,
        "rpz-drop." | "rpz-drop" => Reply::Silence,
        "rpz-passthru." | "rpz-passthru" => return Ok(Rule::allow(target)),
        _ if alias.starts_with("rpz-") || alias.starts_with("*.") => {
            return Err(Reason::ZoneAction(alias.into()));
        }
        _ => {
            let alias = name(alias)?;
            // How policy zones let a name pass before there was a word for it.
            if matches!(&target, Target::Exact(name) if *name == alias) {
                return Ok(Rule::allow(target));
            }
            Reply::Alias(Box::new(alias))
        }
    };
    Ok(Rule::answer(target, reply))
}

/// An address that leads nowhere says no more than that the name is blocked.
fn rule_of_address(target: Target, record: &Record<'_>) -> Result<Rule, Reason> {
    let bad = |option, wanted| Reason::BadValue { option, found: record.data.into(), wanted };
    let address = if record.rtype == A {
        record.data.parse().map(IpAddr::V4).map_err(|_| bad("A", "an IPv4 address"))?
    } else {
        record.data.parse().map(IpAddr::V6).map_err(|_| bad("AAAA", "an IPv6 address"))?
    };
    Ok(match address {
        address if is_sink(address) => Rule::block(target),
        address => Rule::answer(target, Reply::address(address)),
    })
}

/// How a zone file writes the name of the zone.
const APEX: &str = "@";
/// What rules of a policy zone can be about, other than names.
const TRIGGERS: [&str; 4] = ["rpz-client-ip", "rpz-ip", "rpz-nsdname", "rpz-nsip"];
/// Most lines of one record: an SOA may have one for each of its seven values and some remarks.
/// A parenthesis that nobody closed must not hide the rest of the file.
const MAX_RECORD_LINES: u8 = 16;
