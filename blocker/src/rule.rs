//! What a list line says once it is understood: the value between the formats and the tables.

use crate::name::Name;
use crate::pattern::Pattern;
use crate::source::Action;

/// One rule, whatever format it came in.
#[derive(Debug)]
pub(crate) struct Rule {
    /// What the line asks for; the source may overrule it.
    pub(crate) action: Action,
    /// Which names are meant.
    pub(crate) target: Target,
}

impl Rule {
    /// The rule of a format that cannot say "allow".
    pub(crate) const fn block(target: Target) -> Self {
        Self { action: Action::Block, target }
    }
}

/// The names a rule is about.
#[derive(Debug)]
pub(crate) enum Target {
    /// This name, nothing below it.
    Exact(Name),
    /// This name and everything below it.
    Subtree(Name),
    /// Names whose text looks like this.
    Pattern(Pattern),
}

/// Where a rule came from, and what it does now that its source has had its say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// What happens to names that match.
    pub(crate) action: Action,
    /// The number of the source.
    pub(crate) list: u16,
    /// The line there.
    pub(crate) line: u32,
}

/// How far the rule for a name reaches, narrowest first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Reach {
    /// The name alone.
    Exact,
    /// The name and everything below it.
    Subtree,
}

/// What became of a rule that was put in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Insertion {
    /// It was not there before.
    New,
    /// The same list had said the same.
    Duplicate,
}
