//! The listener for monitoring: `/metrics`, `/livez`, `/readyz`, and nothing about anybody.
//!
//! Ready means: sockets bound and every list loaded or failed once, or ten seconds gone, and not
//! shutting down. It never means that an upstream answers, or an outage there would take away the
//! cache and the local names as well.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::time::Instant;

use super::Scrape;

/// Longest that lists may keep the server from being ready.
const LISTS_MAY_TAKE: Duration = Duration::from_secs(10);

/// The media type of the text form (OpenMetrics 1.0).
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether the server should get traffic.
#[derive(Debug)]
pub struct Health {
    is_draining: AtomicBool,
    bound_at: Instant,
}

impl Health {
    /// The health of a server that has bound its sockets just now.
    pub fn bound_now() -> Self {
        Self { is_draining: AtomicBool::new(false), bound_at: Instant::now() }
    }

    /// From now on the server wants no new traffic.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// What keeps the server from being ready, where something does.
    pub fn missing(&self, are_lists_loaded: bool) -> Option<&'static str> {
        if self.is_draining.load(Ordering::Relaxed) {
            return Some("shutting down");
        }
        let is_late = self.bound_at.elapsed() >= LISTS_MAY_TAKE;
        (!are_lists_loaded && !is_late).then_some("lists are loading")
    }
}

/// What the handlers see.
#[derive(Clone)]
struct Shared {
    scrape: Scrape,
    health: Arc<Health>,
}

/// The routes of the listener.
pub fn router(scrape: Scrape, health: Arc<Health>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .with_state(Shared { scrape, health })
}

async fn metrics(State(shared): State<Shared>) -> Response {
    match shared.scrape.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn ready(State(shared): State<Shared>) -> Response {
    let are_loaded = shared.scrape.pipeline.published.load().policy.lists().are_loaded;
    match shared.health.missing(are_loaded) {
        None => "ready\n".into_response(),
        Some(missing) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {missing}\n")).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lists_keep_a_server_unready_for_ten_seconds_at_most() {
        let health = Health::bound_now();

        assert_eq!(health.missing(false), Some("lists are loading"));
        tokio::time::advance(LISTS_MAY_TAKE).await;
        assert_eq!(health.missing(false), None);
        health.drain();
        assert_eq!(health.missing(true), Some("shutting down"));
    }
}
