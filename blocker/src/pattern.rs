//! The text of a name goes in, the rules with wildcards or regular expressions that match come
//! out. One pass finds every rule whose literal occurs; only those are then tried one by one.

use std::collections::BTreeMap;
use std::fmt;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::rule::Origin;
use crate::source::Action;

pub(crate) use collected::CollectedPatterns;
pub(crate) use expression::Expression;
pub(crate) use glob::{Glob, Start};

mod collected;
mod expression;
mod glob;

/// What a pattern rule compares a name's text with.
#[derive(Debug)]
pub(crate) enum Pattern {
    /// A name with wildcards.
    Glob(Glob),
    /// A regular expression.
    Regex(Expression),
}

impl Pattern {
    /// Text that occurs in every name this matches, if there is any.
    fn literal(&self) -> Option<&str> {
        match self {
            Self::Glob(glob) => Some(glob.literal()),
            Self::Regex(expression) => expression.literal(),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Glob(glob) => glob.matches(text),
            Self::Regex(expression) => expression.matches(text),
        }
    }

    /// Bytes held on the heap.
    fn memory(&self) -> usize {
        match self {
            Self::Glob(glob) => glob.memory(),
            Self::Regex(expression) => expression.memory(),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Glob(glob) => glob.fmt(formatter),
            Self::Regex(expression) => expression.fmt(formatter),
        }
    }
}

/// A pattern and where it came from.
#[derive(Debug)]
pub(crate) struct PatternRule {
    pub(crate) pattern: Pattern,
    pub(crate) origin: Origin,
}

impl PatternRule {
    /// Where the rule stands; the first of several that match is reported.
    pub(crate) const fn place(&self) -> (u16, u32) {
        (self.origin.list, self.origin.line)
    }
}

/// All patterns of a matcher, ready to be searched.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    rules: Box<[PatternRule]>,
    literals: Option<AhoCorasick>,
    /// For each literal, by its number in the automaton, the rules that it stands for.
    owners: Box<[Box<[u32]>]>,
    /// Rules without a literal, which have to be tried on every name.
    unguarded: Box<[u32]>,
    has_allow: bool,
}

impl Patterns {
    /// Compiles the literals of all rules together.
    ///
    /// # Errors
    /// When the automaton's numbers overflow, which the limits on patterns rule out.
    fn new(rules: Vec<PatternRule>) -> Result<Self, aho_corasick::BuildError> {
        let mut owners: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        let mut unguarded = Vec::new();
        for (number, rule) in (0..).zip(&rules) {
            match rule.pattern.literal() {
                // The beginning of what must occur must occur too.
                Some(literal) => {
                    let beginning = literal.get(..MAX_LITERAL).unwrap_or(literal);
                    owners.entry(beginning).or_default().push(number);
                }
                None => unguarded.push(number),
            }
        }
        let literals = match owners.len() {
            0 => None,
            _ => Some(AhoCorasick::builder().match_kind(MatchKind::Standard).build(owners.keys())?),
        };
        Ok(Self {
            literals,
            owners: owners.into_values().map(Vec::into_boxed_slice).collect(),
            unguarded: unguarded.into(),
            has_allow: rules.iter().any(|rule| rule.origin.action == Action::Allow),
            rules: rules.into(),
        })
    }

    /// Calls `visit` once with every rule that may match.
    pub(crate) fn for_each_candidate<'a>(
        &'a self,
        text: &str,
        mut visit: impl FnMut(Candidate<'a>),
    ) {
        let mut visit_all = |numbers: &[u32]| {
            let rule = |number: &u32| self.rules.get(usize::try_from(*number).ok()?);
            numbers.iter().filter_map(rule).map(Candidate).for_each(&mut visit);
        };
        visit_all(&self.unguarded);
        for found in self.literals.iter().flat_map(|literals| literals.find_overlapping_iter(text))
        {
            // Without this, `a` would have its rules tried as often as it occurs in `aaaa.example`.
            let literal = text.get(found.range()).unwrap_or_default();
            let is_first = text.find(literal) == Some(found.start());
            if let Some(owners) = self.owners.get(found.pattern().as_usize()).filter(|_| is_first) {
                visit_all(owners);
            }
        }
    }

    /// Whether any rule allows names.
    pub(crate) const fn has_allow(&self) -> bool {
        self.has_allow
    }

    /// How many rules there are.
    pub(crate) const fn len(&self) -> usize {
        self.rules.len()
    }

    /// Bytes held on the heap.
    pub(crate) fn memory(&self) -> usize {
        let patterns: usize = self.rules.iter().map(|rule| rule.pattern.memory()).sum();
        let owners: usize = self.owners.iter().map(|numbers| size_of_val(&**numbers)).sum();
        patterns
            + owners
            + size_of_val(&*self.rules)
            + size_of_val(&*self.owners)
            + size_of_val(&*self.unguarded)
            + self.literals.as_ref().map_or(0, AhoCorasick::memory_usage)
    }
}

/// A rule whose literal occurs in the name.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'a>(pub(crate) &'a PatternRule);

impl Candidate<'_> {
    /// Whether the whole pattern matches. Costs more than any question about the rule's origin.
    pub(crate) fn matches(self, text: &str) -> bool {
        self.0.pattern.matches(text)
    }
}

/// Octets of a literal that the automaton keeps: enough to tell names apart, and it bounds the
/// automaton to this many states for each pattern.
const MAX_LITERAL: usize = 16;
