//! A rule that may decide about a question, and how it ranks among others.

use crate::class::Say;
use crate::rule::Reach;
use crate::source::{Action, SpecialId};
use crate::terms::Terms;

/// A rule for a name or a parent of it, or a pattern that may match.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) rank: Rank,
    pub(crate) found: Found<'a>,
}

/// Where the rule is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'a> {
    /// In a compiled list, if the name there is this suffix of the question's.
    Name { hash: u64, suffix: &'a [u8], say: Say },
    /// In memory.
    Special(SpecialId),
}

/// How a rule ranks; the least decides. No two rules that match a name have the same rank.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Rank {
    pub(crate) strength: Strength,
    /// Names before patterns; of names the exact one, then by the octets in front of the suffix.
    distance: u16,
    pub(crate) list: u16,
    /// A special rule's place in its list, from one.
    place: u32,
}

/// What decides first, strongest first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Strength {
    AllowImportant,
    BlockImportant,
    Allow,
    /// Blocks with an answer of its own.
    Reply,
    Block,
}

impl Strength {
    pub(crate) const fn action(self) -> Action {
        match self {
            Self::AllowImportant | Self::Allow => Action::Allow,
            Self::BlockImportant | Self::Reply | Self::Block => Action::Block,
        }
    }

    pub(crate) const fn new(action: Action, is_important: bool) -> Self {
        match (action, is_important) {
            (Action::Allow, true) => Self::AllowImportant,
            (Action::Allow, false) => Self::Allow,
            (Action::Block, true) => Self::BlockImportant,
            (Action::Block, false) => Self::Block,
        }
    }

    pub(crate) fn of_special(action: Action, terms: Option<&Terms>) -> Self {
        let is_important = terms.is_some_and(|terms| terms.is_important);
        match Self::new(action, is_important) {
            Self::Block if terms.is_some_and(|terms| terms.reply.is_some()) => Self::Reply,
            strength => strength,
        }
    }
}

impl<'a> Candidate<'a> {
    pub(crate) fn name(hash: u64, suffix: &'a [u8], distance: usize, say: Say) -> Self {
        let strength = Strength::new(say.kind.action(), say.kind.is_important());
        let distance = rank_of(distance, say.kind.reach() == Reach::Exact);
        let rank = Rank { strength, distance, list: say.list, place: 0 };
        Self { rank, found: Found::Name { hash, suffix, say } }
    }

    pub(crate) fn special(
        id: SpecialId,
        strength: Strength,
        distance: Option<usize>,
        is_exact: bool,
    ) -> Self {
        let distance = distance.map_or(u16::MAX, |distance| rank_of(distance, is_exact));
        let rank = Rank { strength, distance, list: id.list, place: id.place.saturating_add(1) };
        Self { rank, found: Found::Special(id) }
    }
}

fn rank_of(distance: usize, is_exact: bool) -> u16 {
    // A name has at most 255 octets.
    if is_exact { 0 } else { u16::try_from(distance + 1).unwrap_or(u16::MAX) }
}
