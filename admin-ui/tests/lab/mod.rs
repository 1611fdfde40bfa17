//! A router over a scripted backend, asked without a socket: the bench all tests stand at.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "each test file uses a part, and a bench may panic"
)]

use std::sync::{Arc, Mutex};

use admin_ui::{
    Access, Backend, Blocking, Cache, Explain, Outcome, QueryRow, Settings, Status, Totals,
    Transport,
};
use axum::{Router, body::Body};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::broadcast;
use tower::ServiceExt;

/// The password every lab opens with.
pub const PASSWORD: &str = "open sesame";
/// Its hash, made with the least work there is.
pub const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$WQzEkgrrBS9rpJTEBOUDeQ\
    $4MQhni+nDrMc1KM+QajtafVMhEFaYJPAGP7+Zd0OY+8";

/// The server as the tests script it.
pub struct Script {
    access: Mutex<Arc<Access>>,
    rows: Mutex<Vec<QueryRow>>,
    live: Mutex<Option<broadcast::Sender<Arc<QueryRow>>>>,
}

/// A router and the script behind it.
pub struct Lab {
    pub script: Arc<Script>,
    router: Router,
}

impl Lab {
    pub fn new() -> Self {
        Self::below("/")
    }

    pub fn below(base_path: &str) -> Self {
        let access = Access { password_hash: HASH.to_owned(), allowed_hosts: Vec::new() };
        let script = Arc::new(Script {
            access: Mutex::new(Arc::new(access)),
            rows: Mutex::default(),
            live: Mutex::new(Some(broadcast::Sender::new(4))),
        });
        let settings = Settings { base_path: base_path.to_owned() };
        let router = admin_ui::router(Arc::clone(&script) as Arc<dyn Backend>, settings);
        Self { script, router }
    }

    pub async fn ask(&self, ask: Ask) -> Answer {
        let response = self.send(ask).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body: body.to_vec() }
    }

    /// The answer with its body still to come.
    pub async fn send(&self, Ask(request): Ask) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Logs in through the API and returns the cookie to send along.
    pub async fn log_in(&self) -> String {
        let answer = self.ask(Ask::log_in(PASSWORD)).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        answer.cookie()
    }
}

impl Script {
    pub fn set_access(&self, change: impl FnOnce(&mut Access)) {
        let mut access = self.access.lock().unwrap();
        change(Arc::make_mut(&mut access));
    }

    /// Adds a query to the log and tells those who follow.
    pub fn add(&self, row: QueryRow) {
        self.rows.lock().unwrap().push(row.clone());
        if let Some(live) = &*self.live.lock().unwrap() {
            let _ = live.send(Arc::new(row));
        }
    }

    /// Ends all streams, as a draining server does.
    pub fn drain(&self) {
        self.live.lock().unwrap().take();
    }
}

impl Backend for Script {
    fn explain(&self, question: &Explain) -> Result<serde_json::Value, String> {
        match question.name.as_str() {
            "" => Err("the name is empty".to_owned()),
            _ => Ok(serde_json::json!({ "name": question.name, "type": question.qtype,
                                        "client": question.client })),
        }
    }

    fn upstreams(&self) -> serde_json::Value {
        serde_json::json!([{ "server": "https://192.0.2.1/dns-query", "sent": 3 }])
    }

    fn status(&self) -> Status {
        Status {
            replica: "<lab>".to_owned(),
            version: "1.2.3".to_owned(),
            started: 1_700_000_000_000,
            uptime_seconds: 60,
            ready: true,
            totals: Totals { queries: 4, blocked: 1, ..Totals::default() },
            block_rate: 0.25,
            blocking: Blocking { enabled: true, rules: 7, memory_bytes: 56 },
            cache: Cache::default(),
            upstream: Vec::new(),
            lists: Vec::new(),
        }
    }

    fn queries(&self, limit: usize) -> Vec<QueryRow> {
        self.rows.lock().unwrap().iter().rev().take(limit).cloned().collect()
    }

    fn follow(&self) -> broadcast::Receiver<Arc<QueryRow>> {
        let live = self.live.lock().unwrap();
        live.as_ref().map_or_else(|| broadcast::channel(1).1, broadcast::Sender::subscribe)
    }

    fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access.lock().unwrap())
    }
}

/// A blocked query.
pub fn row(id: u64) -> QueryRow {
    QueryRow {
        id,
        time: 1_700_000_000_000 + id,
        client: "192.0.2.7".to_owned(),
        transport: Transport::Udp,
        name: "ads.example".to_owned(),
        qtype: "A".to_owned(),
        outcome: Outcome::Blocked,
        rcode: "NOERROR".to_owned(),
        list: Some("list".to_owned()),
        line: Some(3),
        upstream: None,
        would_be_blocked_by: None,
        microseconds: 12,
    }
}

/// A request under construction.
pub struct Ask(Request<Body>);

impl Ask {
    pub fn get(path: &str) -> Self {
        Self::new(Method::GET, path, "")
    }

    pub fn new(method: Method, path: &str, body: &str) -> Self {
        let request = Request::builder().method(method).uri(path).header("host", "localhost:8080");
        Self(request.body(Body::from(body.to_owned())).unwrap())
    }

    pub fn log_in(password: &str) -> Self {
        let body = serde_json::json!({ "password": password }).to_string();
        Self::new(Method::POST, "/api/v1/session", &body)
    }

    pub fn form(path: &str, body: &str) -> Self {
        Self::new(Method::POST, path, body)
            .with("content-type", "application/x-www-form-urlencoded")
    }

    /// Sets a header in place of what it was.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.0.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.0.headers_mut().remove(name);
        self
    }
}

/// An answer that has come whole.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The cookie as a browser sends it back.
    pub fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    /// The style sheet's path, as a page names it.
    pub fn style(&self) -> &str {
        let start = self.text().find("assets/style-").unwrap();
        self.text()[start..].split('"').next().unwrap()
    }

    /// Asserts that this is a problem with that status and code.
    pub fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["code"], code);
        for key in ["type", "title", "detail", "hint"] {
            assert!(problem[key].as_str().is_some_and(|text| !text.is_empty()), "{key}");
        }
    }
}
