//! What happens to the queries and connections of each upstream server comes in, numbers come out.
//!
//! A server is found by its place in its client, not by its name, and counting is a few additions
//! without a lock. Numbers belong to a name: a server that two routes share has one set of them,
//! and a reload that keeps a server keeps what was counted.

mod counts;
mod histogram;
mod shaken;
mod words;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use doh_client::{Breaker, Budget, Connected, Event, Failure, Observer, Server};
use tokio::time::Instant;

use super::timeline::{Sight, Timeline};

pub(crate) use counts::Counts;
pub(crate) use histogram::{Histogram, Spread};
pub(crate) use shaken::Shaken;

use words::{
    BUDGETS, CLASSES, CLOSINGS, CODES, CONNECTS, HANDSHAKES, LOOKUPS, OUTCOMES, SENDS, class,
    closing, code, connect, send,
};

/// The numbers of one server since the process began, or since a reload brought the server in.
pub(crate) struct Numbers {
    name: Arc<str>,
    /// Whether its answers are HTTP responses.
    is_http: bool,
    /// What became of queries.
    pub(crate) outcomes: Counts<{ OUTCOMES.len() }>,
    /// How long answers took.
    pub(crate) round_trips: Histogram,
    /// Queries sent, by why.
    pub(crate) sends: Counts<{ SENDS.len() }>,
    /// Hedges that were answered first.
    pub(crate) hedge_wins: AtomicU64,
    /// Further sends left out for want of tokens.
    pub(crate) budget_exhausted: Counts<{ BUDGETS.len() }>,
    /// Queries not sent because too many were under way.
    pub(crate) turned_away: AtomicU64,
    /// What became of connects, and over which version of IP.
    pub(crate) connects: Counts<{ CONNECTS.len() }>,
    /// What came of looking addresses up.
    pub(crate) lookups: Counts<{ LOOKUPS.len() }>,
    /// How often post-quantum keys were given up for a day.
    pub(crate) downgraded: AtomicU64,
    /// How long TCP took.
    pub(crate) tcp: Histogram,
    /// How long TLS took.
    pub(crate) tls: Histogram,
    /// TLS handshakes, full or resumed.
    pub(crate) handshakes: Counts<{ HANDSHAKES.len() }>,
    /// What the last one agreed on.
    pub(crate) shaken: Shaken,
    /// Connections that ended, by why.
    pub(crate) closed: Counts<{ CLOSINGS.len() }>,
    /// HTTP responses by status.
    pub(crate) responses: Counts<{ CODES.len() }>,
    /// Failures by kind.
    pub(crate) errors: Counts<{ CLASSES.len() }>,
    /// How often its breaker opened.
    pub(crate) breaker_opened: AtomicU64,
    /// How often it asked for fewer queries.
    pub(crate) throttled: AtomicU64,
    /// Answers from HTTP caches, whose TTLs were shortened by their age.
    pub(crate) age_adjusted: AtomicU64,
    pub(super) timeline: Timeline,
}

impl Numbers {
    fn new(server: &Server, begun: Instant) -> Self {
        Self {
            name: server.to_string().into(),
            is_http: server.protocol().is_http(),
            outcomes: Counts::new(OUTCOMES),
            round_trips: Histogram::default(),
            sends: Counts::new(SENDS),
            hedge_wins: AtomicU64::new(0),
            budget_exhausted: Counts::new(BUDGETS),
            turned_away: AtomicU64::new(0),
            connects: Counts::new(CONNECTS),
            lookups: Counts::new(LOOKUPS),
            downgraded: AtomicU64::new(0),
            tcp: Histogram::default(),
            tls: Histogram::default(),
            handshakes: Counts::new(HANDSHAKES),
            shaken: Shaken::default(),
            closed: Counts::new(CLOSINGS),
            responses: Counts::new(CODES),
            errors: Counts::new(CLASSES),
            breaker_opened: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
            age_adjusted: AtomicU64::new(0),
            timeline: Timeline::new(begun),
        }
    }

    /// Answers that could be used, answers that could not, and failures.
    pub(crate) fn became(&self) -> [u64; OUTCOMES.len()] {
        self.outcomes.values()
    }

    /// Connections opened.
    pub(super) fn connected(&self) -> u64 {
        let [over_ipv4, over_ipv6, ..] = self.connects.values();
        over_ipv4 + over_ipv6
    }

    /// Queries sent because another server was slow.
    pub(super) fn hedged(&self) -> u64 {
        let [_, hedges, ..] = self.sends.values();
        hedges
    }

