//! A query that waits for its flight; when the flight lands, it goes on where it stopped.

use std::rc::Rc;

use tokio::time::Instant;

use super::{Progress, Worker, recall::STALE_AFTER};
use crate::{query::Query, upstream::Flight};

/// A query between asking an upstream and its answer.
pub struct Pending {
    worker: Rc<Worker>,
    query: Query,
    flight: Flight,
    started: Instant,
}

impl Pending {
    pub(super) fn new(worker: Rc<Worker>, query: Query, flight: Flight, started: Instant) -> Self {
        Self { worker, query, flight, started }
    }

    /// The query that waits.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Waits for the upstream, at most `upstream.timeout` and not for long where there is a stale
    /// answer, and writes the answer to `out`, unless silence is right.
    ///
    /// # Cancel safety
    /// Dropping it leaves the flight to land for others.
    pub async fn finish(self, out: &mut Vec<u8>) -> Progress {
        let Self { worker, query, flight, started } = self;
        let key = flight.key().clone();
        let has_stale = {
            let snapshot = worker.pipeline.published.load();
            worker.recall(&snapshot, Instant::now()).has_stale(&key)
        };
        let resolved = match has_stale {
            true => flight.land_by(started + STALE_AFTER).await,
            false => flight.land().await,
        };
        let reply = worker.end(&query, key, resolved, out);
        worker.read_clock();
        worker.done_since(started, &query, &reply, &worker.pipeline.published.load())
    }
}
