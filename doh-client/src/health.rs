//! What happened to the queries of a server comes in, how it is doing and how long to leave it
//! alone comes out. No clock and no lock in here, so that time is a value in its tests.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Failure;

/// First pause after a failure that was noticed at once, such as a refused connection.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause: how long a server that is back may go unnoticed.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// How a server is doing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Health {
    /// It was not asked yet.
    Untried,
    /// It answered what it was last asked.
    Up,
    /// It failed last; for a while the other servers are asked first.
    Down,
}

/// What is remembered of one server.
pub(crate) struct Record {
    pub(crate) health: Health,
    pub(crate) answered: u64,
    pub(crate) failed: u64,
    pub(crate) last_failure: Option<Failure>,
    pub(crate) last_round_trip: Option<Duration>,
    pauses_in_row: u32,
    paused_until: Option<Instant>,
}

impl Record {
    pub(crate) fn new() -> Self {
        Self {
            health: Health::Untried,
            answered: 0,
            failed: 0,
            last_failure: None,
            last_round_trip: None,
            pauses_in_row: 0,
            paused_until: None,
        }
    }

    /// Until when the other servers are preferred; nothing once that is over.
    pub(crate) fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.paused_until.filter(|until| now < *until)
    }

    /// Notes an answer; one that was in time ends all pauses.
    pub(crate) fn note_answer(&mut self, round_trip: Duration, was_in_time: WasInTime) {
        self.answered += 1;
        self.last_round_trip = Some(round_trip);
        self.health = Health::Up;
        if was_in_time == WasInTime::Yes {
            self.pauses_in_row = 0;
            self.paused_until = None;
        }
    }

    /// Notes a failure that cost its query this much time.
    pub(crate) fn note_failure(&mut self, now: Instant, cost: Duration, failure: Failure) {
        self.failed += 1;
        self.last_failure = Some(failure);
        self.health = Health::Down;
        self.pause(now, cost);
    }

    /// Notes that an answer is overdue. It may still come, so that nothing is counted.
    pub(crate) fn note_late(&mut self, now: Instant, cost: Duration) {
        self.pause(now, cost);
    }

    /// Doubles the pause with each failure after the last pause; queries that were under way
    /// together fail together and count once. A pause is never shorter than what the failure
    /// cost, or a silent server would slow down every query.
    fn pause(&mut self, now: Instant, cost: Duration) {
        if self.paused_until(now).is_some() {
            return;
        }
        let factor = 1_u32.checked_shl(self.pauses_in_row).unwrap_or(u32::MAX);
        let pause = FIRST_PAUSE.max(cost).saturating_mul(factor).min(MAX_PAUSE);
        self.pauses_in_row = self.pauses_in_row.saturating_add(1);
        self.paused_until = Some(now + pause);
    }
}

/// Whether an answer came before another server was asked because of its delay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WasInTime {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;

    fn pause_after(record: &mut Record, now: Instant, cost: Duration) -> Duration {
        record.note_failure(now, cost, Failure::TooLarge);
        record.paused_until(now).expect("a failure makes a pause") - now
    }

    #[test]
    fn pauses_double_from_100_ms_to_30_s() {
        let mut record = Record::new();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..40 {
            let pause = pause_after(&mut record, now, AT_ONCE);
            pauses.push(pause.as_millis());
            now += pause;
        }

        assert_eq!(pauses[..5], [100, 200, 400, 800, 1600]);
        assert_eq!(pauses[9..], [30_000; 31]);
    }

    #[test]
    fn a_pause_is_as_long_as_what_the_failure_cost() {
        let cost = Duration::from_millis(1500);

        assert_eq!(pause_after(&mut Record::new(), Instant::now(), cost), cost);
    }

    #[test]
    fn queries_that_fail_together_make_one_pause() {
        let mut record = Record::new();
        let now = Instant::now();
        let pause = pause_after(&mut record, now, AT_ONCE);

        for _ in 0..100 {
            record.note_failure(now, AT_ONCE, Failure::TooLarge);
        }

        assert_eq!(record.paused_until(now), Some(now + pause));
        assert_eq!(record.failed, 101);
    }

    #[test]
    fn an_answer_in_time_ends_the_pause_and_a_late_one_does_not() {
        let mut record = Record::new();
        let now = Instant::now();
        pause_after(&mut record, now, AT_ONCE);

        record.note_answer(Duration::from_secs(2), WasInTime::No);
        assert!(record.paused_until(now).is_some());
        assert_eq!(record.health, Health::Up);

        record.note_answer(Duration::from_millis(9), WasInTime::Yes);
        assert_eq!(record.paused_until(now), None);
        assert_eq!(pause_after(&mut record, now, AT_ONCE), FIRST_PAUSE);
    }

    #[test]
    fn a_late_answer_makes_a_pause_without_being_counted() {
        let mut record = Record::new();
        let now = Instant::now();

        record.note_late(now, Duration::from_secs(1));

        assert_eq!(record.paused_until(now), Some(now + Duration::from_secs(1)));
        assert_eq!((record.answered, record.failed, record.health), (0, 0, Health::Untried));
    }
}
