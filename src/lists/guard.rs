//! What a downloaded text would do goes in, whether it is to be trusted comes out.
//!
//! Hosts serve web pages in place of lists, half a list while they make it, or something else
//! altogether after they were sold. What is refused here leaves the last good text in force, until
//! the next refresh or until the operator says that it is right.

use std::path::Path;

use blocker::Name;

use super::{measure::Measures, record::Record, unpack::TooLarge};

/// Rules from which on a loss of more than half is refused: what has fewer is edited by hand, and
/// changes by leaps.
const SHRINKS_FROM: u64 = 10;

/// Rules from which on tenfold growth is refused: a list that has only just been begun may well
/// become ten times as long, one with a thousand rules becomes another list.
const GROWS_FROM: u64 = 1000;

/// How many times as long a list may become.
const GROWTH: u64 = 10;

/// Why a text is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(super) enum Refusal {
    /// It is a web page.
    #[error("the server sent an HTML page, not a list; its address may have moved")]
    Html,
    /// It has no rules.
    #[error("the server sent a list without a single rule; is its address still right?")]
    Empty,
    /// It has lost more than half of its rules.
    #[error("it shrank from {before} rules to {now}; if that is right, {approval}")]
    Shrunk {
        /// Rules of the copy at hand.
        before: u64,
        /// Rules of what came.
        now: u64,
        /// What the operator can do.
        approval: String,
    },
    /// It has more than ten times as many rules.
    #[error("it grew from {before} rules to {now}; if that is right, {approval}")]
    Grown {
        /// Rules of the copy at hand.
        before: u64,
        /// Rules of what came.
        now: u64,
        /// What the operator can do.
        approval: String,
    },
    /// It blocks what no list should.
    #[error("it blocks `{0}`; if that is right, take that name out of blocking.canaries")]
    Canary(Name),
    /// It is not the pinned text.
    #[error(
        "its SHA-256 is {0}, not the list's sha256; look at what has changed, and set sha256 to \
         that if it is right"
    )]
    Digest(String),
    /// It is more than the list may have.
    #[error("{0}; if that is right, raise max_bytes")]
    TooLarge(TooLarge),
}

impl Refusal {
    /// The word for it, which metrics use.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Empty => "empty",
            Self::Shrunk { .. } => "shrunk",
            Self::Grown { .. } => "grown",
            Self::Canary(_) => "canary",
            Self::Digest(_) => "sha256",
            Self::TooLarge(_) => "too_large",
        }
    }
}

/// Judges a text by what it would do, and by the copy that it would replace.
///
/// # Errors
/// Why it is not to be trusted. `record` is the file that the operator removes to overrule that.
pub(super) fn judge(
    measures: &Measures,
    before: Option<&Record>,
    record: Option<&Path>,
) -> Result<(), Refusal> {
    let Measures { rules: now, is_html, blocked } = measures;
    let now = *now;
    if *is_html {
        return Err(Refusal::Html);
    }
    if now == 0 {
        return Err(Refusal::Empty);
    }
    if let Some(name) = blocked {
        return Err(Refusal::Canary(*name));
    }
    let Some(before) = before.map(|record| record.rules) else { return Ok(()) };
    let approval = || match record {
        Some(file) => format!("remove `{}` and reload (SIGHUP)", file.display()),
        None => "restart the server".to_owned(),
    };
    if before >= SHRINKS_FROM && now < before.div_ceil(2) {
        return Err(Refusal::Shrunk { before, now, approval: approval() });
    }
    if before >= GROWS_FROM && now > before.saturating_mul(GROWTH) {
        return Err(Refusal::Grown { before, now, approval: approval() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(before: u64, now: u64) -> Option<&'static str> {
        let measures = Measures { rules: now, ..Measures::default() };
        let record = Record { rules: before, ..Record::default() };
        judge(&measures, Some(&record), None).err().map(|refusal| refusal.reason())
    }

    #[test]
    fn lists_may_change_but_not_by_leaps() {
        for (before, now, refused) in [
            (1000, 1000, None),
            (1000, 500, None),
            (1000, 499, Some("shrunk")),
            (11, 5, Some("shrunk")),
            (10, 4, Some("shrunk")),
            (9, 1, None),
            (1000, 10_000, None),
            (1000, 10_001, Some("grown")),
            (999, 1_000_000, None),
            (1000, 0, Some("empty")),
            (0, 5, None),
        ] {
            assert_eq!(judged(before, now), refused, "{before} {now}");
        }
    }

    #[test]
    fn the_first_text_is_compared_with_none() {
        let measures = |rules| Measures { rules, ..Measures::default() };

        assert_eq!(judge(&measures(1), None, None), Ok(()));
        assert_eq!(judge(&measures(0), None, None), Err(Refusal::Empty));
        let page = Measures { is_html: true, ..measures(0) };
        assert_eq!(judge(&page, None, None), Err(Refusal::Html));
        let name = Name::parse("debian.org").unwrap();
        let greedy = Measures { blocked: Some(name), ..measures(1) };
        assert_eq!(judge(&greedy, None, None), Err(Refusal::Canary(name)));
    }

    #[test]
    fn a_refusal_says_what_can_be_done_about_it() {
        let measures = Measures { rules: 300, ..Measures::default() };
        let record = Record { rules: 120_000, ..Record::default() };

        let on_disk = judge(&measures, Some(&record), Some(Path::new("/data/lists/x.meta")));
        let in_memory = judge(&measures, Some(&record), None);

        let said = "it shrank from 120000 rules to 300; if that is right, ";
        let remove = format!("{said}remove `/data/lists/x.meta` and reload (SIGHUP)");
        assert_eq!(on_disk.unwrap_err().to_string(), remove);
        assert_eq!(in_memory.unwrap_err().to_string(), format!("{said}restart the server"));
    }
}
