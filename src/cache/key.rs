//! What an answer depends on: in hand, where the name has room for any, and as it is kept, where it
//! takes what it needs.

use std::hash::{Hash, Hasher};

use blocker::Name;
use quick_cache::Equivalent;

use crate::{query::Query, route::RouteId};

/// The type under which a name is noted that does not exist; no record can have it (RFC 6895
/// section 3.1).
const NO_TYPE: u16 = 0;

/// What an answer depends on (sections other than the answer are never indexed).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name in lower case.
    pub name: Name,
    /// The type.
    pub qtype: u16,
    /// Whether DNSSEC's records were asked for.
    pub dnssec_ok: bool,
    /// Whether data were asked for even where they fail validation.
    pub checking_disabled: bool,
    /// Who is asked: an answer of other servers is no answer.
    pub route: RouteId,
}

impl Key {
    /// What the answer to a query depends on, where its name is not routed.
    pub fn of(query: &Query) -> Self {
        Self {
            name: query.name,
            qtype: query.qtype,
            dnssec_ok: query.is_dnssec_ok(),
            checking_disabled: query.is_checking_disabled(),
            route: RouteId::default(),
        }
    }

    /// Where it is noted that a name does not exist, as clients with the same wishes see it and
    /// the same servers say it.
    pub(super) fn of_name(&self, name: Name) -> Self {
        Self { name, qtype: NO_TYPE, ..*self }
    }

    /// Whether it is of an answer, and not of what is noted of a name.
    pub(super) fn is_of_answer(&self) -> bool {
        self.qtype != NO_TYPE
    }

    /// All but the name in two words: a hit pays for each part that is hashed for itself.
    fn rest(&self) -> [u64; 2] {
        let [dnssec_ok, checking_disabled] =
            [self.dnssec_ok, self.checking_disabled].map(u64::from);
        let asked = u64::from(self.qtype) << 2 | dnssec_ok << 1 | checking_disabled;
        [asked, self.route.number()]
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(self.name.as_wire(), self.rest(), state);
    }
}

impl Equivalent<KeptKey> for Key {
    fn equivalent(&self, kept: &KeptKey) -> bool {
        self.name.as_wire() == kept.name.as_ref() && self.rest() == kept.rest
    }
}

/// A key as it is kept: a name in hand is 256 octets, and a usual one has 20.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeptKey {
    name: Box<[u8]>,
    rest: [u64; 2],
}

impl KeptKey {
    /// The key in hand.
    pub(super) fn key(&self) -> Option<Key> {
        let [asked, route] = self.rest;
        Some(Key {
            name: Name::from_wire(&self.name).ok()?,
            qtype: u16::try_from(asked >> 2).ok()?,
            dnssec_ok: asked & 2 != 0,
            checking_disabled: asked & 1 != 0,
            route: RouteId::from(route),
        })
    }

    /// Octets that it takes beside its own.
    pub(super) fn memory(&self) -> usize {
        self.name.len()
    }
}

impl From<&Key> for KeptKey {
    fn from(key: &Key) -> Self {
        Self { name: key.name.as_wire().into(), rest: key.rest() }
    }
}

impl Hash for KeptKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(&self.name, self.rest, state);
    }
}

/// Both forms of a key are found under the same number.
fn hash<H: Hasher>(name: &[u8], [asked, route]: [u64; 2], state: &mut H) {
    name.hash(state);
    state.write_u64(asked ^ route);
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher as _;

    use foldhash::quality::RandomState;

    use super::*;

    #[test]
    fn a_key_that_is_kept_is_the_one_it_was_made_of_and_no_other() {
        let route = RouteId::of(&["https://10.0.0.1/q"]);
        let plain = Key {
            name: Name::parse("www.example.com").unwrap(),
            qtype: 28,
            dnssec_ok: false,
            checking_disabled: false,
            route: RouteId::default(),
        };
        let others = [
            Key { name: Name::ROOT, ..plain },
            Key { qtype: u16::MAX, ..plain },
            Key { dnssec_ok: true, ..plain },
            Key { checking_disabled: true, ..plain },
            Key { route, ..plain },
        ];
        let hasher = RandomState::default();
        for key in others.iter().chain([&plain]) {
            let kept = KeptKey::from(key);
            assert_eq!(kept.key().as_ref(), Some(key));
            assert!(
                key.equivalent(&kept) && (key == &plain || !plain.equivalent(&kept)),
                "{key:?}"
            );
            assert_eq!(hasher.hash_one(key), hasher.hash_one(&kept), "{key:?}");
        }
    }
}
