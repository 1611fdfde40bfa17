//! A question goes in, the last answer to it comes out, fresh or stale.
//!
//! Holds clean upstream answers only, for all clients alike, and never a block: what a client may
//! see is decided anew on every hit, so a new rule counts with the next query.

mod archive;
mod denials;
mod entry;
mod flush;
mod keep;
mod key;
mod sweep;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use blocker::Name;
use foldhash::quality::RandomState;
use quick_cache::{
    Lifecycle, Weighter,
    sync::{self, EntryAction, EntryResult},
};
use tokio::time::Instant;

pub use entry::{
    Arrival, Bounds, Entry, Link, Noted, Reason, Targets, Unusable, UpstreamBlock, is_usable,
};

pub use archive::{Damage, Moment};
use denials::Denials;
pub use keep::Terms;
use key::KeptKey;
pub use key::Key;

/// Octets an entry costs beside its own: its place in the table, the ghosts of others, and what the
/// allocator cannot use, measured as resident memory over 124,000 entries that came and went.
const OVERHEAD: usize = 300;

/// Octets of a usual entry, all in all. The table has ghosts of half as many as there are of these:
/// who comes back soon after it had to leave is kept longer.
const USUAL: u64 = 550;

/// Names above the asked one that are looked at: as deep as people name things, and no deeper than
/// a miss can afford.
const MAX_ANCESTORS: usize = 8;

/// The answers that are remembered, at most so many bytes of them.
#[derive(Clone)]
pub struct Cache {
    entries: Arc<Entries>,
    max_bytes: u64,
    counts: Arc<Counts>,
    denials: Arc<Denials>,
}

/// Seeded, so that nobody can find names that share a place.
type Entries = sync::Cache<KeptKey, Arc<Entry>, Octets, RandomState, Leaving>;

/// What has happened to a cache.
#[derive(Debug, Default)]
struct Counts {
    /// Answers that were taken in.
    inserted: AtomicU64,
    /// Answers that left for want of room.
    evicted: AtomicU64,
    /// Times that something was forgotten on wish.
    flushed: AtomicU64,
}

impl Cache {
    /// An empty cache; when it is full, what is asked for least leaves first.
    pub fn new(max_bytes: u64) -> Self {
        let counts = Arc::<Counts>::default();
        let usual = usize::try_from(max_bytes / USUAL).unwrap_or(usize::MAX);
        let (hasher, leaving) = (RandomState::default(), Leaving(counts.clone()));
        let entries = sync::Cache::with(usual, max_bytes, Octets, hasher, leaving);
        Self { entries: Arc::new(entries), max_bytes, counts, denials: Arc::default() }
    }

