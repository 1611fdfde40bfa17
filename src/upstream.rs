//! A key goes in, the answer that an upstream gave for it comes out.
//!
//! Upstream connections and flights live on a thread of their own, so that TLS and HTTP/2 never
//! hold up an answer from the cache. The data plane talks to it through one bounded channel.

mod addresses;
mod carrier;
mod failure;
mod flights;
mod memory;
mod places;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use doh_client::{BuildError, Client, Hedge, ServerStatus};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use crate::{
    cache::{Bounds, Cache, Entry, Key, is_usable},
    config::{Config, UpstreamSettings},
    query::Asker,
};

pub use addresses::KnownAddresses;
use carrier::Doh;
pub use carrier::{Carriage, Carrier, Delivery};
pub use failure::Failure;
use flights::{Ask, Flights, Waiter};
use memory::Memory;
use places::{Place, Places};

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
    current: Arc<ArcSwap<Settings>>,
    memory: Memory,
    addresses: KnownAddresses,
}

/// What flights need to know, replaced as a whole by a reload.
struct Settings {
    carrier: Arc<dyn Carrier>,
    /// What the carrier was made of, to tell whether another is needed; nothing where it was
    /// given from outside, and stays.
    made_of: Option<MadeOf>,
    timeout: Duration,
    in_flight_per_client: usize,
    bounds: Bounds,
}

/// What a DoH client is made of: settings, further roots, queries in flight.
type MadeOf = (UpstreamSettings, Option<Vec<u8>>, usize);

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
        let addresses = KnownAddresses::of(config.data_dir.as_deref());
        let settings = Settings::new(config, None, &addresses)?;
        Ok(Self::of(settings, config, cache, addresses))
    }

    /// The same over a carrier of the caller's, which stays whatever a reload says.
    pub fn with_carrier(
        config: &Config,
        cache: Cache,
        carrier: Arc<dyn Carrier>,
    ) -> (Self, Engine) {
        let settings = Settings::with_carrier(config, carrier, None);
        Self::of(settings, config, cache, KnownAddresses::of(None))
    }

    fn of(
        settings: Settings,
        config: &Config,
        cache: Cache,
        addresses: KnownAddresses,
    ) -> (Self, Engine) {
        let limit = config.dns.limits.in_flight;
        let (sender, asks) = mpsc::channel(limit);
        let current = Arc::new(ArcSwap::from_pointee(settings));
        let memory = Memory::new();
        let flights = Flights::new(current.clone(), cache, memory.clone());
        let places = Arc::new(Places::new(limit));
        let renewed = Arc::default();
        let upstream = Self { asks: sender, places, renewed, current, memory, addresses };
        (upstream, Engine { flights, asks })
    }

    /// Starts a flight for a key, or joins the one that is under way.
    ///
    /// # Errors
    /// Where `dns.limits.in_flight` queries wait already, or `in_flight_per_client` of this one.
    pub fn ask(&self, key: Key, asker: Asker) -> Result<Flight, Failure> {
        let place = self.places.take(asker, self.current.load().in_flight_per_client)?;
        self.send(key, place, None)
    }

    /// Starts a flight that nobody waits for, to replace the answer taken in at `stored`; does
    /// nothing where half of the places are taken, which clients may need.
    pub fn renew(&self, key: Key, stored: Instant) {
        if let Some(place) = self.places.spare()
            && self.send(key, place, Some(stored)).is_ok()
        {
            self.renewed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn send(&self, key: Key, place: Place, replaces: Option<Instant>) -> Result<Flight, Failure> {
        let (reply, landing) = oneshot::channel();
        let deadline = Instant::now() + self.current.load().timeout;
        // The channel has room for every place; it can only be closed, at the very end.
        let ask = Ask { key: key.clone(), replaces, waiter: Waiter { reply, _place: place } };
        self.asks.try_send(ask).map_err(|_| Failure::default())?;
        Ok(Flight { key, landing, deadline })
    }

    /// The failure of a flight so short a time ago that another must not take off yet.
    pub fn failed_lately(&self, key: &Key, now: Instant) -> Option<Failure> {
        self.memory.find(key, now)
    }

    /// Takes over new settings; flights under way end with the old ones. Connections and what is
    /// known of servers stay where nothing about upstreams has changed.
    ///
    /// # Errors
    /// Where no client can be made of them; the old ones stay.
    pub fn reconfigure(&self, config: &Config) -> Result<(), UpstreamError> {
        let next = Settings::new(config, Some(&self.current.load()), &self.addresses)?;
        self.current.store(Arc::new(next));
        Ok(())
    }

    /// Where servers were found last, to be kept over a restart.
    pub fn addresses(&self) -> KnownAddresses {
        self.addresses.clone()
    }

    /// How each server does.
    pub fn status(&self) -> Vec<ServerStatus> {
        self.current.load().carrier.status()
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
    key: Key,
    landing: oneshot::Receiver<Resolved>,
    deadline: Instant,
}

impl Flight {
    /// What the flight is for.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Waits until it lands, at most `upstream.timeout`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn land(self) -> Resolved {
        let deadline = self.deadline;
        self.land_by(deadline).await
    }

    /// Waits for less than that; the flight goes on, for others and for the cache.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn land_by(self, latest: Instant) -> Resolved {
        let deadline = latest.min(self.deadline);
        match timeout_at(deadline, self.landing).await {
            Ok(Ok(resolved)) => resolved,
            // The flight's task is gone, which only a defect of ours can do.
            Ok(Err(_)) => Err(Failure::default()),
            Err(_) => Err(Failure::Timeout),
        }
    }
}

