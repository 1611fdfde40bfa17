//! The text of a name goes in, the rules with wildcards or regular expressions that match come
//! out. One pass finds every rule whose literal occurs; only those are then tried one by one.

use std::collections::BTreeMap;
use std::fmt;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::rule::{Rule, Target};
use crate::source::{Sources, SpecialId};

pub(crate) use expression::{Expression, Trials};
pub(crate) use glob::{Glob, Start};

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

    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Glob(glob) => glob.matches(text),
            Self::Regex(expression) => expression.matches(text),
        }
    }

    /// Bytes held on the heap.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::Glob(glob) => glob.memory(),
            Self::Regex(expression) => expression.memory(),
        }
    }
}

impl PartialEq for Pattern {
    /// Patterns are the same when they are written the same way.
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
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

/// The pattern rules of a matcher, ready to be searched.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    literals: Option<AhoCorasick>,
    /// For each literal, by its number in the automaton, the rules that it stands for.
    owners: Box<[Box<[SpecialId]>]>,
    /// Rules without a literal, which have to be tried on every name.
    unguarded: Box<[SpecialId]>,
}

impl Patterns {
    /// Compiles the literals of these rules together, as far as they are patterns.
    ///
    /// # Errors
    /// When the automaton's numbers overflow, which the limits on patterns rule out.
    pub(crate) fn new(
        sources: &Sources,
        ids: &[SpecialId],
    ) -> Result<Self, aho_corasick::BuildError> {
        let mut owners: BTreeMap<&str, Vec<SpecialId>> = BTreeMap::new();
        let mut unguarded = Vec::new();
        for id in ids {
            let rule = sources.special(*id).map(|(_, special)| &special.rule);
            let Some(Rule { target: Target::Pattern(pattern), terms, .. }) = rule else { continue };
            let is_inverted = terms.as_ref().is_some_and(|terms| terms.is_inverted);
            match pattern.literal().filter(|literal| !is_inverted && !literal.is_empty()) {
                // The beginning of what must occur must occur too.
                Some(literal) => {
                    let beginning = literal.get(..MAX_LITERAL).unwrap_or(literal);
                    owners.entry(beginning).or_default().push(*id);
                }
                None => unguarded.push(*id),
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
        })
    }

    /// Calls `visit` once with every rule that may match.
    pub(crate) fn for_each_candidate(&self, text: &str, mut visit: impl FnMut(SpecialId)) {
        self.unguarded.iter().copied().for_each(&mut visit);
        for found in self.literals.iter().flat_map(|literals| literals.find_overlapping_iter(text))
        {
            // Without this, `a` would have its rules tried as often as it occurs in `aaaa.example`.
            let literal = text.get(found.range()).unwrap_or_default();
            let is_first = text.find(literal) == Some(found.start());
            if let Some(owners) = self.owners.get(found.pattern().as_usize()).filter(|_| is_first) {
                owners.iter().copied().for_each(&mut visit);
            }
        }
    }

    /// Whether there is no pattern rule at all.
    pub(crate) const fn is_empty(&self) -> bool {
        self.literals.is_none() && self.unguarded.is_empty()
    }

    /// Bytes held on the heap, the rules themselves left out.
    pub(crate) fn memory(&self) -> usize {
        let owners: usize = self.owners.iter().map(|ids| size_of_val(&**ids)).sum();
        owners
            + size_of_val(&*self.owners)
            + size_of_val(&*self.unguarded)
            + self.literals.as_ref().map_or(0, AhoCorasick::memory_usage)
    }
}

/// Octets of a literal that the automaton keeps: enough to tell names apart, and it bounds the
/// automaton to this many states for each pattern.
const MAX_LITERAL: usize = 16;
