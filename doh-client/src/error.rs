//! What can go wrong comes in typed; whose fault it is, and whether a retry helps, comes out. One
//! file, so that metrics and extended DNS errors have one place to derive from.

use std::error::Error as StdError;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::message::{AnswerProblem, QueryProblem};
use crate::proxy::ProxyProblem;
use crate::tls::TrustProblem;
use crate::transport;

/// Why there is no answer to a query.
///
/// ```
/// # let error = doh_client::Error::Overloaded;
/// let extended_dns_error = if error.is_unreachable() { 22 } else { 23 };
/// assert_eq!((extended_dns_error, error.is_retryable()), (23, true));
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The message is not a query with one question; nothing was sent.
    #[error("not a DNS query")]
    NotAQuery(#[source] QueryProblem),
    /// Every server that could be asked has as many queries under way as it may have.
    #[error("too many queries under way: are the servers too slow, or too few?")]
    Overloaded,
    /// The time for the exchange is over.
    #[error("no answer within {budget:?}{}", Failures(.failures))]
    Timeout {
        /// The time there was: [`ClientBuilder::timeout`](crate::ClientBuilder::timeout).
        budget: Duration,
        /// What became of each server that was asked.
        failures: Vec<ServerFailure>,
    },
    /// Each server that could be asked failed.
    #[error("every server failed{}", Failures(.0))]
    AllFailed(Vec<ServerFailure>),
}

impl Error {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::NotAQuery(_) => Blame::Client,
            Self::Overloaded => Blame::Us,
            Self::Timeout { failures, .. } | Self::AllFailed(failures) => {
                let mut blames = failures.iter().map(|each| each.failure.blame());
                let first = blames.next().unwrap_or(Blame::Upstream);
                if blames.all(|blame| blame == first) { first } else { Blame::Upstream }
            }
        }
    }

    /// Whether the same query may be answered a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotAQuery(_) => false,
            Self::Overloaded | Self::Timeout { .. } => true,
            Self::AllFailed(failures) => failures.iter().any(|each| each.failure.is_retryable()),
        }
    }

    /// Whether the time for the exchange ran out.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }

    /// Whether no server said anything at all: extended DNS error 22 (RFC 8914 section 4.23).
    ///
    /// With any other failure a server was there but the exchange broke or its answer was bad:
    /// extended DNS error 23.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::NotAQuery(_) | Self::Overloaded => false,
            Self::Timeout { failures, .. } | Self::AllFailed(failures) => {
                failures.iter().all(|each| each.failure.is_silence())
            }
        }
    }
}

/// One server's part in an [`Error`].
#[derive(Clone, Debug)]
pub struct ServerFailure {
    /// The URL of the server.
    pub server: Arc<str>,
    /// What happened there last.
    pub failure: Failure,
}

impl fmt::Display for ServerFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.server, Chain(&self.failure))
    }
}

