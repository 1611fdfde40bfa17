//! Queries come in, and while they come thick and fast a timer ticks, so that setting others costs
//! nothing.
//!
//! Each query sets a timer for its hedge and takes it back a moment later. Where that would be the
//! next to go off in its runtime, tokio wakes its driver by a write to a descriptor, which then ends
//! one wait more: two system calls beside the six that a lone query takes, one of them before it leaves.
//! With a timer that goes off sooner than any of these, none of them is the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Time between two ticks: below the least delay of a hedge, or it would be of no use.
const TICK: Duration = Duration::from_millis(20);

/// Ticks while it is worth it. Clones are the same.
#[derive(Clone)]
pub(crate) struct Metronome(Arc<State>);

struct State {
    begun: Instant,
    /// When the last query came: microseconds after it began, and one tick.
    last: AtomicU64,
    is_ticking: AtomicBool,
}

impl Metronome {
    pub(crate) fn new() -> Self {
        let (last, is_ticking) = (AtomicU64::new(0), AtomicBool::new(false));
        Self(Arc::new(State { begun: Instant::now(), last, is_ticking }))
    }

    /// Notes a query, within a runtime. The first after a pause pays for its timer itself: a tick for
    /// it alone would cost more.
    pub(crate) fn note_query(&self, now: Instant) {
        let (is_busy, is_ticking) = (self.is_busy(now), &self.0.is_ticking);
        self.0.last.store(self.stamp(now), Ordering::Relaxed);
        if is_busy
            && !is_ticking.load(Ordering::Relaxed)
            && !is_ticking.swap(true, Ordering::Relaxed)
        {
            tokio::spawn(Ticking(self.clone()).run());
        }
    }

    /// Whether the last query came a moment ago.
    fn is_busy(&self, now: Instant) -> bool {
        self.stamp(now).saturating_sub(self.0.last.load(Ordering::Relaxed)) < micros(TICK)
    }

    /// One tick ahead, so that the first query comes after a pause.
    fn stamp(&self, at: Instant) -> u64 {
        micros(at.saturating_duration_since(self.0.begun) + TICK)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The task, which may end with its runtime.
struct Ticking(Metronome);

impl Ticking {
    async fn run(self) {
        while self.0.is_busy(Instant::now()) {
            sleep(TICK).await;
        }
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.0.is_ticking.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;
    use tokio::time::advance;

    use super::*;

    fn tasks() -> usize {
        Handle::current().metrics().num_alive_tasks()
    }

    #[tokio::test(start_paused = true)]
    async fn it_ticks_while_queries_come_thick_and_fast_and_not_for_one_alone() {
        let metronome = Metronome::new();
        for _ in 0..3 {
            metronome.note_query(Instant::now());
            assert_eq!(tasks(), 0);
            advance(TICK).await;
        }
        for _ in 0..10 {
            let now = Instant::now();
            metronome.note_query(now);
            metronome.note_query(now);
            assert_eq!(tasks(), 1);
            sleep(TICK / 2).await;
        }
        sleep(TICK * 2).await;
        assert_eq!(tasks(), 0);
    }

    #[test]
    fn one_that_ended_with_its_runtime_ticks_in_another() {
        let metronome = Metronome::new();
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            runtime.unwrap().block_on(async {
                let now = Instant::now();
                metronome.note_query(now);
                metronome.note_query(now);
                assert_eq!(tasks(), 1);
            });
        }
    }
}