    /// The last answer for a key, be it still good or not.
    pub fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        self.entries.get(key)
    }

    /// The answer that there is no such name, made of what another type of it was answered
    /// (RFC 2308 section 5), or a name above it (RFC 8020 section 2).
    ///
    /// Some servers wrongly deny names that only have names below them; so what is above counts
    /// only where the upstream has validated it. Its proof is of another name, and no use to those
    /// who want to see one. Costs a look-up for each label and a message to write: for misses only,
    /// and what is made is found by `get` from then on, until what it was made of expires.
    pub fn no_such_name(&self, key: &Key, now: Instant) -> Option<Arc<Entry>> {
        let denied = |name: &[u8]| {
            let name = Name::from_wire(name).ok().filter(|_| self.denials.may_have(name))?;
            let entry = self.get(&key.of_name(name)).filter(|entry| entry.denies_name(now))?;
            self.denials.counts(entry.stored()).then_some(entry)
        };
        let above = || {
            let names = key.name.suffixes().skip(1).take(MAX_ANCESTORS);
            let mut found = names.filter_map(denied).filter(|entry| entry.is_authentic());
            if key.dnssec_ok { None } else { found.next() }
        };
        let entry = denied(key.name.as_wire()).or_else(above)?;
        let made = Arc::new(entry.under_alias(&key.name, key.qtype, &[], now).ok()?);
        self.insert_older(key, &made);
        Some(made)
    }

    /// Remembers an answer in place of the one before; one without a time to live only ends that.
    pub fn insert(&self, key: &Key, entry: Arc<Entry>) {
        self.counts.inserted.fetch_add(1, Ordering::Relaxed);
        if entry.denies_name(entry.stored()) {
            self.denials.note(key.name.as_wire());
            self.entries.insert(KeptKey::from(&key.of_name(key.name)), entry.clone());
        } else if self.denials.may_have(key.name.as_wire()) {
            self.entries.remove(&key.of_name(key.name));
        }
        if entry.lifetime().is_zero() {
            self.entries.remove(key);
        } else {
            self.entries.insert(KeptKey::from(key), entry);
        }
    }

    /// Forgets an answer, and what it noted of its name.
    pub fn remove(&self, key: &Key) {
        self.entries.remove(key);
        self.entries.remove(&key.of_name(key.name));
    }

    /// Remembers an answer where none is known that was taken in later.
    fn insert_older(&self, key: &Key, entry: &Arc<Entry>) {
        let keep_later = |_: &KeptKey, last: &mut Arc<Entry>| {
            if last.stored() <= entry.stored() {
                *last = entry.clone();
            }
            EntryAction::Retain(())
        };
        // Who does the same at this moment need not be waited for.
        let place = self.entries.entry(&KeptKey::from(key), Some(Duration::ZERO), keep_later);
        if let EntryResult::Vacant(place) = place {
            // It is refused where another has come meanwhile.
            let _ = place.insert(entry.clone());
        }
    }

    /// Answers held, those included that nobody is given any more and an hourly sweep has not found.
    pub fn entries(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Bytes held, as they count against the limit.
    pub fn bytes(&self) -> u64 {
        self.entries.weight()
    }

    /// Bytes that it may hold.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Answers that left for want of room.
    pub fn evicted(&self) -> u64 {
        self.counts.evicted.load(Ordering::Relaxed)
    }

    /// Answers that were taken in.
    pub fn inserted(&self) -> u64 {
        self.counts.inserted.load(Ordering::Relaxed)
    }

    /// When the oldest answer was taken in. Looks at all of them: for who has time.
    pub fn oldest(&self) -> Option<Instant> {
        self.entries.iter().map(|(_, entry)| entry.stored()).min()
    }
}

/// What an answer weighs.
#[derive(Clone)]
struct Octets;

impl Weighter<KeptKey, Arc<Entry>> for Octets {
    fn weight(&self, key: &KeptKey, entry: &Arc<Entry>) -> u64 {
        weight(key.memory(), entry)
    }
}

/// Octets that an answer counts for, under a name of so many.
fn weight(name: usize, entry: &Entry) -> u64 {
    (OVERHEAD + name + entry.memory()) as u64
}

/// Counts the answers that leave for want of room.
#[derive(Clone)]
struct Leaving(Arc<Counts>);

impl Lifecycle<KeptKey, Arc<Entry>> for Leaving {
    /// One leaves for one that comes, as a rule; it is freed when the lock is open again.
    type RequestState = Option<Arc<Entry>>;

    /// Unlike the next, not told of what another answer for the same key replaces.
    fn before_evict(&self, _: &mut Self::RequestState, _: &KeptKey, _: &mut Arc<Entry>) {
        self.0.evicted.fetch_add(1, Ordering::Relaxed);
    }

