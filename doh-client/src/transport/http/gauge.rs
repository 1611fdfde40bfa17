//! What happens to a connection goes in, what can be seen of it at a moment comes out. Without a
//! lock, because each query passes here twice.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::super::Pulse;
use crate::dial::SILENCE_LIMIT;
use crate::observer::Closed;
use crate::wire::Heard;

/// Streams we reset before the connection is replaced: servers count them, and some end a
/// connection after a thousand (the rapid reset attack, CVE-2023-44487).
const MAX_RESETS: usize = 512;

/// Empty pieces of answers before the connection is replaced: h2 ends it after the hundredth, which
/// cannot be set, and streams under way may bring as many again.
const MAX_EMPTY: usize = 50;

/// What a connection and its queries have in common.
pub(super) struct Gauge {
    opened: Instant,
    heard: Heard,
    in_flight: AtomicUsize,
    /// When the first query came or the last one went, since it was opened.
    turned: AtomicU64,
    answers: AtomicUsize,
    capacity: AtomicUsize,
    resets: AtomicUsize,
    empty: AtomicUsize,
    end: OnceLock<End>,
}

/// Why a connection takes no more queries.
struct End {
    reason: Option<Closed>,
    /// How long nothing had been under way.
    idle: Option<Duration>,
}

impl Gauge {
    pub(super) fn new(heard: Heard, capacity: usize) -> Self {
        Self {
            opened: Instant::now(),
            heard,
            in_flight: AtomicUsize::new(0),
            turned: AtomicU64::new(0),
            answers: AtomicUsize::new(0),
            capacity: AtomicUsize::new(capacity),
            resets: AtomicUsize::new(0),
            empty: AtomicUsize::new(0),
            end: OnceLock::new(),
        }
    }

    /// Counts a query as under way until its debt is dropped.
    pub(super) fn owe(gauge: &Arc<Self>) -> Debt {
        // Before it is counted, or it would seem to be owed since the last one went.
        if gauge.in_flight() == 0 {
            gauge.turn();
        }
        gauge.in_flight.fetch_add(1, Ordering::Release);
        Debt(Arc::clone(gauge))
    }

    /// Takes no more queries. The first reason is the one.
    pub(super) fn end(&self, reason: Closed) {
        self.end_with(Some(reason));
    }

    /// Takes no more queries, because nobody wants to send any.
    pub(super) fn end_unwanted(&self) {
        self.end_with(None);
    }

    fn end_with(&self, reason: Option<Closed>) {
        self.end.get_or_init(|| {
            let is_idle = self.in_flight() == 0 && self.answers() > 0;
            let by_server = matches!(reason, Some(Closed::GoAway | Closed::Idle | Closed::Broken));
            let idle = (is_idle && by_server).then(|| self.turned_at().elapsed());
            End { reason, idle }
        });
    }

    pub(super) fn note_answer(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }

    pub(super) fn note_resets(&self, count: usize) {
        if self.resets.fetch_add(count, Ordering::Relaxed) + count > MAX_RESETS {
            self.end(Closed::Age);
        }
    }

    pub(super) fn note_capacity(&self, capacity: usize) {
        self.capacity.store(capacity, Ordering::Relaxed);
    }

    pub(super) fn is_open(&self) -> bool {
        self.end.get().is_none()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    pub(super) fn heard_at(&self) -> Instant {
        self.heard.at()
    }

    /// Since when answers are owed without a break.
    pub(super) fn owed_since(&self) -> Option<Instant> {
        (self.in_flight() > 0).then(|| self.turned_at())
    }

    pub(super) fn reason(&self) -> Option<Closed> {
        self.end.get()?.reason
    }

    pub(super) fn idle_at_end(&self) -> Option<Duration> {
        self.end.get()?.idle
    }

    /// What to say of a connection that was ended because nothing came in.
    pub(super) fn silence(&self) -> Option<Silence> {
        (self.reason() == Some(Closed::Silent)).then_some(Silence)
    }

    pub(super) fn pulse(&self) -> Pulse {
        Pulse {
            is_open: self.is_open(),
            heard_at: self.heard_at(),
            owed_since: self.owed_since(),
            in_flight: self.in_flight(),
            capacity: self.capacity.load(Ordering::Relaxed),
        }
    }

    fn turn(&self) {
        let since = u64::try_from(self.opened.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.turned.store(since, Ordering::Relaxed);
    }

    fn turned_at(&self) -> Instant {
        self.opened + Duration::from_nanos(self.turned.load(Ordering::Relaxed))
    }
}

/// A query under way.
pub(super) struct Debt(Arc<Gauge>);

impl Debt {
    /// Notes a piece of an answer that is empty and not the last.
    pub(super) fn note_empty(&self) {
        if self.0.empty.fetch_add(1, Ordering::Relaxed) >= MAX_EMPTY {
            self.0.end(Closed::Age);
        }
    }
}

impl Drop for Debt {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.turn();
        }
    }
}

/// Why queries failed on a connection that was still open.
#[derive(Debug, thiserror::Error)]
#[error("nothing came in for {SILENCE_LIMIT:?}, not even the echo of a PING")]
pub(super) struct Silence;

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn gauge() -> Arc<Gauge> {
        Arc::new(Gauge::new(Heard::now(), 100))
    }

    #[tokio::test(start_paused = true)]
    async fn answers_are_owed_since_the_first_query_of_a_row() {
        let gauge = gauge();
        advance(Duration::from_secs(5)).await;
        assert_eq!(gauge.owed_since(), None);

        let since = Instant::now();
        let first = Gauge::owe(&gauge);
        advance(Duration::from_secs(1)).await;
        let second = Gauge::owe(&gauge);
        drop(first);

        assert_eq!((gauge.owed_since(), gauge.in_flight()), (Some(since), 1));
        drop(second);
        assert_eq!((gauge.owed_since(), gauge.in_flight()), (None, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_idle_when_the_server_closed_it_is_told() {
        let gauge = gauge();
        drop(Gauge::owe(&gauge));
        gauge.note_answer();
        advance(Duration::from_secs(8)).await;

        gauge.end(Closed::GoAway);
        advance(Duration::from_secs(8)).await;
        gauge.end(Closed::Idle);

        assert_eq!(gauge.idle_at_end(), Some(Duration::from_secs(8)));
        assert_eq!((gauge.reason(), gauge.is_open()), (Some(Closed::GoAway), false));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_closed_by_us_or_under_a_query_tells_nothing_of_idle_times() {
        let (ours, busy) = (gauge(), gauge());
        drop(Gauge::owe(&ours));
        ours.note_answer();
        ours.end(Closed::Age);
        let _debt = Gauge::owe(&busy);
        busy.note_answer();
        busy.end(Closed::Broken);

        assert_eq!((ours.idle_at_end(), busy.idle_at_end()), (None, None));
    }

    #[test]
    fn t18_a_connection_with_many_resets_of_ours_is_replaced() {
        let gauge = gauge();

        gauge.note_resets(MAX_RESETS);
        assert!(gauge.is_open());

        gauge.note_resets(1);
        assert_eq!(gauge.reason(), Some(Closed::Age));
    }
}
