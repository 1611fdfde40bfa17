//! Lines of unbound's configuration: `local-zone: "name" type` and `local-data: "name A address"`.

use std::net::IpAddr;

use super::zone::Record;
use super::{name, wild_name};
use crate::record_type::{A, AAAA};
use crate::report::Reason;
use crate::rule::{Rule, Target};

/// A line of the form `option: value`; the heading of a section has no value.
pub(super) struct Clause<'a> {
    option: &'a str,
    value: &'a str,
}

impl<'a> Clause<'a> {
    /// Takes a line apart, if it has this form.
    pub(super) fn split(line: &'a str) -> Option<Self> {
        let (option, value) = line.split_once(':')?;
        let is_option = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        // `https://` and `beef::1` go on without a blank.
        let ends = value.is_empty() || value.starts_with([' ', '\t', '"', '\'']);
        let has_form = ends && !option.is_empty() && option.bytes().all(is_option);
        has_form.then(|| Self { option, value: value.trim_start() })
    }

    /// Adds the rule of the line; the heading of a section has none.
    pub(super) fn parse(self, rules: &mut Vec<Rule>) -> Result<(), Reason> {
        rules.push(match self.option {
            "local-data" => block_data(self.value)?,
            "local-zone" => block_zone(self.value)?,
            _ if self.value.is_empty() => return Ok(()),
            other => return Err(Reason::Directive(other.into())),
        });
        Ok(())
    }
}

/// Reads a name and what becomes of it and all below it. How exactly it is blocked is for the
/// operator to say, as with all lists that only blocking programs read.
fn block_zone(value: &str) -> Result<Rule, Reason> {
    let (zone, kind) = split_quoted(value);
    let kind = split_quoted(kind).0;
    if !BLOCKING_TYPES.contains(&kind) {
        return Err(Reason::ZoneType(kind.into()));
    }
    name(zone).map(Target::Subtree).map(Rule::block)
}

/// Reads a record whose address leads nowhere.
fn block_data(value: &str) -> Result<Rule, Reason> {
    let record = Record::split(split_quoted(value).0, false).ok_or(Reason::LocalData)?;
    let owner = record.owner.ok_or(Reason::LocalData)?;
    let address = record.data.parse().ok();
    match (record.rtype, address) {
        (A | AAAA, Some(address)) if is_sink(address) => wild_name(owner).map(Rule::block),
        _ => Err(Reason::LocalData),
    }
}

/// Whether nobody but the asker's own machine has this address.
pub(super) const fn is_sink(address: IpAddr) -> bool {
    address.is_unspecified() || address.is_loopback()
}

/// The first word, without its quotes, and what follows it.
fn split_quoted(text: &str) -> (&str, &str) {
    let quote = text.chars().next().filter(|first| matches!(first, '"' | '\''));
    let parts = match quote {
        Some(quote) => text.get(1..).and_then(|rest| rest.split_once(quote)),
        None => text.split_once(char::is_whitespace),
    };
    parts.map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

/// Types of local zones whose names are not resolved. `redirect` gives all of them the data of
/// the zone's name, which in lists is a sink.
const BLOCKING_TYPES: [&str; 12] = [
    "always_deny",
    "always_nodata",
    "always_null",
    "always_nxdomain",
    "always_refuse",
    "deny",
    "inform_deny",
    "inform_redirect",
    "null",
    "redirect",
    "refuse",
    "static",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_may_have_quotes() {
        assert_eq!(split_quoted("\"ads.example\" static"), ("ads.example", "static"));
        assert_eq!(split_quoted("'ads.example A ::' "), ("ads.example A ::", ""));
        assert_eq!(split_quoted("ads.example  static"), ("ads.example", "static"));
        assert_eq!(split_quoted("static"), ("static", ""));
        assert_eq!(split_quoted("\"ads.example"), ("\"ads.example", ""));
        assert_eq!(split_quoted(""), ("", ""));
    }
}
