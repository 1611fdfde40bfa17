//! A number and the word for one thing go in, both come out as people say them.

use std::fmt;

/// So many things: `1 rule`, `2 rules`.
pub(super) struct Count<'w>(pub(super) u64, pub(super) &'w str);

impl fmt::Display for Count<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number, word) = self;
        let end = if *number == 1 { "" } else { "s" };
        write!(f, "{number} {word}{end}")
    }
}
