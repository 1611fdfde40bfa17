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
        match &self.terms {
            None => self.target.kind(self.action, false),
            Some(terms) => self.target.kind(self.action, terms.importance()?),
        }
    }

    /// Bytes held on the heap.
    pub(crate) fn memory(&self) -> usize {
        let pattern = match &self.target {
            Target::Exact(_) | Target::Subtree(_) => 0,
            Target::Pattern(pattern) => pattern.memory(),
        };
        pattern + self.terms.as_ref().map_or(0, |_| size_of::<Terms>())
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
    pub(crate) const fn kind(&self, action: Action, is_important: bool) -> Option<Kind> {
        match self {
            Self::Exact(_) => Some(Kind::new(action, Reach::Exact, is_important)),
            Self::Subtree(_) => Some(Kind::new(action, Reach::Subtree, is_important)),
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
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Kind(u8);

impl Kind {
    /// How many kinds there are.
    pub(crate) const COUNT: usize = 8;

    pub(crate) const fn new(action: Action, reach: Reach, is_important: bool) -> Self {
        let action = if matches!(action, Action::Allow) { ALLOWS } else { 0 };
        let reach = if matches!(reach, Reach::Subtree) { REACHES_BELOW } else { 0 };
        Self(action | reach | if is_important { IS_IMPORTANT } else { 0 })
    }

    /// The kind that a compiled list has written, if it is one.
    pub(crate) const fn from_octet(octet: u8) -> Option<Self> {
        if octet <= ALLOWS | REACHES_BELOW | IS_IMPORTANT { Some(Self(octet)) } else { None }
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

    pub(crate) const fn is_important(self) -> bool {
        self.0 & IS_IMPORTANT != 0
    }
}

const ALLOWS: u8 = 1;
const REACHES_BELOW: u8 = 2;
const IS_IMPORTANT: u8 = 4;
