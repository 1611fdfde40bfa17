//! Who may come in, and how long.

mod lab;

use std::time::Duration;

use http::{Method, StatusCode};
use lab::{Ask, HASH, Lab, PASSWORD};

fn status(cookie: &str) -> Ask {
    Ask::get("/api/v1/status").with("cookie", cookie)
}

#[tokio::test]
async fn without_a_session_the_api_says_how_to_get_one() {
    let lab = Lab::new();

    for path in ["/api/v1/status", "/api/v1/queries", "/api/v1/queries/stream"] {
        lab.ask(Ask::get(path)).await.assert_problem(401, "unauthenticated");
    }
    let answer = lab.ask(Ask::new(Method::DELETE, "/api/v1/session", "")).await;
    answer.assert_problem(401, "unauthenticated");
}

#[tokio::test]
async fn the_right_password_opens_a_session() {
    let lab = Lab::new();

    let cookie = lab.log_in().await;

    assert_eq!(lab.ask(status(&cookie)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_wrong_password_opens_nothing() {
    let lab = Lab::new();

    let answer = lab.ask(Ask::log_in("guess")).await;

    answer.assert_problem(401, "wrong_password");
    assert!(!answer.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn a_made_up_token_is_no_session() {
    let lab = Lab::new();
    lab.log_in().await;

    for cookie in ["sid=", "sid=0", &format!("sid={}", "0".repeat(64))] {
        assert_eq!(lab.ask(status(cookie)).await.status, StatusCode::UNAUTHORIZED, "{cookie}");
    }
}

#[tokio::test]
async fn logging_out_ends_the_session_on_the_server() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;

    let answer =
        lab.ask(Ask::new(Method::DELETE, "/api/v1/session", "").with("cookie", &cookie)).await;

    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("set-cookie"), "sid=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    assert_eq!(lab.ask(status(&cookie)).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_form_leads_back_to_the_page_with_a_session() {
    let lab = Lab::new();

    let answer = lab.ask(Ask::form("/login", "username=admin&password=open+sesame")).await;

    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("location"), "/");
    assert_eq!(lab.ask(status(&answer.cookie())).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_form_says_what_was_wrong() {
    let lab = Lab::new();

    let answer = lab.ask(Ask::form("/login", "password=guess")).await;

    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.text().contains("That is not the password."));
    assert_eq!(lab.ask(Ask::form("/login", "x=y")).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_log_out_form_leads_to_the_log_in_page() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;

    let answer = lab.ask(Ask::form("/logout", "").with("cookie", &cookie)).await;

    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/"));
    assert_eq!(lab.ask(status(&cookie)).await.status, StatusCode::UNAUTHORIZED);
    let page = lab.ask(Ask::get("/").with("cookie", &cookie)).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("type=\"password\""));
}

#[tokio::test]
async fn a_changed_password_ends_every_session() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;

    lab.script.set_access(|access| access.password_hash = HASH.replace("4MQh", "5MQh"));

    assert_eq!(lab.ask(status(&cookie)).await.status, StatusCode::UNAUTHORIZED);
    lab.ask(Ask::log_in(PASSWORD)).await.assert_problem(401, "wrong_password");
}

#[tokio::test]
async fn without_a_configured_password_nobody_gets_in() {
    let lab = Lab::new();
    lab.script.set_access(|access| access.password_hash.clear());

    lab.ask(Ask::log_in("")).await.assert_problem(503, "no_password");
}

#[tokio::test(start_paused = true)]
async fn guessing_becomes_slow_and_then_crowded() {
    let lab = Lab::new();
    let start = tokio::time::Instant::now();
    for _ in 0..10 {
        lab.ask(Ask::log_in("guess")).await.assert_problem(401, "wrong_password");
    }
    assert!(start.elapsed() > Duration::from_secs(20));

    let guesses = std::array::from_fn::<_, 12, _>(|_| lab.ask(Ask::log_in("guess")));
    let answers = futures_util::future::join_all(guesses).await;
    let crowded: Vec<_> =
        answers.iter().filter(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS).collect();

    assert_eq!(crowded.len(), 4);
    for answer in crowded {
        answer.assert_problem(429, "too_many_attempts");
        assert_eq!(answer.header("retry-after"), "8");
    }
    lab.log_in().await;
}

#[tokio::test]
async fn a_cookie_is_kept_from_scripts_and_other_sites() {
    let answer = Lab::new().ask(Ask::log_in(PASSWORD)).await;

    let cookie = answer.header("set-cookie");
    let attributes = cookie.split_once("; ").map(|(_, attributes)| attributes);
    assert_eq!(attributes, Some("Path=/; HttpOnly; SameSite=Lax"));
    assert!(cookie.starts_with("sid="));
}

#[tokio::test]
async fn over_https_the_cookie_is_bound_to_it() {
    let lab = Lab::new();

    let answer = lab.ask(Ask::log_in(PASSWORD).with("x-forwarded-proto", "https")).await;

    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-sid="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    let secure = status(&answer.cookie()).with("x-forwarded-proto", "https");
    assert_eq!(lab.ask(secure).await.status, StatusCode::OK);
}

#[tokio::test]
async fn over_https_a_cookie_without_its_prefix_is_not_believed() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;

    let answer = lab.ask(status(&cookie).with("x-forwarded-proto", "https")).await;

    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_log_in_has_a_small_body_that_makes_sense() {
    let lab = Lab::new();
    let post = |body: &str| lab.ask(Ask::new(Method::POST, "/api/v1/session", body));

    post("").await.assert_problem(400, "bad_request");
    post(r#"{"password": 7}"#).await.assert_problem(400, "bad_request");
    post(&"x".repeat(16 * 1024 + 1)).await.assert_problem(413, "too_large");
    let form = Ask::form("/login", &format!("password={}", "x".repeat(16 * 1024)));
    assert_eq!(lab.ask(form).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}
