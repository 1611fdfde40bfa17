//! Events of a closed set of kinds come in by the place of their kind, one number for each comes
//! out with its word.

use std::sync::atomic::{AtomicU64, Ordering};

/// One counter for each word of a closed set.
pub(crate) struct Counts<const N: usize> {
    words: [&'static str; N],
    counts: [AtomicU64; N],
}

impl<const N: usize> Counts<N> {
    pub(super) fn new(words: [&'static str; N]) -> Self {
        Self { words, counts: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// Counts one at this place.
    pub(super) fn add(&self, place: usize) {
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The number at each place.
    pub(crate) fn values(&self) -> [u64; N] {
        self.counts.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// The number for each word.
    pub(crate) fn by_word(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.words.into_iter().zip(self.values())
    }

    /// All of them.
    pub(crate) fn sum(&self) -> u64 {
        self.values().into_iter().sum()
    }
}
