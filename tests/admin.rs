//! The admin listener over real HTTP: log-in, status, queries.

use reqwest::{Response, StatusCode, header};
use serde_json::Value;

use crate::lab::{Fake, Lab, plain_client};

impl Lab {
    async fn get_admin(&self, path: &str, cookie: &str) -> Response {
        let address = self.server.addresses().admin.expect("it listens");
        let request = plain_client().get(format!("http://{address}{path}"));
        request.header(header::COOKIE, cookie).send().await.unwrap()
    }

    pub(crate) async fn get_json(&self, path: &str, cookie: &str) -> Value {
        serde_json::from_str(&self.get_admin(path, cookie).await.text().await.unwrap()).unwrap()
    }

    /// Logs in with the first password; the cookie to send from now on.
    pub(crate) async fn log_in(&self) -> String {
        let address = self.server.addresses().admin.expect("it listens");
        let password = &self.server.first_password().expect("one was made").password;
        let response = plain_client()
            .post(format!("http://{address}/api/v1/session"))
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/json")
            .body(serde_json::json!({ "password": password }).to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }
}

#[tokio::test]
async fn nothing_is_shown_without_a_session() {
    let lab = Lab::builder().start().await;

    let page = lab.get_admin("/", "").await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.text().await.unwrap().contains("<form"));
    for path in ["/api/v1/status", "/api/v1/queries", "/api/v1/queries/stream"] {
        assert_eq!(lab.get_admin(path, "").await.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn the_status_tells_what_the_server_did() {
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]);
    let lab = Lab::builder().upstream(fake).list("ads", &["ads.example", "a b"]).start().await;
    for name in ["www.example", "www.example", "ads.example", "localhost"] {
        lab.ask(name, "A").await;
    }
    let cookie = lab.log_in().await;

    let status = lab.get_json("/api/v1/status", &cookie).await;

    assert!(status["replica"].as_str().is_some_and(|name| !name.is_empty()));
    assert_eq!(status["totals"]["queries"], 4);
    assert_eq!((&status["totals"]["blocked"], &status["block_rate"]), (&1.into(), &0.25.into()));
    assert_eq!((&status["cache"]["hits"], &status["cache"]["misses"]), (&1.into(), &1.into()));
    assert_eq!(status["upstream"][0]["state"], "up");
    assert_eq!(
        (&status["lists"][0]["rules"], &status["lists"][0]["rejected"]),
        (&1.into(), &1.into())
    );
}

#[tokio::test]
async fn the_last_queries_say_what_became_of_them() {
    let lab = Lab::builder().list("ads", &["# ads", "ads.example"]).start().await;
    let cookie = lab.log_in().await;
    let mut stream = lab.get_admin("/api/v1/queries/stream", &cookie).await;

    lab.ask("ads.example", "AAAA").await;
    let mut live = String::new();
    while !live.contains("ads.example") {
        let chunk = stream.chunk().await.unwrap().expect("the stream goes on");
        live.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let queries = lab.get_json("/api/v1/queries?limit=5", &cookie).await;

    let row = &queries["queries"][0];
    assert!(queries["replica"].is_string());
    assert_eq!((&row["name"], &row["type"]), (&"ads.example".into(), &"AAAA".into()));
    assert_eq!((&row["outcome"], &row["rcode"]), (&"blocked".into(), &"NOERROR".into()));
    assert_eq!((&row["list"], &row["line"]), (&"ads".into(), &2.into()));
    assert_eq!((&row["client"], &row["transport"]), (&"127.0.0.1".into(), &"tcp".into()));
}

#[tokio::test]
async fn what_privacy_hides_is_nowhere_to_be_seen() {
    let config = "[query_log]\nprivacy = 'hide-names'\n\
                  [[rules]]\naction = 'deny'\nmatch = 'very-private.example'";
    let lab = Lab::builder().config(config).start().await;
    let cookie = lab.log_in().await;
    let mut stream = lab.get_admin("/api/v1/queries/stream", &cookie).await;

    lab.ask("very-private.example", "A").await;
    let live = stream.chunk().await.unwrap().expect("a row");

    assert!(!String::from_utf8_lossy(&live).contains("very-private"));
    let queries = lab.get_admin("/api/v1/queries", &cookie).await.text().await.unwrap();
    assert!(!queries.contains("very-private") && !queries.contains("127.0.0.1"));
}

#[tokio::test]
async fn a_configured_password_is_the_only_one() {
    let hash = admin_ui::hash_password("correct horse").unwrap();
    let lab = Lab::builder().config(&format!("admin.password_hash = '{hash}'")).start().await;

    assert!(lab.server.first_password().is_none());
}

#[tokio::test]
async fn the_first_password_is_kept_for_the_next_start() {
    let lab = Lab::builder().with_data_dir().start().await;
    let file = std::fs::metadata(lab.path("data/admin-password-hash")).unwrap();

    assert!(lab.server.first_password().is_some_and(|first| first.is_kept));
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&file) & 0o777, 0o600);
}

#[tokio::test]
async fn an_answer_is_explained_over_the_api() {
    let lab = Lab::builder().list("ads", &["||ads.example^"]).start().await;
    let cookie = lab.log_in().await;

    let told = lab.get_json("/api/v1/explain?name=x.ads.example&client=10.1.2.3", &cookie).await;
    let refused = lab.get_admin("/api/v1/explain?name=a..b", &cookie).await;

    assert_eq!((&told["outcome"], &told["client"]), (&"blocked".into(), &"10.1.2.3".into()));
    assert_eq!(told["winner"]["list"], "ads");
    assert_eq!(told["sentence"], "blocked for 10.1.2.3: line 1 of `ads` says ||ads.example^");
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}
