//! What a server does comes in as it happens, the last hour in slices of half a minute comes out,
//! to be drawn. Its memory is fixed: the oldest slice makes room for the next.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// The time that one slice covers: short enough to see when an outage began.
pub(super) const SLICE: Duration = Duration::from_secs(30);

/// Slices that are kept: an hour, at 18 KiB for each server.
pub(super) const SLICES: usize = 120;

/// Paces that are told apart, each longer than the one before by the root of two: from 0.5 ms to
/// 5.8 s, past which no answer is waited for.
const PACES: usize = 28;

/// The longest of the first pace, in microseconds.
const FIRST_PACE: f64 = 500.0;

/// What can be seen of a server.
#[derive(Clone, Copy)]
pub(super) enum Sight {
    /// A query went out.
    Sent,
    /// It was answered, so long after.
    Answered(Duration),
    /// It was not.
    Failed,
    /// It fails so often that it is left alone.
    LeftAlone,
    /// It is back.
    TakenBack,
}

/// What happened in half a minute.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Slice {
    /// Queries sent.
    pub sent: u32,
    /// Queries answered, well or not.
    pub answered: u32,
    /// Queries not answered.
    pub failed: u32,
    /// How long half of the answers took at most, in milliseconds.
    pub p50_ms: Option<f64>,
    /// The same for 19 of 20.
    pub p95_ms: Option<f64>,
    /// How often it came to be left alone.
    pub left_alone: u32,
    /// How often it was back.
    pub taken_back: u32,
}

/// The last hour of one server. Only the upstream thread writes.
pub(super) struct Timeline {
    begun: Instant,
    ring: Box<[Cell]>,
}

#[derive(Default)]
struct Cell {
    /// One more than the number of its slice since `begun`; zero where there was none.
    stamp: AtomicU64,
    sent: AtomicU32,
    failed: AtomicU32,
    left_alone: AtomicU32,
    taken_back: AtomicU32,
    paces: [AtomicU32; PACES],
}

impl Timeline {
    /// An empty one; slices are counted from `begun`.
    pub(super) fn new(begun: Instant) -> Self {
        Self { begun, ring: std::iter::repeat_with(Cell::default).take(SLICES).collect() }
    }

    pub(super) fn note(&self, sight: Sight, now: Instant) {
        let number = self.number(now);
        let Some(cell) = self.cell(number) else { return };
        if cell.stamp.load(Ordering::Relaxed) != number + 1 {
            cell.clear();
            cell.stamp.store(number + 1, Ordering::Relaxed);
        }
        cell.note(sight);
    }

    /// All slices there were, the oldest first; the last is not over yet.
    pub(super) fn slices(&self, now: Instant) -> Vec<Slice> {
        let last = self.number(now);
        let first = (last + 1).saturating_sub(SLICES as u64);
        let slice = |number| {
            let cell = self.cell(number);
            let cell = cell.filter(|cell| cell.stamp.load(Ordering::Relaxed) == number + 1);
            cell.map(Cell::slice).unwrap_or_default()
        };
        (first..=last).map(slice).collect()
    }

    /// How long ago the oldest slice began.
    pub(super) fn reach(&self, now: Instant) -> Duration {
        let elapsed = now.saturating_duration_since(self.begun);
        let first = (self.number(now) + 1).saturating_sub(SLICES as u64);
        elapsed.saturating_sub(Duration::from_secs(first * SLICE.as_secs()))
    }

    fn number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.begun).as_secs() / SLICE.as_secs()
    }

    fn cell(&self, number: u64) -> Option<&Cell> {
        self.ring.get(usize::try_from(number).ok()? % SLICES)
    }
}

