//! A query that waits for its flight; when the flight lands, it goes on where it stopped.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Pipeline, recall::STALE_AFTER};
use crate::{query::Query, upstream::Flight};

/// A query between asking an upstream and its answer.
pub struct Pending {
    pipeline: Arc<Pipeline>,
    query: Query,
    flight: Flight,
    started: Instant,
}

impl Pending {
    pub(super) fn new(
        pipeline: Arc<Pipeline>,
        query: Query,
        flight: Flight,
        started: Instant,
    ) -> Self {
        Self { pipeline, query, flight, started }
    }

    /// The query that waits.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Waits for the upstream, at most `upstream.timeout` and not for long where there is a stale
    /// answer, and writes the answer to `out`.
    ///
    /// # Cancel safety
    /// Dropping it leaves the flight to land for others.
    pub async fn finish(self, out: &mut Vec<u8>) {
        let Self { pipeline, query, flight, started } = self;
        let key = flight.key().clone();
        let has_stale = pipeline.recall(&pipeline.published.load()).has_stale(&key);
        let resolved = match has_stale {
            true => flight.land_by(started + STALE_AFTER).await,
            false => flight.land().await,
        };
        let answered = pipeline.end(&query, key, resolved, out);
        pipeline.note(&query, answered, started);
    }
}
