//! Servers and limits come in one by one, a [`Client`] or all that is wrong with them goes out.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem;

use crate::addresses::Lookups;
use crate::bootstrap::lookup::AddressBook;
use crate::bootstrap::{RESOLVER_TIMEOUT, Resolvers};
use crate::choice::Dice;
use crate::client::Client;
use crate::observer::{Observer, Witness};
use crate::proxy::Proxy;
use crate::race::{Hedge, Terms};
use crate::server::{Protocol, Server};
use crate::tls::{Identity, Trust};
use crate::upstream::{Check, IN_FLIGHT, Shared, Upstream};

/// Time for one exchange unless set: a stub resolver gives up after 5 s (`timeout:5` of glibc) and
/// has to get its SERVFAIL before.
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(4500);

/// Time until another server is asked too unless set: a third of [`DEFAULT_TIMEOUT`], so that all
/// three sends of a query have as long.
const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1500);

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
#[derive(Clone)]
#[must_use]
pub struct ClientBuilder {
    servers: Vec<Server>,
    extra_roots: Vec<Vec<u8>>,
    identity: Option<Identity>,
    proxy: Option<Arc<Proxy>>,
    terms: Terms,
    in_flight: usize,
    check: Check,
    seed: Option<u64>,
    observer: Option<Arc<dyn Observer>>,
    bootstrap: Vec<Server>,
    book: Option<Arc<dyn AddressBook>>,
}

impl ClientBuilder {
    pub(crate) fn new() -> Self {
        Self {
            servers: Vec::new(),
            extra_roots: Vec::new(),
            identity: None,
            proxy: None,
            terms: Terms {
                total: DEFAULT_TIMEOUT,
                attempt: DEFAULT_ATTEMPT_TIMEOUT,
                hedge: Hedge::Adaptive,
            },
            in_flight: IN_FLIGHT,
            check: |_| true,
            seed: None,
            observer: None,
            bootstrap: Vec::new(),
            book: None,
        }
    }

    /// Adds a server. Which one is asked does not depend on their order, except for the first query.
    pub fn server(mut self, server: Server) -> Self {
        self.servers.push(server);
        self
    }

    /// Trusts the certificates in this PEM text besides the roots of the web.
    pub fn extra_roots_pem(mut self, pem: &[u8]) -> Self {
        self.extra_roots.push(pem.to_vec());
        self
    }

    /// Shows this certificate to servers that ask for one: PEM, our own first and then what leads to
    /// its root, and its private key.
    pub fn client_certificate_pem(mut self, chain: &[u8], key: &[u8]) -> Self {
        self.identity = Some(Identity { chain: chain.to_vec(), key: key.to_vec() });
        self
    }

