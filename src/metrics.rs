//! What is counted, and how Prometheus reads it.
//!
//! Answers are counted by each thread for itself, other events in plain atomics, found by a number
//! and not by a look-up; what other parts know already (cache, lists, upstreams) is asked of them
//! when somebody scrapes.

mod exposition;
mod family;
mod listener;
mod shadow;
mod tally;
mod upstream;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

pub use exposition::Scrape;
pub use listener::{Health, router};
pub use tally::Tally;

use crate::querylog::Outcome;

use tally::{RCODE_WORDS, TRANSPORTS, Tallies};

/// What became of a connection for which there was no seat, or of the one that made room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// The longest idle of all was closed.
    ClosedForAll,
    /// The longest idle of the same client was closed.
    ClosedForClient,
    /// Nobody was idle, and the new one was closed.
    Refused,
}

impl Room {
    /// All of them with their words, in the order of their counters.
    const ALL: [(Self, &str); 3] = [
        (Self::ClosedForAll, "idle_of_all"),
        (Self::ClosedForClient, "idle_of_client"),
        (Self::Refused, "new"),
    ];
}

/// What became of a PROXY v2 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// It is believed.
    Accepted,
    /// It is broken, late, or none at all, from who has to send one.
    Malformed,
    /// It comes from who is not in `dns.proxy_protocol_from`.
    Unexpected,
}

impl ProxyHeader {
    /// All of them with their words, in the order of their counters.
    const ALL: [(Self, &str); 3] = [
        (Self::Accepted, "accepted"),
        (Self::Malformed, "malformed"),
        (Self::Unexpected, "unexpected"),
    ];
}

/// The counters of the query path.
#[derive(Debug)]
pub struct Metrics {
    tallies: Tallies,
    malformed: AtomicU64,
    proxy_headers: [AtomicU64; ProxyHeader::ALL.len()],
    unsent: AtomicU64,
    connections_opened: AtomicU64,
    connections_closed: AtomicU64,
    no_room: [AtomicU64; Room::ALL.len()],
    uncounted: AtomicU64,
    is_last_reload_successful: AtomicU64,
    started: SystemTime,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            tallies: Tallies::default(),
            malformed: AtomicU64::new(0),
            proxy_headers: Default::default(),
            unsent: AtomicU64::new(0),
            connections_opened: AtomicU64::new(0),
            connections_closed: AtomicU64::new(0),
            no_room: Default::default(),
            uncounted: AtomicU64::new(0),
            is_last_reload_successful: AtomicU64::new(1),
            started: SystemTime::now(),
        }
    }
}

impl Metrics {
    /// Where one thread counts its answers.
    pub fn tally(&self) -> Tally {
        self.tallies.start()
    }

    /// Counts a packet that was no query.
    pub fn count_malformed(&self) {
        self.malformed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a PROXY v2 header, or what came in its place.
    pub fn count_proxy_header(&self, header: ProxyHeader) {
        if let Some(counter) = self.proxy_headers.get(header as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts an answer that the kernel did not take.
    pub fn count_unsent(&self) {
        self.unsent.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a TCP connection; the guard counts its end.
    pub fn count_connection(&self) -> impl Drop + '_ {
        self.connections_opened.fetch_add(1, Ordering::Relaxed);
        Closing(&self.connections_closed)
    }

    /// Counts a connection that was closed because there are too many.
    pub fn count_room(&self, room: Room) {
        if let Some(counter) = self.no_room.get(room as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a connection that no limit of one client holds for; whether it is the first.
    pub fn is_first_uncounted(&self) -> bool {
        self.uncounted.fetch_add(1, Ordering::Relaxed) == 0
    }

    /// Counts an attempt to take over a new configuration.
    pub fn count_reload(&self, is_successful: bool) {
        self.is_last_reload_successful.store(u64::from(is_successful), Ordering::Relaxed);
    }

    /// Answers with this outcome.
    pub fn answers(&self, outcome: Outcome) -> u64 {
        TRANSPORTS.iter().map(|transport| self.tallies.answers(*transport, outcome)).sum()
    }

    /// Answers in all; who was sent to TCP is counted there.
    pub fn all_answers(&self) -> u64 {
        let of_substance = Outcome::ALL.iter().filter(|outcome| **outcome != Outcome::Truncated);
        of_substance.map(|outcome| self.answers(*outcome)).sum()
    }

    /// When counting began.
    pub fn started(&self) -> SystemTime {
        self.started
    }
}

struct Closing<'m>(&'m AtomicU64);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
