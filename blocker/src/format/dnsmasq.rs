//! Lines of dnsmasq's configuration: `address=/name/value` and its relatives.

use std::net::IpAddr;

use super::{name, plain};
use crate::report::Reason;
use crate::rule::{Rule, Target};

/// A line of the form `option=/names/value`, with one or more names between slashes.
pub(super) struct Directive<'a> {
    option: &'a str,
    names: &'a str,
    value: &'a str,
}

impl<'a> Directive<'a> {
    /// Takes a line apart, if it has this form.
    pub(super) fn split(line: &'a str) -> Option<Self> {
        let (option, rest) = line.split_once('=')?;
        let rest = rest.strip_prefix('/')?;
        let is_option = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        if option.is_empty() || !option.bytes().all(is_option) {
            return None;
        }
        // `local=/name` without the closing slash is what people mistype.
        let (names, value) = rest.rsplit_once('/').unwrap_or((rest, ""));
        Some(Self { option, names, value })
    }

    /// Adds a rule for each name and everything below it.
    pub(super) fn parse(self, rules: &mut Vec<Rule>) -> Result<(), Reason> {
        match self.option {
            "address" => {}
            "local" | "server" if self.goes_nowhere() => {}
            "local" | "server" => return Err(Reason::Forward),
            other => return Err(Reason::Directive(other.into())),
        }
        for text in self.names.split('/') {
            if text == EVERY_NAME {
                return Err(Reason::Root);
            }
            rules.push(Rule::block(target(text)?));
        }
        Ok(())
    }

    /// Whether the server that is to be asked cannot answer: there is none, or only a sink.
    fn goes_nowhere(&self) -> bool {
        let is_sink = |address: IpAddr| address.is_unspecified() || address.is_loopback();
        // `127.0.0.1#5353` is a resolver on this machine, and does not parse as an address.
        self.value.is_empty() || self.value.parse().is_ok_and(is_sink)
    }
}

/// What is meant by one of the names: it and all below it. A star in front of a part of a label
/// stands for whatever ends so.
fn target(text: &str) -> Result<Target, Reason> {
    match plain::subtree(text) {
        Some(parent) => name(parent).map(Target::Subtree),
        None if text.starts_with('*') => plain::parse(text),
        None => name(text).map(Target::Subtree),
    }
}

/// dnsmasq's way to write the root.
const EVERY_NAME: &str = "#";
