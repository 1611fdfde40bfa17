//! A name's suffix goes in, the rules for exactly that name come out. Names are compared octet by
//! octet after the hash has found them, so that a wrong block is impossible.

use std::hash::BuildHasher;
use std::num::NonZeroU32;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::name::{Name, labels};
use crate::rule::{Insertion, Origin, Reach};
use crate::source::Action;

/// Every rule for a name or what lies below one.
///
/// Names lie one after another in an arena, each once. A rule knows where its name begins and
/// which rule for the same name comes next; the table holds the number of each name's first rule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Domains {
    arena: Vec<u8>,
    rules: Vec<DomainRule>,
    first_rules: HashTable<u32>,
    /// Seeded at random, so that a list's author cannot choose names that collide.
    hasher: DefaultHashBuilder,
}

/// A rule for one name, in 16 octets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DomainRule {
    name: u32,
    /// Never rule 0, as it follows another.
    next: Option<NonZeroU32>,
    pub(crate) line: u32,
    pub(crate) list: u16,
    pub(crate) action: Action,
    pub(crate) reach: Reach,
}

impl Domains {
    /// Makes room for rules, so that the table need not grow step by step and hash all names anew.
    pub(crate) fn reserve(&mut self, rules: usize) {
        let Self { arena, rules: held, first_rules, hasher } = self;
        held.reserve(rules);
        first_rules.reserve(rules, |&first| hasher.hash_one(name_of(arena, held, first)));
    }

    /// Puts a rule in, unless there are no numbers left.
    pub(crate) fn insert(
        &mut self,
        name: &Name,
        reach: Reach,
        origin: Origin,
    ) -> Option<Insertion> {
        let Self { arena, rules, first_rules, hasher } = self;
        let number = u32::try_from(rules.len()).ok()?;
        let offset = u32::try_from(arena.len()).ok()?;
        let wire = name.as_wire();
        let rule = DomainRule::new(offset, reach, origin);
        let is_same = |&first: &u32| name_starts_with(arena, rules, first, wire);
        let hash = |&first: &u32| hasher.hash_one(name_of(arena, rules, first));
        match first_rules.entry(hasher.hash_one(wire), is_same, hash) {
            Entry::Vacant(vacant) => {
                vacant.insert(number);
                arena.extend_from_slice(wire);
                rules.push(rule);
                Some(Insertion::New)
            }
            Entry::Occupied(occupied) => append(rules, *occupied.get(), number, rule),
        }
    }

    /// The rules for the name with this wire form, in the order they were put in.
    pub(crate) fn rules_for(&self, wire: &[u8]) -> impl Iterator<Item = &DomainRule> {
        let is_same = |&first: &u32| name_starts_with(&self.arena, &self.rules, first, wire);
        let first = self.first_rules.find(self.hasher.hash_one(wire), is_same);
        let rule = |number: u32| rule_at(&self.rules, number);
        std::iter::successors(first.copied().and_then(rule), move |last| rule(last.next?.get()))
    }

    /// The wire form of the name that a rule is for.
    pub(crate) fn name(&self, rule: &DomainRule) -> &[u8] {
        name_at(&self.arena, rule.name)
    }

    /// How many rules there are.
    pub(crate) const fn len(&self) -> usize {
        self.rules.len()
    }

    /// Gives back the memory that further rules would have needed.
    pub(crate) fn shrink(&mut self) {
        let Self { arena, rules, first_rules, hasher } = self;
        arena.shrink_to_fit();
        rules.shrink_to_fit();
        first_rules.shrink_to_fit(|&first| hasher.hash_one(name_of(arena, rules, first)));
    }

    /// Bytes held on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.arena.capacity()
            + self.rules.capacity() * size_of::<DomainRule>()
            + self.first_rules.allocation_size()
    }
}

impl DomainRule {
    const fn new(name: u32, reach: Reach, origin: Origin) -> Self {
        let Origin { action, list, line } = origin;
        Self { name, next: None, line, list, action, reach }
    }

    /// Whether the same list says the same of the same name.
    fn repeats(&self, other: &Self) -> bool {
        (self.list, self.action, self.reach) == (other.list, other.action, other.reach)
    }
}

