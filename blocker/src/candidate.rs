//! A rule that may decide about a question, and how it ranks among others.

use crate::class::Say;
use crate::record_type::{A, AAAA};
use crate::rule::Reach;
use crate::source::{Action, SpecialId};
use crate::terms::Reply;

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
    /// The same, but what it answers is of another address family than was asked for.
    ReplyOfOtherFamily,
    Block,
}

impl Strength {
    pub(crate) const fn action(self) -> Action {
        match self {
            Self::AllowImportant | Self::Allow => Action::Allow,
            Self::BlockImportant | Self::Reply | Self::ReplyOfOtherFamily | Self::Block => {
                Action::Block
            }
        }
    }

    pub(crate) fn new(
        action: Action,
        is_important: bool,
        reply: Option<&Reply>,
        qtype: u16,
    ) -> Self {
        match (action, is_important) {
            (Action::Allow, true) => Self::AllowImportant,
            (Action::Allow, false) => Self::Allow,
            (Action::Block, true) => Self::BlockImportant,
            (Action::Block, false) => match (reply, qtype) {
                (None, _) => Self::Block,
                (Some(Reply::Addresses(None, Some(_))), A)
                | (Some(Reply::Addresses(Some(_), None)), AAAA) => Self::ReplyOfOtherFamily,
                (Some(_), _) => Self::Reply,
            },
        }
    }
}

impl<'a> Candidate<'a> {
    pub(crate) fn name(hash: u64, suffix: &'a [u8], distance: usize, say: Say) -> Self {
        let Say { kind, .. } = say;
        // No kind has addresses to answer, so that the type does not matter.
        let strength = Strength::new(kind.action(), kind.is_important(), kind.reply(), 0);
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
