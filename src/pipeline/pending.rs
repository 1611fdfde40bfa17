//! A query that waits for its flight; when the flight lands, it goes on where it stopped.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Pipeline, reply};
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

    /// Waits for the upstream, at most `upstream.timeout`, and writes the answer to `out`.
    ///
    /// # Cancel safety
    /// Dropping it leaves the flight to land for others.
    pub async fn finish(self, out: &mut Vec<u8>) {
        let Self { pipeline, query, flight, started } = self;
        let key = flight.key().clone();
        let resolved = flight.land().await;
        let failure = resolved.as_ref().err().cloned();
        let answered = pipeline.answer(&query, Some((key, resolved)), out).unwrap_or_else(|_| {
            // A reload gave the name another target while we waited; the client asks again.
            reply::failed(&query, &failure.unwrap_or_default(), out)
        });
        pipeline.note(&query, answered, started);
    }
}