    fn on_evict(&self, last: &mut Self::RequestState, _: KeptKey, entry: Arc<Entry>) {
        *last = Some(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::RouteId;

    pub(super) const ANSWER: &[u8] = b"\0\0\x81\x80\0\x01\0\x01\0\0\0\0\x01a\x04test\0\0\x01\0\x01\
        \xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01";

    const NO_SUCH_NAME: &[u8] = b"\0\0\x81\x83\0\x01\0\0\0\x01\0\0\x01a\x04test\0\0\x01\0\x01\
        \0\0\x06\0\x01\0\0\0\x3c\0\x16\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x3c";

    pub(super) fn key(qtype: u16) -> Key {
        let name = Name::parse("a.test").unwrap();
        let route = RouteId::default();
        Key { name, qtype, dnssec_ok: false, checking_disabled: false, route }
    }

    #[test]
    fn who_is_asked_for_stays_and_who_is_not_leaves() {
        let cache = Cache::new(64 << 10);
        let now = Instant::now();
        let numbered =
            |number: u32| Key { name: Name::parse(&format!("{number}.test")).unwrap(), ..key(1) };
        cache.insert(&numbered(0), entry(ANSWER, now));
        for number in 1..10_000 {
            cache.insert(&numbered(number), entry(ANSWER, now));
            assert!(cache.get(&numbered(0)).is_some(), "after {number} others");
            assert!(cache.bytes() <= cache.max_bytes());
        }
        cache.insert(&numbered(0), entry(ANSWER, now + Duration::from_secs(1)));
        assert_eq!(
            cache.entries() + cache.evicted(),
            10_000,
            "one that is replaced does not count"
        );
        assert!(cache.entries() > 50);
    }

    /// An answer that is good for a minute, and kept for ten more.
    pub(super) fn entry(answer: &[u8], at: Instant) -> Arc<Entry> {
        let arrival = Arrival { answer, age: Duration::ZERO, at, upstream: "".into() };
        let (min, max, stale) = (Duration::ZERO, Duration::MAX, Duration::from_secs(600));
        let bounds = Bounds { min, max, max_negative: max, stale };
        Arc::new(Entry::new(&key(1), &arrival, &bounds).unwrap())
    }

    #[test]
    fn what_has_just_come_in_is_counted() {
        let cache = Cache::new(1 << 20);
        cache.insert(&key(1), entry(ANSWER, Instant::now()));

        assert_eq!(cache.entries(), 1);
        assert!(cache.bytes() > OVERHEAD as u64);
    }

    #[test]
    fn r34_what_is_made_of_a_no_for_the_name_is_found_again_and_ends_with_it() {
        let cache = Cache::new(1 << 20);
        let stored = Instant::now();
        let later = stored + Duration::from_secs(50);
        cache.insert(&key(1), entry(NO_SUCH_NAME, stored));

        let made = cache.no_such_name(&key(28), later).unwrap();

        let found = cache.get(&key(28)).unwrap();
        assert!(Arc::ptr_eq(&made, &found));
        assert_eq!((found.stored(), found.lifetime()), (stored, Duration::from_secs(60)));
        assert!(!found.is_fresh(stored + Duration::from_secs(60)));
        let at_its_end = stored + Duration::from_secs(660);
        assert!(
            found.is_useless(at_its_end) && !found.is_useless(at_its_end - Duration::from_secs(1))
        );
    }

    #[test]
    fn what_one_route_denies_another_may_know() {
        let cache = Cache::new(1 << 20);
        let stored = Instant::now();
        cache.insert(&key(1), entry(NO_SUCH_NAME, stored));
        let elsewhere = Key { route: RouteId::of(&["https://10.0.0.1/q"]), ..key(28) };

        assert!(cache.no_such_name(&elsewhere, stored).is_none());
        assert!(cache.no_such_name(&key(28), stored).is_some());
    }

    #[test]
    fn what_is_made_of_a_no_never_replaces_what_has_landed_since() {
        let cache = Cache::new(1 << 20);
        let stored = Instant::now();
        cache.insert(&key(1), entry(NO_SUCH_NAME, stored));
        let newer = entry(ANSWER, stored + Duration::from_secs(1));
        cache.entries.insert(KeptKey::from(&key(28)), newer.clone());

        cache.no_such_name(&key(28), stored).unwrap();

        assert!(Arc::ptr_eq(&cache.get(&key(28)).unwrap(), &newer));
    }
}
