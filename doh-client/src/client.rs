//! Servers and limits go in once, then queries go in and answers come out: the face of this crate.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::budget::Purse;
use crate::builder::ClientBuilder;
use crate::choice::Dice;
use crate::error::Error;
use crate::ledger::{Errand, Ledger, Warmth};
use crate::message::Query;
use crate::metronome::Metronome;
use crate::race::{Asking, Race, Servers, Terms};
use crate::server::Server;
use crate::status::ServerStatus;
use crate::upstream::Upstream;

/// Sends DNS queries over HTTPS and returns the first good answer. Clones share everything.
///
/// It keeps one connection to each server, two where there is much to do or one is in doubt, opened
/// by the first query that needs it. It may be built anywhere; its exchanges run on the tokio runtime that calls them, which has to have
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
    extras: Arc<Extras>,
    terms: Terms,
}

/// What all queries of a client have in common.
pub(crate) struct Extras {
    pub(crate) purse: Purse,
    pub(crate) dice: Dice,
    metronome: Metronome,
}

impl Client {
    /// Starts with no servers and default limits.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    pub(crate) fn of(upstreams: Arc<[Arc<Upstream>]>, dice: Dice, terms: Terms) -> Self {
        let extras = Extras { purse: Purse::new(), dice, metronome: Metronome::new() };
        Self { upstreams, extras: Arc::new(extras), terms }
    }

    /// Sends one query and returns the first good answer of the servers.
    ///
    /// The query is a message in wire form with one question; its id is sent as 0, and the id of
    /// the answer is 0. Of two servers taken at random, the quicker and less busy one is asked; in
    /// time another one too if it fails, or is slower than it uses to be: three sends at most, and
    /// few more than one on average. Servers that keep failing are left alone while others work.
    /// An answer that is truncated or says SERVFAIL, NOTIMP or REFUSED is returned only if the next
    /// server has no better one; a SERVFAIL with the reason that DNSSEC fails is an answer.
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
        let question = Question { query, upstreams: &self.upstreams, extras: &self.extras };
        let mut race = Race::new(question, self.terms);
        self.extras.metronome.note_query(race.started());
        race.run().await
    }

    /// The servers in the order they were given, to which [`Exchange::server`] is an index.
    pub fn servers(&self) -> impl ExactSizeIterator<Item = &Server> {
        self.upstreams.iter().map(|upstream| upstream.server())
    }

    /// Replaces all connections, for example because an address or a route of this host has changed:
    /// what was sent over the old ones would be lost without a word.
    ///
    /// Answers under way are still heard. A server that was asked in the last minute gets its new
    /// connection at once if this is called within the runtime, the others with their next query.
    pub fn network_changed(&self) {
        for upstream in self.upstreams.iter() {
            upstream.network_changed();
        }
    }

    /// How each server is doing, in the order of [`servers`](Self::servers).
    pub fn status(&self) -> Vec<ServerStatus> {
        self.upstreams.iter().map(|upstream| ServerStatus::of(upstream)).collect()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self.servers().map(Server::to_string).collect();
        f.debug_struct("Client").field("servers", &servers).field("terms", &self.terms).finish()
    }
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

/// One query for all servers of a client.
struct Question<'a> {
    query: Query,
    upstreams: &'a [Arc<Upstream>],
    extras: &'a Extras,
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

    fn ledger(&self, server: usize) -> &Ledger {
        self.upstream(server).ledger()
    }

    fn purse(&self) -> &Purse {
        &self.extras.purse
    }

    fn dice(&self) -> &Dice {
        &self.extras.dice
    }

    fn warmth(&self, server: usize, now: Instant) -> Warmth {
        self.upstream(server).warmth(now)
    }

    fn ask(&self, server: usize, errand: Errand) -> Asking {
        Box::pin(Arc::clone(self.upstream(server)).ask(self.query.clone(), errand))
    }
}
