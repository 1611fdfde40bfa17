//! Where rules come from, what they do and whom they concern, by a number that fits into a rule.

use std::sync::Arc;

use crate::class::MAX_LISTS;
use crate::compiled::{CompiledList, Special};
use crate::group::GroupSet;

/// What a rule does with a name.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
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

/// Whether the rules of a list decide.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// They do.
    #[default]
    Enforce,
    /// They only tell what they would have blocked.
    Shadow,
}

/// A list as a part of a matcher.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: Box<str>,
    pub(crate) action: Action,
    pub(crate) groups: GroupSet,
    pub(crate) mode: Mode,
    pub(crate) list: Arc<CompiledList>,
}

impl Member {
    /// What a rule does that says this of itself: in a list that allows, all rules do.
    pub(crate) const fn does(&self, rule: Action) -> Action {
        match self.action {
            Action::Allow => Action::Allow,
            Action::Block => rule,
        }
    }
}

/// The lists of a matcher, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Sources(Vec<Member>);

/// A special rule, by its list and its place there.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct SpecialId {
    pub(crate) list: u16,
    pub(crate) place: u32,
}

impl Sources {
    /// Adds a list, unless there are too many.
    pub(crate) fn push(&mut self, member: Member) -> bool {
        let has_room = self.0.len() < usize::from(MAX_LISTS);
        if has_room {
            self.0.push(member);
        }
        has_room
    }

    pub(crate) fn get(&self, number: u16) -> Option<&Member> {
        self.0.get(usize::from(number))
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Member> {
        self.0.iter()
    }

    /// Every special rule of every list, in order.
    pub(crate) fn specials(&self) -> impl Iterator<Item = (SpecialId, &Special)> {
        (0..).zip(&self.0).flat_map(|(list, member)| {
            let place = move |(place, special)| (SpecialId { list, place }, special);
            (0..).zip(&member.list.specials).map(place)
        })
    }

    /// A special rule and the list that it is of.
    pub(crate) fn special(&self, id: SpecialId) -> Option<(&Member, &Special)> {
        let member = self.get(id.list)?;
        Some((member, member.list.specials.get(usize::try_from(id.place).ok()?)?))
    }

    /// Bytes held on the heap, the lists included.
    pub(crate) fn memory(&self) -> usize {
        let lists: usize =
            self.0.iter().map(|member| member.name.len() + member.list.memory()).sum();
        lists + self.0.capacity() * size_of::<Member>()
    }
}
