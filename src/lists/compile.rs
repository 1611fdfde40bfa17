//! The lists' texts go in, one matcher comes out, with how each list does.
//!
//! Each list is compiled by itself, and only where its text is another; what is then done for all of
//! them together is the merging of their hashes.

use std::{
    io,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use blocker::{BuildError, ListReport, Matcher, MatcherBuilder, Name, Source};

use super::{
    ListStatus, ListStore, NOT_YET, Reading,
    compiled::{Candidate, Held},
    measure::Measures,
    status::problem_of,
    text::Text,
};
use crate::{
    causes,
    config::{Config, List, ListSource},
    policy::{Groups, Lists},
};

/// How often lists are compiled again because one of them turned out to be damaged.
const ATTEMPTS: usize = 2;

/// A list, compiled; or why it is not.
struct Part<'c> {
    list: &'c List,
    compiled: Result<Held, String>,
}

impl ListStore {
    /// Compiles what is at hand; takes a while.
    ///
    /// # Errors
    /// Where the lists cannot be joined in one matcher; how they do is told as before then.
    pub(crate) fn compile(&self, config: &Config, reading: Reading) -> Result<Lists, BuildError> {
        let started = Instant::now();
        let (parts, matcher) = self.compile_parts(config, reading)?;
        tell(&matcher, started.elapsed());
        let are_loaded = !parts.iter().any(Part::is_pending);
        let status = status(&parts, &matcher);
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
        let compiled = parts.iter().filter(|part| part.compiled.is_ok());
        let names = compiled.map(|part| Arc::from(part.list.name.as_str())).collect();
        Ok(Lists { matcher: Arc::new(matcher), names, are_loaded })
    }

    fn compile_parts<'c>(
        &self,
        config: &'c Config,
        reading: Reading,
    ) -> Result<(Vec<Part<'c>>, Matcher), BuildError> {
        let mut attempts = 1;
        loop {
            let lists = config.lists.iter().filter(|list| list.enabled);
            let parts: Vec<_> = lists.map(|list| self.compile_list(list, reading)).collect();
            match self.join(config, &parts) {
                Ok(matcher) => return Ok((parts, matcher)),
                Err(BuildError::Unreadable(error)) if attempts < ATTEMPTS => {
                    tracing::warn!(%error, "a compiled list is damaged; all are compiled again");
                    self.compiled.distrust();
                    attempts += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn join(&self, config: &Config, parts: &[Part<'_>]) -> Result<Matcher, BuildError> {
        let groups = Groups::new(config);
        let mut builder = MatcherBuilder::new(self.compiled.seed());
        for Part { list, compiled } in parts {
            if let Ok(Held { list: rules, .. }) = compiled {
                let groups = groups.set(&list.groups);
                let source = Source { name: &list.name, action: list.action, groups };
                builder.add(&source, list.mode, rules.clone());
            }
        }
        builder.build()
    }

    fn compile_list<'c>(&self, list: &'c List, reading: Reading) -> Part<'c> {
        if let Some(held) = self.held_for_now(list, reading) {
            return Part { list, compiled: Ok(held) };
        }
        let compiled = match self.text(list) {
            None => Err(NOT_YET.to_owned()),
            Some(Err(error)) => Err(error),
            Some(Ok(text)) => {
                self.compiled.of(&origin(list), &text).map_err(|error| causes::one_line(&error))
            }
        };
        Part { list, compiled }
    }

    /// What is in force of a list whose file may be half written.
    fn held_for_now(&self, list: &List, reading: Reading) -> Option<Held> {
        let ListSource::Path(path) = &list.source else { return None };
        let stays = reading == Reading::AtRest && self.files.is_under_way(path);
        if stays { self.compiled.held(&origin(list)) } else { None }
    }

    /// Compiles a text that is not in force yet, and says what it would do; takes a while.
    ///
    /// # Errors
    /// Where it cannot be read, or is larger than the list allows.
    pub(super) fn weigh(
        &self,
        list: &List,
        text: &Text,
        canaries: &[Name],
    ) -> io::Result<(Candidate, Measures)> {
        let candidate = self.compiled.try_out(text)?;
        let measures = Measures::of(list, &candidate.list, text, canaries)?;
        Ok((candidate, measures))
    }

    /// Forgets the compiled forms of lists that are no longer configured.
    pub(super) fn forget_compiled_but(&self, config: &Config) {
        let origins: Vec<String> = config.lists.iter().map(origin).collect();
        self.compiled.forget_all_but(&origins);
    }

    /// Whether a compiled form that a matcher asks cannot be read any more; then all are forgotten,
    /// so that the next look compiles them again.
    pub fn distrusts(&self, matcher: &Matcher) -> bool {
        let is_damaged = matcher.unreadable() > 0;
        if is_damaged {
            tracing::error!("a compiled list cannot be read; all are compiled again");
            self.compiled.distrust();
        }
        is_damaged
    }
}

impl Part<'_> {
    fn is_pending(&self) -> bool {
        self.compiled.as_ref().is_err_and(|error| error == NOT_YET)
    }

    /// How the list does, whose number in the matcher this is.
    fn status(&self, number: usize, matcher: &Matcher) -> ListStatus {
        let Held { list: compiled, since } = match &self.compiled {
            Ok(held) => held,
            Err(error) => {
                if !self.is_pending() {
                    tracing::warn!(list = %self.list.name, %error, "a list is not as it should be");
                }
                let none = ListReport::default();
                return ListStatus::new(self.list, &none, None, Some(error.clone()));
            }
        };
        let report = compiled.report();
        let error = problem_of(report).or_else(|| left_out(matcher.left_out_of(number)));
        if let Some(error) = &error {
            tracing::warn!(list = %self.list.name, %error, "a list is not as it should be");
        }
        for sample in &report.samples {
            tracing::debug!(list = %self.list.name, %sample, "a line of a list is no rule");
        }
        let status = ListStatus::new(self.list, report, Some(*since), error);
        status.with_unique(matcher.unique(number))
    }
}

/// What is wrong where so many rules found no room.
fn left_out(rules: usize) -> Option<String> {
    (rules > 0).then(|| {
        format!(
            "{rules} of its rules with wildcards, regular expressions or terms do not count: all \
             lists together have too many; use ||name^ where you can"
        )
    })
}

/// How each list does.
fn status(parts: &[Part<'_>], matcher: &Matcher) -> Vec<ListStatus> {
    let mut number = 0;
    let status = parts.iter().map(|part| {
        let status = part.status(number, matcher);
        // Lists are numbered in a matcher as they were added.
        number += usize::from(part.compiled.is_ok());
        status
    });
    status.collect()
}

fn tell(matcher: &Matcher, took: Duration) {
    tracing::info!(
        rules = matcher.rules(),
        bytes = matcher.memory(),
        milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "lists are compiled"
    );
    if matcher.left_out() > 0 {
        let rules = matcher.left_out();
        tracing::error!(rules, "wildcards, regular expressions and rules with terms are too many");
    }
}

/// What a list's compiled form is kept under.
pub(super) fn origin(list: &List) -> String {
    match &list.source {
        ListSource::Url(url) => url.clone(),
        ListSource::Path(path) => format!("file:{}", path.display()),
        ListSource::Inline(_) => format!("inline:{}", list.name),
        ListSource::Service(service) => format!("service:{}", service.name()),
    }
}
