//! A question goes in, the last answer to it comes out, fresh or stale.
//!
//! Holds clean upstream answers only, for all clients alike, and never a block: what a client may
//! see is decided anew on every hit, so a new rule counts with the next query.

mod archive;
mod denials;
mod entry;
mod flush;
mod keep;

use std::{
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use blocker::Name;
use foldhash::quality::RandomState;
use moka::{Expiry, ops::compute::Op, sync};
use tokio::time::Instant;

pub use entry::{
    Arrival, Bounds, Entry, Link, Noted, Reason, Targets, Unusable, UpstreamBlock, is_usable,
};

pub use archive::{Damage, Moment};
use denials::Denials;
pub use keep::Terms;

use crate::{query::Query, route::RouteId};

/// Octets an entry costs beside its own: the key, the table's slot, moka's bookkeeping and what the
/// allocator cannot use, measured as resident memory over 92,000 entries that came and went.
const OVERHEAD: usize = 900;

/// Octets of a usual entry, all in all.
const USUAL: u64 = 1200;

/// Entries that the table has room for from the start, if so many fit: a table that grows moves all of
/// them, and does so several times until it is as large. 512 KiB.
const MAX_ROOM: u64 = 65_536;

/// The type under which a name is noted that does not exist; no record can have it (RFC 6895
/// section 3.1).
const NO_TYPE: u16 = 0;

/// Names above the asked one that are looked at: as deep as people name things, and no deeper than
/// a miss can afford.
const MAX_ANCESTORS: usize = 8;

/// What an answer depends on (sections other than the answer are never indexed).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name in lower case.
    pub name: Name,
    /// The type.
    pub qtype: u16,
    /// Whether DNSSEC's records were asked for.
    pub dnssec_ok: bool,
    /// Whether data were asked for even where they fail validation.
    pub checking_disabled: bool,
    /// Who is asked: an answer of other servers is no answer.
    pub route: RouteId,
}

impl Key {
    /// What the answer to a query depends on, where its name is not routed.
    pub fn of(query: &Query) -> Self {
        Self {
            name: query.name,
            qtype: query.qtype,
            dnssec_ok: query.is_dnssec_ok(),
            checking_disabled: query.is_checking_disabled(),
            route: RouteId::default(),
        }
    }

    /// Where it is noted that a name does not exist, as clients with the same wishes see it and
    /// the same servers say it.
    fn of_name(&self, name: Name) -> Self {
        Self { name, qtype: NO_TYPE, ..*self }
    }

    /// Whether it is of an answer, and not of what is noted of a name.
    fn is_of_answer(&self) -> bool {
        self.qtype != NO_TYPE
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        // One word for all the rest: a hit pays for each part that is hashed for itself.
        let [dnssec_ok, checking_disabled] =
            [self.dnssec_ok, self.checking_disabled].map(u64::from);
        let rest = u64::from(self.qtype) << 2 | dnssec_ok << 1 | checking_disabled;
        state.write_u64(self.route.number() ^ rest);
    }
}

/// The answers that are remembered, at most so many bytes of them.
#[derive(Clone)]
pub struct Cache {
    entries: sync::Cache<Key, Arc<Entry>, RandomState>,
    counts: Arc<Counts>,
    denials: Arc<Denials>,
}

/// What has happened to a cache.
#[derive(Debug, Default)]
struct Counts {
    /// Answers that were taken in.
    inserted: AtomicU64,
    /// Times that something was forgotten on wish.
    flushed: AtomicU64,
}

impl Cache {
    /// An empty cache; when it is full, what is asked for least leaves first.
    pub fn new(max_bytes: u64) -> Self {
        // Who listens to what leaves makes moka take a lock for each answer that comes.
        let entries = sync::Cache::builder()
            .max_capacity(max_bytes)
            .initial_capacity(usize::try_from(MAX_ROOM.min(max_bytes / USUAL)).unwrap_or_default())
            .weigher(|_: &Key, entry: &Arc<Entry>| {
                u32::try_from(OVERHEAD + entry.memory()).unwrap_or(u32::MAX)
            })
            .expire_after(UntilUseless)
            // Seeded, too, and a table of moka hashes each key anew several times in its life.
            .build_with_hasher(RandomState::default());
        Self { entries, counts: Arc::default(), denials: Arc::default() }
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
        self.entries.entry_by_ref(key).and_compute_with(|last| match last {
            // A flight has landed since.
            Some(last) if last.value().stored() > made.stored() => Op::Nop,
            _ => Op::Put(made.clone()),
        });
        Some(made)
    }

    /// Remembers an answer in place of the one before; one without a time to live only ends that.
    pub fn insert(&self, key: Key, entry: Arc<Entry>) {
        self.counts.inserted.fetch_add(1, Ordering::Relaxed);
        if entry.denies_name(entry.stored()) {
            self.denials.note(key.name.as_wire());
            self.entries.insert(key.of_name(key.name), entry.clone());
        } else if self.denials.may_have(key.name.as_wire()) {
            self.entries.invalidate(&key.of_name(key.name));
        }
        if entry.lifetime().is_zero() {
            self.entries.invalidate(&key);
        } else {
            self.entries.insert(key, entry);
        }
    }

