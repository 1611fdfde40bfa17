//! Plain lines: a name, a name with everything below it, or a name with wildcards inside.

use super::name;
use crate::pattern::{Glob, Pattern, Start};
use crate::report::Reason;
use crate::rule::Target;

/// Reads `name`, `*.name`, `.name` or a pattern with `*` anywhere else.
pub(super) fn parse(text: &str) -> Result<Target, Reason> {
    if let Some(parent) = subtree(text) {
        return name(parent).map(Target::Subtree);
    }
    if text.contains('*') {
        let glob = Glob::parse(Start::Name, text)?;
        return Ok(Target::Pattern(Pattern::Glob(glob)));
    }
    name(text).map(Target::Exact)
}

/// The name behind a leading `*.` or `.`, if no further wildcard follows. Several stars are one.
pub(super) fn subtree(text: &str) -> Option<&str> {
    let parent = text.trim_start_matches('*').strip_prefix('.')?;
    (!parent.is_empty() && !parent.contains('*')).then_some(parent)
}
