//! Outcomes of a server's queries come in; whether to go on asking it comes out. No clock and no
//! dice in here: both are values, so that every path through its states can be tested.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Blame, Failure};
use crate::observer::Breaker as Change;

/// Failures in a row after which a server is left alone: what one lost connection takes with it is
/// less, as that is sent again for free.
const MOST_IN_ROW: u32 = 5;

/// Outcomes below which a share of failures says nothing.
const FEWEST: u32 = 20;

/// Half of the time that a share of failures is taken of; the half before is kept beside.
const HALF_WINDOW: Duration = Duration::from_secs(5);

/// How long a server is left alone at first: about as long as a restart or a change of path takes.
const FIRST_OPEN: Duration = Duration::from_secs(1);

/// How long at most: how long one that is back may go unnoticed.
const LONGEST_OPEN: Duration = Duration::from_secs(60);

/// Part of the time that dice take away, so that many clients do not come back at once.
const JITTER: f64 = 0.2;

/// Lets queries through to a server or not.
pub(super) struct Breaker {
    state: State,
    /// Since when it is in this state. What was asked before says nothing of it.
    since: Option<Instant>,
    /// Openings without an answer in between.
    openings: u32,
    in_row: u32,
    current: Tally,
    previous: Tally,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Closed,
    Open { until: Instant },
    HalfOpen { since: Instant },
}

/// Outcomes within one half of the window.
#[derive(Clone, Copy, Default)]
struct Tally {
    from: Option<Instant>,
    answered: u32,
    failed: u32,
}

/// What a failure says of its server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Weight {
    /// Nothing of whether it works.
    None,
    /// It may have been bad luck.
    One,
    /// Until somebody changes something it will fail.
    All,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self {
            state: State::Closed,
            since: None,
            openings: 0,
            in_row: 0,
            current: Tally::default(),
            previous: Tally::default(),
        }
    }

    /// When it lets a probe through, or did; nothing while it is closed.
    pub(super) fn half_opens_at(&self) -> Option<Instant> {
        match self.state {
            State::Closed => None,
            State::Open { until } => Some(until),
            State::HalfOpen { since } => Some(since),
        }
    }

    /// Whether somebody should send a probe.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        matches!(self.state, State::Open { until } if until <= now)
    }

    /// The state as others name it.
    pub(super) fn state(&self) -> Change {
        match self.state {
            State::Closed => Change::Closed,
            State::Open { .. } => Change::Open,
            State::HalfOpen { .. } => Change::HalfOpen,
        }
    }

    /// Notes that a query is sent; the first one when the time has come is the probe.
    pub(super) fn note_sent(&mut self, now: Instant) -> Option<Change> {
        self.is_due(now).then(|| self.enter(State::HalfOpen { since: now }, now))
    }

    /// Notes that a query was answered. Any answer closes it, as it may have been opened for no
    /// good reason, if only it was asked for since.
    pub(super) fn note_answer(&mut self, now: Instant, asked_at: Instant) -> Option<Change> {
        if self.is_outdated(asked_at) {
            return None;
        }
        if self.state != State::Closed {
            self.openings = 0;
            return Some(self.enter(State::Closed, now));
        }
        self.in_row = 0;
        self.tally(now).answered += 1;
        None
    }

    /// Notes that a query failed; `jitter` is a number from 0 to 1.
    pub(super) fn note_failure(
        &mut self,
        now: Instant,
        asked_at: Instant,
        weight: Weight,
        jitter: f64,
    ) -> Option<Change> {
        let counts = weight != Weight::None && !self.is_outdated(asked_at);
        let is_over = match self.state {
            _ if !counts => false,
            State::Closed => {
                self.in_row += 1;
                self.tally(now).failed += 1;
                weight == Weight::All || self.in_row >= MOST_IN_ROW || self.is_mostly_failing()
            }
            // Whoever was sent there all the same, as there was nobody else.
            State::Open { .. } => false,
            State::HalfOpen { .. } => true,
        };
        is_over.then(|| self.open(now, weight, jitter))
    }

    fn open(&mut self, now: Instant, weight: Weight, jitter: f64) -> Change {
        let factor = 1_u32.checked_shl(self.openings).unwrap_or(u32::MAX);
        self.openings = self.openings.saturating_add(1);
        let pause = match weight {
            Weight::All => LONGEST_OPEN,
            _ => FIRST_OPEN.saturating_mul(factor).min(LONGEST_OPEN).mul_f64(1.0 - JITTER * jitter),
        };
        self.enter(State::Open { until: now + pause }, now)
    }

    fn enter(&mut self, state: State, now: Instant) -> Change {
        (self.state, self.since, self.in_row) = (state, Some(now), 0);
        (self.current, self.previous) = (Tally::default(), Tally::default());
        self.state()
    }

    fn is_outdated(&self, asked_at: Instant) -> bool {
        self.since.is_some_and(|since| asked_at < since)
    }

    fn is_mostly_failing(&self) -> bool {
        let failed = self.current.failed + self.previous.failed;
        let all = failed + self.current.answered + self.previous.answered;
        all >= FEWEST && failed * 2 >= all
    }

    /// Where outcomes are counted now.
    fn tally(&mut self, now: Instant) -> &mut Tally {
        let age = self.current.from.map(|from| now.saturating_duration_since(from));
        if age.is_none_or(|age| age >= HALF_WINDOW) {
            let is_recent = age.is_some_and(|age| age < HALF_WINDOW * 2);
            self.previous = if is_recent { self.current } else { Tally::default() };
            self.current = Tally { from: Some(now), ..Tally::default() };
        }
        &mut self.current
    }
}

impl Weight {
    pub(crate) fn of(failure: &Failure) -> Self {
        match failure {
            Failure::Overloaded | Failure::Throttled { .. } => Self::None,
            Failure::Status(401 | 403 | 404 | 421) => Self::All,
            Failure::Status(_) => Self::One,
            failure if failure.blame() == Blame::Config => Self::All,
            _ => Self::One,
        }
    }
}

#[cfg(test)]
mod tests;
