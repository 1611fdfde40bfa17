//! Behind an ingress everything lies below one path, and nothing beside it.

mod lab;

use http::{Method, StatusCode};
use lab::{Ask, Lab, PASSWORD};

fn log_in() -> Ask {
    let body = serde_json::json!({ "password": PASSWORD }).to_string();
    Ask::new(Method::POST, "/dns/api/v1/session", &body)
}

#[tokio::test]
async fn everything_lies_below_the_base_path() {
    let lab = Lab::below("/dns");
    let cookie = lab.ask(log_in()).await.cookie();

    for path in ["/dns/", "/dns/api/v1/status", "/dns/api/v1/queries"] {
        let answer = lab.ask(Ask::get(path).with("cookie", &cookie)).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
    for path in ["/", "/api/v1/status", "/dnsx/", "/dns/dns/"] {
        let answer = lab.ask(Ask::get(path).with("cookie", &cookie)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8", "{path}");
    }
    lab.ask(Ask::get("/dns/api/x")).await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn the_path_without_its_slash_leads_to_the_page() {
    let answer = Lab::below("/dns/").ask(Ask::get("/dns")).await;

    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/dns/"));
}

#[tokio::test]
async fn pages_name_their_base_and_their_files_load() {
    let lab = Lab::below("/dns/");

    let page = lab.ask(Ask::get("/dns/")).await;

    assert!(page.text().contains("<base href=\"/dns/\">"));
    let style = lab.ask(Ask::get(&format!("/dns/{}", page.style()))).await;
    assert_eq!(style.status, StatusCode::OK);
}

#[tokio::test]
async fn cookies_are_for_the_base_path_only() {
    let lab = Lab::below("/dns/");

    let plain = lab.ask(log_in()).await;
    assert!(plain.header("set-cookie").contains("; Path=/dns/;"));

    let secure = lab.ask(log_in().with("x-forwarded-proto", "https")).await;
    assert!(secure.header("set-cookie").starts_with("__Secure-sid="));
    assert!(secure.header("set-cookie").ends_with("; Secure"));
}

#[tokio::test]
async fn the_form_leads_back_below_the_base_path() {
    let answer = Lab::below("/dns/").ask(Ask::form("/dns/login", "password=open+sesame")).await;

    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/dns/"));
}
