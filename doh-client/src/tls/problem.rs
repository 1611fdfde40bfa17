//! What TLS says went wrong comes in, a failure that an operator can act on goes out.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError};

use crate::error::{Blame, Failure};
use crate::server::Protocol;

/// Names of a certificate that an error repeats; some carry hundreds.
const NAMES_SHOWN: usize = 8;

/// The kind of error that stands for "your certificate is no good", on its way through what knows
/// nothing of TLS: in TLS 1.3 a server says so only when the client has begun to ask.
const CERTIFICATE_REFUSED: io::ErrorKind = io::ErrorKind::PermissionDenied;

/// Why one side does not trust the other.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustProblem {
    /// The server's certificate has expired.
    #[error(
        "its certificate expired {} ago: unless this machine's clock is wrong, its operator has \
         to renew it", span(*.since)
    )]
    Expired {
        /// Since when, by this machine's clock.
        since: Duration,
    },
    /// The server's certificate is not valid yet.
    #[error(
        "its certificate becomes valid only in {}: check this machine's clock", span(*.until)
    )]
    NotYetValid {
        /// How long it would have to wait, by this machine's clock.
        until: Duration,
    },
    /// The server's certificate is for other names.
    #[error(
        "its certificate is not for `{wanted}` but for {}: check the host in its URL, and the \
         addresses", names(.found)
    )]
    WrongName {
        /// The host of the URL.
        wanted: Box<str>,
        /// The names in the certificate.
        found: Arc<[String]>,
    },
    /// The server's certificate is good, but none that leads to its root has what was pinned.
    #[error(
        "none of its certificates is pinned; its own has `pin={seen}`: if the server has changed \
         its key, and you know that from elsewhere, pin this one"
    )]
    WrongPin {
        /// SHA-256 of the public key of the server's own certificate, in base64 (RFC 7469).
        seen: Box<str>,
    },
    /// The server wants a client certificate, or does not like the one it got.
    #[error(
        "it wants a client certificate, and another than it got if it got one ({0}): set the one \
         that it knows (`client_certificate_pem`)"
    )]
    ClientCertificate(Arc<io::Error>),
}

impl TrustProblem {
    pub(crate) fn next_step(&self) -> &'static str {
        match self {
            Self::Expired { .. } | Self::NotYetValid { .. } => {
                "check this machine's clock, then ask who runs the server"
            }
            Self::WrongName { .. } => "check the host in its URL, and its addresses",
            Self::WrongPin { .. } => "find out whether its key was changed, then pin the new one",
            Self::ClientCertificate(_) => "set the client certificate that it knows",
        }
    }

    pub(crate) fn blame(&self) -> Blame {
        match self {
            Self::Expired { .. } => Blame::Upstream,
            Self::NotYetValid { .. } => Blame::Us,
            Self::WrongName { .. } | Self::WrongPin { .. } | Self::ClientCertificate(_) => {
                Blame::Config
            }
        }
    }
}

/// Picks out the causes that an operator can act on.
pub(super) fn failure(error: io::Error, protocol: Protocol) -> Failure {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match cause {
        // A bad signature: it is not the authority that has this name here, but one of that name.
        Some(rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => Failure::UnknownIssuer,
        Some(rustls::Error::InvalidCertificate(problem)) => match distrust(problem) {
            Some(problem) => Failure::Trust(problem),
            None => Failure::Tls(Arc::new(error)),
        },
        Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol))
            if protocol == Protocol::Https =>
        {
            Failure::NoHttp2
        }
        Some(rustls::Error::AlertReceived(alert)) if is_about_us(*alert) => {
            Failure::Trust(TrustProblem::ClientCertificate(Arc::new(error)))
        }
        _ => Failure::Tls(Arc::new(error)),
    }
}

/// Marks an error of an open connection that says our certificate is no good.
pub(crate) fn mark_refusal(error: io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::AlertReceived(alert)) if is_about_us(*alert) => {
            io::Error::new(CERTIFICATE_REFUSED, error)
        }
        _ => error,
    }
}

