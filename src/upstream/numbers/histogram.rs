//! Spans of time come in, how many were how long comes out, as Prometheus wants it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The bounds of all histograms here, in microseconds: from a server on the same host, half a
/// millisecond away, to the 5 s after which a stub resolver gives up.
const BOUNDS: [u64; 13] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000,
];

/// How long things took.
#[derive(Default)]
pub(crate) struct Histogram {
    counts: [AtomicU64; BOUNDS.len()],
    /// Those past the last bound.
    longer: AtomicU64,
    microseconds: AtomicU64,
}

/// What a histogram says at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spread {
    /// All together, in seconds.
    pub(crate) sum: f64,
    /// How many.
    pub(crate) count: u64,
    /// How many up to each bound in seconds, and past the one before; the last is infinity.
    pub(crate) buckets: Vec<(f64, u64)>,
}

impl Histogram {
    pub(super) fn add(&self, time: Duration) {
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bound = BOUNDS.iter().position(|bound| microseconds <= *bound);
        let count = bound.and_then(|bound| self.counts.get(bound)).unwrap_or(&self.longer);
        count.fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    /// What it says now.
    pub(crate) fn spread(&self) -> Spread {
        let seconds = |microseconds: u64| Duration::from_micros(microseconds).as_secs_f64();
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let mut buckets: Vec<_> = BOUNDS.iter().map(|bound| seconds(*bound)).zip(counts).collect();
        buckets.push((f64::INFINITY, self.longer.load(Ordering::Relaxed)));
        // Of the counts just read, so that the sum of the buckets is always the count.
        let count = buckets.iter().map(|(_, count)| count).sum();
        Spread { sum: seconds(self.microseconds.load(Ordering::Relaxed)), count, buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_once_up_to_the_bound_it_does_not_pass() {
        let histogram = Histogram::default();
        for microseconds in [0, 500, 501, 5_000_000, 5_000_001] {
            histogram.add(Duration::from_micros(microseconds));
        }

        let Spread { sum, count, buckets } = histogram.spread();

        assert_eq!((sum, count), (10.001_002, 5));
        let filled: Vec<_> = buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.0005, 2), (0.001, 1), (5.0, 1), (f64::INFINITY, 1)]);
    }
}
