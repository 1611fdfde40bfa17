//! What is wrong with the URL of a proxy, and what a proxy may say instead of connecting.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use super::connect::MAX_HEAD;
use crate::error::{Blame, Cause};

/// Why a text is not a [`Proxy`](super::Proxy). To blame is the configuration.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It is neither kind of proxy.
    #[error(
        "not a proxy (found no `http://` or `socks5://` in front, allowed \
         `http://[user:password@]192.0.2.1:3128` and `socks5://[user:password@]192.0.2.1:1080`)"
    )]
    Scheme,
    /// Its address is none, or lacks its port.
    #[error(
        "not where a proxy can be dialled (found `{found}`, allowed `192.0.2.1:3128`, \
         `[2001:db8::1]:3128` and `localhost:3128`: names are not looked up)"
    )]
    Place {
        /// What stands behind `://` and `@`.
        found: String,
    },
    /// User or password cannot be sent; neither is repeated here.
    #[error(
        "user and password cannot be sent (found ones that are empty, too long, or have characters \
         that are not allowed; allowed `user:password@` with special characters as in URLs, such \
         as `%40` for `@`)"
    )]
    Login,
}

/// Why a proxy did not connect to a server.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyProblem {
    /// There is no connection to the proxy itself.
    #[error("it cannot be reached")]
    Unreachable(#[source] Cause),
    /// It closed the connection, or broke it, before it had answered.
    #[error("it closed the connection without an answer")]
    Lost(#[source] Cause),
    /// It wants to know who we are, and was told nothing or something it does not like.
    #[error("it wants another user and password: set them in its URL (`user:password@`)")]
    Login,
    /// It does not want to connect there, or failed to.
    #[error("it did not connect to `{target}`: {reason}")]
    Refused {
        /// Where to.
        target: Box<str>,
        /// Its words.
        reason: Box<str>,
    },
    /// Its answer makes no sense.
    #[error("its answer is not that of such a proxy: is it of the other kind (http, socks5)?")]
    NotAProxy,
    /// Its answer has no end.
    #[error("its answer is longer than {MAX_HEAD} bytes")]
    TooLong,
}

impl ProxyProblem {
    pub(super) fn lost(error: impl StdError + Send + Sync + 'static) -> Self {
        Self::Lost(Arc::new(error))
    }

    pub(super) fn refused(target: &super::Target, reason: impl Into<Box<str>>) -> Self {
        Self::Refused { target: target.to_string().into(), reason: reason.into() }
    }

    pub(crate) fn blame(&self) -> Blame {
        match self {
            Self::Login | Self::NotAProxy | Self::TooLong => Blame::Config,
            Self::Unreachable(_) | Self::Lost(_) | Self::Refused { .. } => Blame::Upstream,
        }
    }
}

impl From<io::Error> for ProxyProblem {
    fn from(error: io::Error) -> Self {
        Self::lost(error)
    }
}