impl Cell {
    fn note(&self, sight: Sight) {
        let counter = match sight {
            Sight::Sent => &self.sent,
            Sight::Answered(time) => match self.paces.get(pace(time)) {
                Some(counter) => counter,
                None => return,
            },
            Sight::Failed => &self.failed,
            Sight::LeftAlone => &self.left_alone,
            Sight::TakenBack => &self.taken_back,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn clear(&self) {
        let rest = [&self.sent, &self.failed, &self.left_alone, &self.taken_back];
        for counter in rest.into_iter().chain(&self.paces) {
            counter.store(0, Ordering::Relaxed);
        }
    }

    fn slice(&self) -> Slice {
        let load = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
        let paces = self.paces.each_ref().map(load);
        Slice {
            sent: load(&self.sent),
            answered: paces.iter().sum(),
            failed: load(&self.failed),
            p50_ms: percentile(&paces, 0.5),
            p95_ms: percentile(&paces, 0.95),
            left_alone: load(&self.left_alone),
            taken_back: load(&self.taken_back),
        }
    }
}

/// The place of a time among the paces.
fn pace(time: Duration) -> usize {
    let bound = (0..PACES - 1).find(|place| time.as_secs_f64() * 1e6 <= longest(*place));
    bound.unwrap_or(PACES - 1)
}

/// The longest time of a pace, in microseconds.
fn longest(place: usize) -> f64 {
    FIRST_PACE * 2f64.powf(place as f64 / 2.0)
}

/// The time in milliseconds that this share of the answers took at most, as if the times of a pace
/// lay evenly in it.
fn percentile(paces: &[u32; PACES], share: f64) -> Option<f64> {
    let all: u32 = paces.iter().sum();
    let wanted = f64::from(all) * share;
    let mut before = 0.0;
    for (place, count) in paces.iter().enumerate().filter(|(_, count)| **count > 0) {
        let count = f64::from(*count);
        if before + count >= wanted {
            let shortest = if place == 0 { 0.0 } else { longest(place - 1) };
            let into = (wanted - before) / count;
            return Some((shortest + (longest(place) - shortest) * into) / 1000.0);
        }
        before += count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_slice_holds_what_happened_in_it_and_the_oldest_goes_when_the_hour_is_full() {
        let begun = Instant::now();
        let timeline = Timeline::new(begun);
        timeline.note(Sight::Sent, begun);
        timeline.note(Sight::Failed, begun + SLICE);
        timeline.note(Sight::LeftAlone, begun + SLICE);
        timeline.note(Sight::TakenBack, begun + SLICE * 2 - MS);

        let slices = timeline.slices(begun + SLICE * 2);
        assert_eq!(slices.len(), 3);
        assert_eq!(slices[0], Slice { sent: 1, ..Slice::default() });
        let second = Slice { failed: 1, left_alone: 1, taken_back: 1, ..Slice::default() };
        assert_eq!((slices[1], slices[2]), (second, Slice::default()));
        assert_eq!(timeline.reach(begun + SLICE * 2), SLICE * 2);

        let hour = begun + SLICE * u32::try_from(SLICES).unwrap();
        timeline.note(Sight::Sent, hour);
        let slices = timeline.slices(hour + MS);
        assert_eq!(slices.len(), SLICES);
        assert_eq!((slices[0], slices[SLICES - 1].sent), (second, 1), "the first is gone");
        assert_eq!(timeline.reach(hour + MS), SLICE * 119 + MS);
    }

    #[test]
    fn a_day_of_silence_leaves_nothing_of_the_day_before() {
        let begun = Instant::now();
        let timeline = Timeline::new(begun);
        timeline.note(Sight::Sent, begun);

        let slices = timeline.slices(begun + Duration::from_secs(86_400));

        assert!(slices.iter().all(|slice| *slice == Slice::default()) && slices.len() == SLICES);
    }

    #[test]
    fn percentiles_are_near_the_times_that_were_noted() {
        let begun = Instant::now();
        let timeline = Timeline::new(begun);
        for milliseconds in 1..=100 {
            timeline.note(Sight::Answered(MS * milliseconds), begun);
        }

        let [slice] = timeline.slices(begun)[..] else { panic!("one slice") };

        assert_eq!(slice.answered, 100);
        let (p50, p95) = (slice.p50_ms.unwrap(), slice.p95_ms.unwrap());
        assert!((40.0..60.0).contains(&p50) && (80.0..130.0).contains(&p95), "{p50} {p95}");
    }

    #[test]
    fn the_longest_time_has_a_place_too() {
        assert_eq!((pace(Duration::ZERO), pace(Duration::MAX)), (0, PACES - 1));
        assert!((5_000_000.0..6_000_000.0).contains(&longest(PACES - 1)));
    }
}