/// Adds a rule behind the others for its name, unless it is there.
fn append(
    rules: &mut Vec<DomainRule>,
    first: u32,
    number: u32,
    rule: DomainRule,
) -> Option<Insertion> {
    let mut next = Some(first);
    while let Some(held) = next.and_then(|next| rules.get_mut(usize::try_from(next).ok()?)) {
        if held.repeats(&rule) {
            return Some(Insertion::Duplicate);
        }
        next = held.next.map(NonZeroU32::get);
        if next.is_none() {
            held.next = NonZeroU32::new(number);
            let name = held.name;
            rules.push(DomainRule { name, ..rule });
            return Some(Insertion::New);
        }
    }
    None
}

fn rule_at(rules: &[DomainRule], number: u32) -> Option<&DomainRule> {
    rules.get(usize::try_from(number).ok()?)
}

/// The arena from the beginning of a rule's name on.
fn arena_from<'a>(arena: &'a [u8], rules: &[DomainRule], number: u32) -> &'a [u8] {
    let offset = rule_at(rules, number).and_then(|rule| usize::try_from(rule.name).ok());
    offset.and_then(|offset| arena.get(offset..)).unwrap_or_default()
}

/// Whether a rule is for this name. No name is the beginning of another, as each ends in the
/// root's zero, so there is no need to know where the rule's name ends.
fn name_starts_with(arena: &[u8], rules: &[DomainRule], number: u32, wire: &[u8]) -> bool {
    arena_from(arena, rules, number).starts_with(wire)
}

/// The name of a rule, cut off at its end.
fn name_of<'a>(arena: &'a [u8], rules: &[DomainRule], number: u32) -> &'a [u8] {
    rule_at(rules, number).map_or(&[], |rule| name_at(arena, rule.name))
}

fn name_at(arena: &[u8], offset: u32) -> &[u8] {
    let rest = usize::try_from(offset).ok().and_then(|offset| arena.get(offset..));
    let rest = rest.unwrap_or_default();
    let octets: usize = labels(rest).map(|label| label.len() + 1).sum();
    rest.get(..=octets).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_takes_16_octets() {
        assert_eq!(size_of::<DomainRule>(), 16);
    }

    #[test]
    fn rules_for_one_name_come_in_the_order_they_were_put_in() {
        let mut domains = Domains::default();
        let name = Name::parse("ads.example").unwrap();
        let origin = |list| Origin { action: Action::Block, list, line: 1 };

        assert_eq!(domains.insert(&name, Reach::Exact, origin(2)), Some(Insertion::New));
        assert_eq!(domains.insert(&name, Reach::Exact, origin(1)), Some(Insertion::New));
        assert_eq!(domains.insert(&name, Reach::Subtree, origin(1)), Some(Insertion::New));
        assert_eq!(domains.insert(&name, Reach::Exact, origin(1)), Some(Insertion::Duplicate));

        let found: Vec<_> = domains.rules_for(name.as_wire()).collect();
        assert_eq!(found.iter().map(|rule| rule.list).collect::<Vec<_>>(), [2, 1, 1]);
        assert!(found.iter().all(|rule| domains.name(rule) == name.as_wire()));
        let parent = name.parent().unwrap();
        assert_eq!(domains.rules_for(parent.as_wire()).count(), 0);
    }

    #[test]
    fn every_name_is_found_again_after_the_table_has_grown_and_shrunk() {
        let mut domains = Domains::default();
        let name = |number: u32| Name::parse(&format!("n{number}.example")).unwrap();
        for line in 0..5_000 {
            let origin = Origin { action: Action::Block, list: 0, line };
            assert_eq!(domains.insert(&name(line), Reach::Subtree, origin), Some(Insertion::New));
        }

        domains.shrink();

        let line_of =
            |number| domains.rules_for(name(number).as_wire()).map(|rule| rule.line).next();
        assert!((0..5_000).all(|number| line_of(number) == Some(number)));
        assert_eq!(line_of(5_000), None);
    }
}
