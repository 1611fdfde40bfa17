//! Hosts lines: an address, then names. The names are blocked whatever the address is.

use std::net::IpAddr;

use super::{is_address, name};
use crate::report::Reason;
use crate::rule::{Rule, Target};

/// The names of a line that begins with an address.
pub(super) fn names(line: &str) -> Option<&str> {
    let (first, names) = line.split_once(char::is_whitespace)?;
    // `fe80::1%lo0` names an interface, which the standard parser does not read.
    let address = first.split('%').next()?;
    address.parse::<IpAddr>().ok().map(|_| names)
}

/// Adds an exact rule for each name that is not the machine's own.
pub(super) fn parse(names: &str, rules: &mut Vec<Rule>) -> Result<(), Reason> {
    for text in names.split_whitespace() {
        if !is_self_name(text) {
            rules.push(Rule::block(Target::Exact(name(text)?)));
        }
    }
    Ok(())
}

/// Whether every hosts file has this name for the machine itself. `0.0.0.0 0.0.0.0` is common too.
fn is_self_name(text: &str) -> bool {
    is_address(text) || SELF_NAMES.iter().any(|own| own.eq_ignore_ascii_case(text))
}

/// Names that hosts files map to the machine and its networks.
const SELF_NAMES: [&str; 11] = [
    "broadcasthost",
    "ip6-allhosts",
    "ip6-allnodes",
    "ip6-allrouters",
    "ip6-localhost",
    "ip6-localnet",
    "ip6-loopback",
    "ip6-mcastprefix",
    "local",
    "localhost",
    "localhost.localdomain",
];
