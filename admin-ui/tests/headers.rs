//! What every answer tells the browser, and how files are cached.

mod lab;

use http::{Method, StatusCode};
use lab::{Ask, Lab};

/// The path of the style sheet.
async fn style(lab: &Lab) -> String {
    format!("/{}", lab.ask(Ask::get("/")).await.style())
}

#[tokio::test]
async fn every_answer_keeps_the_browser_strict() {
    let lab = Lab::new();
    let asks = [
        Ask::get("/"),
        Ask::get(&style(&lab).await),
        Ask::get("/api/v1/status"),
        Ask::get("/nowhere"),
        Ask::get("/").with("host", "rebound.example"),
        Ask::form("/login", "").with("origin", "null"),
        Ask::new(Method::DELETE, "/", ""),
    ];

    for ask in asks {
        let answer = lab.ask(ask).await;

        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        for part in [
            "form-action 'self'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types svelte-trusted-html",
        ] {
            assert!(policy.split("; ").any(|found| found == part), "{part}");
        }
        assert!(!policy.contains("unsafe"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
        assert!(answer.header("permissions-policy").contains("camera=()"));
    }
}

#[tokio::test]
async fn pages_and_answers_are_not_stored() {
    let lab = Lab::new();

    for path in ["/", "/api/v1/status", "/nowhere"] {
        assert_eq!(lab.ask(Ask::get(path)).await.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn a_file_is_kept_for_good_and_known_by_its_tag() {
    let lab = Lab::new();
    let path = style(&lab).await;

    let first = lab.ask(Ask::get(&path)).await;
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(first.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(first.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(first.header("vary"), "accept-encoding");

    let again = lab.ask(Ask::get(&path).with("if-none-match", first.header("etag"))).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    assert!(again.body.is_empty());
}

#[tokio::test]
async fn a_compressed_file_has_a_tag_of_its_own() {
    let lab = Lab::new();
    let path = style(&lab).await;
    let plain = lab.ask(Ask::get(&path)).await;

    let small = lab.ask(Ask::get(&path).with("accept-encoding", "gzip, br;q=1.0")).await;
    let refused = lab.ask(Ask::get(&path).with("accept-encoding", "br;q=0")).await;

    assert_eq!(refused.header("content-encoding"), "");
    if admin_ui::UI == admin_ui::Ui::Full {
        assert_eq!(small.header("content-encoding"), "br");
        assert!(small.body.len() < plain.body.len());
        assert_ne!(small.header("etag"), plain.header("etag"));
    } else {
        assert_eq!(small.body, plain.body);
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_not_found() {
    let lab = Lab::new();

    for path in ["/assets/x.js", "/assets/..%2fCargo.toml", "/assets/", "/assets"] {
        assert_eq!(lab.ask(Ask::get(path)).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
