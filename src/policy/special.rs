//! Special names go in, what their specifications ask for comes out.
//!
//! These names must not leak to the internet (RFC 6761, 6762, 7686), or ask a filtering resolver
//! to say that it is one. They are decided after allow rules, so that an operator who needs one
//! resolved can say so.

mod reverse;

use std::net::{Ipv4Addr, Ipv6Addr};

use blocker::Name;

use crate::{route::Way, wire::rtype};

/// What a special name gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// There is no such name.
    NxDomain,
    /// The loopback addresses (RFC 6761 section 6.3).
    Loopback,
    /// The addresses by which clients find out whether there is a NAT64 (RFC 8880 section 7.2); as
    /// there is none here, no IPv6 address is made of them.
    Ipv4Only,
    /// The name of these addresses.
    Ipv4OnlyReverse,
    /// No designated resolvers (RFC 9462 section 6.4), but what this one does (RFC 9606 section 5).
    Resolver,
    /// Nothing below that either.
    NoData,
    /// A short answer in place of all records (RFC 8482 section 4.2).
    Any,
}

/// Which Extended DNS Errors our answers have (RFC 9606 section 5).
const RESOLVER_INFO: &[u8] = b"\x1aexterr=3,13-15,18-20,22-23";

/// Zones of which nobody in public knows anything: names in them do not exist, unless a route leads
/// to somebody who does know.
const NOWHERE: &[&[u8]] = &[
    // RFC 6761 sections 6.2 and 6.4, RFC 6762 section 22.1, RFC 7686, and ICANN's `internal`.
    b"\x04test\0",
    b"\x07invalid\0",
    b"\x05local\0",
    b"\x05onion\0",
    b"\x08internal\0",
    // RFC 8375 section 4.
    b"\x04home\x04arpa\0",
];

/// Zones that have an answer here, with all below them. A route of a zone above, such as all of
/// `arpa`, is not meant for them.
const ALWAYS: &[(&[u8], Special)] = &[
    (b"\x09localhost\0", Special::Loopback),
    (b"\x08ipv4only\x04arpa\0", Special::Ipv4Only),
    (b"\x03170\x010\x010\x03192\x07in-addr\x04arpa\0", Special::Ipv4OnlyReverse),
    (b"\x03171\x010\x010\x03192\x07in-addr\x04arpa\0", Special::Ipv4OnlyReverse),
];

/// Names by which clients ask whether a resolver filters, and would go round it if it did not say.
const SIGNALS: &[(&[u8], Special)] = &[
    // Firefox turns its own DoH off.
    (b"\x13use-application-dns\x03net\0", Special::NxDomain),
    // Private relays tell their user that this network does not allow them.
    (b"\x04mask\x06icloud\x03com\0", Special::NxDomain),
    (b"\x07mask-h2\x06icloud\x03com\0", Special::NxDomain),
    (b"\x08resolver\x04arpa\0", Special::Resolver),
];

/// The only top-level domain with reverse zones.
const ARPA: &[u8] = b"\x04arpa\0";

impl Special {
    /// What a name gets that is led this way; `honours_signals` is the operator's wish to count as a
    /// filter.
    pub(super) fn of(name: &Name, honours_signals: bool, way: Way) -> Option<Self> {
        let signals = if honours_signals { SIGNALS } else { &[] };
        let wire = name.as_wire();
        // The last letter tells nearly all names from nearly all zones.
        let [.., letter, _] = wire else { return None };
        let ends_in =
            |zone: &[u8]| zone.iter().rev().nth(1) == Some(letter) && wire.ends_with(zone);
        let is_in = |zone: &[u8]| ends_in(zone) && name.suffixes().any(|suffix| suffix == zone);
        let is_here = |zone: &[u8]| is_in(zone) && !way.is_meant_for(zone);
        let found = ALWAYS.iter().chain(signals).find(|(zone, _)| is_here(zone));
        let is_nowhere =
            || NOWHERE.iter().any(|zone| is_in(zone)) || ends_in(ARPA) && reverse::is_private(name);
        match found {
            Some((zone, Self::Resolver)) if wire.len() > zone.len() => Some(Self::NoData),
            Some((zone, Self::Ipv4Only | Self::Ipv4OnlyReverse)) if wire.len() > zone.len() => {
                Some(Self::NxDomain)
            }
            Some((_, special)) => Some(*special),
            None if !way.route.is_routed() && is_nowhere() => Some(Self::NxDomain),
            None => None,
        }
    }

