//! A name and the asker's groups go in, a verdict comes out.

use std::cmp::Ordering;

use crate::builder::MatcherBuilder;
use crate::domains::{DomainRule, Domains};
use crate::group::GroupSet;
use crate::name::Name;
use crate::name::text::Text;
use crate::pattern::{Candidate, PatternRule, Patterns};
use crate::rule::{Origin, Reach};
use crate::source::{Action, Sources};
use crate::verdict::{Match, Verdict, Wording};

/// Compiled lists: immutable, and shared by any number of threads.
///
/// An empty one, which passes every name, is the default. Asking takes no lock and no memory;
/// only a regular expression rule whose literal occurs in the name may need some scratch memory
/// the first time threads meet in it.
///
/// ```
/// # use blocker::{GroupSet, Matcher, Name};
/// let matcher = Matcher::default();
/// let verdict = matcher.verdict(&Name::parse("ads.example")?, GroupSet::ALL);
/// assert!(verdict.is_pass());
/// # Ok::<(), blocker::NameError>(())
/// ```
#[derive(Debug, Default)]
pub struct Matcher {
    sources: Sources,
    domains: Domains,
    patterns: Patterns,
}

impl Matcher {
    /// Starts an empty collection of rules.
    #[must_use]
    pub fn builder() -> MatcherBuilder {
        MatcherBuilder::default()
    }

    pub(crate) const fn new(sources: Sources, domains: Domains, patterns: Patterns) -> Self {
        Self { sources, domains, patterns }
    }

    /// What the rules for these groups say about a name.
    ///
    /// Allow beats block. Among rules of one kind the most specific name is reported: an exact
    /// rule, then the longest suffix, then patterns; among equals the list that was added first.
    #[must_use]
    pub fn verdict(&self, name: &Name, groups: GroupSet) -> Verdict<'_> {
        let mut block = None;
        let mut reach = Reach::Exact;
        for suffix in name.suffixes() {
            let best = self.best_for_suffix(suffix, reach, groups);
            if let Some(allow) = best.allow {
                return Verdict::Allow(self.domain_match(allow));
            }
            block = block.or(best.block);
            reach = Reach::Subtree;
        }
        match block {
            Some(block) if !self.patterns.has_allow() => Verdict::Block(self.domain_match(block)),
            _ => self.verdict_with_patterns(name, groups, block),
        }
    }

    /// How many rules are held, each list's own copy of a rule counted.
    #[must_use]
    pub const fn rules(&self) -> usize {
        self.domains.len() + self.patterns.len()
    }

    /// Bytes held, without the scratch memory that regular expressions use while searching.
    #[must_use]
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.sources.memory() + self.domains.memory() + self.patterns.memory()
    }

    /// The best rules for one suffix of the asked name that reach at least so far.
    fn best_for_suffix(&self, suffix: &[u8], reach: Reach, groups: GroupSet) -> Best<&DomainRule> {
        let mut best = Best::default();
        for rule in self.domains.rules_for(suffix) {
            if rule.reach >= reach && self.sources.groups(rule.list).intersects(groups) {
                best.offer(rule.action, rule, |a, b| (a.reach, a.list).cmp(&(b.reach, b.list)));
            }
        }
        best
    }

    /// Completes the verdict of the rules for names, which allow nothing and may block.
    fn verdict_with_patterns(
        &self,
        name: &Name,
        groups: GroupSet,
        block: Option<&DomainRule>,
    ) -> Verdict<'_> {
        let best = self.best_pattern(name, groups);
        match (best.allow, block, best.block) {
            (Some(allow), ..) => Verdict::Allow(self.pattern_match(allow)),
            (None, Some(block), _) => Verdict::Block(self.domain_match(block)),
            (None, None, Some(block)) => Verdict::Block(self.pattern_match(block)),
            (None, None, None) => Verdict::Pass,
        }
    }

    fn best_pattern(&self, name: &Name, groups: GroupSet) -> Best<&PatternRule> {
        let mut best = Best::default();
        if self.patterns.len() == 0 {
            return best;
        }
        let text = Text::new(name);
        let text = text.as_str();
        self.patterns.for_each_candidate(text, |candidate: Candidate<'_>| {
            let rule = candidate.0;
            let Origin { action, list, .. } = rule.origin;
            if self.sources.groups(list).intersects(groups) && candidate.matches(text) {
                best.offer(action, rule, |a, b| a.place().cmp(&b.place()));
            }
        });
        best
    }

    fn domain_match<'a>(&'a self, rule: &DomainRule) -> Match<'a> {
        Match {
            list: self.sources.name(rule.list),
            line: rule.line,
            rule: Wording::Domain(rule.reach, self.domains.name(rule)),
        }
    }

    fn pattern_match<'a>(&'a self, rule: &'a PatternRule) -> Match<'a> {
        Match {
            list: self.sources.name(rule.origin.list),
            line: rule.origin.line,
            rule: Wording::Pattern(&rule.pattern),
        }
    }
}

/// The best allow rule and the best block rule seen so far.
struct Best<R> {
    allow: Option<R>,
    block: Option<R>,
}

impl<R> Best<R> {
    /// Keeps the rule if nothing of its action was there, or something that compares greater.
    fn offer(&mut self, action: Action, rule: R, compare: impl FnOnce(&R, &R) -> Ordering) {
        let place = match action {
            Action::Allow => &mut self.allow,
            Action::Block => &mut self.block,
        };
        if place.as_ref().is_none_or(|held| compare(&rule, held).is_lt()) {
            *place = Some(rule);
        }
    }
}

impl<R> Default for Best<R> {
    fn default() -> Self {
        Self { allow: None, block: None }
    }
}
