//! What became of a list's text goes in, what people are told of the list comes out.

use std::time::{Duration, SystemTime};

use blocker::{ListReport, RuleKinds};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::schedule::{Attempt, Schedule};
use crate::{
    config::{List, ListSource},
    querylog::unix_milliseconds,
};

/// How one list does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListStatus {
    /// Its name.
    pub name: String,
    /// `block` or `allow`.
    pub action: &'static str,
    /// Rules in force from it.
    pub rules: u64,
    /// Rules that it has more than once.
    pub duplicates: u64,
    /// Lines that were no rules.
    pub rejected: u64,
    /// Lines that only mean something to a browser.
    pub not_dns: u64,
    /// The first lines that were no rules, and why: at most ten.
    pub samples: Vec<String>,
    /// Bytes of its text, unpacked.
    pub bytes: u64,
    /// How many of its rules are of which kind.
    pub kinds: Kinds,
    /// Rules for names of which no other list speaks, and all that are more than names.
    pub unique: u64,
    /// How its last load went.
    pub state: ListState,
    /// What went wrong with the last load.
    pub error: Option<String>,
    /// When the text in force was come by, in milliseconds since 1970: when its file was written, or
    /// it was downloaded, or the configuration first had it.
    pub updated: Option<u64>,
    /// When it was last asked for, in milliseconds since 1970.
    pub checked: Option<u64>,
    /// When it is asked for next, in milliseconds since 1970; nothing for files, which are
    /// watched.
    pub next: Option<u64>,
    /// Where it comes from, and how often.
    #[serde(skip)]
    remote: Option<(String, Duration)>,
}

/// How many rules of a list are of which kind.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Kinds {
    /// For one name.
    pub names: u64,
    /// For a name and everything below it.
    pub subtrees: u64,
    /// For names that look like something.
    pub wildcards: u64,
    /// For names in which a regular expression finds something.
    pub regexes: u64,
    /// Of all these, those that allow.
    pub allowing: u64,
    /// Of all these, those that say for whom, for what, or with what answer.
    pub with_terms: u64,
}

impl From<RuleKinds> for Kinds {
    fn from(kinds: RuleKinds) -> Self {
        Self {
            names: kinds.names as u64,
            subtrees: kinds.subtrees as u64,
            wildcards: kinds.wildcards as u64,
            regexes: kinds.regexes as u64,
            allowing: kinds.allowing as u64,
            with_terms: kinds.with_terms as u64,
        }
    }
}

/// How a list's last load went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ListState {
    /// Its text is current.
    Ok,
    /// The last load failed; the copy before it is in force.
    Stale,
    /// There is no text.
    Failed,
}

impl ListStatus {
    /// How a list did when it was compiled.
    pub(super) fn new(
        list: &List,
        report: &ListReport,
        loaded: Option<SystemTime>,
        error: Option<String>,
    ) -> Self {
        let at = loaded.map(unix_milliseconds);
        let remote = match &list.source {
            ListSource::Url(url) => Some((url.clone(), list.refresh)),
            ListSource::Path(_) | ListSource::Inline(_) | ListSource::Service(_) => None,
        };
        let rules = report.rules as u64;
        Self {
            name: list.name.clone(),
            action: match list.action {
                blocker::Action::Allow => "allow",
                blocker::Action::Block => "block",
            },
            rules,
            duplicates: report.duplicates as u64,
            rejected: report.rejected as u64,
            not_dns: report.not_dns as u64,
            samples: report.samples.iter().map(|line| printable(&line.to_string())).collect(),
            bytes: report.bytes,
            kinds: report.kinds.into(),
            unique: 0,
            state: ListState::of(error.as_deref(), rules),
            error,
            updated: at,
            checked: at.filter(|_| remote.is_none()).map(|_| unix_milliseconds(SystemTime::now())),
            next: None,
            remote,
        }
    }

    /// The same, of whose rules so many are no other list's.
    pub(super) fn with_unique(self, unique: usize) -> Self {
        Self { unique: unique as u64, ..self }
    }

    /// The same, of which nothing newer could be put into force.
    pub(super) fn not_renewed(self, error: &str) -> Self {
        let state = ListState::of(Some(error), self.rules);
        Self { state, error: Some(error.to_owned()), ..self }
    }

    /// How it does now: a request that brought nothing new has compiled nothing.
    pub(super) fn brought_up_to_date(mut self, schedule: &Schedule) -> Self {
        let Some((url, refresh)) = &self.remote else { return self };
        let Some(Attempt { checked, outcome, .. }) = schedule.last(url) else { return self };
        self.checked = Some(unix_milliseconds(checked));
        self.next = schedule.due(url, *refresh).map(|due| {
            let left = due.saturating_duration_since(Instant::now());
            unix_milliseconds(SystemTime::now() + left)
        });
        if let Some(error) = outcome.error() {
            self.state = ListState::of(Some(error), self.rules);
            self.error = Some(error.to_owned());
        }
        self
    }
}

impl ListState {
    fn of(error: Option<&str>, rules: u64) -> Self {
        match (error, rules > 0) {
            (None, _) => Self::Ok,
            (Some(_), true) => Self::Stale,
            (Some(_), false) => Self::Failed,
        }
    }
}

/// A line that a terminal takes for text and nothing else, whoever wrote the list.
fn printable(line: &str) -> String {
    line.replace(char::is_control, "\u{fffd}")
}

/// What is wrong with a text that was read well.
pub(super) fn problem_of(report: &ListReport) -> Option<String> {
    if report.looks_like_html {
        return Some("it is an HTML page, not a list; its address may have moved".to_owned());
    }
    let is_junk = report.rules == 0 && report.rejected > 0;
    is_junk.then(|| format!("none of its {} lines is a rule", report.rejected))
}
