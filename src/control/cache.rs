//! The parts of a running server go in, how its cache does comes out; or a name, and what was
//! remembered of it is gone.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use blocker::Name;
use serde::{Deserialize, Serialize};
use tokio::{
    task::{JoinError, spawn_blocking},
    time::Instant,
};

use super::Control;
use crate::querylog::Outcome;

/// How the cache does.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct CacheStats {
    /// Answers that it holds; that a name does not exist counts once more.
    pub entries: u64,
    /// Octets that these take.
    pub bytes: u64,
    /// Octets that they may take.
    pub max_bytes: u64,
    /// Answers that had to leave it for others.
    pub evictions: u64,
    /// Queries answered from it, by an answer that was good.
    pub hits: u64,
    /// Queries answered from it, by one that had expired.
    pub stale: u64,
    /// Queries for which an upstream was asked, whatever came of it, or had failed a moment ago.
    pub misses: u64,
    /// Queries answered from it among all of these, from 0 to 1.
    pub hit_ratio: f64,
    /// Answers that were asked for again before they expired.
    pub prefetches: u64,
    /// How long ago the oldest answer was taken in.
    pub oldest_seconds: Option<u64>,
    /// Whether it is kept over a restart.
    pub persist: bool,
    /// When it was last written to the disk, in milliseconds since 1970.
    pub persisted: Option<u64>,
    /// Answers that came from the last run.
    pub restored: u64,
}

/// What is remembered no more.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Flushed {
    /// Answers.
    pub answers: u64,
    /// Failures, for which nobody would have been asked for a while.
    pub failures: u64,
}

impl Control {
    /// How the cache does now.
    pub(super) async fn cache_stats(self: Arc<Self>) -> Result<CacheStats, JoinError> {
        spawn_blocking(move || self.cache_stats_now()).await
    }

    fn cache_stats_now(&self) -> CacheStats {
        let (metrics, cache) = (&self.pipeline.metrics, &self.pipeline.cache);
        let oldest = cache.oldest();
        let count = |outcome| metrics.answers(outcome);
        let (hits, stale) = (count(Outcome::Cached), count(Outcome::Stale));
        let misses = count(Outcome::Forwarded) + count(Outcome::Failed);
        let all = hits + stale + misses;
        let unix = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        CacheStats {
            entries: cache.entries(),
            bytes: cache.bytes(),
            max_bytes: cache.max_bytes(),
            evictions: cache.evicted(),
            hits,
            stale,
            misses,
            // Counters of a lifetime of queries are far below 2^53, where f64 still counts by one.
            hit_ratio: if all == 0 { 0.0 } else { (hits + stale) as f64 / all as f64 },
            prefetches: self.pipeline.upstream.renewed(),
            oldest_seconds: oldest.map(|at| Instant::now().duration_since(at).as_secs()),
            persist: self.kept.is_wanted(),
            persisted: self.kept.written_at().and_then(|at| u64::try_from(unix(at)).ok()),
            restored: self.kept.restored(),
        }
    }

    /// Forgets what is remembered of a name and of all below it: answers, failures, what threads
    /// have finished, and what lies on the disk.
    pub(super) async fn flush_cache(self: Arc<Self>, name: Name) -> Result<Flushed, JoinError> {
        let pipeline = self.pipeline.clone();
        let forget = move || Flushed {
            answers: pipeline.cache.forget(&name),
            failures: pipeline.upstream.forget_failures(&name),
        };
        let flushed = spawn_blocking(forget).await?;
        // Not before: a thread could finish an answer again that is about to be forgotten.
        self.publisher.publish_again().await;
        self.kept.rewrite().await;
        tracing::info!(
            answers = flushed.answers,
            failures = flushed.failures,
            "the cache is flushed"
        );
        Ok(flushed)
    }
}
