//! The clients that rules name, each with a bit, so that a rule asks one question of a word.

use std::net::IpAddr;

use crate::question::Marks;
use crate::source::{Sources, SpecialId};
use crate::terms::ClientPattern;

/// Every client that a rule of a matcher names.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    patterns: Box<[ClientPattern]>,
    /// Whom each rule that names clients is for (everybody, where it names none) and whom not, in
    /// the order of the rules.
    masks: Box<[(SpecialId, Option<Marks>, Marks)]>,
}

impl Clients {
    pub(crate) fn new(sources: &Sources, ids: &[SpecialId]) -> Self {
        let mut patterns: Vec<ClientPattern> = Vec::new();
        let mut masks = Vec::new();
        for id in ids {
            let terms = sources.special(*id).and_then(|(_, special)| special.rule.terms.as_ref());
            let Some(clients) = terms.and_then(|terms| terms.clients.as_ref()) else { continue };
            let mut mask = |wanted: &[ClientPattern]| {
                wanted.iter().try_fold(Marks::default(), |marks, pattern| {
                    let known = patterns.iter().position(|other| other == pattern);
                    marks.with(known.unwrap_or_else(|| {
                        patterns.push(pattern.clone());
                        patterns.len() - 1
                    }))
                })
            };
            let (included, excluded) = (mask(&clients.included), mask(&clients.excluded));
            masks.push(match (included, excluded) {
                (Some(included), Some(excluded)) => {
                    let names_some = !clients.included.is_empty();
                    (*id, names_some.then_some(included), excluded)
                }
                // It names somebody there is no bit for: better for nobody than for everybody.
                _ => (*id, Some(Marks::default()), Marks::default()),
            });
        }
        patterns.truncate(Marks::COUNT);
        Self { patterns: patterns.into(), masks: masks.into() }
    }

    /// Whether there are any.
    pub(crate) const fn has_any(&self) -> bool {
        !self.masks.is_empty()
    }

    /// Which of them a client is.
    pub(crate) fn marks(&self, address: Option<IpAddr>, name: Option<&str>) -> Marks {
        let is_it = |pattern: &ClientPattern| match pattern {
            ClientPattern::Network(network, bits) => {
                address.is_some_and(|address| is_within(address, *network, *bits))
            }
            ClientPattern::Name(known) => name == Some(known),
        };
        let found = self.patterns.iter().enumerate().filter(|(_, pattern)| is_it(pattern));
        found.fold(Marks::default(), |marks, (bit, _)| marks.with(bit).unwrap_or(marks))
    }

    /// Whether a rule is for somebody.
    pub(crate) fn hold(&self, id: SpecialId, marks: Marks) -> bool {
        let Ok(place) = self.masks.binary_search_by_key(&id, |(rule, ..)| *rule) else {
            return true;
        };
        self.masks.get(place).is_some_and(|(_, included, excluded)| {
            included.is_none_or(|included| included.intersects(marks))
                && !excluded.intersects(marks)
        })
    }

    /// Bytes held on the heap.
    pub(crate) fn memory(&self) -> usize {
        size_of_val(&*self.patterns) + size_of_val(&*self.masks)
    }
}

/// Whether so many first bits of two addresses are the same.
fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        let rest = width.saturating_sub(u32::from(bits));
        (a ^ b).checked_shr(rest).unwrap_or(0) == 0
    };
    match (address.to_canonical(), network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), u32::BITS),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), u128::BITS),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_its_first_bits() {
        let cases = [
            ("10.1.2.3", "10.0.0.0", 8, true),
            ("11.1.2.3", "10.0.0.0", 8, false),
            ("10.1.2.3", "10.1.2.3", 32, true),
            ("10.1.2.4", "10.1.2.3", 32, false),
            ("::ffff:10.1.2.3", "10.0.0.0", 8, true),
            ("2001:db8::1", "2001:db8::", 32, true),
            ("2001:db9::1", "2001:db8::", 32, false),
            ("10.1.2.3", "::", 0, false),
            ("10.1.2.3", "0.0.0.0", 0, true),
            ("2001:db9::1", "::", 0, true),
        ];

        for (address, network, bits, expected) in cases {
            let (address, network) = (address.parse().unwrap(), network.parse().unwrap());
            assert_eq!(
                is_within(address, network, bits),
                expected,
                "{address} in {network}/{bits}"
            );
        }
    }
}
