//! What is kept of upstream servers goes in, what people and programs are told of them comes out:
//! one row for each server, however many routes lead to it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use doh_client::{Breaker, Health, ServerStatus};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    Upstream,
    numbers::Numbers,
    timeline::{SLICE, Slice},
};

/// How one upstream server does.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ServerReport {
    /// Its URL.
    pub server: String,
    /// The names it is asked for; `.` stands for all that have no route.
    pub domains: Vec<String>,
    /// What came of its last query: `up`, `down` or `untried`.
    pub state: String,
    /// Whether it is asked: `closed`; `open` where it fails too often and others are preferred;
    /// `half_open` while one query finds out whether it is back.
    pub breaker: String,
    /// Connections open now.
    pub connections: usize,
    /// Connections opened so far.
    pub connects: u64,
    /// How long its answers take, smoothed.
    pub round_trip_ms: Option<f64>,
    /// How long 19 of 20 answers take at most.
    pub p95_ms: Option<f64>,
    /// Queries under way.
    pub in_flight: usize,
    /// Queries that may be under way now.
    pub in_flight_limit: usize,
    /// For how long it wants fewer queries.
    pub throttled_seconds: Option<f64>,
    /// Queries sent, those included that were sent only to be quicker or to try again.
    pub sent: u64,
    /// Queries answered, well or not.
    pub answered: u64,
    /// Queries not answered.
    pub failed: u64,
    /// Queries sent because another server was slow.
    pub hedges: u64,
    /// Those of them that were answered first.
    pub hedge_wins: u64,
    /// What went wrong last, however long ago.
    pub last_error: Option<String>,
    /// What can be done about that.
    pub next_step: Option<String>,
    /// What TLS agreed on last: version and key exchange group.
    pub tls: Option<[String; 2]>,
    /// The last hour.
    pub timeline: Option<Recent>,
}

/// The last hour of a server.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Recent {
    /// When the first slice begins, in milliseconds since 1970.
    pub start: u64,
    /// The time that one slice covers.
    pub slice_seconds: u64,
    /// The slices without a gap; the last one is not over yet.
    pub slices: Vec<Slice>,
}

impl Upstream {
    /// How each server does, with its last hour.
    pub fn report(&self) -> Vec<ServerReport> {
        let routes = self.routes();
        let domains_of = |server: &str| {
            let leads = |status: &ServerStatus| status.server == server;
            let leading = routes.iter().filter(|route| route.servers.iter().any(leads));
            leading.flat_map(|route| route.domains()).collect()
        };
        let of_server = |status: ServerStatus| {
            let numbers = self.numbers(&status.server);
            let domains = domains_of(&status.server);
            ServerReport::new(status, domains, numbers.as_deref())
        };
        self.status().into_iter().map(of_server).collect()
    }
}

impl ServerReport {
    fn new(status: ServerStatus, domains: Vec<String>, numbers: Option<&Numbers>) -> Self {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let [good, unhelpful, failed] =
            numbers.map_or([status.answered, 0, status.failed], |numbers| numbers.became());
        let shaken = numbers.and_then(|numbers| numbers.shaken.words());
        Self {
            domains,
            state: state(status.health).to_owned(),
            breaker: breaker(status.breaker).to_owned(),
            connections: status.open_connections,
            connects: numbers.map_or(status.connects, Numbers::connected),
            round_trip_ms: status.round_trip.map(milliseconds),
            p95_ms: status.slow_round_trip.map(milliseconds),
            in_flight: status.in_flight,
            in_flight_limit: status.limit,
            throttled_seconds: status.throttled_for.map(|time| time.as_secs_f64()),
            sent: numbers.map_or(good + failed, |numbers| numbers.sends.sum()),
            answered: good + unhelpful,
            failed,
            hedges: numbers.map_or(status.hedges, Numbers::hedged),
            hedge_wins: numbers.map_or(0, |numbers| load(&numbers.hedge_wins)),
            last_error: status.last_error,
            next_step: status.next_step.map(str::to_owned),
            tls: shaken.map(|(version, group)| [version.to_owned(), group.to_owned()]),
            timeline: numbers.map(Recent::of),
            server: status.server,
        }
    }
}

