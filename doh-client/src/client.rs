//! Servers and limits go in once, then queries go in and answers come out: the face of this crate.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::pem;
use tokio::time::Instant;

use crate::error::{Chain, Error};
use crate::health::Health;
use crate::message::Query;
use crate::race::{Asking, Budget, Race, Servers};
use crate::server::Server;
use crate::tls;
use crate::upstream::{Check, IN_FLIGHT, Upstream};

/// Time for one exchange unless set: a stub resolver gives up after 5 s (`timeout:5` of glibc) and
/// has to get its SERVFAIL before.
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(4500);

/// Time until another server is asked too unless set: a third of [`DEFAULT_TIMEOUT`], so that all
/// three sends of a query have as long.
const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1500);

/// Sends DNS queries over HTTPS and returns the first good answer. Clones share everything.
///
/// It keeps one HTTP/2 connection to each server, opened by the first query that needs it. It may
/// be built anywhere; its exchanges run on the tokio runtime that calls them, which has to have
/// I/O and time enabled.
///
/// ```no_run
/// # async fn example(query: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
/// let client = doh_client::Client::builder()
///     .server("https://dns.quad9.net/dns-query#9.9.9.9,149.112.112.112".parse()?)
///     .server("https://cloudflare-dns.com/dns-query#1.1.1.1,1.0.0.1".parse()?)
///     .build()?;
/// let answer = client.exchange(query).await?.answer;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Client {
    upstreams: Arc<[Arc<Upstream>]>,
    budget: Budget,
}

impl Client {
    /// Starts with no servers and default limits.
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            servers: Vec::new(),
            extra_roots: Vec::new(),
            budget: Budget { total: DEFAULT_TIMEOUT, attempt: DEFAULT_ATTEMPT_TIMEOUT },
            in_flight: IN_FLIGHT,
            check: |_| true,
        }
    }

    /// Sends one query and returns the first good answer of the servers.
    ///
    /// The query is a message in wire form with one question; its id is sent as 0, and the id of
    /// the answer is 0. The first server is asked; the next one too as soon as it fails, or has
    /// been silent for the attempt timeout; three sends at most. Servers that failed lately come
    /// last. An answer that is truncated or says SERVFAIL, NOTIMP or REFUSED is returned only if
    /// no server has a better one.
    ///
    /// # Errors
    ///
    /// [`Error::NotAQuery`] without sending anything; otherwise what became of each server.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the answer and nothing else: what was sent ends by itself in the
    /// background, and connections stay open for the others that share them.
    pub async fn exchange(&self, query: &[u8]) -> Result<Exchange, Error> {
        let query = Query::parse(query).map_err(Error::NotAQuery)?;
        let question = Question { query, upstreams: &self.upstreams };
        Race::new(question, self.budget).run().await
    }

    /// The servers in the order they were given, to which [`Exchange::server`] is an index.
    pub fn servers(&self) -> impl ExactSizeIterator<Item = &Server> {
        self.upstreams.iter().map(|upstream| upstream.server())
    }

    /// How each server is doing, in the order of [`servers`](Self::servers).
    pub fn status(&self) -> Vec<ServerStatus> {
        self.upstreams.iter().map(|upstream| ServerStatus::of(upstream)).collect()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self.servers().map(Server::to_string).collect();
        f.debug_struct("Client").field("servers", &servers).field("budget", &self.budget).finish()
    }
}

/// Collects what a [`Client`] is made of.
///
/// ```
/// let client = doh_client::Client::builder()
///     .server("https://1.1.1.1/dns-query".parse()?)
///     .timeout(std::time::Duration::from_secs(3))
///     .build()?;
/// assert_eq!(client.servers().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    servers: Vec<Server>,
    extra_roots: Vec<Vec<u8>>,
    budget: Budget,
    in_flight: usize,
    check: Check,
}

impl ClientBuilder {
    /// Adds a server, less preferred than those added before.
    pub fn server(mut self, server: Server) -> Self {
        self.servers.push(server);
        self
    }

    /// Trusts the certificates in this PEM text besides the roots of the web.
    pub fn extra_roots_pem(mut self, pem: &[u8]) -> Self {
        self.extra_roots.push(pem.to_vec());
        self
    }