/// The failure behind an error that was marked.
pub(crate) fn refusal(error: &io::Error) -> Option<Failure> {
    let is_marked = error.kind() == CERTIFICATE_REFUSED;
    is_marked.then(|| {
        let cause = io::Error::new(error.kind(), error.to_string());
        Failure::Trust(TrustProblem::ClientCertificate(Arc::new(cause)))
    })
}

/// Whether a handshake ended without a word of TLS from the server: whatever lies between may not
/// have let it through.
pub(super) fn was_cut(failure: &Failure) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let Failure::Tls(cause) = failure else { return false };
    cause.downcast_ref::<io::Error>().is_some_and(|error| {
        matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
    })
}

fn distrust(problem: &CertificateError) -> Option<TrustProblem> {
    match problem {
        CertificateError::ExpiredContext { time, not_after } => {
            Some(TrustProblem::Expired { since: between(*not_after, *time) })
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            Some(TrustProblem::NotYetValid { until: between(*time, *not_before) })
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let wanted = match expected {
                ServerName::IpAddress(address) => {
                    std::net::IpAddr::from(*address).to_string().into()
                }
                other => other.to_str().into(),
            };
            let found = presented.iter().map(|name| bare(name).to_owned()).collect();
            Some(TrustProblem::WrongName { wanted, found })
        }
        CertificateError::Other(other) => other.0.downcast_ref::<TrustProblem>().cloned(),
        _ => None,
    }
}

/// The name in what rustls writes for people, such as `DnsName("dns.test")`.
fn bare(name: &str) -> &str {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(name).trim_matches('"')
}

/// What a server says of a client's certificate, or of its absence (RFC 8446 section 6.2).
fn is_about_us(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired
    )
}

fn between(earlier: UnixTime, later: UnixTime) -> Duration {
    Duration::from_secs(later.as_secs().saturating_sub(earlier.as_secs()))
}

/// A time as people say it.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn names(found: &[String]) -> String {
    let more = found.len().saturating_sub(NAMES_SHOWN);
    let shown: Vec<_> = found.iter().take(NAMES_SHOWN).map(|name| format!("`{name}`")).collect();
    match (shown.len(), more) {
        (0, _) => "no name at all".to_owned(),
        (_, 0) => shown.join(", "),
        _ => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        for (seconds, said) in [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h")] {
            assert_eq!(span(Duration::from_secs(seconds)), said);
        }
        assert_eq!(span(Duration::from_secs(3 * 86_400)), "3 days");
    }

    #[test]
    fn names_are_shown_bare() {
        for (written, shown) in [
            ("DnsName(\"dns.test\")", "dns.test"),
            ("IpAddress(192.0.2.1)", "192.0.2.1"),
            ("dns.test", "dns.test"),
            ("", ""),
        ] {
            assert_eq!(bare(written), shown);
        }
    }

    #[test]
    fn of_many_names_a_few_are_shown() {
        let many: Vec<_> = (0..10).map(|number| format!("n{number}.test")).collect();

        assert_eq!(names(&[]), "no name at all");
        assert_eq!(names(&many[..2]), "`n0.test`, `n1.test`");
        assert!(names(&many).ends_with("`n7.test` and 2 more"));
    }

    #[test]
    fn a_refusal_outlives_those_who_know_only_kinds_of_errors() {
        let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        let marked = mark_refusal(io::Error::new(io::ErrorKind::InvalidData, alert));
        let other = rustls::Error::AlertReceived(AlertDescription::InternalError);
        let unmarked = mark_refusal(io::Error::new(io::ErrorKind::InvalidData, other));

        assert!(matches!(
            refusal(&marked),
            Some(Failure::Trust(TrustProblem::ClientCertificate(_)))
        ));
        assert!(refusal(&unmarked).is_none());
    }
}
