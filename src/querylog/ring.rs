//! Answers go in at the thread that gives them, events come out at the collector, in order and
//! without either waiting for the other.
//!
//! An event has a fixed size. Nearly every name fits into it; one that does not goes on in the
//! slots behind it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rtrb::{Consumer, Producer, RingBuffer};
use tokio::time::Instant;

use super::{
    event::{Answered, Event, Given, INLINE_NAME},
    label::{Label, Labels},
};
use crate::{config::Privacy, query::Query};

/// Slots of one thread's ring: between two collections of a fifth of a second, that many answers
/// are 160,000 a second. Its memory, 4 MiB, is touched only as far as it is used.
pub(super) const SLOTS: usize = 32_768;

/// Octets of a name in a slot of its own.
const REST: usize = 100;

/// What a ring is made of.
enum Slot {
    Event(Event),
    /// More of the name of the event before.
    Rest([u8; REST]),
}

/// One thread's end of its ring.
pub struct Writer {
    ring: Producer<Slot>,
    /// Labels that this thread has met, so that it need not ask for them again.
    known: HashMap<Arc<str>, Label>,
    labels: Arc<Mutex<Labels>>,
    started: Instant,
    dropped: Arc<AtomicU64>,
}

/// The collector's end of it.
pub(super) struct Reader {
    ring: Consumer<Slot>,
    dropped: Arc<AtomicU64>,
}

/// A ring, its writer and its reader; times are counted from `started`.
pub(super) fn ring(labels: &Arc<Mutex<Labels>>, started: Instant) -> (Writer, Reader) {
    let (producer, consumer) = RingBuffer::new(SLOTS);
    let dropped = Arc::new(AtomicU64::new(0));
    let writer = Writer {
        ring: producer,
        known: HashMap::new(),
        labels: labels.clone(),
        started,
        dropped: dropped.clone(),
    };
    (writer, Reader { ring: consumer, dropped })
}

impl Writer {
    /// What is noted of an answer, in the form that is small.
    pub fn shorten(&mut self, answered: &Answered) -> Given {
        let reason = answered.reason.as_ref().map(|(text, line)| (self.label(text), *line));
        let upstream = answered.upstream.as_ref().map(|text| self.label(text));
        let shadow = answered.shadow.as_ref().map(|text| self.label(text));
        Given { outcome: answered.outcome, rcode: answered.rcode, reason, upstream, shadow }
    }

    /// Notes an answer that was given at this time; what `privacy` hides never gets into the ring,
    /// and what finds it full is counted.
    pub fn record(
        &mut self,
        query: &Query,
        given: Given,
        (now, took): (Instant, Duration),
        privacy: Privacy,
    ) {
        if privacy == Privacy::Off {
            return;
        }
        let name: &[u8] = if privacy == Privacy::HideNames { &[] } else { query.name.as_wire() };
        let (inline, rest) = name.split_at(name.len().min(INLINE_NAME));
        let at = now.saturating_duration_since(self.started);
        let event = Event::new(query, given, (at, took), privacy).of_name(name.len(), inline);
        if !self.push(event, rest) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Puts an event and what of its name does not fit into the ring, all at once; whether there
    /// was room.
    fn push(&mut self, event: Event, rest: &[u8]) -> bool {
        if rest.is_empty() {
            return self.ring.push(Slot::Event(event)).is_ok();
        }
        let rest = rest.chunks(REST).map(|octets| {
            let mut slot = [0; REST];
            copy(octets, &mut slot);
            Slot::Rest(slot)
        });
        let Ok(room) = self.ring.write_chunk_uninit(1 + rest.len()) else { return false };
        room.fill_from_iter(std::iter::once(Slot::Event(event)).chain(rest));
        true
    }

    fn label(&mut self, text: &Arc<str>) -> Label {
        if let Some(label) = self.known.get(text) {
            return *label;
        }
        let label = self.labels.lock().unwrap_or_else(PoisonError::into_inner).of(text);
        // Those beyond what has a label are not remembered either.
        if label != Label::TOO_MANY {
            self.known.insert(text.clone(), label);
        }
        label
    }
}

impl Reader {
    /// When the next event happened.
    pub(super) fn next_at(&mut self) -> Option<Duration> {
        match self.ring.peek() {
            Ok(Slot::Event(event)) => Some(event.at()),
            Ok(Slot::Rest(_)) | Err(_) => None,
        }
    }

    /// The next event, and what of its name did not fit into it.
    pub(super) fn next(&mut self) -> Option<(Event, Vec<u8>)> {
        let Ok(Slot::Event(event)) = self.ring.pop() else { return None };
        let missing = usize::from(event.name_length).saturating_sub(INLINE_NAME);
        let mut rest = Vec::new();
        while rest.len() < missing
            && let Ok(Slot::Rest(octets)) = self.ring.pop()
        {
            rest.extend(octets.iter().take(missing - rest.len()));
        }
        Some((event, rest))
    }

    /// Events that found the ring full.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Copies octets to where there is room for them.
pub(super) fn copy(from: &[u8], to: &mut [u8]) {
    if let Some(place) = to.get_mut(..from.len()) {
        place.copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::{
        query::{Client, Transport},
        querylog::Outcome,
    };

    fn query(name: &[u8]) -> Query {
        let packet = [b"\0\x01\x01\0\0\x01\0\0\0\0\0\0", name, b"\0\x01\0\x01"].concat();
        Query::read(&packet, Client::at(IpAddr::from([192, 0, 2, 1]), Transport::Udp)).unwrap()
    }

    fn record(writer: &mut Writer, name: &[u8]) {
        let given = writer.shorten(&Answered::new(Outcome::Cached, 0));
        writer.record(&query(name), given, (Instant::now(), Duration::ZERO), Privacy::Full);
    }

    fn name_of((event, rest): (Event, Vec<u8>)) -> String {
        event.row(1, std::time::UNIX_EPOCH, &rest, &Labels::default()).name
    }

    #[test]
    fn a_name_of_any_length_comes_out_as_it_went_in() {
        let (mut writer, mut reader) = ring(&Arc::default(), Instant::now());
        let labels = |count: usize| [b"\x09aaaaaaaaa".repeat(count), vec![0]].concat();
        let names = [1, 4, 5, 14, 15, 25, 2].map(labels);

        names.iter().for_each(|name| record(&mut writer, name));

        for name in names {
            let expected = "aaaaaaaaa.".repeat((name.len() - 1) / 10);
            let told = reader.next().map(name_of);
            assert_eq!(told.as_deref(), Some(expected.trim_end_matches('.')));
        }
        assert!(reader.next().is_none());
    }

    #[test]
    fn what_finds_the_ring_full_is_counted_and_nothing_else_is_hurt() {
        let (mut writer, mut reader) = ring(&Arc::default(), Instant::now());
        let long = [b"\x3f".to_vec(), vec![b'a'; 63], vec![0]].concat();

        // Each of them takes two slots; one slot is left.
        (0..SLOTS / 2).for_each(|_| record(&mut writer, &long));
        reader.next();
        record(&mut writer, b"\x01x\0");
        record(&mut writer, &long);
        record(&mut writer, b"\x01y\0");

        assert_eq!(reader.dropped(), 1);
        let told: Vec<String> = std::iter::from_fn(|| reader.next()).map(name_of).collect();
        assert_eq!(told.len(), SLOTS / 2 + 1);
        assert_eq!(told[told.len() - 2..], ["x", "y"]);
    }

    #[test]
    fn an_event_is_small() {
        assert!(size_of::<Slot>() <= 128, "{}", size_of::<Slot>());
    }
}