    /// Answers held. Does first what moka has put off, or a quiet server would seem to hold nothing:
    /// for who has time.
    pub fn entries(&self) -> u64 {
        self.entries.run_pending_tasks();
        self.entries.entry_count()
    }

    /// Bytes held, as they count against the limit; right after a look at `entries`.
    pub fn bytes(&self) -> u64 {
        self.entries.weighted_size()
    }

    /// Bytes that it may hold.
    pub fn max_bytes(&self) -> u64 {
        self.entries.policy().max_capacity().unwrap_or(u64::MAX)
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

/// Lets moka forget an entry when not even a stale answer may be made of it. Whether it is still
/// good is for who asks to judge, by its own clock.
struct UntilUseless;

impl UntilUseless {
    /// What is made of an older answer has only that one's time left.
    fn left(entry: &Entry, now: std::time::Instant) -> Duration {
        entry.kept().saturating_sub(now.saturating_duration_since(entry.stored().into_std()))
    }
}

impl Expiry<Key, Arc<Entry>> for UntilUseless {
    fn expire_after_create(
        &self,
        _: &Key,
        entry: &Arc<Entry>,
        now: std::time::Instant,
    ) -> Option<Duration> {
        Some(Self::left(entry, now))
    }

    fn expire_after_update(
        &self,
        _: &Key,
        entry: &Arc<Entry>,
        now: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(Self::left(entry, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"\0\0\x81\x80\0\x01\0\x01\0\0\0\0\x01a\x04test\0\0\x01\0\x01\
        \xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01";

    const NO_SUCH_NAME: &[u8] = b"\0\0\x81\x83\0\x01\0\0\0\x01\0\0\x01a\x04test\0\0\x01\0\x01\
        \0\0\x06\0\x01\0\0\0\x3c\0\x16\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x3c";

    fn key(qtype: u16) -> Key {
        let name = Name::parse("a.test").unwrap();
        let route = RouteId::default();
        Key { name, qtype, dnssec_ok: false, checking_disabled: false, route }
    }

    /// An answer that is good for a minute, and kept for ten more.
    fn entry(answer: &[u8], at: Instant) -> Arc<Entry> {
        let arrival = Arrival { answer, age: Duration::ZERO, at, upstream: "".into() };
        let (min, max, stale) = (Duration::ZERO, Duration::MAX, Duration::from_secs(600));
        let bounds = Bounds { min, max, max_negative: max, stale };
        Arc::new(Entry::new(&key(1), &arrival, &bounds).unwrap())
    }

    #[test]
    fn what_has_just_come_in_is_counted() {
        let cache = Cache::new(1 << 20);
        cache.insert(key(1), entry(ANSWER, Instant::now()));

        assert_eq!(cache.entries(), 1);
        assert!(cache.bytes() > OVERHEAD as u64);
    }

    #[test]
    fn an_answer_that_replaces_another_is_kept_for_a_time_of_its_own() {
        let at = Instant::now();
        let entry = entry(ANSWER, at);

        let left = Some(Duration::from_secs(1));
        let kept = UntilUseless.expire_after_update(&key(1), &entry, at.into_std(), left);

        assert_eq!(kept, Some(Duration::from_secs(660)));
    }

    #[test]
    fn r34_what_is_made_of_a_no_for_the_name_is_found_again_and_ends_with_it() {
        let cache = Cache::new(1 << 20);
        let stored = Instant::now();
        let later = stored + Duration::from_secs(50);
        cache.insert(key(1), entry(NO_SUCH_NAME, stored));

        let made = cache.no_such_name(&key(28), later).unwrap();

        let found = cache.get(&key(28)).unwrap();
        assert!(Arc::ptr_eq(&made, &found));
        assert_eq!((found.stored(), found.lifetime()), (stored, Duration::from_secs(60)));
        assert!(!found.is_fresh(stored + Duration::from_secs(60)));
        let kept = UntilUseless.expire_after_create(&key(28), &found, later.into_std());
        assert_eq!(kept, Some(Duration::from_secs(610)));
    }

    #[test]
    fn what_one_route_denies_another_may_know() {
        let cache = Cache::new(1 << 20);
        let stored = Instant::now();
        cache.insert(key(1), entry(NO_SUCH_NAME, stored));
        let elsewhere = Key { route: RouteId::of(&["https://10.0.0.1/q"]), ..key(28) };

        assert!(cache.no_such_name(&elsewhere, stored).is_none());
        assert!(cache.no_such_name(&key(28), stored).is_some());
    }

    #[test]
    fn what_is_made_of_a_no_never_replaces_what_has_landed_since() {
        let cache = Cache::new(1 << 20);
        let stored = Instant::now();
        cache.insert(key(1), entry(NO_SUCH_NAME, stored));
        let newer = entry(ANSWER, stored + Duration::from_secs(1));
        cache.entries.insert(key(28), newer.clone());

        cache.no_such_name(&key(28), stored).unwrap();

        assert!(Arc::ptr_eq(&cache.get(&key(28)).unwrap(), &newer));
    }
}
