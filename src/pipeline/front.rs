//! A query goes in, the answer that one like it got a moment ago comes out, finished but for what
//! differs between two who ask the same.
//!
//! Each answering thread has one, so that a hit needs no lock and shares no memory. It holds only
//! what policy has decided in the generation in force, for those of whom rules tell the same; so whatever changes,
//! nothing has to be thrown away, it is just not found any more.

use std::{hash::BuildHasher, mem::take, time::Duration};

use blocker::{Asker, Name};
use foldhash::quality::RandomState;
use tokio::time::Instant;

use super::Asked;
use crate::{
    answer::{self, Finished},
    query::{MAX_UDP_ANSWER, Query},
    querylog::Given,
    wire::flag,
};

/// Sets of places, 8,192 places in all: the names that a busy thread is asked most. Full of usual
/// answers they take 5 MiB, of the largest ones 14.
const SETS: usize = 2048;

/// Answers whose hashes may fall on the same place. Whoever finds out names that do can push out
/// so many answers and no more.
const WAYS: usize = 4;

/// Octets of the largest answer that is kept; larger ones are rare, and copied seldom.
const MAX_ANSWER: usize = MAX_UDP_ANSWER as usize;

/// Flags of a query that its answer depends on.
const FLAGS: u16 = flag::RD | flag::CD | flag::AD;

/// One thread's finished answers.
pub(super) struct Front {
    sets: Box<[Set]>,
    seed: RandomState,
}

/// The places of answers whose hashes are near each other.
type Set = [Place; WAYS];

/// A place for one answer; the hash tells it from its neighbours without a look at them.
#[derive(Default)]
struct Place {
    hash: u64,
    memo: Option<Box<Memo>>,
}

/// How long an answer may be given again.
#[derive(Clone, Copy)]
pub(super) struct Validity {
    /// When its times to live were right, where they count down at all.
    pub(super) ages_from: Option<Instant>,
    pub(super) until: Instant,
}

/// A finished answer, and who may have it.
struct Memo {
    name: Name,
    qtype: u16,
    flags: u16,
    edns: Wish,
    asker: Asker,
    generation: u64,
    validity: Validity,
    given: Given,
    finished: Finished,
    /// Whether it was given since somebody else last looked for a place here.
    is_wanted: bool,
}

/// What of a client's EDNS an answer depends on, beside options that are written anew each time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    NoEdns,
    Edns,
    DnssecOk,
}

impl Front {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self { sets: (0..SETS).map(|_| Set::default()).collect(), seed: RandomState::default() }
    }

    /// Gives a finished answer, where there is one.
    pub(super) fn give(&mut self, asked: &Asked<'_>, out: &mut Vec<u8>) -> Option<Given> {
        let (hash, set) = self.set(asked)?;
        let places = set.iter_mut().filter(|place| place.hash == hash);
        let memo = places.flat_map(|place| &mut place.memo).find(|memo| memo.is_for(asked))?;
        let Validity { ages_from, until } = memo.validity;
        let now = asked.now;
        if now >= until {
            return None;
        }
        memo.is_wanted = true;
        let age = ages_from.map_or(Duration::ZERO, |from| now.saturating_duration_since(from));
        memo.finished.give(asked.query, answer::seconds(age), out);
        Some(memo.given)
    }

    /// Whether an answer that is no longer good was given again while it was; said once.
    pub(super) fn take_demand(&mut self, asked: &Asked<'_>) -> bool {
        let Some((hash, set)) = self.set(asked) else { return false };
        let places = set.iter_mut().filter(|place| place.hash == hash);
        let memo = places.flat_map(|place| &mut place.memo).find(|memo| memo.is_for(asked));
        memo.is_some_and(|memo| take(&mut memo.is_wanted))
    }

    /// Keeps an answer that was just given, in place of one that nobody has asked for.
    pub(super) fn keep(
        &mut self,
        asked: &Asked<'_>,
        validity: Validity,
        given: Given,
        answer: &[u8],
    ) {
        let Some(finished) = Finished::of(asked.query, answer, MAX_ANSWER) else { return };
        let memo = Memo::new(asked, validity, given, finished);
        let Some((hash, set)) = self.set(asked) else { return };
        let number = place_for(asked, set);
        if let Some(place) = set.get_mut(number) {
            *place = Place { hash, memo: Some(Box::new(memo)) };
        }
    }

    fn set(&mut self, asked: &Asked<'_>) -> Option<(u64, &mut Set)> {
        let Asked { query, admitted, .. } = asked;
        let hash = self.seed.hash_one((query.name.as_wire(), query.qtype, admitted.asker()));
        let number = usize::try_from(hash % SETS as u64).ok()?;
        Some((hash, self.sets.get_mut(number)?))
    }
}

