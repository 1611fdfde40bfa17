//! Lines go in one by one, a compiled matcher comes out.

use crate::domains::Domains;
use crate::format;
use crate::matcher::Matcher;
use crate::pattern::CollectedPatterns;
use crate::report::{ListReport, MAX_LINE, Reason, Rejection};
use crate::rule::{Insertion, Origin, Reach, Rule, Target};
use crate::source::{Action, MAX_LISTS, Source, Sources};

/// Collects the rules of lists until they are compiled.
///
/// ```
/// use blocker::{Action, GroupSet, Matcher, Source};
/// let rules = Source { name: "rules", action: Action::Block, groups: GroupSet::default() };
/// let mut builder = Matcher::builder();
/// assert_eq!(builder.add_line(&rules, 1, "0.0.0.0 a.example b.example # ads")?, 2);
/// assert_eq!(builder.build()?.rules(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct MatcherBuilder {
    sources: Sources,
    domains: Domains,
    patterns: CollectedPatterns,
    has_too_many_lists: bool,
    /// Room for the rules of one line, kept between lines.
    scratch: Vec<Rule>,
}

/// Why collected rules could not be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The search automaton over the patterns' literals has no numbers left.
    #[error("the wildcard and regular expression rules are too large together; use `||name^`")]
    Patterns(#[source] aho_corasick::BuildError),
    /// More sources than a rule can name.
    #[error("there are more than {MAX_LISTS} lists; merge some")]
    TooManyLists,
}

/// How many rules of a line were new.
#[derive(Default)]
struct Added {
    new: usize,
    duplicates: usize,
}

impl MatcherBuilder {
    /// Adds a list, whatever octets it has, and says what became of its lines.
    ///
    /// Lines are judged one by one; what cannot be used is counted and skipped.
    pub fn add_list(&mut self, source: &Source<'_>, text: &[u8]) -> ListReport {
        let mut report = ListReport::default();
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        if format::is_html(text) {
            report.looks_like_html = true;
            return report;
        }
        let list = self.number(source);
        let lines = || text.split(|&octet| octet == b'\n');
        self.domains.reserve(lines().count().min(text.len() / SHORTEST_LINE));
        for (line, text) in (1..=u32::MAX).zip(lines()) {
            match self.add_octets(list, source.action, line, text) {
                Ok(added) => {
                    report.rules += added.new;
                    report.duplicates += added.duplicates;
                }
                Err(reason) => report.reject(line, text, reason),
            }
        }
        report
    }

    /// Adds one line of any list format, and says how many rules it holds.
    ///
    /// A blank line or a comment holds none. Either all rules of a line are taken or none, while
    /// there is room.
    ///
    /// # Errors
    /// When the line cannot be used, or there is no room for it.
    pub fn add_line(
        &mut self,
        source: &Source<'_>,
        line: u32,
        text: &str,
    ) -> Result<usize, Rejection> {
        let list = self.number(source);
        self.add_octets(list, source.action, line, text.as_bytes())
            .map(|added| added.new + added.duplicates)
            .map_err(|reason| Rejection::new(line, text.as_bytes(), reason))
    }

    /// Compiles what was collected.
    ///
    /// # Errors
    /// When there are too many lists, or the pattern rules are too large together.
    pub fn build(mut self) -> Result<Matcher, BuildError> {
        if self.has_too_many_lists {
            return Err(BuildError::TooManyLists);
        }
        self.sources.shrink();
        self.domains.shrink();
        let patterns = self.patterns.compile().map_err(BuildError::Patterns)?;
        Ok(Matcher::new(self.sources, self.domains, patterns))
    }

    fn number(&mut self, source: &Source<'_>) -> Option<u16> {
        let number = self.sources.number(source);
        self.has_too_many_lists |= number.is_none();
        number
    }

    fn add_octets(
        &mut self,
        list: Option<u16>,
        default: Action,
        line: u32,
        octets: &[u8],
    ) -> Result<Added, Reason> {
        let list = list.ok_or(Reason::TooManyLists)?;
        if octets.len() > MAX_LINE {
            return Err(Reason::LineTooLong);
        }
        let text = str::from_utf8(octets).map_err(|_| Reason::NotUtf8)?;
        let mut rules = std::mem::take(&mut self.scratch);
        rules.clear();
        let added = format::parse(text, &mut rules).and_then(|()| {
            let mut added = Added::default();
            for rule in rules.drain(..) {
                let action = if default == Action::Allow { default } else { rule.action };
                match self.add_rule(rule.target, Origin { action, list, line })? {
                    Insertion::Duplicate => added.duplicates += 1,
                    Insertion::New => added.new += 1,
                }
            }
            Ok(added)
        });
        self.scratch = rules;
        added
    }

    fn add_rule(&mut self, target: Target, origin: Origin) -> Result<Insertion, Reason> {
        let (insertion, full) = match target {
            Target::Exact(name) => {
                (self.domains.insert(&name, Reach::Exact, origin), Reason::TooManyRules)
            }
            Target::Subtree(name) => {
                (self.domains.insert(&name, Reach::Subtree, origin), Reason::TooManyRules)
            }
            Target::Pattern(pattern) => {
                (self.patterns.insert(pattern, origin), Reason::TooManyPatterns)
            }
        };
        insertion.ok_or(full)
    }
}

/// Shortest line that still gives a rule, by common sense: `||a.io^` and its end. Room is made
/// for so many rules at most, lest a file of line ends reserve a multiple of its size.
const SHORTEST_LINE: usize = 8;
/// What editors of one system put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
