//! What became of an exchange goes in, what a client is told of it comes out.

use std::sync::Arc;

use doh_client::Error;

use crate::{
    answer::{Ede, Rcode},
    cache::Reason,
};

/// Why there is no answer, in the terms an answer can say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody answered in time.
    Timeout,
    /// Nobody could be reached.
    Unreachable,
    /// What they said was no answer.
    BadAnswer(String),
    /// They answered that they could not, or would not.
    Declined {
        /// Their response code.
        rcode: u16,
        /// Their Extended DNS Errors.
        reasons: Arc<[Reason]>,
    },
    /// Too many queries wait already.
    Overloaded,
    /// Too many queries of this client wait already.
    ClientOverloaded,
    /// It failed a moment ago, and was not tried again.
    Remembered(Arc<Self>),
}

impl Failure {
    /// The response code of the answer: a refusal is passed on, all else is ours to answer for.
    pub fn rcode(&self) -> Rcode {
        match self {
            Self::Declined { rcode, .. } if *rcode == Rcode::Refused as u16 => Rcode::Refused,
            Self::Declined { rcode, .. } if *rcode == Rcode::NotImp as u16 => Rcode::NotImp,
            Self::Remembered(failure) => failure.rcode(),
            _ => Rcode::ServFail,
        }
    }

    /// Whether nobody said anything at all.
    pub(super) fn is_silence(&self) -> bool {
        matches!(self, Self::Timeout | Self::Unreachable)
    }

    /// The reasons that the answer gives: ours first (RFC 8914 sections 4.23 and 4.24), then the
    /// upstream's, and last whether they come from memory (section 4.14).
    pub fn ede(&self) -> Vec<Ede<'_>> {
        match self {
            Self::Timeout => vec![Ede::NoReachableAuthority("no upstream answered in time")],
            Self::Unreachable => vec![Ede::NoReachableAuthority("no upstream can be reached")],
            Self::BadAnswer(text) => vec![Ede::NetworkError(text)],
            Self::Overloaded => vec![Ede::NetworkError("too many queries wait for an upstream")],
            Self::ClientOverloaded => {
                vec![Ede::NetworkError("too many queries of this client wait for an upstream")]
            }
            Self::Declined { rcode, reasons } => {
                let ours = Ede::NetworkError(match rcode {
                    2 => "upstreams answer SERVFAIL",
                    4 => "upstreams answer NOTIMP",
                    5 => "upstreams answer REFUSED",
                    _ => "upstreams answer with an error",
                });
                let theirs = reasons.iter().filter(|reason| reason.code != ours.code());
                std::iter::once(ours).chain(theirs.map(Ede::Upstream)).collect()
            }
            Self::Remembered(failure) => {
                let is_cached = |ede: &Ede<'_>| ede.code() == Ede::CachedError.code();
                let mut ede = failure.ede();
                if !ede.iter().any(is_cached) {
                    ede.push(Ede::CachedError);
                }
                ede
            }
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
