//! A query that waits for its flight; when the flight lands, it goes on where it stopped.

use std::rc::Rc;

use tokio::time::Instant;

use super::{
    Progress, Worker,
    recall::STALE_AFTER,
    reply::{self, Reply},
};
use crate::{cache::Key, query::Query, upstream::Flight};

/// A query between asking an upstream and its answer.
pub struct Pending {
    worker: Rc<Worker>,
    query: Query,
    flight: Flight,
    /// Where there is an answer to fall back to, until when to wait for a better one.
    patience: Option<Instant>,
    started: Instant,
}

impl Pending {
    pub(super) fn new(
        worker: Rc<Worker>,
        query: Query,
        flight: Flight,
        has_stale: bool,
        started: Instant,
    ) -> Self {
        let patience = has_stale.then(|| started + STALE_AFTER);
        Self { worker, query, flight, patience, started }
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
    pub async fn finish(&mut self, out: &mut Vec<u8>) -> Progress {
        let Self { worker, query, flight, patience, started } = self;
        let resolved = match *patience {
            Some(until) => flight.land_by(until).await,
            None => flight.land().await,
        };
        let reply = match worker.end(query, (flight.key(), resolved), out) {
            Ok(reply) => reply,
            Err(key) => Box::pin(worker.ask_anew(query, key, flight.deadline(), out)).await,
        };
        worker.read_clock();
        worker.done_since(*started, query, &reply, &worker.pipeline.published.load())
    }
}

impl Worker {
    /// Asks for what a reload has led a query to while it waited, in the time that is left; once,
    /// for whoever reloads all the time.
    async fn ask_anew(
        &self,
        query: &Query,
        key: Key,
        deadline: Instant,
        out: &mut Vec<u8>,
    ) -> Reply {
        let upstream = &self.pipeline.upstream;
        let resolved = match upstream.ask(key.clone(), query.asker(), &self.courier) {
            Ok(mut flight) => flight.land_by(deadline).await,
            Err(failure) => Err(failure),
        };
        let failure = resolved.as_ref().err().cloned().unwrap_or_default();
        let ended = self.end(query, (&key, resolved), out);
        ended.unwrap_or_else(|_| reply::failed(query, &failure, out))
    }
}