    fn note(&self, event: &Event<'_>, now: Instant) {
        match event {
            Event::Sent(kind) => {
                self.sends.add(send(*kind));
                self.timeline.note(Sight::Sent, now);
            }
            Event::Answered { round_trip, is_good, age } => {
                self.outcomes.add(usize::from(!is_good));
                self.note_answer(*round_trip, *age, now);
            }
            Event::Failed(failure) => self.note_failure(failure, now),
            Event::TurnedAway => add_one(&self.turned_away),
            Event::HedgeWon => add_one(&self.hedge_wins),
            Event::BudgetExhausted(budget) => {
                self.budget_exhausted.add(usize::from(*budget != Budget::Hedge));
            }
            Event::Throttled(_) => add_one(&self.throttled),
            Event::Breaker(change) => self.note_breaker(*change, now),
            Event::Connected(connected) => self.note_connected(connected),
            Event::ConnectFailed(failure) => self.connects.add(connect(Err(failure))),
            Event::LookedUp(_) => self.lookups.add(0),
            Event::LookupFailed(_) => self.lookups.add(1),
            Event::Downgraded => add_one(&self.downgraded),
            Event::Closed(reason) => self.closed.add(closing(*reason)),
            // What is not known here is counted nowhere.
            _ => {}
        }
    }

    fn note_answer(&self, round_trip: Duration, age: Duration, now: Instant) {
        self.round_trips.add(round_trip);
        if !age.is_zero() {
            add_one(&self.age_adjusted);
        }
        if self.is_http {
            self.responses.add(words::SUCCESS);
        }
        self.timeline.note(Sight::Answered(round_trip), now);
    }

    fn note_failure(&self, failure: &Failure, now: Instant) {
        self.outcomes.add(words::FAILED);
        self.errors.add(class(failure));
        if let Some(code) = code(failure).filter(|_| self.is_http) {
            self.responses.add(code);
        }
        self.timeline.note(Sight::Failed, now);
    }

    fn note_breaker(&self, change: Breaker, now: Instant) {
        match change {
            Breaker::Open => {
                add_one(&self.breaker_opened);
                self.timeline.note(Sight::LeftAlone, now);
            }
            Breaker::Closed => self.timeline.note(Sight::TakenBack, now),
            _ => {}
        }
    }

    fn note_connected(&self, connected: &Connected) {
        self.connects.add(connect(Ok(connected.address)));
        self.tcp.add(connected.tcp);
        if let Some(tls) = &connected.tls {
            self.tls.add(tls.took);
            self.handshakes.add(usize::from(tls.is_resumed));
            self.shaken.note(tls.version, tls.group);
        }
    }
}

/// The numbers of all servers that are in use; clones share them.
#[derive(Clone)]
pub(super) struct Register(Arc<Shelf>);

struct Shelf {
    /// Where every timeline begins, so that theirs can be laid over each other.
    begun: Instant,
    /// One for each server of the settings in force and of those that still end.
    numbers: Mutex<Vec<Arc<Numbers>>>,
}

impl Register {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self(Arc::new(Shelf { begun: Instant::now(), numbers: Mutex::default() }))
    }

    /// Who counts for a client of these servers. What no client counts any more is forgotten.
    pub(super) fn watch(&self, servers: &[Server]) -> Arc<dyn Observer> {
        let mut numbers = self.lock();
        numbers.retain(|kept| Arc::strong_count(kept) > 1);
        let begun = self.0.begun;
        let of_server = |server: &Server| {
            let name = server.to_string();
            if let Some(known) = numbers.iter().find(|kept| *kept.name == *name) {
                return known.clone();
            }
            let new = Arc::new(Numbers::new(server, begun));
            numbers.push(new.clone());
            new
        };
        Arc::new(Watch { servers: servers.iter().map(of_server).collect() })
    }

    /// The numbers of a server by its URL.
    pub(super) fn find(&self, server: &str) -> Option<Arc<Numbers>> {
        self.lock().iter().find(|numbers| *numbers.name == *server).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Numbers>>> {
        self.0.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts for one client.
struct Watch {
    /// By the number that the client knows them by.
    servers: Vec<Arc<Numbers>>,
}

impl Observer for Watch {
    fn note(&self, server: usize, event: &Event<'_>) {
        if let Some(numbers) = self.servers.get(server) {
            numbers.note(event, Instant::now());
        }
    }
}

fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
