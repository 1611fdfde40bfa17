//! The JSON API: typed values of the backend come in, JSON goes out.

use std::{fmt::Display, sync::Arc};

use axum::{
    Json,
    body::Bytes,
    extract::{Query, State, rejection::BytesRejection, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header::SET_COOKIE};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::{
    assets::{UI, Ui},
    auth::{LogIn, Session},
    backend::Explain,
    model::{QueryRow, Status},
    problem::Problem,
    site::Site,
};

/// Rows sent when no limit is asked for: what the page shows at first.
const DEFAULT_ROWS: usize = 100;
/// Rows sent at most, about 250 KiB.
const MAX_ROWS: usize = 1000;

#[derive(Serialize)]
struct StatusAnswer {
    #[serde(flatten)]
    status: Status,
    ui: Ui,
}

/// `GET api/v1/status`.
pub(crate) async fn status(_: Session, State(site): State<Arc<Site>>) -> Response {
    Json(StatusAnswer { status: site.backend.status(), ui: UI }).into_response()
}

/// `GET api/v1/upstreams`.
pub(crate) async fn upstreams(_: Session, State(site): State<Arc<Site>>) -> Response {
    Json(site.backend.upstreams()).into_response()
}

#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    limit: Option<usize>,
}

#[derive(Serialize)]
struct QueriesAnswer {
    replica: String,
    queries: Vec<QueryRow>,
}

/// `GET api/v1/queries?limit=100`.
pub(crate) async fn queries(
    _: Session,
    State(site): State<Arc<Site>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let limit = match wanted {
        Ok(Query(Wanted { limit })) => limit.unwrap_or(DEFAULT_ROWS),
        Err(_) => return Err(bad_limit("no number")),
    };
    if !(1..=MAX_ROWS).contains(&limit) {
        return Err(bad_limit(limit));
    }
    let queries = site.backend.queries(limit);
    let replica = site.backend.status().replica;
    Ok(Json(QueriesAnswer { replica, queries }).into_response())
}

/// `GET api/v1/explain?name=ads.example&type=A&client=10.1.2.3`.
pub(crate) async fn explain(
    _: Session,
    State(site): State<Arc<Site>>,
    question: Result<Query<Explain>, QueryRejection>,
) -> Result<Response, Problem> {
    const HINT: &str = "send name=, and type= and client= where you want them";
    let Ok(Query(question)) = question else {
        return Err(Problem::bad_request("there is no name to explain", HINT));
    };
    // Rules are looked at one by one, which is nothing for the thread that serves everybody.
    let explained = spawn_blocking(move || site.backend.explain(&question)).await;
    match explained {
        Ok(Ok(explanation)) => Ok(Json(explanation).into_response()),
        Ok(Err(error)) => Err(Problem::bad_request(error, HINT)),
        Err(_) => Err(Problem::defect()),
    }
}

#[derive(Deserialize)]
struct Credentials {
    password: String,
}

/// `POST api/v1/session`. The body is read as JSON whatever its type says it is: programs leave the
/// type out, and what another site's page sends was stopped before.
pub(crate) async fn log_in(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|rejection| match rejection.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(),
        _ => Problem::bad_request("the body could not be read", "send it again"),
    })?;
    // The parser's message could repeat a piece of the password, so it is not passed on.
    let Ok(Credentials { password }) = serde_json::from_slice(&body) else {
        return Err(Problem::bad_request(
            "the body is not what a log-in needs",
            r#"send {"password": "..."}"#,
        ));
    };
    match site.log_in(&headers, password).await {
        LogIn::Welcome(cookie) => {
            Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
        }
        LogIn::Denied(problem) => Err(problem),
    }
}

/// `DELETE api/v1/session`.
pub(crate) async fn log_out(
    session: Session,
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
) -> Response {
    let cookie = site.log_out(&headers, Some(session));
    (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response()
}

fn bad_limit(found: impl Display) -> Problem {
    Problem::bad_request(
        format!("limit: out of range (found {found}, allowed 1 to {MAX_ROWS})"),
        "leave it out for 100 rows",
    )
}
