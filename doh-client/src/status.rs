//! What is kept of a server goes in, what a person wants to know of it comes out.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Chain, Failure};
use crate::health::Health;
use crate::observer::Breaker;
use crate::upstream::Upstream;

/// How one server is doing.
///
/// ```
/// let server = "https://1.1.1.1/dns-query".parse()?;
/// let client = doh_client::Client::builder().server(server).build()?;
/// let status = &client.status()[0];
/// assert_eq!((status.health, status.connected), (doh_client::Health::Untried, false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerStatus {
    /// The URL of the server.
    pub server: String,
    /// What came of its last query.
    pub health: Health,
    /// Whether a connection to it is open.
    pub connected: bool,
    /// Queries it answered, well or not.
    pub answered: u64,
    /// Queries it did not answer.
    pub failed: u64,
    /// Connections opened.
    pub connects: u64,
    /// What went wrong last, however long ago.
    pub last_error: Option<String>,
    /// What a person can do about that.
    pub next_step: Option<&'static str>,
    /// How long its last answer took, connecting not included.
    pub last_round_trip: Option<Duration>,
    /// How long its answers take, smoothed.
    pub round_trip: Option<Duration>,
    /// How long 19 of 20 answers take at most; after that another server is asked too.
    pub slow_round_trip: Option<Duration>,
    /// Whether it is left alone because it keeps failing.
    pub breaker: Breaker,
    /// For how long it wants fewer queries.
    pub throttled_for: Option<Duration>,
    /// Queries under way.
    pub in_flight: usize,
    /// Queries that may be under way now; fewer than were set where it complained lately.
    pub limit: usize,
    /// Queries sent because another server was slow.
    pub hedges: u64,
    /// Connections open.
    pub open_connections: usize,
}

impl ServerStatus {
    pub(crate) fn of(upstream: &Upstream) -> Self {
        let (pool, ledger, now) = (upstream.pool(), upstream.ledger(), Instant::now());
        let (open_connections, connects) = (pool.open_connections(), pool.opened());
        let record = ledger.record();
        let throttled_until = record.throttled_until(now);
        Self {
            server: ledger.name().as_ref().to_owned(),
            health: record.health,
            connected: open_connections > 0,
            answered: record.answered,
            failed: record.failed,
            connects,
            last_error: record.last_failure.as_ref().map(|failure| Chain(failure).to_string()),
            next_step: record.last_failure.as_ref().map(Failure::next_step),
            last_round_trip: record.last_round_trip,
            round_trip: record.round_trip(),
            slow_round_trip: record.percentile(),
            breaker: record.breaker(),
            throttled_for: throttled_until.map(|until| until.saturating_duration_since(now)),
            in_flight: record.in_flight(),
            limit: record.limit(),
            hedges: record.hedges,
            open_connections,
        }
    }
}
