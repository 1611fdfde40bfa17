//! Rows of the backend's broadcast come in, server-sent events go out, as long as a session lasts.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::{IntoResponse, Response, Sse, sse::Event},
};
use futures_util::stream;
use http::{HeaderName, header::CACHE_CONTROL};
use serde_json::json;
use tokio::{
    sync::{
        OwnedSemaphorePermit,
        broadcast::{Receiver, error::RecvError},
    },
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{auth::Session, model::QueryRow, problem::Problem, site::Site};

/// Streams open at once. Each costs one JSON text per query, so this also bounds what a forgotten
/// wall of browser tabs can take from the server.
pub(crate) const MAX_STREAMS: usize = 64;
/// Time between signs of life, below the idle limits proxies have, 30 s and more.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// When to ask again while all streams are taken.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// `GET api/v1/queries/stream`. Events are `query` with a row and its id, and `gap` with the number
/// of rows that are missing: a slow reader missed them, or they came too fast to be shown. Ends with
/// the session or when the backend drops its sender.
pub(crate) async fn stream(
    session: Session,
    State(site): State<Arc<Site>>,
) -> Result<Response, Problem> {
    let permit = Arc::clone(&site.streams)
        .try_acquire_owned()
        .map_err(|_| Problem::too_many_streams(RETRY_AFTER))?;
    let mut beat = interval(KEEP_ALIVE);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let rows = site.backend.follow();
    let tail = Tail { site, session, rows, last: None, next: None, beat, _permit: permit };
    let events = stream::unfold(tail, |mut tail| async move {
        let event = tail.next().await?;
        Some((Ok::<_, Infallible>(event), tail))
    });
    let headers = [
        (CACHE_CONTROL, "no-store"),
        // Asks nginx and its kin to pass each event on at once.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Sse::new(events)).into_response())
}

/// One open stream.
struct Tail {
    site: Arc<Site>,
    session: Session,
    rows: Receiver<Arc<QueryRow>>,
    /// The id of the last row that was sent.
    last: Option<u64>,
    /// A row that comes after the gap before it.
    next: Option<Arc<QueryRow>>,
    beat: Interval,
    _permit: OwnedSemaphorePermit,
}

impl Tail {
    /// The next event, or `None` at the end. The first comes at once, so that a reader sees that
    /// the stream is open.
    async fn next(&mut self) -> Option<Event> {
        if let Some(row) = self.next.take() {
            return Some(query(&row));
        }
        loop {
            tokio::select! {
                biased;
                _ = self.beat.tick() => {
                    let is_live = self.site.is_live(self.session);
                    return is_live.then(|| Event::default().comment("alive"));
                }
                row = self.rows.recv() => match row {
                    Ok(row) => return Some(self.after_gap(row)),
                    // The next row's id tells how many are missing, where there was one before.
                    Err(RecvError::Lagged(_)) if self.last.is_some() => {}
                    Err(RecvError::Lagged(missed)) => return Some(gap(missed)),
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    /// The row, or the gap before it, whose rows the backend left out.
    fn after_gap(&mut self, row: Arc<QueryRow>) -> Event {
        let last = self.last.replace(row.id);
        match last.map_or(0, |last| row.id.saturating_sub(last + 1)) {
            0 => query(&row),
            missed => {
                self.next = Some(row);
                gap(missed)
            }
        }
    }
}

fn query(row: &QueryRow) -> Event {
    let data = serde_json::to_string(row).unwrap_or_default();
    Event::default().event("query").id(row.id.to_string()).data(data)
}

fn gap(missed: u64) -> Event {
    Event::default().event("gap").data(json!({ "missed": missed }).to_string())
}
