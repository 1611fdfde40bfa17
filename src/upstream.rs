//! A key goes in, the answer that an upstream gave for it comes out.
//!
//! Upstream connections and flights live on a thread of their own where there is more than one CPU,
//! so that TLS and HTTP/2 never hold up an answer from the cache. The data plane talks to it through one bounded channel.

mod addresses;
mod carrier;
mod client;
mod courier;
mod failure;
mod flights;
mod memory;
mod numbers;
mod places;
mod progress;
mod report;
mod roads;
mod timeline;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use blocker::Name;
use doh_client::ServerStatus;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use crate::{
    cache::{Bounds, Cache, Entry, Key},
    config::Config,
    query::Asker,
    route::RouteId,
};

pub use addresses::KnownAddresses;
pub use carrier::{Carriage, Carrier, Delivery};
use client::Kept;
pub(crate) use client::client_of;
pub use client::{UpstreamError, extra_roots};
pub use courier::{Courier, Mailbox};
pub use failure::Failure;
use flights::{Ask, Flights, Waiter};
use memory::Memory;
pub(crate) use numbers::{Counts, Histogram, Numbers, Spread};
use places::{Place, Places};
use progress::Doubt;
pub(crate) use report::{BREAKER_WORDS, breaker};
pub use report::{Recent, ServerReport};
use roads::Roads;
pub use roads::RouteStatus;
pub use timeline::Slice;

/// What became of a flight.
pub type Resolved = Result<Arc<Entry>, Failure>;

/// The way to the upstream thread; cheap to clone.
#[derive(Clone)]
pub struct Upstream {
    asks: mpsc::Sender<Ask>,
    /// One for each query that may wait: `dns.limits.in_flight`. It is free again when its flight
    /// has landed, even where the client is long gone.
    places: Arc<Places>,
    renewed: Arc<AtomicU64>,
    coalesced: Arc<AtomicU64>,
    current: Arc<ArcSwap<Settings>>,
    /// Whether servers were taken away of which something may be remembered.
    has_left: Arc<AtomicBool>,
    memory: Memory,
    kept: Kept,
}

/// What flights need to know, replaced as a whole by a reload.
struct Settings {
    roads: Roads,
    /// A carrier from outside, which stays.
    given: Option<Arc<dyn Carrier>>,
    timeout: Duration,
    in_flight_per_client: usize,
    bounds: Bounds,
}

/// What the upstream thread runs until the last `Upstream` is gone.
pub struct Engine {
    flights: Flights,
    asks: mpsc::Receiver<Ask>,
}

impl Upstream {
    /// The two halves: the way in, and what has to run on a runtime of its own.
    ///
    /// # Errors
    /// Where no client can be made of the settings, such as a CA file that is not PEM.
    pub fn new(config: &Config, cache: Cache) -> Result<(Self, Engine), UpstreamError> {
        let kept = Kept::new(config.data_dir.as_deref());
        let settings = Settings::new(config, None, &kept)?;
        Ok(Self::of(settings, config, cache, kept))
    }

    /// The same over a carrier of the caller's, which stays whatever a reload says and is asked
    /// for all names, routed or not.
    pub fn with_carrier(
        config: &Config,
        cache: Cache,
        carrier: Arc<dyn Carrier>,
    ) -> (Self, Engine) {
        let settings = Settings::with_carrier(config, carrier, None);
        Self::of(settings, config, cache, Kept::new(None))
    }

    fn of(settings: Settings, config: &Config, cache: Cache, kept: Kept) -> (Self, Engine) {
        let limit = config.dns.limits.in_flight;
        let (sender, asks) = mpsc::channel(limit);
        let current = Arc::new(ArcSwap::from_pointee(settings));
        let memory = Memory::new();
        let flights = Flights::new(current.clone(), cache, memory.clone());
        let places = Arc::new(Places::new(limit));
        let upstream = Self {
            asks: sender,
            places,
            renewed: Arc::default(),
            coalesced: flights.coalesced(),
            current,
            has_left: Arc::default(),
            memory,
            kept,
        };
        (upstream, Engine { flights, asks })
    }

