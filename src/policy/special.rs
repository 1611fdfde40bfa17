//! Special names go in, what their specifications ask for comes out.
//!
//! These names must not leak to the internet (RFC 6761, 6762, 7686), or ask a filtering resolver
//! to say that it is one. They are decided after allow rules, so that an operator who needs one
//! resolved can say so.

mod reverse;

use blocker::Name;

/// What a special name gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// There is no such name.
    NxDomain,
    /// There are no such data.
    NoData,
    /// The loopback addresses (RFC 6761 section 6.3).
    Loopback,
    /// A short answer in place of all records (RFC 8482 section 4.2).
    Any,
}

/// Names, with all below them, that are never asked of anyone.
const ALWAYS: &[(&[u8], Special)] = &[
    (b"\x09localhost\0", Special::Loopback),
    // RFC 6761 sections 6.2 and 6.4, RFC 6762 section 22.1, RFC 7686, and ICANN's `internal`.
    (b"\x04test\0", Special::NxDomain),
    (b"\x07invalid\0", Special::NxDomain),
    (b"\x05local\0", Special::NxDomain),
    (b"\x05onion\0", Special::NxDomain),
    (b"\x08internal\0", Special::NxDomain),
    // RFC 8375 section 4.
    (b"\x04home\x04arpa\0", Special::NxDomain),
];

/// Names by which clients ask whether a resolver filters, and would go round it if it did not say.
const SIGNALS: &[(&[u8], Special)] = &[
    // Firefox turns its own DoH off.
    (b"\x13use-application-dns\x03net\0", Special::NxDomain),
    // Private relays tell their user that this network does not allow them.
    (b"\x04mask\x06icloud\x03com\0", Special::NxDomain),
    (b"\x07mask-h2\x06icloud\x03com\0", Special::NxDomain),
    // Discovery of designated resolvers (RFC 9462 section 6.4).
    (b"\x08resolver\x04arpa\0", Special::NoData),
];

impl Special {
    /// What a name gets; `honours_signals` is the operator's wish to count as a filter.
    pub(super) fn of(name: &Name, honours_signals: bool) -> Option<Self> {
        let signals = if honours_signals { SIGNALS } else { &[] };
        let below = |wire: &[u8]| name.suffixes().any(|suffix| suffix == wire);
        let mut all = ALWAYS.iter().chain(signals);
        let listed = all.find(|(wire, _)| below(wire)).map(|(_, special)| *special);
        listed.or_else(|| reverse::is_private(name).then_some(Self::NxDomain))
    }
}
