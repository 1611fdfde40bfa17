//! The clients that rules name, each with a bit, so that a rule asks one question of a word.

use std::net::IpAddr;

use crate::question::Marks;
use crate::source::{Sources, SpecialId};
use crate::terms::ClientPattern;

/// Clients that rules name: each has a bit of the marks, as far as there are bits.
///
/// ```
/// use blocker::{KnownClients, Matcher, Source, Action, GroupSet};
///
/// let rules = Source { name: "rules", action: Action::Block, groups: GroupSet::default() };
/// let mut builder = Matcher::builder().with_known_clients(&KnownClients::default());
/// builder.add_line(&rules, 1, "||ads.example^$client=nas")?;
/// let clients = builder.build()?.known_clients().clone();
///
/// assert_ne!(clients.marks(None, Some("nas")), clients.marks(None, Some("tv")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct KnownClients(Vec<ClientPattern>);

impl KnownClients {
    pub(crate) const NONE: Self = Self(Vec::new());

    /// Which of them a client is.
    #[must_use]
    pub fn marks(&self, address: Option<IpAddr>, name: Option<&str>) -> Marks {
        let is_it = |pattern: &ClientPattern| match pattern {
            ClientPattern::Network(network, bits) => {
                address.is_some_and(|address| is_within(address, *network, *bits))
            }
            ClientPattern::Name(known) => name == Some(known),
        };
        let found = self.0.iter().enumerate().filter(|(_, pattern)| is_it(pattern));
        found.fold(Marks::default(), |marks, (bit, _)| marks.with(bit).unwrap_or(marks))
    }

    /// The marks of all of these, which are known from now on; nothing where a bit is missing.
    fn learn(&mut self, wanted: &[ClientPattern]) -> Option<Marks> {
        wanted.iter().try_fold(Marks::default(), |marks, pattern| {
            let known = self.0.iter().position(|other| other == pattern);
            let bit = known.unwrap_or(self.0.len());
            // As many as there are bits: a list could name clients without end.
            if bit == self.0.len() && bit < Marks::COUNT {
                self.0.push(pattern.clone());
            }
            marks.with(bit)
        })
    }
}

/// The clients that a matcher knows, and whom of them its rules are for.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    pub(crate) known: KnownClients,
    /// Whom each rule that names clients is for (everybody, where it names none) and whom not, in
    /// the order of the rules.
    masks: Box<[(SpecialId, Option<Marks>, Marks)]>,
}

impl Clients {
    /// Those of these rules, beside others that are known already and keep their bits.
    pub(crate) fn new(mut known: KnownClients, sources: &Sources, ids: &[SpecialId]) -> Self {
        let mut masks = Vec::new();
        for id in ids {
            let terms = sources.special(*id).and_then(|(_, special)| special.rule.terms.as_ref());
            let Some(clients) = terms.and_then(|terms| terms.clients.as_ref()) else { continue };
            let included = known.learn(&clients.included);
            masks.push(match (included, known.learn(&clients.excluded)) {
                (Some(included), Some(excluded)) => {
                    let names_some = !clients.included.is_empty();
                    (*id, names_some.then_some(included), excluded)
                }
                // It names somebody there is no bit for: better for nobody than for everybody.
                _ => (*id, Some(Marks::default()), Marks::default()),
            });
        }
        Self { known, masks: masks.into() }
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
        size_of_val(&*self.known.0) + size_of_val(&*self.masks)
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
