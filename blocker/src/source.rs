//! The origin of rules goes in, a small number comes out, because every rule carries it.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::group::GroupSet;

/// What happens to a name that a rule matches.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// The name is answered as if no list had it.
    Allow,
    /// The name is not resolved.
    Block,
}

/// Where rules come from: a list, or the table of single rules.
///
/// ```
/// use blocker::{Action, GroupSet, Source};
/// let ads = Source { name: "ads", action: Action::Block, groups: GroupSet::default() };
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Source<'a> {
    /// The name that verdicts report.
    pub name: &'a str,
    /// What the rules do. `Allow` holds for every rule; `Block` for all that are not `@@`.
    pub action: Action,
    /// Whom the rules concern.
    pub groups: GroupSet,
}

/// Every source seen so far, each once per name and group set, in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    lists: Vec<List>,
    numbers: HashTable<u16>,
    hasher: DefaultHashBuilder,
}

/// What is kept of a source.
#[derive(Clone, Debug)]
struct List {
    name: Box<str>,
    groups: GroupSet,
}

impl Sources {
    /// The number of this source, or nothing when there are too many already.
    pub(crate) fn number(&mut self, source: &Source<'_>) -> Option<u16> {
        let Self { lists, numbers, hasher } = self;
        let hash = hasher.hash_one((source.name, source.groups));
        let is_same = |&number: &u16| {
            lists
                .get(usize::from(number))
                .is_some_and(|list| *list.name == *source.name && list.groups == source.groups)
        };
        if let Some(&number) = numbers.find(hash, is_same) {
            return Some(number);
        }
        let number = u16::try_from(lists.len()).ok().filter(|&number| number < MAX_LISTS)?;
        lists.push(List { name: source.name.into(), groups: source.groups });
        numbers.insert_unique(hash, number, |&number| {
            let list = lists.get(usize::from(number));
            list.map_or(0, |list| hasher.hash_one((&*list.name, list.groups)))
        });
        Some(number)
    }

    /// The name of a source.
    pub(crate) fn name(&self, number: u16) -> &str {
        self.lists.get(usize::from(number)).map_or("", |list| &list.name)
    }

    /// Whom the rules of a source concern.
    pub(crate) fn groups(&self, number: u16) -> GroupSet {
        self.lists.get(usize::from(number)).map_or(GroupSet::EMPTY, |list| list.groups)
    }

    /// Gives back the memory that further sources would have needed.
    pub(crate) fn shrink(&mut self) {
        self.lists.shrink_to_fit();
    }

    /// Bytes held on the heap.
    pub(crate) fn memory(&self) -> usize {
        let names: usize = self.lists.iter().map(|list| list.name.len()).sum();
        names + self.lists.capacity() * size_of::<List>() + self.numbers.allocation_size()
    }
}

/// Most sources of one matcher, so that a rule's fits in two octets. People have a handful of
/// lists; the table of rules adds one for each set of groups it uses.
pub(crate) const MAX_LISTS: u16 = u16::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::GroupId;

    #[test]
    fn a_source_keeps_its_number_and_other_groups_make_another_source() {
        let ads = Source { name: "ads", action: Action::Block, groups: GroupSet::default() };
        let kids = GroupSet::single(GroupId::new(3).unwrap());
        let mut sources = Sources::default();

        assert_eq!(sources.number(&ads), Some(0));
        assert_eq!(sources.number(&Source { groups: kids, ..ads }), Some(1));
        assert_eq!(sources.number(&Source { action: Action::Allow, ..ads }), Some(0));
        assert_eq!((sources.name(1), sources.groups(1)), ("ads", kids));
    }
}
