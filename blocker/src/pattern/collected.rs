//! Pattern rules wait here until they are compiled together, so that their limits stand in one
//! place.

use std::collections::HashSet;

use super::{Pattern, PatternRule, Patterns};
use crate::rule::{Insertion, Origin};
use crate::source::Action;

/// The pattern rules seen so far.
#[derive(Debug, Default)]
pub(crate) struct CollectedPatterns {
    rules: Vec<PatternRule>,
    known: HashSet<(u16, Action, String)>,
    regexes: usize,
    memory: usize,
}

impl CollectedPatterns {
    /// Puts a rule in, unless a limit is reached.
    pub(crate) fn insert(&mut self, pattern: Pattern, origin: Origin) -> Option<Insertion> {
        let key = (origin.list, origin.action, pattern.to_string());
        if self.known.contains(&key) {
            return Some(Insertion::Duplicate);
        }
        let regexes = self.regexes + usize::from(matches!(pattern, Pattern::Regex(_)));
        let memory = self.memory + pattern.memory();
        if self.rules.len() >= MAX_PATTERNS || regexes > MAX_REGEXES || memory > MAX_MEMORY {
            return None;
        }
        self.regexes = regexes;
        self.memory = memory;
        self.known.insert(key);
        self.rules.push(PatternRule { pattern, origin });
        Some(Insertion::New)
    }

    /// Compiles the rules.
    ///
    /// # Errors
    /// When they are too large together for one search automaton.
    pub(crate) fn compile(self) -> Result<Patterns, aho_corasick::BuildError> {
        Patterns::new(self.rules)
    }
}

/// Most pattern rules of one matcher: each may have to be tried on every name. Lists have
/// hundreds; a list with more has something else in mind.
const MAX_PATTERNS: usize = 20_000;
/// Most regular expressions among them: each may take scratch memory for every thread. People
/// have dozens.
const MAX_REGEXES: usize = 2_000;
/// Most bytes of all patterns as compiled: room for the largest number of common ones.
const MAX_MEMORY: usize = 64 * 1024 * 1024;
