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
    /// The kind of a rule for a name; a special rule's place in its list, behind all kinds. Without
    /// it rules for two names that look the same could be one, and the second be passed over.
    place: u32,
}

/// What decides first, strongest first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Strength {
    AllowImportant,
    BlockImportant(Answer),
    Allow,
    Block(Answer),
}

/// What a rule that blocks has to say, best first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Answer {
    /// An answer of its own.
    Own,
    /// The same, but of another address family than was asked for.
    OfOtherFamily,
    /// What is configured.
    Configured,
}

impl Strength {
    pub(crate) const fn action(self) -> Action {
        match self {
            Self::AllowImportant | Self::Allow => Action::Allow,
            Self::BlockImportant(_) | Self::Block(_) => Action::Block,
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
            (Action::Block, true) => Self::BlockImportant(Answer::new(reply, qtype)),
            (Action::Block, false) => Self::Block(Answer::new(reply, qtype)),
        }
    }
}

impl Answer {
    const fn new(reply: Option<&Reply>, qtype: u16) -> Self {
        match (reply, qtype) {
            (None, _) => Self::Configured,
            (Some(Reply::Addresses(None, Some(_))), A)
            | (Some(Reply::Addresses(Some(_), None)), AAAA) => Self::OfOtherFamily,
            (Some(_), _) => Self::Own,
        }
    }
}

impl<'a> Candidate<'a> {
    pub(crate) fn name(
        hash: u64,
        suffix: &'a [u8],
        distance: usize,
        (say, action): (Say, Action),
    ) -> Self {
        let Say { kind, .. } = say;
        // No kind has addresses to answer, so that the type does not matter.
        let strength = Strength::new(action, kind.is_important(), kind.reply(), 0);
        let distance = rank_of(distance, say.kind.reach() == Reach::Exact);
        let rank = Rank { strength, distance, list: say.list, place: kind.octet().into() };
        Self { rank, found: Found::Name { hash, suffix, say } }
    }

    pub(crate) fn special(
        id: SpecialId,
        strength: Strength,
        distance: Option<usize>,
        is_exact: bool,
    ) -> Self {
        let distance = distance.map_or(u16::MAX, |distance| rank_of(distance, is_exact));
        let place = id.place.saturating_add(FIRST_SPECIAL);
        let rank = Rank { strength, distance, list: id.list, place };
        Self { rank, found: Found::Special(id) }
    }
}

fn rank_of(distance: usize, is_exact: bool) -> u16 {
    // A name has at most 255 octets.
    if is_exact { 0 } else { u16::try_from(distance + 1).unwrap_or(u16::MAX) }
}

/// The place of the first special rule: behind all kinds, each of which is an octet.
const FIRST_SPECIAL: u32 = 1 << u8::BITS;