/// The place of an answer to the same, or one that is free or of another generation, or else the
/// first one whose answer nobody has asked for since the last time; those that are passed over for
/// that have had their chance.
fn place_for(asked: &Asked<'_>, set: &mut Set) -> usize {
    let find = |fits: &dyn Fn(&Memo) -> bool| {
        set.iter().position(|place| place.memo.as_ref().is_none_or(|memo| fits(memo)))
    };
    let same = find(&|memo| memo.is_for(asked));
    if let Some(place) = same.or_else(|| find(&|memo| memo.generation != asked.snapshot.generation))
    {
        return place;
    }
    let mut memos = set.iter_mut().flat_map(|place| &mut place.memo);
    memos.position(|memo| !take(&mut memo.is_wanted)).unwrap_or(0)
}

impl Memo {
    fn new(asked: &Asked<'_>, validity: Validity, given: Given, finished: Finished) -> Self {
        let query = asked.query;
        Self {
            name: query.name,
            qtype: query.qtype,
            flags: query.flags & FLAGS,
            edns: Wish::of(query),
            asker: asked.admitted.asker(),
            generation: asked.snapshot.generation,
            validity,
            given,
            finished,
            is_wanted: false,
        }
    }

    fn is_for(&self, asked: &Asked<'_>) -> bool {
        let query = asked.query;
        self.generation == asked.snapshot.generation
            && self.qtype == query.qtype
            && self.flags == query.flags & FLAGS
            && self.edns == Wish::of(query)
            && self.asker == asked.admitted.asker()
            && self.name == query.name
    }
}

impl Wish {
    fn of(query: &Query) -> Self {
        match query.edns {
            None => Self::NoEdns,
            Some(edns) if edns.dnssec_ok => Self::DnssecOk,
            Some(_) => Self::Edns,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, sync::Arc};

    use super::*;
    use crate::{
        answer::LocalData,
        config::{Config, Environment},
        policy::{Lists, Policy},
        query::{Client, Edns, Transport},
        querylog::{Answered, Outcome, QueryLog},
        snapshot::Snapshot,
        wire,
    };

    /// A front of a server whose group `strict` is that of 10.9.0.0/16.
    struct Bench {
        front: Front,
        snapshot: Snapshot,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let config = "[[clients]]\nmatch = '10.9.0.0/16'\ngroups = ['strict']";
            let config = Arc::new(Config::parse(config, &Environment::default()).unwrap());
            let policy = Policy::new(config.clone(), Lists::default(), jiff::Timestamp::now());
            let snapshot = Snapshot { generation: 1, config, policy };
            Self { front: Front::new(), snapshot, now: Instant::now() }
        }

        /// The front and what is asked of it.
        fn ask<'a>(&'a mut self, query: &'a Query) -> (&'a mut Front, Asked<'a>) {
            (&mut self.front, Asked::admit(query, &self.snapshot, self.now).unwrap())
        }

        /// Keeps an answer with one record, whose time to live counts down from a minute.
        fn keep(&mut self, query: &Query) {
            let (now, mut answer) = (self.now, Vec::new());
            let record =
                LocalData { owner: None, rtype: wire::rtype::A, ttl: 60, data: vec![192, 0, 2, 1] };
            answer::local(query, std::iter::once(&record), Duration::ZERO, &mut answer);
            let given = QueryLog::default().writer().shorten(&Answered::new(Outcome::Cached, 0));
            let until = now + Duration::from_secs(54);
            let (front, asked) = self.ask(query);
            front.keep(&asked, Validity { ages_from: Some(now), until }, given, &answer);
        }

