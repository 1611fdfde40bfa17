//! What happened to the queries of a server comes in; how it is doing, and whether to ask it, comes
//! out. No clock and no lock in here, so that time is a value in its tests.

mod breaker;
mod pace;
mod room;

use std::time::Duration;

use tokio::time::Instant;

use crate::choice::{Look, Standing};
use crate::error::Failure;
use crate::observer::Breaker as Change;

use breaker::{Breaker, Weight};
use pace::Pace;
use room::Room;

pub(crate) use pace::IsGood;
pub(crate) use room::Entry;

/// How a server is doing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Health {
    /// It was not asked yet.
    Untried,
    /// It answered what it was last asked.
    Up,
    /// It failed last.
    Down,
}

/// What is remembered of one server.
pub(crate) struct Record {
    pub(crate) health: Health,
    pub(crate) answered: u64,
    pub(crate) failed: u64,
    pub(crate) hedges: u64,
    pub(crate) last_failure: Option<Failure>,
    pub(crate) last_round_trip: Option<Duration>,
    pace: Pace,
    breaker: Breaker,
    room: Room,
}

/// What a failure has changed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) breaker: Option<Change>,
    /// For how long the server gets fewer queries.
    pub(crate) throttled: Option<Duration>,
    /// Whether somebody has to change something before it can work.
    pub(crate) is_hopeless: bool,
    /// Whether it worked until now, as far as is known.
    pub(crate) is_news: bool,
}

impl Record {
    /// Of a server that may have so many queries under way.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            health: Health::Untried,
            answered: 0,
            failed: 0,
            hedges: 0,
            last_failure: None,
            last_round_trip: None,
            pace: Pace::new(),
            breaker: Breaker::new(),
            room: Room::new(most),
        }
    }

    /// What counts when somebody is to be asked.
    pub(crate) fn look(&self, now: Instant) -> Look {
        let standing = match self.breaker.half_opens_at() {
            Some(at) => Standing::Open(at),
            None if self.room.is_busy(now) => Standing::Busy,
            None => Standing::Fit,
        };
        let queries = self.room.in_flight() + self.room.in_line();
        Look {
            standing,
            was_asked: false,
            cost: self.pace.cost(now, queries),
            is_due: self.breaker.is_due(now),
            is_untried: self.health == Health::Untried,
            // For whoever knows the connections to say.
            hedge_after: Duration::ZERO,
        }
    }

    /// Takes a query in, into the line, or not.
    pub(crate) fn enter(&mut self) -> Entry {
        self.room.enter()
    }

    /// Takes in a query that waits in line, if there is room now.
    pub(crate) fn advance(&mut self) -> bool {
        self.room.advance()
    }

    /// Notes that a query has left the line.
    pub(crate) fn give_up(&mut self) {
        self.room.give_up();
    }

    /// Whether somebody waits in line who could go.
    pub(crate) fn can_advance(&self) -> bool {
        self.room.can_advance()
    }

    /// Notes that a query that was taken in is sent now.
    pub(crate) fn note_sent(&mut self, now: Instant) -> Option<Change> {
        self.breaker.note_sent(now)
    }

    /// Notes the answer to a query that was asked at that time.
    pub(crate) fn note_answer(
        &mut self,
        now: Instant,
        asked_at: Instant,
        round_trip: Duration,
        is_good: IsGood,
    ) -> Option<Change> {
        self.room.leave();
        self.room.widen();
        self.answered += 1;
        self.health = Health::Up;
        self.last_round_trip = Some(round_trip);
        self.pace.note_round_trip(now, round_trip);
        self.pace.note_outcome(now, is_good);
        let change = self.breaker.note_answer(now, asked_at);
        if change.is_some() {
            self.pace.forgive();
        }
        change
    }

    /// Notes the failure of a query that was asked at that time; `jitter` is a number from 0 to 1.
    pub(crate) fn note_failure(
        &mut self,
        now: Instant,
        asked_at: Instant,
        failure: Failure,
        jitter: f64,
    ) -> Verdict {
        let weight = Weight::of(&failure);
        let mut verdict = Verdict {
            is_hopeless: weight == Weight::All,
            is_news: self.breaker.state() == Change::Closed,
            ..Verdict::default()
        };
        if let Failure::Throttled { after, .. } = &failure {
            verdict.throttled = Some(self.room.narrow(now, asked_at, *after));
            // Who complains is there.
            verdict.breaker = self.breaker.note_answer(now, asked_at);
        } else {
            self.pace.note_slow(now, now.saturating_duration_since(asked_at));
            self.pace.note_outcome(now, IsGood::No);
            verdict.breaker = self.breaker.note_failure(now, asked_at, weight, jitter);
        }
        self.room.leave();
        self.failed += 1;
        self.health = Health::Down;
        self.last_failure = Some(failure);
        verdict
    }

    /// Notes that a query takes so long at least. Its answer may still come, so nothing is counted.
    pub(crate) fn note_slow(&mut self, now: Instant, at_least: Duration) {
        self.pace.note_slow(now, at_least);
    }

    pub(crate) fn breaker(&self) -> Change {
        self.breaker.state()
    }

    /// Until when it wants fewer queries.
    pub(crate) fn throttled_until(&self, now: Instant) -> Option<Instant> {
        self.room.throttled_until(now)
    }

    /// The smoothed round trip.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.pace.smoothed()
    }

    /// How long 19 of 20 answers take at most.
    pub(crate) fn percentile(&self) -> Option<Duration> {
        self.pace.percentile()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.room.in_flight()
    }

    pub(crate) fn limit(&self) -> usize {
        self.room.limit()
    }
}
