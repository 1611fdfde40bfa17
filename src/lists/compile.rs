//! The lists' texts go in, one matcher comes out, with how each list does.

use std::{
    sync::{Arc, PoisonError},
    time::SystemTime,
};

use blocker::{GroupSet, Matcher, MatcherBuilder, Source};

use super::{ListState, ListStatus, ListStore, NOT_YET, Text, fetch};
use crate::{
    causes,
    config::{Config, List, ListSource},
    policy::{Groups, Lists},
    querylog::unix_milliseconds,
};

impl ListStore {
    /// Compiles what is at hand; takes a while.
    pub(crate) fn compile(&self, config: &Config) -> Lists {
        let started = std::time::Instant::now();
        let groups = Groups::new(config);
        let mut builder = Matcher::builder();
        let enabled = config.lists.iter().filter(|list| list.enabled);
        let status: Vec<_> =
            enabled.map(|list| self.add(list, groups.set(&list.groups), &mut builder)).collect();
        let are_loaded = !status.iter().any(|list| list.error.as_deref() == Some(NOT_YET));
        let names = config.lists.iter().map(|list| Arc::from(list.name.as_str())).collect();
        let matcher = builder.build().unwrap_or_else(|error| {
            tracing::error!(%error, "no list counts; make the lists' patterns fewer");
            Matcher::default()
        });
        tracing::info!(
            rules = matcher.rules(),
            bytes = matcher.memory(),
            milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "lists are compiled"
        );
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
        Lists { matcher: Arc::new(matcher), names, are_loaded }
    }

    /// Adds a list to those that are compiled; how it does.
    fn add(&self, list: &List, groups: GroupSet, builder: &mut MatcherBuilder) -> ListStatus {
        let (text, error) = match self.text(list) {
            Some(Ok(text)) => (text, None),
            Some(Err(error)) => (Text::none(), Some(error)),
            None => (Text::none(), Some(NOT_YET.to_owned())),
        };
        let source = Source { name: &list.name, action: list.action, groups };
        let report = builder.add_list(&source, &text.bytes);
        let error = error.or_else(|| text.error.clone()).or_else(|| problem_of(&report));
        if let Some(error) = error.as_ref().filter(|error| *error != NOT_YET) {
            tracing::warn!(list = %list.name, %error, "a list is not as it should be");
        }
        for sample in &report.samples {
            tracing::debug!(list = %list.name, %sample, "a line of a list is no rule");
        }
        list_status(list, &report, &text, error)
    }

    /// A list's text, an error where it cannot be had, nothing where nobody has tried yet.
    fn text(&self, list: &List) -> Option<Result<Text, String>> {
        match &list.source {
            ListSource::Inline(lines) => Some(Ok(Text::now(lines.join("\n").into_bytes()))),
            ListSource::Path(path) => Some(match fetch::read_file(path, list.max_bytes) {
                Ok(bytes) => Ok(Text::now(bytes)),
                Err(error) => Err(causes::one_line(&error)),
            }),
            ListSource::Url(url) => self.copies.find(url),
        }
    }
}

/// What is wrong with a text that was read well.
fn problem_of(report: &blocker::ListReport) -> Option<String> {
    if report.looks_like_html {
        return Some("it is an HTML page, not a list; its address may have moved".to_owned());
    }
    let is_junk = report.rules == 0 && report.rejected > 0;
    is_junk.then(|| format!("none of its {} lines is a rule", report.rejected))
}

fn list_status(
    list: &List,
    report: &blocker::ListReport,
    text: &Text,
    error: Option<String>,
) -> ListStatus {
    let has_text = text.loaded != SystemTime::UNIX_EPOCH;
    let state = match (&error, report.rules > 0) {
        (None, _) => ListState::Ok,
        (Some(_), true) => ListState::Stale,
        (Some(_), false) => ListState::Failed,
    };
    ListStatus {
        name: list.name.clone(),
        action: match list.action {
            blocker::Action::Allow => "allow",
            blocker::Action::Block => "block",
        },
        rules: report.rules as u64,
        rejected: report.rejected as u64,
        state,
        error,
        updated: has_text.then(|| unix_milliseconds(text.loaded)),
    }
}