    /// Sends all connections through a proxy. It is told the addresses of a server where they are
    /// known, else its name, so that with a proxy no server needs addresses.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(Arc::new(proxy));
        self
    }

    /// Limits the time of one exchange, connecting included; 4.5 s unless set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.terms.total = timeout;
        self
    }

    /// Sets how long a server may be silent before the next one is asked too; 1.5 s unless set.
    ///
    /// The first server goes on meanwhile: a shorter time costs sends, not answers.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.terms.attempt = timeout;
        self
    }

    /// Sets whether a second server may be asked before the first one has failed;
    /// [`Hedge::Adaptive`] unless set.
    pub fn hedge(mut self, hedge: Hedge) -> Self {
        self.terms.hedge = hedge;
        self
    }

    /// Makes the choice of servers the same each time, for tests; it is random unless set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
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

    /// Tells somebody what happens to queries and connections.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Adds a resolver that is asked where servers are whose URLs give no address, after those added
    /// before, and after encrypted ones.
    ///
    /// It has to be known by its address itself. What a plain one (`udp://`) says can be forged, but
    /// that leads no further than to a server without the right certificate.
    ///
    /// Addresses are looked up when the first query needs them, and again when they expire. What
    /// was found once stays until something else is found.
    pub fn bootstrap(mut self, resolver: Server) -> Self {
        self.bootstrap.push(resolver);
        self
    }

    /// Remembers where servers are in a book of the caller's, so that they can be reached while no
    /// bootstrap resolver can.
    pub fn address_book(mut self, book: Arc<dyn AddressBook>) -> Self {
        self.book = Some(book);
        self
    }

    /// Makes the client. Nothing is dialled and no runtime is needed.
    ///
    /// # Errors
    ///
    /// When there is no server, one whose address nobody can be asked for, one that the proxy cannot
    /// carry, no time, an extra root that is none, or a client certificate that does not go with its
    /// key.
    pub fn build(mut self) -> Result<Client, BuildError> {
        if self.servers.is_empty() {
            return Err(BuildError::NoServer);
        }
        if self.terms.total.is_zero() || self.terms.attempt.is_zero() {
            return Err(BuildError::NoTime);
        }
        let is_udp = |server: &&Server| server.protocol() == Protocol::Udp;
        if self.proxy.is_some()
            && let Some(server) = self.servers.iter().find(is_udp)
        {
            return Err(BuildError::ProxyForUdp { server: server.to_string() });
        }
        let mut lookups = self.lookups()?;
        let shared = Shared {
            trust: Trust::new(&self.extra_roots, self.identity.as_ref())?,
            proxy: self.proxy,
            patience: self.terms.attempt,
            in_flight: self.in_flight,
            check: self.check,
        };
        let dice = self.seed.map_or_else(Dice::unforeseen, Dice::new);
        let upstream = |(number, server)| {
            let witness = Witness::new(self.observer.clone(), number);
            let dice = Dice::new(dice.roll());
            let addresses = lookups.addresses(&server, &witness)?;
            Ok(Arc::new(Upstream::new(server, addresses, &shared, dice, witness)?))
        };
        let upstreams: Result<_, BuildError> =
            self.servers.into_iter().enumerate().map(upstream).collect();
        Ok(Client::of(upstreams?, dice, self.terms))
    }

    /// A proxy is told names, and looks them up itself.
    fn lookups(&mut self) -> Result<Lookups, BuildError> {
        if self.proxy.is_some() {
            return Ok(Lookups::not_needed());
        }
        let (bootstrap, book) = (mem::take(&mut self.bootstrap), self.book.take());
        let resolvers = Resolvers::new(bootstrap, |server| self.with_only(server).build())?;
        Ok(Lookups::new(resolvers, book))
    }

    /// The same with another server and nobody to ask for it, to reach a bootstrap resolver. The
    /// limits of queries are not those of lookups, which go on when who wanted them has given up.
    fn with_only(&self, server: Server) -> Self {
        Self {
            servers: vec![server],
            terms: Terms {
                total: RESOLVER_TIMEOUT,
                attempt: DEFAULT_ATTEMPT_TIMEOUT,
                hedge: self.terms.hedge,
            },
            in_flight: IN_FLIGHT,
            bootstrap: Vec::new(),
            book: None,
            observer: None,
            check: |_| true,
            ..self.clone()
        }
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self.servers.iter().map(Server::to_string).collect();
        f.debug_struct("ClientBuilder").field("servers", &servers).finish_non_exhaustive()
    }
}

/// Why there is no client. To blame is the configuration; trying again never helps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No server was added.
    #[error("no server to ask (found none, allowed one or more)")]
    NoServer,
    /// A server's URL gives no address, and there is nobody to ask for it.
    #[error(
        "where to dial `{host}` is not known (found no address and no bootstrap resolver, allowed \
         `https://{host}/dns-query#192.0.2.1,2001:db8::1`, or a bootstrap resolver)"
    )]
    NoAddress {
        /// The host of the URL.
        host: String,
    },
    /// A bootstrap resolver is known by a name only.
    #[error(
        "a bootstrap resolver is never looked up (found `{host}`, allowed an address, such as \
         `udp://9.9.9.9` or `https://9.9.9.9/dns-query`)"
    )]
    BootstrapByName {
        /// The host of the resolver.
        host: String,
    },
    /// A time limit of zero.
    #[error("no time to ask a server (found a timeout of zero, allowed more than that)")]
    NoTime,
    /// The extra roots are not PEM, or hold no certificate.
    #[error("the extra roots are no certificates in PEM")]
    ExtraRootsPem(#[source] pem::Error),
    /// A certificate among the extra roots cannot be used as a root.
    #[error("an extra root is no certificate that can be trusted")]
    ExtraRoot(#[source] rustls::Error),
    /// The client certificate is not PEM, or holds no certificate.
    #[error("the client certificate is no certificate in PEM")]
    ClientCertificatePem(#[source] pem::Error),
    /// The key of the client certificate is not PEM, or holds no key.
    #[error("the client certificate's key is no private key in PEM")]
    ClientKeyPem(#[source] pem::Error),
    /// The key is that of another certificate.
    #[error("the client certificate and the key do not belong together")]
    ClientKeyMismatch,
    /// The client certificate or its key is of a kind that cannot be used.
    #[error("the client certificate or its key cannot be used")]
    ClientCertificate(#[source] rustls::Error),
    /// Proxies carry connections only.
    #[error(
        "the proxy cannot carry `{server}` (found UDP, allowed `https://`, `tls://`, `tcp://` and \
         `h2c://` with a proxy)"
    )]
    ProxyForUdp {
        /// The server.
        server: String,
    },
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}
