//! Session tokens go into `Set-Cookie` headers and come back out of `Cookie` headers.

use http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, HeaderName},
};

use crate::base_path::BasePath;

/// The header a TLS-terminating proxy sets. Who forges it only gets a stricter cookie.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The cookie's name over plain HTTP.
const PLAIN: &str = "sid";
/// Its name over HTTPS at the root: browsers take it from this host over HTTPS only (RFC 6265bis
/// section 4.1.3).
const HOST: &str = "__Host-sid";
/// Its name over HTTPS below a path, where `__Host-` is not allowed.
const SECURE: &str = "__Secure-sid";
/// Cookies looked at per request: a browser sends one or two of ours.
const MAX_TOKENS: usize = 4;

/// The tokens a request carries. Over HTTPS only prefixed cookies count, which a page on a
/// neighbouring plain-HTTP host cannot plant.
pub(crate) fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let names: &[&str] = if is_https(headers) { &[HOST, SECURE] } else { &[PLAIN] };
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(move |(name, _)| names.contains(name))
        .map(|(_, token)| token)
        .take(MAX_TOKENS)
}

/// The header that gives the browser its token. It forgets it when it is closed.
pub(crate) fn hand_out(headers: &HeaderMap, base: &BasePath, token: &str) -> HeaderValue {
    set(headers, base, token, "")
}

/// The header that makes the browser forget its token.
pub(crate) fn take_back(headers: &HeaderMap, base: &BasePath) -> HeaderValue {
    set(headers, base, "", "; Max-Age=0")
}

fn set(headers: &HeaderMap, base: &BasePath, token: &str, lifetime: &str) -> HeaderValue {
    let (name, secure) = match (is_https(headers), base.is_root()) {
        (false, _) => (PLAIN, ""),
        (true, true) => (HOST, "; Secure"),
        (true, false) => (SECURE, "; Secure"),
    };
    let path = base.as_str();
    let cookie = format!("{name}={token}; Path={path}; HttpOnly; SameSite=Lax{secure}{lifetime}");
    // Tokens are hexadecimal and a base path is plain ASCII, so this always is a header value.
    HeaderValue::try_from(cookie).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Whether the browser came over HTTPS, as far as a proxy says. The first of several proxies is the
/// one the browser spoke to.
fn is_https(headers: &HeaderMap) -> bool {
    headers
        .get(FORWARDED_PROTO)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(',').next())
        .is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
}