impl Recent {
    fn of(numbers: &Numbers) -> Self {
        let now = Instant::now();
        let begun = SystemTime::now().checked_sub(numbers.timeline.reach(now));
        let start = begun.and_then(|begun| begun.duration_since(UNIX_EPOCH).ok());
        Self {
            start: start.map_or(0, |start| u64::try_from(start.as_millis()).unwrap_or(0)),
            slice_seconds: SLICE.as_secs(),
            slices: numbers.timeline.slices(now),
        }
    }
}

/// Adds what another client has seen of the same server.
pub(super) fn add(known: &mut ServerStatus, other: ServerStatus) {
    known.connected |= other.connected;
    known.answered += other.answered;
    known.failed += other.failed;
    known.connects += other.connects;
    known.hedges += other.hedges;
    known.open_connections += other.open_connections;
    known.in_flight += other.in_flight;
    known.limit += other.limit;
    if known.last_error.is_none() {
        (known.last_error, known.next_step) = (other.last_error, other.next_step);
    }
    known.round_trip = known.round_trip.or(other.round_trip);
    known.slow_round_trip = known.slow_round_trip.max(other.slow_round_trip);
    known.throttled_for = known.throttled_for.max(other.throttled_for);
    let is_told = other.health != Health::Untried;
    if known.health == Health::Untried || is_told && other.breaker == Breaker::Closed {
        known.breaker = other.breaker;
    }
    known.last_round_trip = known.last_round_trip.or(other.last_round_trip);
    known.health = match (known.health, other.health) {
        (Health::Untried, other) => other,
        (Health::Down, Health::Up) => Health::Up,
        (known, _) => known,
    };
}

/// The word for what came of a server's last query.
pub(crate) fn state(health: Health) -> &'static str {
    match health {
        Health::Untried => "untried",
        Health::Up => "up",
        Health::Down => "down",
    }
}

/// The words for the states of a breaker.
pub(crate) const BREAKER_WORDS: [&str; 3] = ["closed", "open", "half_open"];

/// The word for one of them.
pub(crate) fn breaker(breaker: Breaker) -> &'static str {
    let [closed, open, half_open] = BREAKER_WORDS;
    match breaker {
        Breaker::Open => open,
        Breaker::HalfOpen => half_open,
        _ => closed,
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use doh_client::{Client, Event, SendKind};

    use super::*;
    use crate::upstream::numbers::Register;

    fn untried() -> ServerStatus {
        let server = "https://192.0.2.1/q".parse().unwrap();
        Client::builder().server(server).build().unwrap().status().remove(0)
    }

    #[tokio::test]
    async fn a_client_that_is_new_goes_on_where_the_one_before_has_stopped() {
        let register = Register::new();
        let watch = register.watch(&["https://192.0.2.1/q".parse().unwrap()]);
        for kind in [SendKind::First, SendKind::Hedge, SendKind::Retry] {
            watch.note(0, &Event::Sent(kind));
        }
        watch.note(0, &Event::HedgeWon);

        let numbers = register.find("https://192.0.2.1/q");
        let report = ServerReport::new(untried(), Vec::new(), numbers.as_deref());

        assert_eq!((report.sent, report.hedges, report.hedge_wins), (3, 1, 1));
    }

    #[tokio::test]
    async fn a_route_that_has_asked_nothing_yet_does_not_make_a_server_look_well() {
        let mut known = untried();
        (known.health, known.breaker) = (Health::Down, Breaker::Open);

        add(&mut known, untried());
        assert_eq!((known.health, known.breaker), (Health::Down, Breaker::Open));

        let mut well = untried();
        well.health = Health::Up;
        add(&mut known, well);
        assert_eq!((known.health, known.breaker), (Health::Up, Breaker::Closed));
    }
}
