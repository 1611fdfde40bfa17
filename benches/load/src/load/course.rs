//! The clock goes in, departures come out; answers go in, counts come out. What all transports of
//! the load generator share: the pace, the phases of a run and the book of queries in flight.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use super::{
    Watch,
    flights::{Flight, Flights},
    plan::{Pace, Plan, Span},
    tally::Tally,
};
use crate::packet::{Question, Verdict, id_of};

/// How often queries without an answer are looked for.
const SWEEP_EVERY: u64 = 1_000_000;

/// A query that leaves so much later than it was due says more about us than about the server.
const OVERDUE: u64 = 1_000_000;

/// Longest wait for an answer before the clock is read again; also how late the end of a phase may
/// be seen when nothing arrives.
const PATIENCE: Duration = Duration::from_millis(1);

/// One run as it goes.
pub(crate) struct Course<'run> {
    plan: &'run Plan,
    watch: &'run mut dyn Watch,
    started: Instant,
    phase: Phase,
    begun: u64,
    departed: u64,
    swept: u64,
    flights: Flights,
    lanes: Lanes,
    tally: Tally,
}

/// How many queries each lane takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seats {
    /// Those of a kept socket or connection: an equal share of what may be in flight.
    Shared,
    /// One: the lane is a connection for one query.
    Single,
}

/// A query that leaves now.
pub(crate) struct Departure<'run> {
    pub(crate) lane: usize,
    pub(crate) id: u16,
    pub(crate) question: &'run Question,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    WarmUp,
    Measured,
    Landing,
}

/// Queries in flight on each lane.
struct Lanes {
    taken: Vec<u32>,
    seats: u32,
    turn: usize,
}

impl<'run> Course<'run> {
    pub(crate) fn new(plan: &'run Plan, seats: Seats, watch: &'run mut dyn Watch) -> Self {
        Self::new_with_lanes(plan, seats, plan.lanes, watch)
    }

    pub(crate) fn new_with_lanes(
        plan: &'run Plan,
        seats: Seats,
        lanes: NonZeroU32,
        watch: &'run mut dyn Watch,
    ) -> Self {
        Self {
            plan,
            watch,
            started: Instant::now(),
            phase: Phase::WarmUp,
            begun: 0,
            departed: 0,
            swept: 0,
            flights: Flights::new(),
            lanes: Lanes::new(lanes.get(), seats, plan.pace),
            tally: Tally::default(),
        }
    }

    /// Reads the clock, passes from phase to phase and finds lost queries.
    pub(crate) fn tick(&mut self) -> u64 {
        let now = self.now();
        if self.phase == Phase::WarmUp && now >= self.warm_up() {
            self.watch.begin();
            self.phase = Phase::Measured;
            self.begun = self.now();
        }
        if self.phase == Phase::Measured && self.has_departed_all(now) {
            self.watch.end();
            self.phase = Phase::Landing;
            self.tally.span = Duration::from_nanos(now.saturating_sub(self.begun));
        }
        if now >= self.swept + SWEEP_EVERY {
            self.swept = now;
            let (lanes, tally) = (&mut self.lanes, &mut self.tally);
            self.flights.sweep(now, |flight| lose(flight, lanes, tally));
        }
        now
    }

