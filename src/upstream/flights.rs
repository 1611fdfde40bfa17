//! One flight for each key, however many wait for it: asks come in, answers go to all waiters
//! and into the cache.
//!
//! A flight is a task of its own, so that a client that goes away never takes others' answer
//! with it. There are never more flights than asks, and those are bounded where they are made.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use foldhash::quality::RandomState;
use tokio::{
    sync::{mpsc, oneshot},
    task::{Id, JoinError, JoinSet},
    time::{Instant, timeout},
};

use super::{
    Carrier, Courier, Delivery, Failure, Resolved, Settings,
    courier::Bag,
    memory::{Memory, RECHECK, Setback},
    places::Place,
    progress::{Others, Progress},
    roads::Road,
};
use crate::{
    cache::{Arrival, Cache, Entry, Key},
    query::{MAX_UDP_ANSWER, option},
    route::RouteId,
    wire::{CLASS_IN, Header, flag, rtype},
};

/// Octets that the length of a query is a multiple of (RFC 8467 section 4.1).
const PADDED_TO: usize = 128;

/// Most flights of a route that try, while nobody there answers, whether somebody does again. One
/// is enough to find out; more let as many names have their answer at once. All others are told
/// without waiting, or a dead route would take every place and all others would starve.
const MAX_TRIES: usize = 64;

/// A key and who wants to know.
pub(super) struct Ask {
    pub(super) key: Arc<Key>,
    /// When the answer was taken in that is still good and yet not good enough.
    pub(super) replaces: Option<Instant>,
    pub(super) waiter: Waiter,
}

/// Who waits for a flight, and the place in the limit that this takes.
pub(super) struct Waiter {
    pub(super) reply: oneshot::Sender<Resolved>,
    pub(super) courier: Courier,
    pub(super) _place: Place,
}

/// A flight that has not landed.
struct UnderWay {
    task: Id,
    road: Arc<Road>,
    /// Answers that its route had had when it took off.
    heard_before: u64,
    waiters: Vec<Waiter>,
    /// Whether only an answer that is still good is to be replaced: no client has asked for it.
    is_renewal: bool,
}

/// The flights under way.
pub(super) struct Flights {
    current: Arc<ArcSwap<Settings>>,
    cache: Cache,
    memory: Memory,
    under_way: HashMap<Arc<Key>, UnderWay, RandomState>,
    /// How many of each route; one that has none is not here.
    on_route: HashMap<RouteId, usize>,
    tasks: JoinSet<(Arc<Key>, Resolved)>,
    /// What has landed and is not delivered.
    bag: Bag,
    coalesced: Arc<AtomicU64>,
}

impl Flights {
    pub(super) fn new(current: Arc<ArcSwap<Settings>>, cache: Cache, memory: Memory) -> Self {
        let (under_way, on_route, tasks) = (HashMap::default(), HashMap::new(), JoinSet::new());
        let (bag, coalesced) = (Bag::default(), Arc::default());
        Self { current, cache, memory, under_way, on_route, tasks, bag, coalesced }
    }

    /// Counts the queries that join a flight under way.
    pub(super) fn coalesced(&self) -> Arc<AtomicU64> {
        self.coalesced.clone()
    }

