//! What went wrong comes in, an RFC 9457 answer goes out: one place that words every refusal.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue, StatusCode, Uri,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde::Serialize;

use crate::site::Site;

/// A refusal, as `application/problem+json`.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    /// What a program compares.
    code: &'static str,
    /// What happened, for a person.
    pub(crate) detail: String,
    /// What to do about it.
    hint: &'static str,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

impl Problem {
    pub(crate) fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "this needs a live session",
            "log in with POST api/v1/session and send the cookie it sets",
        )
    }

    pub(crate) fn wrong_password() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "wrong_password",
            "that is not the password",
            "`dnsward hash-password` makes a new hash for `admin.password_hash`",
        )
    }

    pub(crate) fn no_password() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "no_password",
            "no usable password is configured, so nobody can log in",
            "put the output of `dnsward hash-password` into `admin.password_hash`",
        )
    }

    pub(crate) fn too_many_attempts(retry_after: Duration) -> Self {
        let problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_attempts",
            "too many people are trying to log in at once",
            "try again in a few seconds",
        );
        Self { retry_after: Some(retry_after), ..problem }
    }

    pub(crate) fn too_many_streams(retry_after: Duration) -> Self {
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_streams",
            "as many live streams are open as there may be",
            "close another page that shows live queries, or poll api/v1/queries",
        );
        Self { retry_after: Some(retry_after), ..problem }
    }

    pub(crate) fn no_randomness(error: &getrandom::Error) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "no_randomness",
            format!("the system gave no randomness for a session: {error}"),
            "see the log of the server",
        )
    }

    pub(crate) fn cross_site() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "cross_site",
            "this request was sent by a page of another site",
            "if a proxy rewrites the Host header, let it pass the original one on",
        )
    }

    pub(crate) fn bad_request(detail: impl Into<String>, hint: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail, hint)
    }

    pub(crate) fn defect() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "defect",
            "the server could not finish this",
            "this is a defect of dnsward's; please report it with the server's log",
        )
    }

    pub(crate) fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "the body is too large",
            "a body has at most 16 KiB",
        )
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// Puts `Retry-After` on an answer that tells of this problem in another form.
    pub(crate) fn advise(&self, response: &mut Response) {
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
    }

    fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<String>,
        hint: &'static str,
    ) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status,
            code,
            detail: detail.into(),
            hint,
            retry_after: None,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response =
            (self.status, [(CONTENT_TYPE, "application/problem+json")], body).into_response();
        self.advise(&mut response);
        response
    }
}

/// Answers a path that is nowhere: a problem below the API, a line of text elsewhere.
pub(crate) async fn not_found(State(site): State<Arc<Site>>, uri: Uri) -> Response {
    if site.base.is_api(uri.path()) {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "the API has nothing at this path",
            "the paths begin with api/v1/ below the base path",
        )
        .into_response()
    } else {
        (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response()
    }
}

/// Answers a method that a path does not have; axum adds the `Allow` header.
pub(crate) async fn method_not_allowed(State(site): State<Arc<Site>>, uri: Uri) -> Response {
    if site.base.is_api(uri.path()) {
        Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this path does not have that method",
            "the Allow header names those it has",
        )
        .into_response()
    } else {
        (StatusCode::METHOD_NOT_ALLOWED, "That cannot be done here.\n").into_response()
    }
}

fn as_number<S: serde::Serializer>(status: &StatusCode, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_u16(status.as_u16())
}
