//! Failures go in, and for a while the same is not asked again (RFC 9520).
//!
//! A name whose own servers are broken fails alone, and is left in peace for longer each time.
//! When an upstream is broken every name of its route fails; that ends with its first good answer
//! to anything.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use blocker::Name;
use foldhash::quality::RandomState;
use tokio::time::Instant;

use super::{Failure, progress::Progress};
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

/// How long a failure is kept: twice the pause, so that one right after it still counts as a further
/// one.
const KEPT: Duration = LONGEST_PAUSE.saturating_mul(2);

/// Failures remembered, some 5 MiB; beyond that the oldest are forgotten, which costs one more question
/// each.
const MAX_FAILURES: usize = 8192;

/// The failures that are remembered; clones share everything.
#[derive(Clone)]
pub(super) struct Memory {
    failures: Arc<Mutex<Failures>>,
    begun: Instant,
    /// Milliseconds after it began from which on nothing is remembered; zero: from the beginning.
    quiet_from: Arc<AtomicU64>,
}

/// The failures, and in which order they came.
#[derive(Default)]
struct Failures {
    of: HashMap<Arc<Key>, Remembered, RandomState>,
    /// Those included that have had a good answer since.
    order: VecDeque<(Arc<Key>, Instant)>,
}

impl Failures {
    fn note(&mut self, key: &Arc<Key>, remembered: Remembered) {
        let at = remembered.at;
        self.order.push_back((key.clone(), at));
        self.of.insert(key.clone(), remembered);
        self.forget_old(at);
    }

    /// Forgets what is too old, and the oldest where there are too many.
    fn forget_old(&mut self, now: Instant) {
        let is_many = |order: &VecDeque<_>| order.len() > MAX_FAILURES;
        while let Some((key, at)) = self.order.front() {
            if !is_many(&self.order) && now.saturating_duration_since(*at) < KEPT {
                break;
            }
            // It may have failed again since.
            if self.of.get(key).is_some_and(|last| last.at == *at) {
                self.of.remove(key);
            }
            self.order.pop_front();
        }
    }
}

struct Remembered {
    failure: Failure,
    at: Instant,
    pause: Duration,
    until: Instant,
    /// Where the upstream was to blame: good answers there were. It ends with the next.
    blamed: Option<(Arc<Progress>, u64)>,
}

impl Remembered {
    fn is_over(&self, now: Instant) -> bool {
        let has_recovered = |(of, before): &(Arc<Progress>, u64)| of.good() != *before;
        now >= self.until || self.blamed.as_ref().is_some_and(has_recovered)
    }
}

