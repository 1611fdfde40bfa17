//! What a list line says once it is understood: the value between the formats and the tables.

use crate::name::Name;
use crate::pattern::Pattern;
use crate::source::Action;
use crate::terms::{Reply, Terms};

mod wording;

/// One rule, whatever format it came in.
///
/// It is shown in normal form: an adblock line that means the same.
#[derive(Debug)]
pub(crate) struct Rule {
    /// What the line asks for; the source may overrule it.
    pub(crate) action: Action,
    /// Which names are meant.
    pub(crate) target: Target,
    /// What else the line says, where it says more than that.
    pub(crate) terms: Option<Box<Terms>>,
}

impl Rule {
    /// The rule of a format that says what is answered instead.
    pub(crate) fn answer(target: Target, reply: Reply) -> Self {
        let terms = Terms { reply: Some(reply), ..Terms::default() };
        Self { action: Action::Block, target, terms: Some(Box::new(terms)) }
    }

    /// The rule of a format that lets the names pass.
    pub(crate) const fn allow(target: Target) -> Self {
        Self { action: Action::Allow, target, terms: None }
    }

    /// The rule of a format that cannot say "allow".
    pub(crate) const fn block(target: Target) -> Self {
        Self { action: Action::Block, target, terms: None }
    }

    /// The kind of a rule that says nothing beyond it; nothing for a special one.
    pub(crate) fn kind(&self) -> Option<Kind> {
        let kind = self.target.kind(self.action)?;
        self.terms.as_ref().map_or(Some(kind), |terms| kind.with(terms))
    }

    /// Bytes held on the heap.
    pub(crate) fn memory(&self) -> usize {
        let pattern = match &self.target {
            Target::Exact(_) | Target::Subtree(_) => 0,
            Target::Pattern(pattern) => pattern.memory(),
        };
        let terms = self.terms.as_ref();
        pattern + terms.map_or(0, |terms| size_of::<Terms>() + terms.memory())
    }
}

/// The names a rule is about.
#[derive(Debug, PartialEq)]
pub(crate) enum Target {
    /// This name, nothing below it.
    Exact(Name),
    /// This name and everything below it.
    Subtree(Name),
    /// Names whose text looks like this.
    Pattern(Pattern),
}

impl Target {
    /// The name it is about, if it is about one.
    pub(crate) const fn name(&self) -> Option<&Name> {
        match self {
            Self::Exact(name) | Self::Subtree(name) => Some(name),
            Self::Pattern(_) => None,
        }
    }

    /// The kind of a rule for names that says no more than this.
    pub(crate) const fn kind(&self, action: Action) -> Option<Kind> {
        match self {
            Self::Exact(_) => Some(Kind::new(action, Reach::Exact)),
            Self::Subtree(_) => Some(Kind::new(action, Reach::Subtree)),
            Self::Pattern(_) => None,
        }
    }
}

/// How far the rule for a name reaches, narrowest first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Reach {
    /// The name alone.
    Exact,
    /// The name and everything below it.
    Subtree,
}

/// What a rule for a name does, in one octet; compiled lists keep it.
///
/// Beside action and reach these are the terms that lists of a million rules have: being important,
/// and the answers of policy zones.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Kind(u8);

impl Kind {
    /// How many kinds there are.
    pub(crate) const COUNT: usize = 1 << BITS;

    pub(crate) const fn new(action: Action, reach: Reach) -> Self {
        let action = if matches!(action, Action::Allow) { ALLOWS } else { 0 };
        Self(action | if matches!(reach, Reach::Subtree) { REACHES_BELOW } else { 0 })
    }

    /// The same with these terms, if they say no more than a kind can.
    pub(crate) fn with(self, terms: &Terms) -> Option<Self> {
        let known = match &terms.reply {
            None => 0,
            Some(reply) => REPLIES.iter().position(|known| known == reply)? + 1,
        };
        let said = Terms {
            is_important: terms.is_important,
            reply: terms.reply.clone(),
            ..Terms::default()
        };
        let important = if terms.is_important { IS_IMPORTANT } else { 0 };
        let reply = u8::try_from(known).ok()? << REPLY;
        (*terms == said).then_some(Self(self.0 | important | reply))
    }

    /// The kind that a compiled list has written, if it is one.
    pub(crate) const fn from_octet(octet: u8) -> Option<Self> {
        if octet >> BITS == 0 { Some(Self(octet)) } else { None }
    }

    pub(crate) const fn octet(self) -> u8 {
        self.0
    }

    pub(crate) const fn action(self) -> Action {
        if self.0 & ALLOWS == 0 { Action::Block } else { Action::Allow }
    }

    pub(crate) const fn reach(self) -> Reach {
        if self.0 & REACHES_BELOW == 0 { Reach::Exact } else { Reach::Subtree }
    }

    /// Whether a rule of this kind for a name speaks of what was asked.
    pub(crate) fn reaches(self, is_the_name_itself: bool) -> bool {
        is_the_name_itself || self.reach() == Reach::Subtree
    }

    pub(crate) const fn is_important(self) -> bool {
        self.0 & IS_IMPORTANT != 0
    }

    /// What the rule wants to be answered.
    pub(crate) fn reply(self) -> Option<&'static Reply> {
        REPLIES.get(usize::from(self.0 >> REPLY).checked_sub(1)?)
    }

    pub(crate) const fn has_terms(self) -> bool {
        self.0 & !(ALLOWS | REACHES_BELOW) != 0
    }
}

const ALLOWS: u8 = 1;
const REACHES_BELOW: u8 = 2;
const IS_IMPORTANT: u8 = 4;
/// Where the number of the reply lies.
const REPLY: u32 = 3;
/// Bits of a kind.
const BITS: u32 = 5;
/// The replies that policy zones give to names by the million.
const REPLIES: [Reply; 3] = [Reply::NxDomain, Reply::NoData, Reply::Silence];