    /// Starts a flight for a key, or joins the one that is under way.
    ///
    /// # Errors
    /// Where `dns.limits.in_flight` queries wait already, or `in_flight_per_client` of this one.
    pub fn ask(&self, key: Key, asker: Asker, courier: &Courier) -> Result<Flight, Failure> {
        let place = self.places.take(asker, self.current.load().in_flight_per_client)?;
        self.send(key, place, None, courier)
    }

    /// A courier to a mailbox that has room for all who may wait.
    pub fn courier(&self) -> (Courier, Mailbox) {
        Courier::to_mailbox(self.places.limit())
    }

    /// Starts a flight that nobody waits for, to replace the answer taken in at `stored`; does
    /// nothing where half of the places are taken, which clients may need.
    pub fn renew(&self, key: Key, stored: Instant) {
        if let Some(place) = self.places.spare()
            && self.send(key, place, Some(stored), &Courier::default()).is_ok()
        {
            self.renewed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Starts a flight that nobody waits for, for an answer that has expired; does nothing where
    /// half of the places are taken.
    pub fn refresh(&self, key: Key) {
        if let Some(place) = self.places.spare() {
            // Where it cannot take off, the next who asks says so.
            let _ = self.send(key, place, None, &Courier::default());
        }
    }

    fn send(
        &self,
        key: Key,
        place: Place,
        replaces: Option<Instant>,
        courier: &Courier,
    ) -> Result<Flight, Failure> {
        let (reply, landing) = oneshot::channel();
        let key = Arc::new(key);
        let (now, settings) = (Instant::now(), self.current.load());
        let road = settings.roads.find(key.route);
        let doubt = road.and_then(|road| Doubt::at(now, &road.progress));
        let deadline = now + settings.timeout;
        // The channel has room for every place; it can only be closed, at the very end.
        let waiter = Waiter { reply, courier: courier.clone(), _place: place };
        let ask = Ask { key: key.clone(), replaces, waiter };
        self.asks.try_send(ask).map_err(|_| Failure::default())?;
        Ok(Flight { key, landing, doubt, deadline })
    }

    /// The failure of a flight so short a time ago that another must not take off yet.
    pub fn failed_lately(&self, key: &Key, now: Instant) -> Option<Failure> {
        self.memory.find(key, now)
    }

    /// Forgets the failures of a name and of all below it; how many there were.
    pub fn forget_failures(&self, name: &Name) -> u64 {
        self.memory.forget(name)
    }

    /// Takes over new settings; flights under way end with the old ones. Connections and what is
    /// known of servers stay on every route of which nothing has changed.
    ///
    /// # Errors
    /// Where no client can be made of them; the old ones stay.
    pub fn reconfigure(&self, config: &Config) -> Result<(), UpstreamError> {
        let before = self.current.load_full();
        let next = Arc::new(Settings::new(config, Some(&before), &self.kept)?);
        self.current.store(next.clone());
        if !next.roads.has_servers_of_all(&before.roads) {
            self.has_left.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Whether, since this was last asked, `upstream.servers` has lost some: then it is time to forget
    /// all answers and failures that may be theirs. From now on none is remembered.
    pub(crate) fn take_change_of_servers(&self) -> bool {
        self.has_left.swap(false, Ordering::Acquire)
    }

    /// Where servers were found last, to be kept over a restart.
    pub fn addresses(&self) -> KnownAddresses {
        self.kept.addresses.clone()
    }

    /// The route that a name takes by the settings in force.
    pub fn route_of(&self, name: &Name) -> RouteId {
        self.current.load().roads.route_of(name)
    }

    /// How the servers of each route do, first those for names that have none.
    pub fn routes(&self) -> Vec<RouteStatus> {
        self.current.load().roads.status()
    }

    /// How each server does; one that serves several routes is told once, with the sums.
    pub fn status(&self) -> Vec<ServerStatus> {
        let mut all: Vec<ServerStatus> = Vec::new();
        for server in self.routes().into_iter().flat_map(|route| route.servers) {
            match all.iter_mut().find(|known| known.server == server.server) {
                Some(known) => report::add(known, server),
                None => all.push(server),
            }
        }
        all
    }

    /// What has been counted of a server, by its URL; nothing where a carrier from outside counts.
    pub(crate) fn numbers(&self, server: &str) -> Option<Arc<Numbers>> {
        self.kept.register.find(server)
    }

    /// Queries that wait now.
    pub fn waiting(&self) -> u64 {
        self.places.taken()
    }

    /// Queries that found no place to wait: because all were taken, and because their client had
    /// its share.
    pub fn overloaded(&self) -> [u64; 2] {
        self.places.refused()
    }

    /// Answers that were asked for again before they expired.
    pub fn renewed(&self) -> u64 {
        self.renewed.load(Ordering::Relaxed)
    }

    /// Queries that joined a flight which was under way for another.
    pub fn coalesced(&self) -> u64 {
        self.coalesced.load(Ordering::Relaxed)
    }

    /// Keys that failed within a minute and have had no good answer since; not all of them still
    /// keep anybody from asking.
    pub fn failures(&self) -> u64 {
        self.memory.len()
    }
}

impl Engine {
    /// Flies until every `Upstream` is gone and every flight has landed.
    pub async fn run(self) {
        self.flights.run(self.asks).await;
    }
}

/// A place on a flight.
pub struct Flight {
    key: Arc<Key>,
    landing: oneshot::Receiver<Resolved>,
    doubt: Option<Doubt>,
    deadline: Instant,
}

impl Flight {
    /// What the flight is for.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// When nobody waits for it any more.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Waits until it lands, at most `upstream.timeout`, and not for long where nobody is answered.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn land(&mut self) -> Resolved {
        let deadline = self.deadline;
        self.land_by(deadline).await
    }

    /// Waits for less than that; the flight goes on, for others and for the cache.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn land_by(&mut self, latest: Instant) -> Resolved {
        let Self { landing, doubt, deadline, .. } = self;
        let deadline = latest.min(*deadline);
        let doubt = doubt.as_ref().filter(|doubt| doubt.until < deadline);
        let until = doubt.map_or(deadline, |doubt| doubt.until);
        let landed = match timeout_at(until, &mut *landing).await {
            // Somebody was answered after all, so that it may only be slow.
            Err(_) if doubt.is_some_and(|doubt| !doubt.is_right()) => {
                timeout_at(deadline, landing).await
            }
            landed => landed,
        };
        match landed {
            Ok(Ok(resolved)) => resolved,
            // The flight's task is gone, which only a defect of ours can do.
            Ok(Err(_)) => Err(Failure::default()),
            Err(_) => Err(Failure::Timeout),
        }
    }
}

impl Settings {
    fn new(config: &Config, running: Option<&Self>, kept: &Kept) -> Result<Self, UpstreamError> {
        let before = running.map(|running| &running.roads);
        match running.and_then(|running| running.given.clone()) {
            Some(carrier) => Ok(Self::with_carrier(config, carrier, before)),
            None => Ok(Self::of(config, Roads::new(config, before, kept)?, None)),
        }
    }

    fn with_carrier(config: &Config, carrier: Arc<dyn Carrier>, before: Option<&Roads>) -> Self {
        let roads = Roads::with_carrier(config, &carrier, before);
        Self::of(config, roads, Some(carrier))
    }

    fn of(config: &Config, roads: Roads, given: Option<Arc<dyn Carrier>>) -> Self {
        Self {
            roads,
            given,
            timeout: config.upstream.timeout,
            in_flight_per_client: config.dns.limits.in_flight_per_client,
            bounds: Bounds::from(&config.cache),
        }
    }
}
