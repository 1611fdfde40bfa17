//! Lists go in, text or compiled; one matcher comes out.

use std::io;
use std::sync::Arc;

use crate::budget::{Budget, Chosen, choose};
use crate::clients::{Clients, KnownClients};
use crate::compiled::CompiledList;
use crate::compiler::{Compiler, Home};
use crate::group::GroupSet;
use crate::hash::Seed;
use crate::matcher::Matcher;
use crate::merge::merge;
use crate::pattern::Patterns;
use crate::report::{ListReport, Reason, Rejection};
use crate::source::{Action, Member, Mode, Source, Sources};
use crate::specials::{Cancelled, NamedSpecials};

/// Collects lists until they are made one matcher.
///
/// ```
/// use blocker::{Action, GroupSet, Matcher, Source};
/// let rules = Source { name: "rules", action: Action::Block, groups: GroupSet::default() };
/// let mut builder = Matcher::builder();
/// assert_eq!(builder.add_line(&rules, 1, "0.0.0.0 a.example b.example # ads")?, 2);
/// assert_eq!(builder.build()?.rules(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MatcherBuilder {
    seed: Seed,
    parts: Vec<Part>,
    known: KnownClients,
    /// The first thing that went wrong.
    problem: Option<BuildError>,
}

/// A list, compiled or not yet.
#[derive(Debug)]
struct Part {
    name: Box<str>,
    action: Action,
    groups: GroupSet,
    mode: Mode,
    rules: Rules,
}

#[derive(Debug)]
enum Rules {
    Compiled(Arc<CompiledList>),
    Lines(Box<Compiler>),
}

/// Why lists could not be made one matcher.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A compiled list cannot be read, or is damaged.
    #[error("a compiled list cannot be read; compile it again from its text")]
    Unreadable(#[from] io::Error),
    /// A list was compiled with another seed.
    #[error("the list `{0}` was compiled with another seed; compile it again")]
    OtherSeed(Box<str>),
    /// The search automaton over the patterns' literals has no numbers left.
    #[error("the wildcard and regular expression rules are too large together; use `||name^`")]
    Patterns(#[source] aho_corasick::BuildError),
    /// More sources than a rule can name.
    #[error("there are more than {} lists; merge some", crate::class::MAX_LISTS)]
    TooManyLists,
}

impl Default for MatcherBuilder {
    fn default() -> Self {
        Self::new(Seed::random())
    }
}

impl MatcherBuilder {
    /// Starts an empty collection; compiled lists that are added must have the same seed.
    #[must_use]
    pub const fn new(seed: Seed) -> Self {
        Self { seed, parts: Vec::new(), known: KnownClients::NONE, problem: None }
    }

    /// Gives clients the marks that another matcher has given them, so that those of the new one
    /// count for both.
    #[must_use]
    pub fn with_known_clients(self, known: &KnownClients) -> Self {
        Self { known: known.clone(), ..self }
    }

    /// Adds a compiled list.
    pub fn add(&mut self, source: &Source<'_>, mode: Mode, list: Arc<CompiledList>) {
        if list.seed() != self.seed {
            self.problem.get_or_insert_with(|| BuildError::OtherSeed(source.name.into()));
            return;
        }
        self.push(source, mode, Rules::Compiled(list));
    }

    /// Compiles a short list in memory and adds it; what became of its lines.
    pub fn add_list(&mut self, source: &Source<'_>, text: &[u8]) -> ListReport {
        let compiled = Compiler::new(self.seed, Home::Memory).and_then(|mut compiler| {
            compiler.read(text)?;
            compiler.finish(NO_IDENTITY)
        });
        match compiled {
            Ok(list) => {
                let report = list.report().clone();
                self.push(source, Mode::Enforce, Rules::Compiled(Arc::new(list)));
                report
            }
            Err(error) => {
                self.problem.get_or_insert_with(|| error.into());
                ListReport::default()
            }
        }
    }

    /// Adds one line of any list format, and says how many rules it holds.
    ///
    /// A blank line or a comment holds none. Either all rules of a line are taken or none.
    ///
    /// # Errors
    /// When the line cannot be used.
    pub fn add_line(
        &mut self,
        source: &Source<'_>,
        line: u32,
        text: &str,
    ) -> Result<usize, Rejection> {
        let broken = |_| Rejection::new(line, text.as_bytes(), Reason::TooManyRules);
        let place = self.place_of_lines(source).map_err(broken)?;
        match self.parts.get_mut(place).map(|part| &mut part.rules) {
            Some(Rules::Lines(compiler)) => compiler.add_line(line, text).map_err(broken)?,
            _ => Ok(0),
        }
    }

    /// Makes one matcher of what was collected.
    ///
    /// # Errors
    /// When a compiled list cannot be used, there are too many lists, or their patterns are too
    /// large together.
    pub fn build(self) -> Result<Matcher, BuildError> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let mut sources = Sources::default();
        for part in self.parts {
            let Part { name, action, groups, mode, rules } = part;
            let list = match rules {
                Rules::Compiled(list) => list,
                Rules::Lines(compiler) => Arc::new(compiler.finish(NO_IDENTITY)?),
            };
            if !sources.push(Member { name, action, groups, mode, list }) {
                return Err(BuildError::TooManyLists);
            }
        }
        let cancelled = Cancelled::new(self.seed, &sources);
        let names = merge(&sources, &cancelled)?;
        let counts = |id| !cancelled.has(id);
        let Chosen { ids, left_out } = choose(&sources, counts, Budget::MOST);
        let named = NamedSpecials::new(self.seed, &sources, &ids);
        let patterns = Patterns::new(&sources, &ids).map_err(BuildError::Patterns)?;
        let clients = Clients::new(self.known, &sources, &ids);
        let rules = names.rules + ids.len();
        let has_shadows = sources.iter().any(|member| member.mode == Mode::Shadow);
        Ok(Matcher {
            seed: self.seed,
            sources,
            names,
            named,
            patterns,
            clients,
            rules,
            left_out,
            has_shadows,
            unreadable: 0.into(),
        })
    }

    /// The list that takes single lines of this source.
    fn place_of_lines(&mut self, source: &Source<'_>) -> io::Result<usize> {
        let is_same = |part: &Part| {
            matches!(part.rules, Rules::Lines(_))
                && (&*part.name, part.action, part.groups)
                    == (source.name, source.action, source.groups)
        };
        if let Some(place) = self.parts.iter().position(is_same) {
            return Ok(place);
        }
        let compiler = Compiler::new(self.seed, Home::Memory)?;
        self.push(source, Mode::Enforce, Rules::Lines(Box::new(compiler)));
        Ok(self.parts.len() - 1)
    }

    fn push(&mut self, source: &Source<'_>, mode: Mode, rules: Rules) {
        let Source { name, action, groups } = *source;
        self.parts.push(Part { name: name.into(), action, groups, mode, rules });
    }
}

/// What a text that is never looked for again is known by.
const NO_IDENTITY: [u8; 32] = [0; 32];
