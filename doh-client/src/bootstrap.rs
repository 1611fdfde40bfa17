//! A host goes in, what the bootstrap resolvers know of it comes out. Kept apart so that who is
//! asked when, and who is waited for, stands in one place.

mod answer;
pub(crate) mod lookup;

use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep, sleep_until};

use answer::{Family, Records, Useless};

use crate::builder::BuildError;
use crate::client::Client;
use crate::error::Error;
use crate::message::Query;
use crate::server::{Protocol, Server};

/// Time for one lookup, all resolvers together: a query that waits for it has 4.5 s, and what went
/// wrong has to be known by then.
pub(crate) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(4);

/// Time for one resolver: it is over before [`LOOKUP_TIMEOUT`] is, so that a silent resolver is told
/// by its name.
pub(crate) const RESOLVER_TIMEOUT: Duration = Duration::from_millis(3500);

/// How long one resolver is waited for before the next is asked beside it: most answer within
/// 100 ms, and a silent one must not cost a second.
const NEXT_RESOLVER_AFTER: Duration = Duration::from_millis(300);

/// How long the other family is waited for once one has addresses (RFC 8305 section 3): there are
/// networks where questions for AAAA are never answered.
const OTHER_FAMILY_WITHIN: Duration = Duration::from_millis(50);

/// The resolvers to ask.
pub(crate) struct Resolvers {
    /// In the order they are asked.
    roads: Vec<Box<dyn Road>>,
}

/// The way to one resolver.
pub(crate) trait Road: Send + Sync {
    /// Asks it for the addresses of one family.
    fn ask<'a>(&'a self, question: &'a Query, family: Family) -> Asking<'a>;
}

/// A resolver being asked.
pub(crate) type Asking<'a> =
    Pin<Box<dyn Future<Output = Result<Records, LookupProblem>> + Send + 'a>>;

/// What is known of a host, each family by itself.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) v4: Result<Records, LookupProblem>,
    pub(crate) v6: Result<Records, LookupProblem>,
}

/// Why addresses of one family are not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupProblem {
    #[error("the name cannot be asked for")]
    NoName,
    #[error("there is no bootstrap resolver")]
    NoResolver,
    #[error("no bootstrap resolver answered within {0:?}")]
    Timeout(Duration),
    #[error("a bootstrap resolver cannot be asked")]
    Exchange(#[source] Error),
    #[error("the answer of a bootstrap resolver is of no use")]
    Useless(#[from] Useless),
    #[error("it has no address")]
    NoAddress,
}

impl Resolvers {
    /// Prepares them without asking anybody; encrypted ones come first.
    pub(crate) fn new(
        mut servers: Vec<Server>,
        client: impl Fn(Server) -> Result<Client, BuildError>,
    ) -> Result<Self, BuildError> {
        servers.sort_by_key(|server| !server.protocol().has_tls());
        let mut roads: Vec<Box<dyn Road>> = Vec::with_capacity(servers.len());
        for server in servers {
            if server.needs_lookup() {
                return Err(BuildError::BootstrapByName { host: server.host().to_owned() });
            }
            for resolver in apart(server) {
                roads.push(Box::new(client(resolver)?));
            }
        }
        Ok(Self { roads })
    }

    /// Whether there is nobody to ask.
    pub(crate) fn are_none(&self) -> bool {
        self.roads.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn over(roads: Vec<Box<dyn Road>>) -> Self {
        Self { roads }
    }

    /// Asks for both families at once, within [`LOOKUP_TIMEOUT`].
    pub(crate) async fn find(&self, host: &str) -> Found {
        let (v4, v6) = (self.ask(host, Family::V4), self.ask(host, Family::V6));
        tokio::pin!(v4, v6);
        let silence = || Err(LookupProblem::Timeout(LOOKUP_TIMEOUT));
        let (mut found_v4, mut found_v6) = (None, None);
        let mut until = Instant::now() + LOOKUP_TIMEOUT;
        while found_v4.is_none() || found_v6.is_none() {
            tokio::select! {
                found = &mut v4, if found_v4.is_none() => found_v4 = Some(found),
                found = &mut v6, if found_v6.is_none() => found_v6 = Some(found),
                () = sleep_until(until) => break,
            }
            if has_addresses(found_v4.as_ref()) || has_addresses(found_v6.as_ref()) {
                until = until.min(Instant::now() + OTHER_FAMILY_WITHIN);
            }
        }
        Found { v4: found_v4.unwrap_or_else(silence), v6: found_v6.unwrap_or_else(silence) }
    }

    /// Takes the first good answer of the resolvers, the earlier ones with a head start.
    async fn ask(&self, host: &str, family: Family) -> Result<Records, LookupProblem> {
        let question = family.question(host).ok_or(LookupProblem::NoName)?;
        let mut waiting = self.roads.iter();
        let mut asking = FuturesUnordered::new();
        let mut problem = LookupProblem::NoResolver;
        loop {
            asking.extend(waiting.next().map(|road| road.ask(&question, family)));
            tokio::select! {
                outcome = asking.next() => match outcome {
                    Some(Ok(records)) => return Ok(records),
                    Some(Err(found)) => problem = found,
                    None => return Err(problem),
                },
                () = sleep(NEXT_RESOLVER_AFTER), if waiting.len() > 0 => {}
            }
        }
    }
}

/// Encrypted or not, a resolver is a server as any other.
impl Road for Client {
    fn ask<'a>(&'a self, question: &'a Query, family: Family) -> Asking<'a> {
        Box::pin(async move {
            let exchange = self.exchange(&question.wire()).await;
            let answer = exchange.map_err(LookupProblem::Exchange)?.answer;
            Ok(family.read(question, &answer)?)
        })
    }
}

/// Over UDP each address is a resolver of its own: nothing is connected there that would show which
/// of them are alive, so that they are asked beside each other.
fn apart(server: Server) -> Vec<Server> {
    match server.protocol() {
        Protocol::Udp => server.by_address().collect(),
        Protocol::Https | Protocol::H2c | Protocol::Tls | Protocol::Tcp => vec![server],
    }
}

fn has_addresses(found: Option<&Result<Records, LookupProblem>>) -> bool {
    matches!(found, Some(Ok(records)) if !records.addresses.is_empty())
}
