//! One flight for each key, however many wait for it: asks come in, answers go to all waiters
//! and into the cache.
//!
//! A flight is a task of its own, so that a client that goes away never takes others' answer
//! with it. There are never more flights than asks, and those are bounded where they are made.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{
    sync::{mpsc, oneshot},
    task::{Id, JoinSet},
    time::{Instant, timeout},
};

use super::{
    Delivery, Failure, Resolved, Settings,
    memory::{Memory, RECHECK},
    places::Place,
};
use crate::{
    cache::{Arrival, Cache, Entry, Key},
    query::{MAX_UDP_ANSWER, option},
    wire::{CLASS_IN, Header, flag, rtype},
};

/// Octets that the length of a query is a multiple of (RFC 8467 section 4.1).
const PADDED_TO: usize = 128;

/// A key and who wants to know.
pub(super) struct Ask {
    pub(super) key: Key,
    /// When the answer was taken in that is still good and yet not good enough.
    pub(super) replaces: Option<Instant>,
    pub(super) waiter: Waiter,
}

/// Who waits for a flight, and the place in the limit that this takes.
pub(super) struct Waiter {
    pub(super) reply: oneshot::Sender<Resolved>,
    pub(super) _place: Place,
}

/// A flight that has not landed.
struct UnderWay {
    task: Id,
    waiters: Vec<Waiter>,
    /// Whether only an answer that is still good is to be replaced: no client has asked for it.
    is_renewal: bool,
}

/// The flights under way.
pub(super) struct Flights {
    current: Arc<ArcSwap<Settings>>,
    cache: Cache,
    memory: Memory,
    under_way: HashMap<Key, UnderWay>,
    tasks: JoinSet<(Key, Resolved)>,
}

impl Flights {
    pub(super) fn new(current: Arc<ArcSwap<Settings>>, cache: Cache, memory: Memory) -> Self {
        Self { current, cache, memory, under_way: HashMap::new(), tasks: JoinSet::new() }
    }

    pub(super) async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        loop {
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => self.take_off(ask),
                    None => break,
                },
                Some(landed) = self.tasks.join_next_with_id() => match landed {
                    Ok((_, (key, resolved))) => self.land(&key, &resolved),
                    Err(error) => self.crash(error.id()),
                },
            }
        }
        while let Some(Ok((key, resolved))) = self.tasks.join_next().await {
            self.land(&key, &resolved);
        }
    }

    fn take_off(&mut self, ask: Ask) {
        let is_renewal = ask.replaces.is_some();
        if let Some(flight) = self.under_way.get_mut(&ask.key) {
            flight.is_renewal &= is_renewal;
            flight.waiters.push(ask.waiter);
            return;
        }
        // A flight may have landed between the miss and this ask.
        let now = Instant::now();
        let is_news = |entry: &Arc<Entry>| {
            entry.is_fresh(now) && ask.replaces.is_none_or(|stored| stored < entry.stored())
        };
        if let Some(entry) = self.cache.get(&ask.key).filter(is_news) {
            let _ = ask.waiter.reply.send(Ok(entry));
            return;
        }
        let settings = self.current.load_full();
        let key = ask.key.clone();
        let task = self.tasks.spawn(async move {
            let resolved = fly(&key, &settings).await;
            (key, resolved)
        });
        let flight = UnderWay { task: task.id(), waiters: vec![ask.waiter], is_renewal };
        self.under_way.insert(ask.key, flight);
    }

    /// What landed is remembered before anybody is told, so that whoever asks next finds it.
    fn land(&mut self, key: &Key, resolved: &Resolved) {
        let flight = self.under_way.remove(key);
        match resolved {
            Ok(entry) => {
                self.memory.note_good(key);
                self.cache.insert(key.clone(), entry.clone());
            }
            // There is a good answer, and whoever comes when it is over is the first to ask.
            Err(_) if flight.as_ref().is_some_and(|flight| flight.is_renewal) => {}
            Err(Failure::Overloaded) => {}
            Err(failure) => self.note_failure(key, failure),
        }
        for waiter in flight.map(|flight| flight.waiters).unwrap_or_default() {
            // Whoever is gone has been answered by its deadline.
            let _ = waiter.reply.send(resolved.clone());
        }
    }

    fn note_failure(&self, key: &Key, failure: &Failure) {
        let (now, most) = (Instant::now(), self.current.load().bounds.stale);
        let has_stale = self.cache.get(key).is_some_and(|entry| entry.is_stale(now, most));
        let least = if has_stale { RECHECK } else { Duration::ZERO };
        self.memory.note_failure(key, failure.clone(), least, now);
    }

    fn crash(&mut self, id: Id) {
        tracing::error!("a flight ended by a defect of ours; its queries get SERVFAIL");
        self.under_way.retain(|_, flight| flight.task != id);
    }
}

async fn fly(key: &Key, settings: &Settings) -> Resolved {
    // The carrier keeps this time itself; ours is for what may be stuck before it counts.
    let slack = settings.timeout + Duration::from_millis(500);
    let query = upstream_query(key);
    let carried = timeout(slack, settings.carrier.carry(&query)).await;
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

    #[test]
    fn r67_the_lengths_of_queries_tell_nothing_of_their_names() {
        for letters in 1..=63 {
            let name = Name::parse(&format!("{}.example", "a".repeat(letters))).unwrap();
            let key = Key { name, qtype: rtype::A, dnssec_ok: false, checking_disabled: false };

            let query = upstream_query(&key);

            assert_eq!(query.len() % PADDED_TO, 0, "{letters} letters");
            let message = Message::from_vec(&query).unwrap();
            assert_eq!(message.edns.unwrap().max_payload(), MAX_UDP_ANSWER);
        }
    }

    #[test]
    fn the_upstream_query_is_what_hickory_reads() {
        let name = Name::parse("www.example.com").unwrap();
        let key = Key { name, qtype: rtype::A, dnssec_ok: true, checking_disabled: true };

        let message = Message::from_vec(&upstream_query(&key)).unwrap();

        let edns = message.edns.as_ref().expect("an OPT record");
        assert_eq!(message.metadata.id, 0);
        assert!(message.metadata.checking_disabled && message.metadata.authentic_data);
        assert!(edns.flags().dnssec_ok);
        assert_eq!(message.queries[0].name.to_string(), "www.example.com.");
    }
}