    /// Limits the time of one exchange, connecting included; 4.5 s unless set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.budget.total = timeout;
        self
    }

    /// Sets how long a server may be silent before the next one is asked too; 1.5 s unless set.
    ///
    /// The first server goes on meanwhile: a shorter time costs sends, not answers.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.budget.attempt = timeout;
        self
    }

    /// Limits the queries that one server has under way; 1024 unless set. One more fails at once
    /// with [`Failure::Overloaded`](crate::Failure::Overloaded), and the next server is asked.
    pub fn in_flight(mut self, limit: usize) -> Self {
        self.in_flight = limit;
        self
    }

    /// Has answers looked at by the caller, who knows more of DNS than header and question: when one
    /// does not pass, another server is asked, as when a server answers SERVFAIL. The last of them
    /// is returned where none passes. Runs for every answer, so it must not wait for anything.
    pub fn check(mut self, check: fn(&[u8]) -> bool) -> Self {
        self.check = check;
        self
    }

    /// Makes the client. Nothing is dialled and no runtime is needed.
    ///
    /// # Errors
    ///
    /// When there is no server, no time, or an extra root that is none.
    pub fn build(self) -> Result<Client, BuildError> {
        if self.servers.is_empty() {
            return Err(BuildError::NoServer);
        }
        if self.budget.total.is_zero() || self.budget.attempt.is_zero() {
            return Err(BuildError::NoTime);
        }
        let tls = tls::connector(&self.extra_roots)?;
        let (attempt, limit, check) = (self.budget.attempt, self.in_flight, self.check);
        let upstream = |server| Arc::new(Upstream::new(server, tls.clone(), attempt, limit, check));
        let upstreams = self.servers.into_iter().map(upstream).collect();
        Ok(Client { upstreams, budget: self.budget })
    }
}

/// Why there is no client. To blame is the configuration; trying again never helps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No server was added.
    #[error("no server to ask (found none, allowed one or more)")]
    NoServer,
    /// A time limit of zero.
    #[error("no time to ask a server (found a timeout of zero, allowed more than that)")]
    NoTime,
    /// The extra roots are not PEM, or hold no certificate.
    #[error("the extra roots are no certificates in PEM")]
    ExtraRootsPem(#[source] pem::Error),
    /// A certificate among the extra roots cannot be used as a root.
    #[error("an extra root is no certificate that can be trusted")]
    ExtraRoot(#[source] rustls::Error),
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// An answer and where it came from.
///
/// ```no_run
/// # async fn example(client: doh_client::Client, query: &[u8]) -> Result<(), doh_client::Error> {
/// let exchange = client.exchange(query).await?;
/// let server = client.servers().nth(exchange.server).map(ToString::to_string);
/// println!("{server:?} took {:?}", exchange.elapsed);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The answer in wire form; its id is 0 and its question is that of the query.
    pub answer: Bytes,
    /// The server that gave it, an index into [`Client::servers`].
    pub server: usize,
    /// How long it lay in HTTP caches, to be taken off its TTLs (RFC 8484 section 5.1).
    pub age: Duration,
    /// How long the exchange took, all servers together.
    pub elapsed: Duration,
}

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
    fn of(upstream: &Upstream) -> Self {
        let (connected, connects) = (upstream.slot().is_open(), upstream.slot().opened());
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

/// One query for all servers of a client.
struct Question<'a> {
    query: Query,
    upstreams: &'a [Arc<Upstream>],
}

impl Question<'_> {
    #[expect(clippy::indexing_slicing, reason = "a race counts servers from 0 to below `count`")]
    fn upstream(&self, server: usize) -> &Arc<Upstream> {
        &self.upstreams[server]
    }
}

impl Servers for Question<'_> {
    fn count(&self) -> usize {
        self.upstreams.len()
    }

    fn name(&self, server: usize) -> Arc<str> {
        self.upstream(server).name()
    }

    fn paused_until(&self, server: usize) -> Option<Instant> {
        self.upstream(server).record().paused_until(Instant::now())
    }

    fn ask(&self, server: usize) -> Asking {
        Box::pin(Arc::clone(self.upstream(server)).ask(self.query.clone()))
    }

    fn note_late(&self, server: usize, waited: Duration) {
        self.upstream(server).record().note_late(Instant::now(), waited);
    }
}
