//! Requests go in, typed answers come out as JSON; one function for each command.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;
use tokio::{task::spawn_blocking, time::timeout};

use blocker::Name;

use super::{CacheStats, Control, Flushed, Status};
use crate::{
    explain::{Explanation, Found, Subject, SubjectError, explain_running, parse_name, search},
    lists::ListStatus,
    upstream::ServerReport,
};

/// Longest that an answer about lists waits for them to be read for the first time, which takes
/// a moment after the start.
const FIRST_READING: Duration = Duration::from_secs(10);

/// A question about a name.
#[derive(Deserialize)]
struct Question {
    name: String,
    #[serde(rename = "type", default = "address")]
    qtype: String,
    client: Option<String>,
}

/// A name and all below it; none: everything.
#[derive(Deserialize)]
struct Below {
    name: Option<String>,
}

/// The type that people mean who name none.
fn address() -> String {
    "A".to_owned()
}

/// The commands of whoever may give any.
pub(super) fn router(control: Arc<Control>) -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/lists", get(lists))
        .route("/upstreams", get(upstreams))
        .route("/lists/update", post(update_lists))
        .route("/lists/search", get(search_lists))
        .route("/explain", get(explain))
        .route("/cache", get(cache))
        .route("/cache/flush", post(flush_cache))
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "this server knows no such command") })
        .with_state(control)
}

/// What everybody else is told.
pub(super) fn refusal() -> Router {
    let why = "only root and the server's own user may command it";
    Router::new().fallback(move || async move { problem(StatusCode::FORBIDDEN, why) })
}

async fn status(State(control): State<Arc<Control>>) -> Json<Status> {
    Json(control.status())
}

async fn lists(State(control): State<Arc<Control>>) -> Json<Vec<ListStatus>> {
    control.lists_are_read().await;
    Json(control.lists.status())
}

async fn upstreams(State(control): State<Arc<Control>>) -> Json<Vec<ServerReport>> {
    Json(control.pipeline.upstream.report())
}

async fn update_lists(State(control): State<Arc<Control>>) -> Json<Vec<ListStatus>> {
    control.publisher.update_lists().await;
    Json(control.lists.status())
}

async fn search_lists(
    State(control): State<Arc<Control>>,
    Query(question): Query<Question>,
) -> Result<Json<Vec<Found>>, Response> {
    control.lists_are_read().await;
    let look = move || search(&control.pipeline.published.load().policy, &question.name);
    spawn_blocking(look).await.map_err(|_| defect())?.map(Json).map_err(|error| bad(&error))
}

async fn explain(
    State(control): State<Arc<Control>>,
    Query(question): Query<Question>,
) -> Result<Json<Explanation>, Response> {
    let Question { name, qtype, client } = question;
    let subject = Subject::parse(&name, &qtype, client.as_deref()).map_err(|error| bad(&error))?;
    control.lists_are_read().await;
    // Rules are looked at one by one, which is nothing for the thread that hears of signals.
    let explain = move || explain_running(&control.pipeline, &control.lists, &subject);
    let explained = spawn_blocking(explain).await;
    explained.map(Json).map_err(|_| defect())
}

async fn cache(State(control): State<Arc<Control>>) -> Result<Json<CacheStats>, Response> {
    control.cache_stats().await.map(Json).map_err(|_| defect())
}

async fn flush_cache(
    State(control): State<Arc<Control>>,
    Query(Below { name }): Query<Below>,
) -> Result<Json<Flushed>, Response> {
    let name = name.as_deref().map_or(Ok(Name::ROOT), parse_name).map_err(|error| bad(&error))?;
    control.flush_cache(name).await.map(Json).map_err(|_| defect())
}

impl Control {
    /// Waits a moment for the first reading of lists; late ones are told as they are.
    async fn lists_are_read(&self) {
        let _ = timeout(FIRST_READING, self.publisher.lists_read()).await;
    }
}

/// What is said to a question that is none.
fn bad(error: &SubjectError) -> Response {
    problem(StatusCode::BAD_REQUEST, &error.to_string())
}

fn defect() -> Response {
    problem(StatusCode::INTERNAL_SERVER_ERROR, "a defect of dnsward's; please report it")
}

/// What is wrong with a request.
fn problem(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}
