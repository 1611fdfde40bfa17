//! Failures go in, and for a while the same is not asked again (RFC 9520).
//!
//! A name whose own servers are broken fails alone, and is left in peace for longer each time.
//! When the upstream is broken every name fails; that ends with its first good answer to anything.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::{policy::EvictionPolicy, sync};
use tokio::time::Instant;

use super::Failure;
use crate::cache::Key;

/// First pause, doubled by each further failure (RFC 9520 section 3.2: at least one second).
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause of a name; RFC 9520 section 3.2 allows five minutes, people do not.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Longest pause while everything fails: an upstream that is back is noticed within this time
/// even where one name is all that anybody asks for.
const LONGEST_PAUSE_OF_ALL: Duration = Duration::from_secs(5);

/// Pause where there is a stale answer to give (RFC 8767 section 5, failure recheck timer).
pub(super) const RECHECK: Duration = Duration::from_secs(30);

/// Failures remembered, some 5 MiB; beyond that those not asked for the longest are forgotten,
/// which costs one more question each.
const MAX_FAILURES: u64 = 8192;

/// The failures that are remembered; clones share everything.
#[derive(Clone)]
pub(super) struct Memory {
    failures: sync::Cache<Key, Arc<Remembered>>,
    progress: Arc<Progress>,
}

/// How it goes with all names together.
#[derive(Default)]
struct Progress {
    /// Good answers so far.
    good: AtomicU64,
    /// One more than there were at the last failure; zero before the first.
    good_at_last_failure: AtomicU64,
}

struct Remembered {
    failure: Failure,
    pause: Duration,
    until: Instant,
    /// Good answers there were, where the upstream was to blame: it ends with the next.
    good_before: Option<u64>,
}

impl Memory {
    pub(super) fn new() -> Self {
        // Twice the pause, so that a failure right after it still counts as a further one.
        let kept = LONGEST_PAUSE * 2;
        let failures = sync::Cache::builder()
            .max_capacity(MAX_FAILURES)
            // The default would rather keep what is known well than let in what has just failed.
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(kept)
            .build();
        Self { failures, progress: Arc::default() }
    }

    /// The failure for which this is not asked again yet.
    pub(super) fn find(&self, key: &Key, now: Instant) -> Option<Failure> {
        let remembered = self.failures.get(key)?;
        let good = self.progress.good.load(Ordering::Relaxed);
        let is_over = remembered.good_before.is_some_and(|before| before != good);
        (now < remembered.until && !is_over).then(|| remembered.failure.clone())
    }

    /// Remembers a failure for at least so long.
    pub(super) fn note_failure(&self, key: &Key, failure: Failure, least: Duration, now: Instant) {
        let good = self.progress.good.load(Ordering::Relaxed);
        let last = self.progress.good_at_last_failure.swap(good + 1, Ordering::Relaxed);
        // Two failures with nothing good between them are the upstream's.
        let good_before = (last == good + 1).then_some(good);
        let longest = if good_before.is_some() { LONGEST_PAUSE_OF_ALL } else { LONGEST_PAUSE };
        let previous = self.failures.get(key).filter(|last| now < last.until + LONGEST_PAUSE);
        let pause = previous.map_or(FIRST_PAUSE, |last| last.pause * 2).min(longest);
        let until = now + pause.max(least);
        let failure = Failure::Remembered(Arc::new(failure));
        let remembered = Remembered { failure, pause, until, good_before };
        self.failures.insert(key.clone(), Arc::new(remembered));
    }

    /// Forgets the failures of a key that has a good answer, and all that were the upstream's.
    pub(super) fn note_good(&self, key: &Key) {
        self.progress.good.fetch_add(1, Ordering::Relaxed);
        self.failures.invalidate(key);
    }

    /// Keys that failed within a minute and have had no good answer since, those included that
    /// may be asked for again: their next pause is the longer for it.
    pub(super) fn len(&self) -> u64 {
        self.failures.run_pending_tasks();
        self.failures.entry_count()
    }
}

#[cfg(test)]
mod tests {
    use blocker::Name;

    use super::*;
    use crate::wire::rtype;

    fn key(name: &str) -> Key {
        let name = Name::parse(name).unwrap();
        Key { name, qtype: rtype::A, dnssec_ok: false, checking_disabled: false }
    }

    #[test]
    fn what_may_be_asked_again_counts_until_it_has_a_good_answer() {
        let memory = Memory::new();
        let now = Instant::now();
        let broken = key("broken.example");
        memory.note_failure(&broken, Failure::Timeout, Duration::ZERO, now);

        let later = now + FIRST_PAUSE;
        assert!(memory.find(&broken, now).is_some() && memory.find(&broken, later).is_none());
        assert_eq!(memory.len(), 1);
        memory.note_good(&key("www.example"));
        assert_eq!(memory.len(), 1);
        memory.note_good(&broken);
        assert_eq!(memory.len(), 0);
    }

    #[test]
    fn a_full_memory_forgets_and_still_remembers_what_is_new() {
        let memory = Memory::new();
        let now = Instant::now();
        for number in 0..MAX_FAILURES + 1000 {
            let key = key(&format!("n{number}.example"));
            memory.note_failure(&key, Failure::Timeout, Duration::ZERO, now);
        }

        assert!(memory.len() <= MAX_FAILURES);
        let last = key(&format!("n{}.example", MAX_FAILURES + 999));
        assert!(memory.find(&last, now).is_some());
        assert!(memory.find(&key("n0.example"), now).is_none());
    }
}