/// A failure, when it was, and for how long it is to be remembered at least.
pub(super) struct Setback {
    pub(super) failure: Failure,
    pub(super) at: Instant,
    pub(super) least: Duration,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self { failures: Arc::default(), begun: Instant::now(), quiet_from: Arc::default() }
    }

    /// The failure for which this is not asked again yet.
    pub(super) fn find(&self, key: &Key, now: Instant) -> Option<Failure> {
        if self.is_quiet(now) {
            return None;
        }
        let failures = self.lock();
        let remembered = failures.of.get(key).filter(|last| !last.is_over(now))?;
        Some(remembered.failure.clone())
    }

    /// Remembers a failure of a key, whose route does so well.
    pub(super) fn note_failure(&self, key: &Arc<Key>, progress: &Arc<Progress>, setback: Setback) {
        let Setback { failure, at, least } = setback;
        let blamed = progress.note_failure().map(|good| (progress.clone(), good));
        let longest = if blamed.is_some() { LONGEST_PAUSE_OF_ALL } else { LONGEST_PAUSE };
        let mut failures = self.lock();
        let previous = failures.of.get(key).filter(|last| at < last.until + LONGEST_PAUSE);
        let pause = previous.map_or(FIRST_PAUSE, |last| last.pause * 2).min(longest);
        let until = at + pause.max(least);
        let failure = Failure::Remembered(Arc::new(failure));
        failures.note(key, Remembered { failure, at, pause, until, blamed });
        self.quiet_from.fetch_max(self.since_begun(at + KEPT), Ordering::Relaxed);
    }

    /// Forgets the failures of a key that has a good answer, and all of its route that were the
    /// upstream's.
    pub(super) fn note_good(&self, key: &Key, progress: &Progress, now: Instant) {
        progress.note_good();
        if !self.is_quiet(now) {
            self.lock().of.remove(key);
        }
    }

    /// Whether nothing has failed for so long that nothing is remembered: every miss asks twice, and
    /// the look that this saves costs more than all the rest of asking.
    fn is_quiet(&self, now: Instant) -> bool {
        self.since_begun(now) >= self.quiet_from.load(Ordering::Relaxed)
    }

    fn since_begun(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.begun).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX)
    }

    /// Forgets the failures of a name and of all below it; how many. Looks at all of them.
    pub(super) fn forget(&self, name: &Name) -> u64 {
        let failures = &mut self.lock().of;
        failures.extract_if(|key, _| key.name.is_within(name)).count() as u64
    }

    /// Keys that failed within a minute and have had no good answer since, those included that
    /// may be asked for again: their next pause is the longer for it.
    pub(super) fn len(&self) -> u64 {
        let mut failures = self.lock();
        failures.forget_old(Instant::now());
        failures.of.len() as u64
    }

    /// Held for a look-up or two; nobody asks while nothing fails.
    fn lock(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{route::RouteId, wire::rtype};

    fn key(name: &str) -> Arc<Key> {
        let name = Name::parse(name).unwrap();
        let route = RouteId::default();
        let key = Key { name, qtype: rtype::A, dnssec_ok: false, checking_disabled: false, route };
        Arc::new(key)
    }

    fn setback(at: Instant) -> Setback {
        Setback { failure: Failure::Timeout, at, least: Duration::ZERO }
    }

    #[test]
    fn what_may_be_asked_again_counts_until_it_has_a_good_answer() {
        let (memory, progress) = (Memory::new(), Arc::default());
        let now = Instant::now();
        let broken = key("broken.example");
        memory.note_failure(&broken, &progress, setback(now));

        let later = now + FIRST_PAUSE;
        assert!(memory.find(&broken, now).is_some() && memory.find(&broken, later).is_none());
        assert_eq!(memory.len(), 1);
        memory.note_good(&key("www.example"), &progress, now);
        assert_eq!(memory.len(), 1);
        memory.note_good(&broken, &progress, now);
        assert_eq!(memory.len(), 0);
    }

    #[test]
    fn a_full_memory_forgets_and_still_remembers_what_is_new() {
        let (memory, progress) = (Memory::new(), Arc::default());
        let now = Instant::now();
        for number in 0..MAX_FAILURES + 1000 {
            memory.note_failure(&key(&format!("n{number}.example")), &progress, setback(now));
        }

        assert_eq!(memory.len(), MAX_FAILURES as u64);
        let last = key(&format!("n{}.example", MAX_FAILURES + 999));
        assert!(memory.find(&last, now).is_some());
        assert!(memory.find(&key("n0.example"), now).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_a_minute_old_is_forgotten_unless_it_failed_again() {
        let (memory, progress) = (Memory::new(), Arc::default());
        let begun = Instant::now();
        for name in ["once.example", "again.example"] {
            memory.note_failure(&key(name), &progress, setback(begun));
        }
        memory.note_failure(&key("again.example"), &progress, setback(begun + LONGEST_PAUSE));

        tokio::time::advance(KEPT - FIRST_PAUSE).await;
        assert_eq!(memory.len(), 2);
        tokio::time::advance(FIRST_PAUSE).await;
        assert_eq!(memory.len(), 1);
        tokio::time::advance(LONGEST_PAUSE).await;
        assert_eq!(memory.len(), 0);
    }

    #[test]
    fn a_good_answer_of_one_route_ends_nothing_of_another() {
        let (memory, ours, theirs) = (Memory::new(), Arc::default(), Progress::default());
        let (now, broken) = (Instant::now(), key("broken.example"));
        for name in ["other.example", "broken.example"] {
            memory.note_failure(&key(name), &ours, setback(now));
        }

        memory.note_good(&key("www.example"), &theirs, now);
        assert!(memory.find(&broken, now).is_some());
        memory.note_good(&key("www.example"), &ours, now);
        assert!(memory.find(&broken, now).is_none());
    }
}
