//! Hits of an answer go in, whether it is worth a question before it expires, and whether it may be
//! given at once after that, comes out.
//!
//! Threads that answer do not share a counter all the time: an answer counts what they ask of the
//! shared cache, which for most of its life each of them does once, and is told when one of them
//! has given it from its own.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::Entry;

/// Hits that make an answer popular: one may be a chance, such as a second client of a household
/// that opens the same page; two mean that it is likely to be asked for again.
const POPULAR: u32 = 2;

/// Seconds between two questions for an answer that has expired and is given all the same, where
/// the first has neither succeeded nor failed: longer than one takes, for most settings of
/// `upstream.timeout`.
const REFRESH_PAUSE: u32 = 10;

/// How much an answer is asked for.
#[derive(Debug, Default)]
pub(super) struct Demand {
    /// Hits in its life; nobody needs to know of more than `POPULAR`.
    hits: AtomicU32,
    /// Hits in the last tenth of its life.
    late_hits: AtomicU32,
    /// The age in seconds from which on it may be asked for again after it has expired.
    refresh_from: AtomicU32,
}

impl Demand {
    /// The demand that was noted by an earlier run.
    pub(super) fn of(hits: u8) -> Self {
        Self { hits: AtomicU32::new(hits.into()), ..Self::default() }
    }

    fn note_hit(&self) {
        // Memory that threads share is written twice, however often it is read.
        if self.hits.load(Ordering::Relaxed) < POPULAR {
            self.hits.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Entry {
    /// Notes that it was asked for while it is good; whether that makes it popular enough to be
    /// renewed before it expires, which is said once.
    pub fn note_hit(&self, now: Instant) -> bool {
        self.demand.note_hit();
        let age = now.saturating_duration_since(self.origin.stored);
        let is_late = age * 10 >= self.origin.lifetime * 9;
        is_late && self.demand.late_hits.fetch_add(1, Ordering::Relaxed) + 1 == POPULAR
    }

    /// Notes that a thread has given it again without asking for it here.
    pub fn note_demand(&self) {
        self.demand.note_hit();
    }

    /// Hits that were noted, as far as they matter.
    pub fn hits(&self) -> u8 {
        u8::try_from(self.demand.hits.load(Ordering::Relaxed).min(POPULAR)).unwrap_or(u8::MAX)
    }

    /// Whether it was asked for so often that it will likely be asked for again.
    pub fn is_popular(&self) -> bool {
        self.demand.hits.load(Ordering::Relaxed) >= POPULAR
    }

    /// Whether it is time to ask for it again, now that it has expired; said once every few seconds.
    pub fn wants_refresh(&self, now: Instant) -> bool {
        let (age, from) = (self.age(now), self.demand.refresh_from.load(Ordering::Relaxed));
        let next = age.saturating_add(REFRESH_PAUSE);
        let swap = |from| {
            let refresh_from = &self.demand.refresh_from;
            refresh_from.compare_exchange(from, next, Ordering::Relaxed, Ordering::Relaxed)
        };
        age >= from && swap(from).is_ok()
    }

    /// Until when it can be given without a thought: the shared entry learns of hits after that.
    pub fn early_until(&self) -> Instant {
        self.origin.stored + self.origin.lifetime * 9 / 10
    }

    /// Whether it has expired, but no longer ago than this.
    pub fn is_stale(&self, now: Instant, most: Duration) -> bool {
        let age = now.saturating_duration_since(self.origin.stored);
        let lifetime = self.origin.lifetime;
        !lifetime.is_zero() && (lifetime..lifetime + most).contains(&age)
    }
}