    /// The next query, if one is due and there is room for it.
    pub(crate) fn depart(&mut self, now: u64) -> Option<Departure<'run>> {
        let due = self.due(now)?;
        let lane = self.lanes.find()?;
        let (index, question) = self.plan.mix.question(self.departed)?;
        let is_measured = self.phase == Phase::Measured && due >= self.warm_up();
        let flight = Flight { question: index, lane, due, sent: now, is_measured };
        let id = self.flights.depart(flight)?;
        self.lanes.take(lane);
        self.departed += 1;
        self.tally.sent += u64::from(is_measured);
        self.tally.overdue += u64::from(is_measured && now.saturating_sub(due) > OVERDUE);
        Some(Departure { lane, id, question })
    }

    /// Takes an answer that came by a lane.
    pub(crate) fn arrive(&mut self, lane: usize, answer: &[u8]) {
        let Some(flight) = id_of(answer).and_then(|id| self.flights.arrive(id, lane)) else {
            self.tally.stray += 1;
            return;
        };
        self.lanes.release(lane);
        let question = self.plan.mix.at(flight.question);
        let verdict = question.map_or(Verdict::Wrong, |question| question.judge(answer));
        let is_right = verdict == Verdict::Right;
        self.tally.answers_in_span += u64::from(is_right && self.phase == Phase::Measured);
        if !flight.is_measured {
            return;
        }
        match verdict {
            Verdict::Right => self.tally.record(self.now().saturating_sub(flight.due)),
            Verdict::Wrong => self.tally.wrong += 1,
        }
    }

    /// Gives up all that a lane has in flight: it is closed.
    pub(crate) fn ground(&mut self, lane: usize) {
        let (lanes, tally) = (&mut self.lanes, &mut self.tally);
        self.flights.ground(lane, |flight| lose(flight, lanes, tally));
    }

    /// Gives up one query that could not be sent, or whose connection broke.
    pub(crate) fn give_up(&mut self, lane: usize, id: u16) {
        if let Some(flight) = self.flights.arrive(id, lane) {
            lose(flight, &mut self.lanes, &mut self.tally);
        }
    }

    /// Counts a kept connection that the server closed.
    pub(crate) fn count_reconnect(&mut self) {
        self.tally.reconnects += u64::from(self.phase == Phase::Measured);
    }

    /// How long to wait for answers. With a rate the clock decides, and it is watched without a
    /// break: a timer would be late by more than many an answer takes.
    pub(crate) fn patience(&self) -> Duration {
        match self.plan.pace {
            Pace::Rate(_) if self.phase != Phase::Landing => Duration::ZERO,
            Pace::Rate(_) | Pace::Outstanding(_) => PATIENCE,
        }
    }

    /// Whether everything has been sent and nothing is waited for.
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Landing && self.flights.is_empty()
    }

    /// What became of the queries.
    pub(crate) fn finish(self) -> Tally {
        self.tally
    }

    fn now(&self) -> u64 {
        // A run of 584 years would be needed to overflow.
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn warm_up(&self) -> u64 {
        match self.plan.span {
            Span::Time { warm_up, .. } => nanoseconds(warm_up),
            Span::Queries(_) => 0,
        }
    }

    fn has_departed_all(&self, now: u64) -> bool {
        match self.plan.span {
            Span::Time { measured, .. } => now >= self.begun.saturating_add(nanoseconds(measured)),
            Span::Queries(all) => self.departed >= all,
        }
    }

    /// When the next query was due, if it is by now.
    fn due(&self, now: u64) -> Option<u64> {
        let is_full = matches!(self.plan.span, Span::Queries(all) if self.departed >= all);
        if self.phase == Phase::Landing || is_full {
            return None;
        }
        match self.plan.pace {
            Pace::Rate(rate) => {
                let due = u128::from(self.departed) * 1_000_000_000 / u128::from(rate.get());
                u64::try_from(due).ok().filter(|due| *due <= now)
            }
            Pace::Outstanding(most) => {
                let in_flight = u32::try_from(self.flights.len()).unwrap_or(u32::MAX);
                (in_flight < most.get()).then_some(now)
            }
        }
    }
}

impl Lanes {
    fn new(lanes: u32, seats: Seats, pace: Pace) -> Self {
        let seats = match (seats, pace) {
            (Seats::Single, _) => 1,
            (Seats::Shared, Pace::Outstanding(most)) => most.get().div_ceil(lanes),
            (Seats::Shared, Pace::Rate(_)) => u32::MAX,
        };
        let taken = (0..lanes).map(|_| 0).collect();
        Self { taken, seats, turn: 0 }
    }

    /// The next lane in turn that has a seat.
    fn find(&mut self) -> Option<usize> {
        let count = self.taken.len();
        let lane = (0..count)
            .map(|step| (self.turn + step) % count)
            .find(|lane| self.taken.get(*lane).is_some_and(|taken| *taken < self.seats))?;
        self.turn = lane + 1;
        Some(lane)
    }

    fn take(&mut self, lane: usize) {
        if let Some(taken) = self.taken.get_mut(lane) {
            *taken += 1;
        }
    }

    fn release(&mut self, lane: usize) {
        if let Some(taken) = self.taken.get_mut(lane) {
            *taken = taken.saturating_sub(1);
        }
    }
}

fn lose(flight: Flight, lanes: &mut Lanes, tally: &mut Tally) {
    lanes.release(flight.lane);
    tally.lost += u64::from(flight.is_measured);
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
