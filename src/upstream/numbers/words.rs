//! An event goes in, its place among the words of a label comes out. Every label of an upstream
//! has its closed set of words here, so that no server can make up another.

use std::net::SocketAddr;

use doh_client::{Closed, Failure, SendKind};

/// What became of a query.
pub(super) const OUTCOMES: [&str; 3] = ["good", "unhelpful", "failed"];
/// The place of those that were not answered.
pub(super) const FAILED: usize = 2;

/// Why a query is sent.
pub(super) const SENDS: [&str; 7] =
    ["first", "hedge", "retry", "free_retry", "repeat", "probe", "other"];

/// What limits extra queries.
pub(super) const BUDGETS: [&str; 2] = ["hedge", "retry"];

/// What became of a connect, and over which version of IP where that is known.
pub(super) const CONNECTS: [&str; 5] =
    ["ok,ipv4", "ok,ipv6", "failed,ipv4", "failed,ipv6", "failed,unknown"];

/// What came of looking addresses up.
pub(super) const LOOKUPS: [&str; 2] = ["changed", "failed"];

/// How a TLS handshake went.
pub(super) const HANDSHAKES: [&str; 2] = ["full", "resumed"];

/// Why a connection is over.
pub(super) const CLOSINGS: [&str; 7] =
    ["go_away", "idle", "silent", "broken", "age", "network", "other"];

/// Statuses of HTTP that mean something here, and the rest by their first digit.
pub(super) const CODES: [&str; 19] = [
    "2xx", "3xx", "400", "401", "403", "404", "405", "408", "413", "415", "421", "425", "429",
    "500", "502", "503", "504", "4xx", "5xx",
];
/// The place of `2xx`.
pub(super) const SUCCESS: usize = 0;

/// What goes wrong.
pub(super) const CLASSES: [&str; 22] = [
    "no_address",
    "connect",
    "connect_timeout",
    "proxy",
    "unknown_issuer",
    "certificate",
    "tls",
    "no_http2",
    "connection_lost",
    "reset",
    "protocol",
    "http_redirect",
    "http_client_error",
    "http_server_error",
    "throttled",
    "content_type",
    "too_large",
    "bad_answer",
    "spoofed",
    "no_answer",
    "overloaded",
    "other",
];

pub(super) fn send(kind: SendKind) -> usize {
    match kind {
        SendKind::First => 0,
        SendKind::Hedge => 1,
        SendKind::Retry => 2,
        SendKind::FreeRetry => 3,
        SendKind::Repeat => 4,
        SendKind::Probe => 5,
        _ => 6,
    }
}

pub(super) fn connect(outcome: Result<SocketAddr, &Failure>) -> usize {
    match outcome {
        Ok(address) => usize::from(address.is_ipv6()),
        Err(Failure::Connect { address, .. }) => 2 + usize::from(address.is_ipv6()),
        Err(_) => 4,
    }
}

pub(super) fn closing(reason: Closed) -> usize {
    match reason {
        Closed::GoAway => 0,
        Closed::Idle => 1,
        Closed::Silent => 2,
        Closed::Broken => 3,
        Closed::Age => 4,
        Closed::Network => 5,
        _ => 6,
    }
}

/// The status of the response behind a failure; nothing where there was none.
pub(super) fn code(failure: &Failure) -> Option<usize> {
    let status = match failure {
        Failure::Status(status) | Failure::Throttled { status, .. } => *status,
        Failure::ContentType(_) | Failure::TooLarge | Failure::BadAnswer(_) => {
            return Some(SUCCESS);
        }
        _ => return None,
    };
    let rest = match status {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    let find = |word: &str| CODES.iter().position(|code| *code == word);
    find(&status.to_string()).or_else(|| find(rest))
}

pub(super) fn class(failure: &Failure) -> usize {
    match failure {
        Failure::NoAddress { .. } => 0,
        Failure::Connect { .. } => 1,
        Failure::ConnectTimeout(_) => 2,
        Failure::Proxy { .. } => 3,
        Failure::UnknownIssuer => 4,
        Failure::Trust(_) => 5,
        Failure::Tls(_) => 6,
        Failure::NoHttp2 => 7,
        Failure::ConnectionLost(_) => 8,
        Failure::Reset(_) => 9,
        Failure::Protocol(_) => 10,
        Failure::Status(300..=399) => 11,
        Failure::Status(400..=499) => 12,
        Failure::Status(_) => 13,
        Failure::Throttled { .. } => 14,
        Failure::ContentType(_) => 15,
        Failure::TooLarge => 16,
        Failure::BadAnswer(_) => 17,
        Failure::Spoofed(_) => 18,
        Failure::NoAnswer(_) => 19,
        Failure::Overloaded => 20,
        _ => 21,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_failure_has_a_class_and_a_response_its_status() {
        let after = None;
        for (failure, word, status) in [
            (Failure::ConnectTimeout(Duration::ZERO), "connect_timeout", None),
            (Failure::UnknownIssuer, "unknown_issuer", None),
            (Failure::NoHttp2, "no_http2", None),
            (Failure::Reset(2), "reset", None),
            (Failure::Status(301), "http_redirect", Some("3xx")),
            (Failure::Status(404), "http_client_error", Some("404")),
            (Failure::Status(418), "http_client_error", Some("4xx")),
            (Failure::Status(500), "http_server_error", Some("500")),
            (Failure::Status(599), "http_server_error", Some("5xx")),
            (Failure::Throttled { status: 429, after }, "throttled", Some("429")),
            (Failure::ContentType("text/html".into()), "content_type", Some("2xx")),
            (Failure::TooLarge, "too_large", Some("2xx")),
            (Failure::NoAnswer(Duration::ZERO), "no_answer", None),
            (Failure::Spoofed(9), "spoofed", None),
            (Failure::Overloaded, "overloaded", None),
        ] {
            let found = (CLASSES[class(&failure)], code(&failure).map(|code| CODES[code]));
            assert_eq!(found, (word, status), "{failure}");
        }
    }

    #[test]
    fn connects_tell_their_version_of_ip_where_it_is_known() {
        let word = |outcome| CONNECTS[connect(outcome)];
        assert_eq!(word(Ok(([192, 0, 2, 1], 443).into())), "ok,ipv4");
        assert_eq!(word(Ok("[2001:db8::1]:443".parse().unwrap())), "ok,ipv6");
        assert_eq!(word(Err(&Failure::ConnectTimeout(Duration::ZERO))), "failed,unknown");
    }
}
