//! What the API says, and the pages around it.

mod lab;

use http::{Method, StatusCode};
use lab::{Ask, Lab, row};
use serde_json::json;

#[tokio::test]
async fn the_status_is_the_backends_and_names_the_page() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;

    let answer = lab.ask(Ask::get("/api/v1/status").with("cookie", &cookie)).await;

    let status = answer.json();
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(status["replica"], "<lab>");
    assert_eq!(status["totals"]["queries"], 4);
    assert_eq!(status["block_rate"], 0.25);
    assert_eq!(status["blocking"], json!({ "enabled": true, "rules": 7, "memory_bytes": 56 }));
    assert_eq!(status["ui"], serde_json::to_value(admin_ui::UI).unwrap());
}

#[tokio::test]
async fn queries_come_newest_first_up_to_the_limit() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;
    (1..=3).for_each(|id| lab.script.add(row(id)));

    let answer = lab.ask(Ask::get("/api/v1/queries?limit=2").with("cookie", &cookie)).await;

    let answer = answer.json();
    assert_eq!(answer["replica"], "<lab>");
    assert_eq!(answer["queries"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        answer["queries"][0],
        json!({
            "id": 3, "time": 1_700_000_000_003_u64, "client": "192.0.2.7", "transport": "udp",
            "name": "ads.example", "type": "A", "outcome": "blocked", "rcode": "NOERROR",
            "list": "list", "line": 3, "upstream": null,
            "would_be_blocked_by": null, "microseconds": 12
        })
    );
}

#[tokio::test]
async fn a_limit_that_is_none_is_said_so() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;

    for limit in ["0", "1001", "-1", "many", "", "1e3"] {
        let path = format!("/api/v1/queries?limit={limit}");
        let answer = lab.ask(Ask::get(&path).with("cookie", &cookie)).await;

        answer.assert_problem(400, "bad_request");
        assert!(answer.text().contains("allowed 1 to 1000"), "{limit}");
    }
}

#[tokio::test]
async fn an_unknown_path_is_a_problem_in_the_api_and_a_line_elsewhere() {
    let lab = Lab::new();

    lab.ask(Ask::get("/api/v1/nothing")).await.assert_problem(404, "not_found");
    lab.ask(Ask::get("/api")).await.assert_problem(404, "not_found");
    let page = lab.ask(Ask::get("/nothing")).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert_eq!(page.header("content-type"), "text/plain; charset=utf-8");
}

#[tokio::test]
async fn an_unknown_method_is_told_the_known_ones() {
    let lab = Lab::new();

    let answer = lab.ask(Ask::new(Method::PUT, "/api/v1/status", "")).await;

    answer.assert_problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "GET,HEAD");
}

#[tokio::test]
async fn a_stranger_sees_the_log_in_page_and_a_guest_the_page_itself() {
    let lab = Lab::new();

    let door = lab.ask(Ask::get("/")).await;
    assert_eq!(door.status, StatusCode::OK);
    assert_eq!(door.header("content-type"), "text/html; charset=utf-8");
    assert!(door.text().contains("<form method=\"post\" action=\"login\">"));

    let cookie = lab.log_in().await;
    let page = lab.ask(Ask::get("/").with("cookie", &cookie)).await;
    assert!(!page.text().contains("type=\"password\""));
    assert!(!page.text().contains("<lab>"), "names from outside are escaped");
    assert!(!page.text().contains("{{"));
}

#[tokio::test]
async fn a_session_that_ended_is_mentioned() {
    let lab = Lab::new();

    assert!(lab.ask(Ask::get("/?ended")).await.text().contains("Your session has ended."));
    assert!(!lab.ask(Ask::get("/?other")).await.text().contains("ended"));
}

#[tokio::test]
async fn no_page_has_anything_inline() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;

    for ask in [Ask::get("/"), Ask::get("/").with("cookie", &cookie)] {
        let page = lab.ask(ask).await;
        for inline in [" style=", "<style", "onclick", "http://", "https://", "<script>"] {
            assert!(!page.text().contains(inline), "{inline}");
        }
    }
}

#[tokio::test]
async fn reloading_after_a_failed_log_in_leads_back() {
    let answer = Lab::new().ask(Ask::get("/login")).await;

    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/"));
}

#[tokio::test]
async fn a_question_is_explained_by_the_backend() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;
    let get = async |path: &str| lab.ask(Ask::get(path).with("cookie", &cookie)).await;

    let all = get("/api/v1/explain?name=ads.example&type=AAAA&client=10.1.2.3").await;
    let least = get("/api/v1/explain?name=ads.example").await;

    let told = json!({ "name": "ads.example", "type": "AAAA", "client": "10.1.2.3" });
    assert_eq!(all.json(), told);
    assert_eq!(least.json(), json!({ "name": "ads.example", "type": "A", "client": null }));
    get("/api/v1/explain").await.assert_problem(400, "bad_request");
    let empty = get("/api/v1/explain?name=").await;
    empty.assert_problem(400, "bad_request");
    assert!(empty.text().contains("the name is empty"));
    lab.ask(Ask::get("/api/v1/explain?name=x")).await.assert_problem(401, "unauthenticated");
}

#[tokio::test]
async fn upstreams_are_told_to_who_is_logged_in() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;

    let told = lab.ask(Ask::get("/api/v1/upstreams").with("cookie", &cookie)).await;

    assert_eq!(told.json()[0]["server"], "https://192.0.2.1/dns-query");
    lab.ask(Ask::get("/api/v1/upstreams")).await.assert_problem(401, "unauthenticated");
}
