//! Which names and which sites the server believes.

mod lab;

use http::{Method, StatusCode};
use lab::{Ask, Lab, PASSWORD};

#[tokio::test]
async fn a_strange_host_is_told_which_setting_would_allow_it() {
    let lab = Lab::new();

    for path in ["/", "/api/v1/status", "/assets/x", "/nowhere"] {
        let answer = lab.ask(Ask::get(path).with("host", "rebound.example:8080")).await;

        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST);
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert!(answer.text().contains("`admin.allowed_hosts`"));
        assert!(answer.text().contains("`rebound.example:8080`"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn a_configured_host_is_served_from_the_next_request_on() {
    let lab = Lab::new();
    lab.script.set_access(|access| access.allowed_hosts.push("dns.example".to_owned()));

    for host in ["dns.example", "DNS.EXAMPLE:8443", "localhost", "10.0.0.7:8080", "[::1]:8080"] {
        assert_eq!(lab.ask(Ask::get("/").with("host", host)).await.status, 200, "{host}");
    }
    let other = Ask::get("/").with("host", "x.dns.example");
    assert_eq!(lab.ask(other).await.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn a_request_without_a_host_is_misdirected() {
    let answer = Lab::new().ask(Ask::get("/").without("host")).await;

    assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn the_target_of_a_request_counts_more_than_its_host_header() {
    let answer = Lab::new().ask(Ask::get("http://rebound.example/")).await;

    assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn a_long_strange_host_is_not_repeated_whole() {
    let host = "x".repeat(5000);

    let answer = Lab::new().ask(Ask::get("/").with("host", &host)).await;

    assert!(answer.body.len() < 400);
}

#[tokio::test]
async fn another_sites_page_changes_nothing() {
    let lab = Lab::new();

    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "http://localhost"),
        ("origin", "null"),
    ] {
        let answer = lab.ask(Ask::log_in(PASSWORD).with(name, value)).await;
        answer.assert_problem(403, "cross_site");
        let answer = lab.ask(Ask::form("/logout", "").with(name, value)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}: {value}");
    }
}

#[tokio::test]
async fn our_own_page_and_programs_may() {
    let lab = Lab::new();

    for (name, value) in [
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
        ("origin", "http://localhost:8080"),
        ("user-agent", "a program"),
    ] {
        let answer = lab.ask(Ask::log_in(PASSWORD).with(name, value)).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{name}: {value}");
    }
}

/// Under `no-referrer` a browser sends `Origin: null` with a form, and without HTTPS nothing else
/// says where the form comes from: the log-in from another machine of the house would be refused.
#[tokio::test]
async fn pages_with_forms_let_the_browser_name_its_origin() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;

    for ask in [Ask::get("/"), Ask::get("/").with("cookie", &cookie)] {
        let page = lab.ask(ask).await;
        assert!(page.text().contains("<meta name=\"referrer\" content=\"same-origin\">"));
    }
}

#[tokio::test]
async fn no_other_site_may_read() {
    let lab = Lab::new();

    let preflight = Ask::new(Method::OPTIONS, "/api/v1/status", "")
        .with("origin", "https://evil.example")
        .with("access-control-request-method", "GET");

    let answer = lab.ask(preflight).await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}
