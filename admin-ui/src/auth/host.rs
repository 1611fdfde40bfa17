//! The name a browser used for us comes in, known names pass, others get 421 and the reason.
//!
//! A page at `evil.example` can point that name at this server's address (DNS rebinding) and would
//! then share an origin with it, so only names the operator chose are served. `localhost` and IP
//! literals pass always: they cannot be pointed anywhere.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::HOST};

use crate::site::Site;

/// Longest part of a found host that is repeated in the answer: a domain name has at most 253
/// characters (RFC 1035 section 2.3.4).
const MAX_SHOWN: usize = 253;

/// Lets a request pass when it names a host we are known by.
pub(crate) async fn require_known_host(
    State(site): State<Arc<Site>>,
    request: Request,
    next: Next,
) -> Response {
    let host = of(&request);
    if host.is_some_and(|host| is_known(host, &site.backend.access().allowed_hosts)) {
        return next.run(request).await;
    }
    let found = host.map_or_else(|| "no host".to_owned(), shown);
    let text = format!(
        "This server is not known as {found}.\n\
         If it should be, add that name to `admin.allowed_hosts`.\n"
    );
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

/// The host a request names, with its port: the authority of the target, else the `Host` header.
/// Several `Host` headers name none (RFC 9112 section 3.2).
pub(crate) fn of(request: &Request) -> Option<&str> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.as_str());
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok().filter(|host| !host.is_empty()),
        _ => None,
    }
}

/// Splits `name:port`, where the name may be a bracketed IPv6 address.
pub(crate) fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    }
}

fn is_known(host: &str, allowed: &[String]) -> bool {
    let (name, port) = split_port(host);
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return false;
    }
    let name = without_dot(name);
    name.eq_ignore_ascii_case("localhost")
        || is_address(name)
        || allowed.iter().any(|allowed| {
            let (allowed_name, allowed_port) = split_port(allowed);
            without_dot(allowed_name).eq_ignore_ascii_case(name)
                && (allowed_port.is_none() || allowed_port == port)
        })
}

fn is_address(name: &str) -> bool {
    let bracketed = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    bracketed.map_or_else(
        || name.parse::<Ipv4Addr>().is_ok(),
        |address| address.parse::<Ipv6Addr>().is_ok(),
    )
}

/// `nas.lan.` and `nas.lan` are one name.
fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// The host as it may stand in plain text: printable, quoted, of bounded length.
fn shown(host: &str) -> String {
    let host: String = host.escape_default().take(MAX_SHOWN).collect();
    format!("`{host}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_always_known() {
        for host in
            ["localhost", "LOCALHOST:8080", "127.0.0.1", "192.168.1.2:80", "[::1]", "[fd00::2]:443"]
        {
            assert!(is_known(host, &[]), "{host}");
        }
    }

    #[test]
    fn other_names_are_strangers() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "0x7f.1",
            "127.1",
            "::1",
            "[::1",
            "[::1]x",
            "localhost:",
            "localhost:80x",
            "user@localhost",
            "",
        ] {
            assert!(!is_known(host, &[]), "{host}");
        }
    }

    #[test]
    fn a_name_is_allowed_with_any_port_unless_one_is_given() {
        let allowed = ["dns.example".to_owned(), "nas.lan:8443".to_owned()];
        for (host, known) in [
            ("dns.example", true),
            ("DNS.example.:8080", true),
            ("a.dns.example", false),
            ("nas.lan:8443", true),
            ("nas.lan", false),
            ("nas.lan:80", false),
        ] {
            assert_eq!(is_known(host, &allowed), known, "{host}");
        }
    }
}
