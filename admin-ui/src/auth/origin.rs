//! Changing requests come in; those that another site's page made the browser send stop here.
//!
//! Browsers say where a request comes from: `Sec-Fetch-Site` on trustworthy origins, `Origin` on
//! every POST. A request with neither is no browser's, carries no stolen cookie, and passes.

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::header::{HeaderName, ORIGIN};

use super::host;
use crate::problem::Problem;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Lets a request pass unless it changes something on behalf of another site.
pub(crate) async fn require_same_origin(request: Request, next: Next) -> Response {
    if request.method().is_safe() || is_own(&request) {
        next.run(request).await
    } else {
        Problem::cross_site().into_response()
    }
}

fn is_own(request: &Request) -> bool {
    let headers = request.headers();
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => true,
        (Some(origin), None) => origin
            .to_str()
            .ok()
            .zip(host::of(request))
            .is_some_and(|(origin, host)| is_same(origin, host)),
        _ => false,
    }
}

/// Whether an origin and a host are one place. The scheme is the origin's own, because a proxy may
/// have ended TLS; it only tells which port goes without saying.
fn is_same(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default = match scheme {
        "https" => "443",
        "http" => "80",
        _ => return false,
    };
    let place = |text: &str| {
        let (name, port) = host::split_port(text);
        (name.to_ascii_lowercase(), port.unwrap_or(default).to_owned())
    };
    place(authority) == place(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_compared_with_the_host() {
        for (origin, host, same) in [
            ("http://nas.lan:8080", "nas.lan:8080", true),
            ("https://dns.example", "DNS.example", true),
            ("https://dns.example", "dns.example:443", true),
            ("http://[::1]:8080", "[::1]:8080", true),
            ("http://nas.lan", "nas.lan:8080", false),
            ("https://evil.example", "dns.example", false),
            ("https://dns.example.evil.example", "dns.example", false),
            ("file://dns.example", "dns.example", false),
            ("null", "dns.example", false),
        ] {
            assert_eq!(is_same(origin, host), same, "{origin} {host}");
        }
    }
}
