//! A rule goes in, the line that says it comes out: one form for what many formats can say.

use std::fmt::{self, Display, Formatter};

use super::{Rule, Target};
use crate::source::Action;

impl Display for Rule {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if self.action == Action::Allow {
            formatter.write_str("@@")?;
        }
        self.target.fmt(formatter)?;
        self.terms.as_ref().map_or(Ok(()), |terms| terms.fmt(formatter))
    }
}

impl Display for Target {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(formatter),
            Self::Subtree(name) => write!(formatter, "||{name}^"),
            Self::Pattern(pattern) => pattern.fmt(formatter),
        }
    }
}