        fn give(&mut self, query: &Query) -> Option<Vec<u8>> {
            let mut out = Vec::new();
            let (front, asked) = self.ask(query);
            front.give(&asked, &mut out).map(|_| out)
        }
    }

    /// A query for `name` A from an address; `flags` and the letters of `name` as given.
    fn query(name: &[u8], flags: u16, from: [u8; 4]) -> Query {
        let [high, low] = flags.to_be_bytes();
        let header = [0x12, 0x34, high, low, 0, 1, 0, 0, 0, 0, 0, 0];
        let packet = [&header, name, &[0, 1, 0, 1]].concat();
        Query::read(&packet, Client::at(IpAddr::from(from), Transport::Udp)).unwrap()
    }

    const NAME: &[u8] = b"\x03www\x07example\0";
    const HERE: [u8; 4] = [10, 0, 0, 1];

    #[test]
    fn who_asks_the_same_gets_it_under_an_id_and_in_letters_of_its_own() {
        let mut bench = Bench::new();
        bench.keep(&query(NAME, flag::RD, HERE));

        let mut again = query(b"\x03WwW\x07eXample\0", flag::RD, HERE);
        again.id = 0xabcd;
        let answer = bench.give(&again).unwrap();

        assert_eq!(answer[..2], [0xab, 0xcd]);
        assert_eq!(&answer[12..25], b"\x03WwW\x07eXample\0");
        assert_eq!(answer[answer.len() - 4..], [192, 0, 2, 1]);
    }

    #[test]
    fn who_asks_otherwise_does_not() {
        let mut bench = Bench::new();
        bench.keep(&query(NAME, flag::RD, HERE));

        let [mut another_type, mut with_edns] = [(); 2].map(|()| query(NAME, flag::RD, HERE));
        another_type.qtype = 28;
        with_edns.edns = Some(Edns::plain(1232));
        for (other, why) in [
            (query(NAME, flag::RD, [10, 9, 0, 1]), "another group"),
            (query(NAME, 0, HERE), "without recursion"),
            (query(NAME, flag::RD | flag::CD, HERE), "unchecked"),
            (query(NAME, flag::RD | flag::AD, HERE), "who wants to see AD"),
            (query(b"\x03www\x06exampl\0", flag::RD, HERE), "another name"),
            (another_type, "another type"),
            (with_edns, "with EDNS, to whom more may be said"),
        ] {
            assert_eq!(bench.give(&other), None, "{why}");
        }
        bench.snapshot.generation += 1;
        assert_eq!(bench.give(&query(NAME, flag::RD, HERE)), None, "another policy");
    }

    #[test]
    fn what_is_given_again_ages_and_ends() {
        let mut bench = Bench::new();
        let query = query(NAME, flag::RD, HERE);
        bench.keep(&query);

        for (later, ttl) in [(0, Some(60)), (30, Some(30)), (23, Some(7)), (1, None)] {
            bench.now += Duration::from_secs(later);
            let answer = bench.give(&query);
            assert_eq!(answer.and_then(|answer| wire::u32_at(&answer, 35)), ttl, "{later} s later");
        }
    }

    #[test]
    fn however_many_are_kept_who_is_asked_for_stays() {
        let mut bench = Bench::new();
        let wanted = query(NAME, flag::RD, HERE);
        bench.keep(&wanted);

        for number in 0..4 * SETS * WAYS {
            let name = format!("\x08{number:08}\0");
            bench.keep(&query(name.as_bytes(), flag::RD, HERE));
            assert!(bench.give(&wanted).is_some(), "after {number}");
        }

        let kept = bench.front.sets.iter().flatten().filter(|place| place.memo.is_some()).count();
        assert!(kept > SETS * WAYS * 9 / 10, "{kept} places are used");
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        let query = query(NAME, flag::RD, HERE);
        let mut answer = Vec::new();
        let record =
            |n| LocalData { owner: None, rtype: wire::rtype::TXT, ttl: 60, data: vec![n; 400] };
        let records = [1, 2, 3].map(record);
        answer::local(&query, records.iter(), Duration::ZERO, &mut answer);

        assert!(Finished::of(&query, &answer, MAX_ANSWER).is_none());
        assert!(Finished::of(&query, &answer, answer.len()).is_some());
    }
}
