//! A compiled text that is not in force yet goes in, what it would do comes out.

use std::{io, io::Read as _, sync::Arc};

use blocker::{Action, CompiledList, GroupSet, MatcherBuilder, Mode, Name, Question, Source};

use super::text::Text;
use crate::config::List;

/// Octets in which every text shows whether it is a web page.
const BEGINNING: u64 = 1024;

/// What a text would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Measures {
    /// Rules that it gives.
    pub(super) rules: u64,
    /// Whether it is a web page.
    pub(super) is_html: bool,
    /// The first of the canaries that it blocks.
    pub(super) blocked: Option<Name>,
}

impl Measures {
    /// Measures a text; takes a while, and belongs on a thread that may wait.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(super) fn of(
        list: &List,
        compiled: &Arc<CompiledList>,
        text: &Text,
        canaries: &[Name],
    ) -> io::Result<Self> {
        let report = compiled.report();
        let blocked = match list.action {
            Action::Allow => None,
            Action::Block => first_blocked(compiled, canaries)?,
        };
        let is_html = report.looks_like_html || begins_like_html(text)?;
        Ok(Self { rules: report.rules as u64, is_html, blocked })
    }
}

fn first_blocked(compiled: &Arc<CompiledList>, canaries: &[Name]) -> io::Result<Option<Name>> {
    let mut builder = MatcherBuilder::new(compiled.seed());
    let source = Source { name: "", action: Action::Block, groups: GroupSet::ALL };
    builder.add(&source, Mode::Enforce, compiled.clone());
    let matcher = builder.build().map_err(io::Error::other)?;
    let is_blocked = |name: &&Name| matcher.verdict(&Question::new(name, GroupSet::ALL)).is_block();
    Ok(canaries.iter().find(is_blocked).copied())
}

/// No list has a line that begins like this, and some pages begin with neither of the usual words.
fn begins_like_html(text: &Text) -> io::Result<bool> {
    let mut beginning = Vec::new();
    text.open()?.take(BEGINNING).read_to_end(&mut beginning)?;
    Ok(beginning.trim_ascii_start().first() == Some(&b'<'))
}