    /// The type and the data of the records that are shown to who asks for a type; nothing where
    /// there are none.
    pub(crate) fn data(self, qtype: u16) -> Option<(u16, Vec<Vec<u8>>)> {
        let data = match (self, qtype) {
            (Self::Any, _) => return Some((rtype::HINFO, vec![b"\x07RFC8482\0".to_vec()])),
            (Self::Loopback, rtype::A) => vec![Ipv4Addr::LOCALHOST.octets().to_vec()],
            (Self::Loopback, rtype::AAAA) => vec![Ipv6Addr::LOCALHOST.octets().to_vec()],
            (Self::Ipv4Only, rtype::A) => vec![vec![192, 0, 0, 170], vec![192, 0, 0, 171]],
            (Self::Ipv4OnlyReverse, rtype::PTR) => vec![b"\x08ipv4only\x04arpa\0".to_vec()],
            (Self::Resolver, rtype::RESINFO) => vec![RESOLVER_INFO.to_vec()],
            _ => return None,
        };
        Some((qtype, data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Config, Environment},
        route::Routes,
    };

    fn of(name: &str) -> Option<Special> {
        Special::of(&Name::parse(name).unwrap(), true, Way::default())
    }

    /// What a name gets where this domain is routed.
    fn of_routed(name: &str, domain: &str) -> Option<Special> {
        let route = format!("domains = ['{domain}']\nservers = ['https://10.0.0.1/q']");
        let config = format!("[[upstream.routes]]\n{route}");
        let config = Config::parse(&config, &Environment::default()).unwrap();
        let name = Name::parse(name).unwrap();
        Special::of(&name, true, Routes::new(&config.upstream.routes).find(&name))
    }

    #[test]
    fn a_route_frees_what_nobody_knows_and_leaves_what_we_know_unless_it_is_meant() {
        for (name, domain, special) in [
            ("x.test", "test", None),
            ("pods.cluster.local", "cluster.local", None),
            ("x.other.local", "cluster.local", Some(Special::NxDomain)),
            ("1.2.3.10.in-addr.arpa", "10.in-addr.arpa", None),
            ("1.2.3.10.in-addr.arpa", "in-addr.arpa", None),
            ("1.168.192.in-addr.arpa", "10.in-addr.arpa", Some(Special::NxDomain)),
            ("nas.home.arpa", "arpa", None),
            ("x.resolver.arpa", "arpa", Some(Special::NoData)),
            ("resolver.arpa", "resolver.arpa", None),
            ("use-application-dns.net", "net", Some(Special::NxDomain)),
            ("www.localhost", "lan", Some(Special::Loopback)),
        ] {
            assert_eq!(of_routed(name, domain), special, "{name} where {domain} is routed");
        }
    }

    #[test]
    fn zones_end_at_labels() {
        for (name, special) in [
            ("localhost", Some(Special::Loopback)),
            ("a.b.localhost", Some(Special::Loopback)),
            ("alocalhost", None),
            ("localhost.example", None),
            ("x.test", Some(Special::NxDomain)),
            ("contest", None),
            ("10.in-addr.arpa", Some(Special::NxDomain)),
            ("8.8.8.8.in-addr.arpa", None),
            ("mask.icloud.com", Some(Special::NxDomain)),
            ("unmask.icloud.com", None),
            ("ipv4only.arpa", Some(Special::Ipv4Only)),
            ("x.ipv4only.arpa", Some(Special::NxDomain)),
            ("_dns.resolver.arpa", Some(Special::NoData)),
        ] {
            assert_eq!(of(name), special, "{name}");
        }
        assert_eq!(Special::of(&Name::ROOT, true, Way::default()), None);
    }

    #[test]
    fn the_length_of_the_resolvers_information_is_right() {
        assert_eq!(usize::from(RESOLVER_INFO[0]), RESOLVER_INFO.len() - 1);
    }
}
