//! What a rule says beside its names: when it holds, how strong it is, what is answered.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::name::Name;
use crate::question::Marks;

pub(crate) use except::{Except, MAX_EXCEPT};

mod except;
mod wording;

/// The terms of a rule that has any; the default are those of a rule that has none.
///
/// They are shown as the modifiers that say the same: `$important,dnstype=A`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Terms {
    /// Whether it beats rules of the other action that are not (`$important`).
    pub(crate) is_important: bool,
    /// The query types it holds for (`$dnstype`, `;querytype`).
    pub(crate) types: Option<Types>,
    /// The clients it holds for (`$client`).
    pub(crate) clients: Option<Clients>,
    /// Names that it does not hold for, nor for what lies below them (`$denyallow`).
    pub(crate) except: Except,
    /// What is answered where it blocks (`$dnsrewrite`, `;reply`); else what is configured.
    pub(crate) reply: Option<Reply>,
    /// Whether it holds for the names that its pattern does not match (`;invert`).
    pub(crate) is_inverted: bool,
    /// Whether it undoes the rule that is the same but for this (`$badfilter`).
    pub(crate) is_cancelling: bool,
}

/// Query types, or all but these.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Types {
    /// In ascending order, each once.
    pub(crate) numbers: Box<[u16]>,
    pub(crate) are_excluded: bool,
}

/// Clients, or all but these.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Clients {
    /// Whom the rule is for; where there is none: everybody.
    pub(crate) included: Box<[ClientPattern]>,
    /// Whom it is not for, even where they are included.
    pub(crate) excluded: Box<[ClientPattern]>,
}

/// Whom a rule is about.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum ClientPattern {
    /// Addresses with this beginning: so many bits of it. The other bits are zero.
    Network(IpAddr, u8),
    /// A client of this name.
    Name(Box<str>),
}

/// What is answered in place of what the name has.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// No data of any type.
    NoData,
    /// No such name.
    NxDomain,
    /// That we will not say.
    Refused,
    /// That we could not find out.
    ServFail,
    /// Nothing at all.
    Silence,
    /// These addresses; a missing one is the unspecified one.
    Addresses(Option<Ipv4Addr>, Option<Ipv6Addr>),
    /// What another name has.
    Alias(Box<Name>),
}

impl Terms {
    /// Whether a rule whose names match holds for this name and type; who asks is looked at by
    /// the matcher.
    pub(crate) fn hold(&self, name: &Name, qtype: u16) -> bool {
        let fits =
            |types: &Types| types.numbers.binary_search(&qtype).is_ok() != types.are_excluded;
        // What leads to the very name that was asked is no answer.
        let leads_back = matches!(&self.reply, Some(Reply::Alias(target)) if **target == *name);
        !leads_back && self.types.as_ref().is_none_or(fits) && !self.except.covers(name)
    }

    /// Whether the rule spares some names, types or clients, so that it may be about every name.
    pub(crate) const fn are_narrow(&self) -> bool {
        self.types.is_some() || self.clients.is_some() || !self.except.is_empty()
    }

    /// Bytes held on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.types.as_ref().map_or(0, |types| size_of_val(&*types.numbers))
            + self.clients.as_ref().map_or(0, Clients::memory)
            + self.except.memory()
            + self.reply.as_ref().map_or(0, Reply::memory)
    }
}

impl Types {
    /// These types without those, or all but those where none is included.
    ///
    /// Nothing where no type would be left.
    pub(crate) fn new(mut included: Vec<u16>, mut excluded: Vec<u16>) -> Option<Self> {
        let are_excluded = included.is_empty();
        if !are_excluded {
            included.retain(|number| !excluded.contains(number));
            excluded = included;
        }
        excluded.sort_unstable();
        excluded.dedup();
        (!excluded.is_empty()).then(|| Self { numbers: excluded.into(), are_excluded })
    }
}

impl Clients {
    /// These clients without those, each once.
    pub(crate) fn new(included: Vec<ClientPattern>, excluded: Vec<ClientPattern>) -> Self {
        Self { included: each_once(included), excluded: each_once(excluded) }
    }

    fn memory(&self) -> usize {
        let patterns = || self.included.iter().chain(&self.excluded);
        let names = patterns().map(|pattern| match pattern {
            ClientPattern::Network(..) => 0,
            ClientPattern::Name(name) => name.len(),
        });
        patterns().count() * size_of::<ClientPattern>() + names.sum::<usize>()
    }
}

/// The values in their order, without those that were there before; there are few.
fn each_once(values: Vec<ClientPattern>) -> Box<[ClientPattern]> {
    let mut known = Vec::with_capacity(values.len());
    for value in values {
        if !known.contains(&value) {
            known.push(value);
        }
    }
    known.into()
}

impl Reply {
    /// One address; the unspecified one is what a missing one is, and not kept.
    pub(crate) fn address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::Addresses((!v4.is_unspecified()).then_some(v4), None),
            IpAddr::V6(v6) => Self::Addresses(None, (!v6.is_unspecified()).then_some(v6)),
        }
    }

    /// Both replies at once, which only addresses of two families can be.
    pub(crate) const fn join(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Addresses(v4, None), Self::Addresses(None, v6))
            | (Self::Addresses(None, v6), Self::Addresses(v4, None)) => {
                Some(Self::Addresses(*v4, *v6))
            }
            _ => None,
        }
    }

    /// Bytes held on the heap.
    const fn memory(&self) -> usize {
        if matches!(self, Self::Alias(_)) { size_of::<Name>() } else { 0 }
    }
}

/// Most types of one rule: about as many as lists have words for.
pub(crate) const MAX_TYPES: usize = 64;
/// Most clients of one rule: all rules together cannot tell more apart.
pub(crate) const MAX_CLIENTS: usize = Marks::COUNT;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn included_types_lose_the_excluded_ones() {
        let types =
            |numbers: &[u16], are_excluded| Some(Types { numbers: numbers.into(), are_excluded });

        assert_eq!(Types::new(vec![28, 1, 1], vec![]), types(&[1, 28], false));
        assert_eq!(Types::new(vec![], vec![65, 1]), types(&[1, 65], true));
        assert_eq!(Types::new(vec![1, 28], vec![28, 65]), types(&[1], false));
        assert_eq!(Types::new(vec![1], vec![1]), None);
        assert_eq!(Types::new(vec![], vec![]), None);
    }

    #[test]
    fn only_addresses_of_two_families_are_given_together() {
        let v4 = Reply::address("192.0.2.1".parse().unwrap());
        let v6 = Reply::address("2001:db8::1".parse().unwrap());
        let both = Reply::Addresses("192.0.2.1".parse().ok(), "2001:db8::1".parse().ok());

        assert_eq!(v4.join(&v6), Some(both.clone()));
        assert_eq!(v6.join(&v4), Some(both));
        assert_eq!(v4.join(&v4), None);
        assert_eq!(v4.join(&Reply::NoData), None);
    }
}