impl Settings {
    fn new(
        config: &Config,
        running: Option<&Self>,
        addresses: &KnownAddresses,
    ) -> Result<Self, UpstreamError> {
        if let Some(Self { carrier, made_of: None, .. }) = running {
            return Ok(Self::with_carrier(config, carrier.clone(), None));
        }
        let roots = extra_roots(&config.upstream)?;
        let made_of = (config.upstream.clone(), roots, config.dns.limits.in_flight);
        let is_same = |running: &&Self| running.made_of.as_ref() == Some(&made_of);
        let carrier = match running.filter(is_same) {
            Some(running) => running.carrier.clone(),
            None => Arc::new(Doh::new(make_client(&made_of, addresses.clone())?)),
        };
        Ok(Self::with_carrier(config, carrier, Some(made_of)))
    }

    fn with_carrier(config: &Config, carrier: Arc<dyn Carrier>, made_of: Option<MadeOf>) -> Self {
        Self {
            carrier,
            made_of,
            timeout: config.upstream.timeout,
            in_flight_per_client: config.dns.limits.in_flight_per_client,
            bounds: Bounds::from(&config.cache),
        }
    }
}

fn make_client(
    (settings, roots, in_flight): &MadeOf,
    addresses: KnownAddresses,
) -> Result<Client, BuildError> {
    let hedge = if settings.hedge { Hedge::Adaptive } else { Hedge::Off };
    let mut builder = Client::builder()
        .timeout(settings.timeout)
        .hedge(hedge)
        .in_flight(*in_flight)
        .check(is_usable)
        .address_book(Arc::new(addresses));
    for resolver in &settings.bootstrap {
        builder = builder.bootstrap(resolver.clone());
    }
    for server in &settings.servers {
        builder = builder.server(server.clone());
    }
    if let Some(pem) = roots {
        builder = builder.extra_roots_pem(pem);
    }
    if let Some(certificate) = &settings.client_certificate {
        builder = builder.client_certificate_pem(&certificate.chain, &certificate.key);
    }
    if let Some(proxy) = &settings.proxy {
        builder = builder.proxy(proxy.clone());
    }
    builder.build()
}

/// The certificates of `upstream.ca_file`, where one is named.
///
/// # Errors
/// Where it cannot be read.
pub fn extra_roots(settings: &UpstreamSettings) -> Result<Option<Vec<u8>>, UpstreamError> {
    let path = &settings.ca_file;
    if path.is_empty() {
        return Ok(None);
    }
    match std::fs::read(path) {
        Ok(pem) => Ok(Some(pem)),
        Err(source) => Err(UpstreamError::CaFile { path: path.clone(), source }),
    }
}

/// Why upstreams cannot be asked at all; the operator's to mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// `upstream.ca_file` cannot be read.
    #[error("upstream.ca_file `{path}` cannot be read; name a PEM file the server may read")]
    CaFile {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No client can be made.
    #[error("no upstream client: {0}")]
    Client(#[from] BuildError),
}
