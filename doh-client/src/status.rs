//! What is kept of a server goes in, what a person wants to know of it comes out.

use std::time::Duration;

use crate::error::Chain;
use crate::health::Health;
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
    /// How long its last answer took, connecting not included.
    pub last_round_trip: Option<Duration>,
}

impl ServerStatus {
    pub(crate) fn of(upstream: &Upstream) -> Self {
        let (connected, connects) = (upstream.pool().is_open(), upstream.pool().opened());
        let record = upstream.record();
        Self {
            server: upstream.name().as_ref().to_owned(),
            health: record.health,
            connected,
            answered: record.answered,
            failed: record.failed,
            connects,
            last_error: record.last_failure.as_ref().map(|failure| Chain(failure).to_string()),
            last_round_trip: record.last_round_trip,
        }
    }
}