/// What went wrong with one server.
///
/// ```
/// use doh_client::{Blame, Failure};
///
/// assert_eq!(Failure::Status(404).blame(), Blame::Config); // a wrong path
/// assert!(Failure::Status(503).is_retryable());
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No TCP connection to any of its addresses; this is what the last one said.
    #[error("cannot connect to {address}")]
    Connect {
        /// The address dialled.
        address: SocketAddr,
        /// What the system said.
        #[source]
        cause: Cause,
    },
    /// Its name is not pinned to an address, and none has been found so far.
    #[error("no address of `{host}` is known: can the bootstrap resolvers be asked?")]
    NoAddress {
        /// The host that was looked up.
        host: Arc<str>,
        /// What came of it.
        #[source]
        cause: Cause,
    },
    /// No connection in time, from the first TCP packet to the end of the TLS handshake.
    #[error("no connection within {0:?}: is TCP to its port let through?")]
    ConnectTimeout(Duration),
    /// The proxy did not connect to it.
    #[error("the proxy `{proxy}` did not let us through")]
    Proxy {
        /// Where the proxy is.
        proxy: Arc<str>,
        /// What became of the attempt.
        #[source]
        problem: ProxyProblem,
    },
    /// Its certificate leads to a root that is not trusted.
    #[error(
        "its certificate comes from an unknown authority: if that is right, add the authority's \
         certificate to the extra roots (`extra_roots_pem`)"
    )]
    UnknownIssuer,
    /// One side does not trust the other.
    #[error("{0}")]
    Trust(TrustProblem),
    /// The TLS handshake failed in another way.
    #[error("TLS failed")]
    Tls(#[source] Cause),
    /// It does not speak HTTP/2.
    #[error("it does not speak HTTP/2 over TLS (ALPN `h2`)")]
    NoHttp2,
    /// The connection broke, twice in a row.
    #[error("the connection was lost")]
    ConnectionLost(#[source] Cause),
    /// It reset the stream of this query.
    #[error("it reset the stream with HTTP/2 error code {0}")]
    Reset(u32),
    /// What it sent is not HTTP/2, or contradicts itself.
    #[error("it breaks the rules of HTTP/2")]
    Protocol(#[source] Cause),
    /// It answered with an HTTP error or a redirect.
    #[error("it answered with HTTP status {0}, expected 2xx")]
    Status(u16),
    /// It asks for fewer queries (HTTP status 429 or 503).
    #[error("it answered with HTTP status {status}: it wants fewer queries")]
    Throttled {
        /// 429 or 503.
        status: u16,
        /// How long it wants to be left alone, if it said so (RFC 9110 section 10.2.3).
        after: Option<Duration>,
    },
    /// It answered with something that is no DNS message.
    #[error("it answered with content type `{0}`, expected `application/dns-message`")]
    ContentType(Box<str>),
    /// The body is larger than any DNS message.
    #[error("its answer is larger than 65,535 bytes")]
    TooLarge,
    /// The body is not an answer to the query.
    #[error("its answer is not one")]
    BadAnswer(#[source] AnswerProblem),
    /// Too many datagrams came from its address that answer nothing it was asked.
    #[error("{0} datagrams in its name answered nothing that was asked: is somebody forging them?")]
    Spoofed(u32),
    /// It was still silent when the time was over.
    #[error("no answer after {0:?}")]
    NoAnswer(Duration),
    /// It has as many queries under way as it may have; it was not asked.
    #[error("too many queries under way")]
    Overloaded,
}

/// An error of the system, of TLS or of HTTP, for people to read.
pub type Cause = Arc<dyn StdError + Send + Sync>;

impl Failure {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::UnknownIssuer | Self::NoHttp2 => Blame::Config,
            Self::Trust(problem) => problem.blame(),
            Self::Proxy { problem, .. } => problem.blame(),
            Self::Status(status) => status_blame(*status),
            Self::Overloaded => Blame::Us,
            _ => Blame::Upstream,
        }
    }

    /// Whether asking the same server may help a little later.
    pub fn is_retryable(&self) -> bool {
        self.blame() != Blame::Config
    }

    /// What a person can do about it.
    ///
    /// ```
    /// assert!(doh_client::Failure::Status(404).next_step().contains("path"));
    /// ```
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Connect { .. } | Self::ConnectTimeout(_) => {
                "check its addresses and port, and whether a firewall lets TCP through to them"
            }
            Self::NoAddress { .. } => {
                "pin its addresses in the URL (`#192.0.2.1`), or check the bootstrap resolvers"
            }
            Self::Proxy { .. } => "check the proxy's URL, and whether it lets this host through",
            Self::Trust(problem) => problem.next_step(),
            Self::Protocol(_) => "check host and port: something else may answer there",
            Self::Spoofed(_) => "ask it over a protocol that is encrypted, if it speaks one",
            Self::Status(401 | 403) => {
                "it does not let this client in: check the URL, and whether it wants a client certificate"
            }
            Self::Status(404) => "check the path of the URL; most servers have `/dns-query`",
            Self::Status(421) => "it does not serve this host: check the URL and its addresses",
            Self::UnknownIssuer => {
                "if the certificate is right, trust the authority that signed it"
            }
            Self::NoHttp2 => "check host and port; without HTTP/2 it cannot be used over https",
            Self::Throttled { .. } => "ask it less: add another server, or let the cache keep more",
            Self::Overloaded => "add another server, or allow more queries in flight",
            Self::ContentType(_) => {
                "check the URL, and whether something on the way answers in its place"
            }
            Self::NoAnswer(_) => "it is slow or unreachable: add another server beside it",
            _ => "check its URL, its addresses and its certificate",
        }
    }

    /// Whether asking the same server may help at once: what failed was this request alone.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Reset(_) | Self::Status(408 | 500 | 502 | 504))
    }

    /// Whether the server was not heard at all.
    fn is_silence(&self) -> bool {
        match self {
            Self::NoAddress { .. }
            | Self::Connect { .. }
            | Self::Proxy { .. }
            | Self::ConnectTimeout(_)
            | Self::NoAnswer(_) => true,
            Self::ConnectionLost(cause) => transport::is_silence(cause.as_ref()),
            _ => false,
        }
    }
}

