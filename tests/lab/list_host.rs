//! A web server with one list that tests can change, and what it was asked.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::get,
};
use tokio::sync::{Semaphore, SemaphorePermit};

/// A web server with one list.
pub(crate) struct ListHost {
    url: String,
    page: Arc<Page>,
}

/// What the host answers now, and what it was asked.
struct Page {
    content: Mutex<Content>,
    asked: Mutex<Vec<HeaderMap>>,
    /// Shut while a test wants downloads to take their time.
    gate: Semaphore,
}

/// An answer, until a test wants another.
#[derive(Clone)]
struct Content {
    status: StatusCode,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl ListHost {
    /// A host with this text.
    pub(crate) async fn start(text: &str) -> Self {
        let content = Content { status: StatusCode::OK, headers: Vec::new(), body: text.into() };
        let gate = Semaphore::new(1);
        let page = Page { content: Mutex::new(content), asked: Mutex::default(), gate };
        let page = Arc::new(page);
        let router = Router::new().route("/list.txt", get(serve)).with_state(page.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/list.txt", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, page }
    }

    /// Lets downloads wait until the permit is dropped.
    pub(crate) async fn shut(&self) -> SemaphorePermit<'_> {
        self.page.gate.acquire().await.unwrap()
    }

    /// Answers with this from now on.
    pub(crate) fn now_serves(&self, status: StatusCode, text: &str) {
        self.now_sends(status, &[], text.as_bytes());
    }

    /// Answers with these headers and octets from now on.
    pub(crate) fn now_sends(
        &self,
        status: StatusCode,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        *self.page.content.lock().unwrap() = Content { status, headers, body: body.to_vec() };
    }

    /// The headers of every request so far.
    pub(crate) fn asked(&self) -> Vec<HeaderMap> {
        self.page.asked.lock().unwrap().clone()
    }

    /// A header of the last request.
    pub(crate) fn asked_with(&self, header: &str) -> Option<String> {
        let value = self.asked().last()?.get(header)?.to_str().unwrap().to_owned();
        Some(value)
    }

    /// The list's block; the host is a private one.
    pub(crate) fn block(&self, extra: &str) -> String {
        format!("[[lists]]\nname = 'remote'\nurl = '{}'\nallow_private = true\n{extra}\n", self.url)
    }
}

/// Answers as servers do: who has the text already is told so.
async fn serve(State(page): State<Arc<Page>>, asked: HeaderMap) -> Response {
    page.asked.lock().unwrap().push(asked.clone());
    let _open = page.gate.acquire().await;
    let Content { status, headers, body } = page.content.lock().unwrap().clone();
    let told = |name: &str| headers.iter().find(|header| header.0 == name).map(|h| h.1.as_str());
    let same = |question: &str, name: &str| {
        asked.get(question).is_some_and(|value| Some(value.to_str().unwrap()) == told(name))
    };
    if same("if-none-match", "etag") || same("if-modified-since", "last-modified") {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let mut response = (status, body).into_response();
    for (name, value) in &headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}
