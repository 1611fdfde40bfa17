//! Names that were denied go in; whether a name may be one of them comes out, for a few nanoseconds.
//!
//! A miss would have to look for the denial of its name and of each name above it, which are rare.
//! So it asks here first. What is told may be wrong in one direction: a denial that is not found
//! costs a question to an upstream, and a name that is taken for denied a look into the cache.

use std::{
    hash::BuildHasher as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use foldhash::fast::RandomState;
use tokio::time::Instant;

/// Words of bits: 8 KiB, for 65,536 names of which a third may be taken.
const WORDS: usize = 1024;

/// Bits that may be set before all are forgotten: beyond a third, a name above which eight others
/// stand would nearly always look denied.
const MAX_SET: usize = WORDS * 64 / 3;

/// The names that may have been denied.
pub(super) struct Denials {
    bits: Box<[AtomicU64; WORDS]>,
    set: AtomicUsize,
    /// When all were forgotten last. A denial from before counts no more: an answer may have come
    /// since that would have ended it.
    begun: Mutex<Option<Instant>>,
    /// Seeded, so that nobody can find names that share a bit.
    hasher: RandomState,
}

impl Denials {
    /// Notes a denied name, in wire form and lower case.
    pub(super) fn note(&self, name: &[u8]) {
        let Some((word, bit)) = self.place(name) else { return };
        if word.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            return;
        }
        if self.set.fetch_add(1, Ordering::Relaxed) >= MAX_SET {
            *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            self.bits.iter().for_each(|word| word.store(0, Ordering::Relaxed));
            self.set.store(1, Ordering::Relaxed);
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Whether a name may have been noted.
    pub(super) fn may_have(&self, name: &[u8]) -> bool {
        self.place(name).is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// Whether a denial that was taken in then still counts.
    pub(super) fn counts(&self, stored: Instant) -> bool {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.is_none_or(|begun| begun <= stored)
    }

    fn place(&self, name: &[u8]) -> Option<(&AtomicU64, u64)> {
        let hash = self.hasher.hash_one(name);
        let word = usize::try_from(hash >> 6).unwrap_or_default() % WORDS;
        Some((self.bits.get(word)?, 1 << (hash & 63)))
    }
}

impl Default for Denials {
    fn default() -> Self {
        let bits = Box::new([const { AtomicU64::new(0) }; WORDS]);
        Self {
            bits,
            set: AtomicUsize::new(0),
            begun: Mutex::default(),
            hasher: RandomState::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_found_and_most_of_the_rest_is_not() {
        let denials = Denials::default();
        let noted: Vec<String> = (0..100).map(|n| format!("\x03n{n:02}\x04test\0")).collect();
        noted.iter().for_each(|name| denials.note(name.as_bytes()));

        assert!(noted.iter().all(|name| denials.may_have(name.as_bytes())));
        let others = (0..1000).filter(|n| denials.may_have(format!("\x04m{n:03}\0").as_bytes()));
        assert!(others.count() < 50);
    }

    #[test]
    fn when_too_many_are_noted_it_begins_anew_with_the_last() {
        let denials = Denials::default();
        for n in 0..WORDS * 64 {
            let name = format!("\x06{n:06}\0");
            denials.note(name.as_bytes());
            assert!(denials.may_have(name.as_bytes()));
        }

        let set = denials.bits.iter().map(|word| word.load(Ordering::Relaxed).count_ones());
        assert!(set.sum::<u32>() as usize <= MAX_SET + 1);
        assert!(denials.counts(Instant::now()));
        assert!(!denials.counts(Instant::now() - std::time::Duration::from_secs(60)));
    }
}