/// Redirects and client errors mean that the URL is wrong, or that this client is unwelcome there;
/// 408, 409, 425 and 429 pass, as server errors do (RFC 9110 section 15, RFC 6585, RFC 8470).
fn status_blame(status: u16) -> Blame {
    let passes = matches!(status, 408 | 409 | 425 | 429);
    if (300..=499).contains(&status) && !passes { Blame::Config } else { Blame::Upstream }
}

/// Who has to act on an error.
///
/// ```
/// assert_eq!(doh_client::Error::Overloaded.blame(), doh_client::Blame::Us);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Blame {
    /// Who sent the query.
    Client,
    /// Who runs the servers asked, or the network on the way.
    Upstream,
    /// This process.
    Us,
    /// Who set the servers.
    Config,
}

/// An error and what caused it on one line.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn StdError);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// The failures of an [`Error`], each after a separator.
struct Failures<'a>(&'a [ServerFailure]);

impl fmt::Display for Failures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in self.0 {
            write!(f, "; {failure}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn refused() -> Failure {
        let cause = Arc::new(io::Error::from(io::ErrorKind::ConnectionRefused));
        Failure::Connect { address: ([192, 0, 2, 1], 443).into(), cause }
    }

    fn all_failed(failures: impl IntoIterator<Item = Failure>) -> Error {
        let server = Arc::from("https://dns.test/q");
        let with_server = |failure| ServerFailure { server: Arc::clone(&server), failure };
        Error::AllFailed(failures.into_iter().map(with_server).collect())
    }

    #[test]
    fn an_error_says_what_each_server_did() {
        let error = all_failed([refused(), Failure::Status(503)]);

        assert_eq!(
            error.to_string(),
            "every server failed; `https://dns.test/q`: cannot connect to 192.0.2.1:443: \
             connection refused; `https://dns.test/q`: it answered with HTTP status 503, \
             expected 2xx"
        );
    }

    #[test]
    fn silence_is_told_from_a_bad_answer() {
        let silent = Failure::NoAnswer(Duration::from_secs(1));

        assert!(all_failed([refused(), silent.clone()]).is_unreachable());
        assert!(!all_failed([silent, Failure::TooLarge]).is_unreachable());
        assert!(!Error::NotAQuery(QueryProblem::TooShort).is_unreachable());
    }

    #[test]
    fn the_configuration_is_to_blame_when_no_retry_helps() {
        let wrong_path = all_failed([Failure::Status(404), Failure::UnknownIssuer]);
        assert_eq!((wrong_path.blame(), wrong_path.is_retryable()), (Blame::Config, false));

        let mixed = all_failed([Failure::Status(404), Failure::Status(503)]);
        assert_eq!((mixed.blame(), mixed.is_retryable()), (Blame::Upstream, true));
    }
}
