//! An exchange's error goes in, what a client is told comes out.

use doh_client::Error;

use crate::answer::Ede;

/// Why there is no answer, in the terms an answer can say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody answered in time.
    Timeout,
    /// Nobody could be reached.
    Unreachable,
    /// What they said was no answer.
    BadAnswer(String),
    /// Too many queries wait already.
    Overloaded,
}

impl Failure {
    /// The reason that the answer gives (RFC 8914 sections 4.23 and 4.24).
    pub fn ede(&self) -> Ede<'_> {
        match self {
            Self::Timeout => Ede::NoReachableAuthority("no upstream answered in time"),
            Self::Unreachable => Ede::NoReachableAuthority("no upstream can be reached"),
            Self::BadAnswer(text) => Ede::NetworkError(text),
            Self::Overloaded => Ede::NetworkError("too many queries wait for an upstream"),
        }
    }
}

impl Default for Failure {
    fn default() -> Self {
        Self::BadAnswer("the query was lost on its way".to_owned())
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        if matches!(error, Error::Overloaded) {
            Self::Overloaded
        } else if error.is_timeout() {
            Self::Timeout
        } else if error.is_unreachable() {
            Self::Unreachable
        } else {
            Self::BadAnswer("no upstream gave a good answer".to_owned())
        }
    }
}