    pub(super) async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        loop {
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => self.take_off(ask),
                    None => break,
                },
                Some(landed) = self.tasks.join_next_with_id() => self.end(landed),
            }
            // All that came while this waited for its turn.
            while let Ok(ask) = asks.try_recv() {
                self.take_off(ask);
            }
            while let Some(landed) = self.tasks.try_join_next_with_id() {
                self.end(landed);
            }
            self.bag.deliver();
        }
        while let Some(landed) = self.tasks.join_next_with_id().await {
            self.end(landed);
            self.bag.deliver();
        }
    }

    fn end(&mut self, landed: Result<(Id, (Arc<Key>, Resolved)), JoinError>) {
        match landed {
            Ok((_, (key, resolved))) => self.land(&key, &resolved),
            Err(error) => self.crash(error.id()),
        }
    }

    fn take_off(&mut self, ask: Ask) {
        let is_renewal = ask.replaces.is_some();
        if let Some(flight) = self.under_way.get_mut(&ask.key) {
            flight.is_renewal &= is_renewal;
            flight.waiters.push(ask.waiter);
            self.coalesced.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // A flight may have landed between the miss and this ask.
        let now = Instant::now();
        let is_news = |entry: &Arc<Entry>| {
            entry.is_fresh(now) && ask.replaces.is_none_or(|stored| stored < entry.stored())
        };
        if let Some(entry) = self.cache.get(&ask.key).filter(is_news) {
            self.bag.put(ask.waiter, Ok(entry));
            return;
        }
        match self.start(&ask.key, now) {
            Ok((task, road)) => {
                road.progress.note_asked(now);
                let heard_before = road.progress.heard();
                let waiters = vec![ask.waiter];
                *self.on_route.entry(ask.key.route).or_default() += 1;
                let flight = UnderWay { task, road, heard_before, waiters, is_renewal };
                self.under_way.insert(ask.key, flight);
            }
            Err(failure) => {
                self.bag.put(ask.waiter, Err(failure));
            }
        }
    }

    fn start(&mut self, key: &Arc<Key>, now: Instant) -> Result<(Id, Arc<Road>), Failure> {
        let settings = self.current.load_full();
        // A route of settings long gone: who waited so long is told, and asks again.
        let road = settings.roads.find(key.route).ok_or_else(Failure::default)?.clone();
        let tries = self.on_route.get(&key.route).copied().unwrap_or_default();
        if road.progress.is_out(now) && tries >= MAX_TRIES {
            return Err(Failure::Remembered(Arc::new(Failure::Timeout)));
        }
        let (key, carrier) = (key.clone(), road.carrier.clone());
        let task = self.tasks.spawn(async move {
            let resolved = fly(&key, carrier.as_ref(), &settings).await;
            (key, resolved)
        });
        Ok((task.id(), road))
    }

    /// What landed is remembered before anybody is told, so that whoever asks next finds it; but not
    /// where a reload has taken its servers away meanwhile.
    fn land(&mut self, key: &Arc<Key>, resolved: &Resolved) {
        let Some(flight) = self.under_way.remove(key) else { return };
        let (progress, others) = (&flight.road.progress, self.leave_route(key.route));
        let may_remember = self.current.load().roads.has_servers_of(&flight.road);
        let now = Instant::now();
        match resolved {
            Ok(entry) => {
                progress.note_heard(others, now);
                self.memory.note_good(key, progress, now);
                if may_remember {
                    self.cache.insert(key, entry.clone());
                    // A reload may have passed by meanwhile.
                    if !self.current.load().roads.has_servers_of(&flight.road) {
                        self.cache.remove(key);
                    }
                }
            }
            Err(Failure::Overloaded) => progress.note_nothing(others),
            Err(failure) => {
                match failure.is_silence() {
                    true => progress.note_silence(flight.heard_before, others),
                    false => progress.note_heard(others, now),
                }
                // There is a good answer yet, and whoever comes when it is over asks first.
                if !flight.is_renewal && may_remember {
                    self.note_failure(key, progress, failure);
                }
            }
        }
        for waiter in flight.waiters {
            self.bag.put(waiter, resolved.clone());
        }
    }

    fn note_failure(&self, key: &Arc<Key>, progress: &Arc<Progress>, failure: &Failure) {
        let (at, most) = (Instant::now(), self.current.load().bounds.stale);
        let has_stale = self.cache.get(key).is_some_and(|entry| entry.is_stale(at, most));
        let least = if has_stale { RECHECK } else { Duration::ZERO };
        self.memory.note_failure(key, progress, Setback { failure: failure.clone(), at, least });
    }

    fn crash(&mut self, id: Id) {
        tracing::error!("a flight ended by a defect of ours; its queries get SERVFAIL");
        let crashed = self.under_way.extract_if(|_, flight| flight.task == id);
        for (key, flight) in crashed.collect::<Vec<_>>() {
            flight.road.progress.note_nothing(self.leave_route(key.route));
        }
    }

    /// Notes that a flight has ended; whether others on its route have not.
    fn leave_route(&mut self, route: RouteId) -> Others {
        match self.on_route.remove(&route) {
            Some(number) if number > 1 => {
                self.on_route.insert(route, number - 1);
                Others::Wait
            }
            _ => Others::None,
        }
    }
}

