//! A name goes in, the route that it takes upstream comes out: that of `upstream.servers`, or of
//! the `[[upstream.routes]]` that names the longest part of it.
//!
//! A route is known by a number that is made of its servers and of nothing else. So what is
//! remembered under it is never taken for another's answer, whatever a reload changes, and is
//! found again where nothing has changed.

use std::{collections::HashMap, fmt};

use blocker::Name;
use foldhash::quality::RandomState;
use sha2::{Digest as _, Sha256};

use crate::config::Route;

/// The servers that a name is asked of, by number.
///
/// ```
/// use dnsward::route::RouteId;
/// let [corp, other] = ["https://10.0.0.1/q", "https://10.0.0.2/q"].map(|url| RouteId::of(&[url]));
/// assert!(corp.is_routed() && corp != other);
/// assert!(!RouteId::default().is_routed());
/// ```
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct RouteId(u64);

impl RouteId {
    /// The number of these servers, as they are written; the same in every process.
    pub fn of<T: AsRef<[u8]>>(servers: &[T]) -> Self {
        let mut digest = Sha256::new();
        for server in servers {
            let server = server.as_ref();
            digest.update(server.len().to_be_bytes());
            digest.update(server);
        }
        let first = digest.finalize().first_chunk().map_or(1, |first| u64::from_be_bytes(*first));
        // Zero is taken.
        Self(first.max(1))
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// Whether it is a route at all; else the name goes to `upstream.servers`.
    pub fn is_routed(self) -> bool {
        self != Self::default()
    }
}

/// The number that it was told by.
impl From<u64> for RouteId {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Debug for RouteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RouteId({:016x})", self.0)
    }
}

/// Where a name is led, and how much of it the route names.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Way {
    /// The route.
    pub route: RouteId,
    /// Octets of the domain that leads there, in wire form.
    octets: usize,
}

impl Way {
    /// Whether the route is of this zone or of one below it, and not of one above.
    pub(crate) fn is_meant_for(self, zone: &[u8]) -> bool {
        self.route.is_routed() && self.octets >= zone.len()
    }

    /// The domain that led a name here, where one did.
    pub(crate) fn domain(self, name: &Name) -> Option<Name> {
        let mut suffixes = name.suffixes().filter(|_| self.route.is_routed());
        let domain = suffixes.find(|suffix| suffix.len() == self.octets)?;
        Name::from_wire(domain).ok()
    }
}

/// All domains that are routed, ready to be asked; at most as many as a configuration may have.
#[derive(Clone, Debug, Default)]
pub struct Routes(HashMap<Box<[u8]>, RouteId, RandomState>);

impl Routes {
    /// The domains of these routes.
    pub fn new(routes: &[Route]) -> Self {
        let domains = |route: &'_ Route| {
            let id = route.id;
            route.domains.iter().map(|domain| (Box::from(domain.as_wire()), id)).collect::<Vec<_>>()
        };
        Self(routes.iter().flat_map(domains).collect())
    }

    /// Where a name is led: by its longest suffix that is routed. Costs a look-up for each label,
    /// and nothing where there are no routes.
    #[inline]
    pub fn find(&self, name: &Name) -> Way {
        if self.0.is_empty() { Way::default() } else { self.walk(name) }
    }

    fn walk(&self, name: &Name) -> Way {
        let way = |domain: &[u8]| {
            let route = *self.0.get(domain)?;
            Some(Way { route, octets: domain.len() })
        };
        name.suffixes().find_map(way).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment};

    fn routes(toml: &str) -> Routes {
        Routes::new(&Config::parse(toml, &Environment::default()).unwrap().upstream.routes)
    }

    const CORP: &str = "https://10.0.0.1/q";
    const LAB: &str = "https://10.0.0.2/q";

    #[test]
    fn the_longest_suffix_wins_at_label_boundaries() {
        let routes = routes(&format!(
            "[[upstream.routes]]\ndomains = ['corp.example', 'lan']\nservers = ['{CORP}']\n\
             [[upstream.routes]]\ndomains = ['lab.corp.example']\nservers = ['{LAB}']"
        ));
        let [corp, lab] = [CORP, LAB].map(|url| RouteId::of(&[url]));
        let none = RouteId::default();

        for (name, route, domain) in [
            ("corp.example", corp, Some("corp.example")),
            ("www.Corp.Example", corp, Some("corp.example")),
            ("lab.corp.example", lab, Some("lab.corp.example")),
            ("a.b.lab.corp.example", lab, Some("lab.corp.example")),
            ("slab.corp.example", corp, Some("corp.example")),
            ("nas.lan", corp, Some("lan")),
            ("notcorp.example", none, None),
            ("example", none, None),
            ("plan", none, None),
            (".", none, None),
        ] {
            let name = Name::parse(name).unwrap();
            let way = routes.find(&name);
            let domain = domain.map(|domain| Name::parse(domain).unwrap());
            assert_eq!((way.route, way.domain(&name)), (route, domain), "{name}");
        }
    }

    #[test]
    fn a_way_is_meant_for_its_own_zone_and_those_above_it() {
        let toml = format!("[[upstream.routes]]\ndomains = ['b.c']\nservers = ['{CORP}']");
        let way = routes(&toml).find(&Name::parse("a.b.c").unwrap());

        assert!(way.is_meant_for(b"\x01b\x01c\0") && way.is_meant_for(b"\x01c\0"));
        assert!(!way.is_meant_for(b"\x01a\x01b\x01c\0"));
        assert!(!Way::default().is_meant_for(b"\0"));
    }

    #[test]
    fn a_route_is_known_by_its_servers_in_their_order() {
        assert_eq!(RouteId::of(&[CORP, LAB]), RouteId::of(&[CORP, LAB]));
        assert_ne!(RouteId::of(&[CORP, LAB]), RouteId::of(&[LAB, CORP]));
        assert_ne!(RouteId::of(&["ab", "c"]), RouteId::of(&["a", "bc"]));
    }
}