async fn fly(key: &Key, carrier: &dyn Carrier, settings: &Settings) -> Resolved {
    // The carrier keeps this time itself; ours is for what may be stuck before it counts.
    let slack = settings.timeout + Duration::from_millis(500);
    let query = upstream_query(key);
    let carried = timeout(slack, carrier.carry(&query)).await;
    let delivery = carried.unwrap_or(Err(Failure::Timeout))?;
    let Delivery { answer, age, server } = &delivery;
    let arrival = Arrival { answer, age: *age, at: Instant::now(), upstream: server.clone() };
    let entry = Entry::new(key, &arrival, &settings.bounds)
        .map_err(|error| Failure::BadAnswer(error.to_string()))?;
    if entry.is_of_use() {
        Ok(Arc::new(entry))
    } else {
        Err(Failure::Declined { rcode: entry.rcode(), reasons: entry.reasons().clone() })
    }
}

/// The query that goes upstream: id 0 (RFC 8484 section 4.1), AD set to be told of validation
/// (RFC 6840 section 5.7), and an OPT of our own, because EDNS is between neighbours. Padded, so
/// that its length does not tell the name (RFC 8467 section 4.1).
fn upstream_query(key: &Key) -> Vec<u8> {
    let checking = if key.checking_disabled { flag::CD } else { 0 };
    let header = Header { id: 0, flags: flag::RD | flag::AD | checking, counts: [1, 0, 0, 1] };
    let mut query = Vec::with_capacity(PADDED_TO);
    for word in [header.id, header.flags].into_iter().chain(header.counts) {
        query.extend_from_slice(&word.to_be_bytes());
    }
    query.extend_from_slice(key.name.as_wire());
    for word in [key.qtype, CLASS_IN] {
        query.extend_from_slice(&word.to_be_bytes());
    }
    query.push(0);
    let dnssec_ok = if key.dnssec_ok { 1 << 15 } else { 0 };
    // Behind these words come the lengths of the record's data and of the padding.
    let unpadded = query.len() + 7 * size_of::<u16>();
    let padding = unpadded.next_multiple_of(PADDED_TO) - unpadded;
    let [all, zeros] = [padding + 4, padding].map(|length| u16::try_from(length).unwrap_or(0));
    for word in [rtype::OPT, MAX_UDP_ANSWER, 0, dnssec_ok, all, option::PADDING, zeros] {
        query.extend_from_slice(&word.to_be_bytes());
    }
    query.resize(unpadded + padding, 0);
    query
}

#[cfg(test)]
mod tests {
    use blocker::Name;
    use hickory_proto::op::Message;

    use super::*;

    fn key(name: Name, wishes: bool) -> Key {
        let route = RouteId::default();
        Key { name, qtype: rtype::A, dnssec_ok: wishes, checking_disabled: wishes, route }
    }

    #[test]
    fn r67_the_lengths_of_queries_tell_nothing_of_their_names() {
        for letters in 1..=63 {
            let name = Name::parse(&format!("{}.example", "a".repeat(letters))).unwrap();
            let key = key(name, false);

            let query = upstream_query(&key);

            assert_eq!(query.len() % PADDED_TO, 0, "{letters} letters");
            let message = Message::from_vec(&query).unwrap();
            assert_eq!(message.edns.unwrap().max_payload(), MAX_UDP_ANSWER);
        }
    }

    #[test]
    fn the_upstream_query_is_what_hickory_reads() {
        let name = Name::parse("www.example.com").unwrap();
        let key = key(name, true);

        let message = Message::from_vec(&upstream_query(&key)).unwrap();

        let edns = message.edns.as_ref().expect("an OPT record");
        assert_eq!(message.metadata.id, 0);
        assert!(message.metadata.checking_disabled && message.metadata.authentic_data);
        assert!(edns.flags().dnssec_ok);
        assert_eq!(message.queries[0].name.to_string(), "www.example.com.");
    }
}
