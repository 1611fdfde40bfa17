//! A server goes in, an open connection to one of its addresses comes out. Kept apart because this
//! is all the network a new connection needs, and it ends within one budget.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::client::TlsStream;
use tracing::warn;

use crate::addresses::Addresses;
use crate::error::{Cause, Failure};
use crate::observer::{Connected, Event, Tls as Agreed, Witness};
use crate::order::Order;
use crate::proxy::{Proxy, Target};
use crate::request::Template;
use crate::server::{Protocol, Server};
use crate::tls::{self, Keys, Tls};
use crate::transport::{Link, http, stream};
use crate::wire::Wire;

/// Time for TCP, TLS and HTTP/2 together: long enough for one lost SYN (sent again after 1 s), and
/// no longer than a query waits before another server is asked.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);

/// How long one address is waited for before the next is dialled beside it (RFC 8305 section 8).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// While answers are owed: silence before a PING, and the time its echo may take. Streams do not
/// fail by themselves on a path that went dead, for minutes; this finds it within 2 s.
pub(crate) const PING_AFTER: Duration = Duration::from_secs(1);
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a silent path may go unnoticed while answers are owed.
pub(crate) const SILENCE_LIMIT: Duration = PING_AFTER.saturating_add(PING_TIMEOUT);

/// How long a server may take to answer a post-quantum greeting before a smaller one is tried: time
/// for a lost packet to be sent again twice (after 200 ms and after 400 ms), and more than half of
/// [`CONNECT_TIMEOUT`] is left.
const LARGE_GREETING_TIMEOUT: Duration = Duration::from_millis(650);

/// On long paths a greeting is waited for as many times as long as TCP took to connect.
const LARGE_GREETING_ROUND_TRIPS: u32 = 3;

/// How long what we sent may stay without an acknowledgement: then a path is dead, which the system
/// itself notices after a quarter of an hour only (RFC 5482).
#[cfg(any(target_os = "linux", target_os = "android"))]
const USER_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens connections to one server.
pub(crate) struct Dialer {
    server: Arc<Server>,
    addresses: Arc<Addresses>,
    /// Nothing where the server speaks without.
    tls: Option<Tls>,
    proxy: Option<Arc<Proxy>>,
    order: Mutex<Order>,
    template: Arc<Template>,
    tolerance: Arc<stream::Tolerance>,
    witness: Witness,
}

/// A connection that is not encrypted yet.
struct Opened {
    tcp: TcpStream,
    /// The other end, which is the proxy's where it was told a name.
    address: SocketAddr,
    target: Target,
    took: Duration,
}

type Dialled = Result<(TcpStream, SocketAddr), Failure>;

impl Dialer {
    /// Dials without a proxy.
    pub(crate) fn new(
        server: Arc<Server>,
        addresses: Arc<Addresses>,
        tls: Option<Tls>,
        witness: Witness,
    ) -> Self {
        let template = Arc::new(Template::new(&server));
        let (order, tolerance) = (Mutex::default(), Arc::default());
        Self { server, addresses, tls, proxy: None, order, template, tolerance, witness }
    }

    /// Dials through a proxy, if there is one.
    pub(crate) fn through(mut self, proxy: Option<Arc<Proxy>>) -> Self {
        self.proxy = proxy;
        self
    }

    /// Opens a connection and starts the task that drives it until either side closes it.
    pub(crate) async fn dial(&self) -> Result<Link, Failure> {
        let outcome = self.dial_known().await;
        if let Err(failure) = &outcome {
            self.witness.note(&Event::ConnectFailed(failure));
        }
        outcome
    }

    /// Looking up addresses has a time of its own: only the first connection ever waits for it.
    async fn dial_known(&self) -> Result<Link, Failure> {
        let targets = match &self.proxy {
            Some(_) => Target::of(&self.server),
            None => {
                let addresses = self.addresses.list().await?;
                let sorted = self.order().sort(&addresses, Instant::now());
                sorted.into_iter().map(Target::Address).collect()
            }
        };
        let outcome = match timeout(CONNECT_TIMEOUT, self.connect(targets)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(Failure::ConnectTimeout(CONNECT_TIMEOUT)),
        };
        if let Err(Failure::Connect { .. } | Failure::ConnectTimeout(_)) = outcome {
            self.addresses.doubt();
        }
        outcome
    }

    /// Forgets what was learned of the ways to the server: they may be others now.
    pub(crate) fn forget_paths(&self) {
        *self.order() = Order::default();
        if let Some(tls) = &self.tls {
            tls.forget_path();
        }
    }

    async fn connect(&self, targets: Vec<Target>) -> Result<Link, Failure> {
        let opened = self.open(targets).await?;
        let (address, tcp, target) = (opened.address, opened.took, opened.target.clone());
        let suspect = Suspect::new(&self.order, &target);
        let (wire, tls) = match &self.tls {
            Some(tls) => {
                let (stream, agreed) = self.secure(tls, opened).await?;
                (Wire::tls(stream), Some(agreed))
            }
            None => (Wire::plain(opened.tcp), None),
        };
        suspect.acquit();
        self.witness.note(&Event::Connected(&Connected { address, tcp, tls }));
        self.speak(wire).await
    }

    /// Speaks the server's protocol over bytes that reach it.
    async fn speak(&self, wire: Wire) -> Result<Link, Failure> {
        let witness = self.witness.clone();
        Ok(match self.server.protocol() {
            Protocol::Https | Protocol::H2c => {
                let template = Arc::clone(&self.template);
                Link::Http(http::Link::open(wire, template, witness).await?)
            }
            Protocol::Tls | Protocol::Tcp | Protocol::Udp => {
                let tolerance = Arc::clone(&self.tolerance);
                Link::Stream(stream::Link::open(wire, tolerance, witness))
            }
        })
    }

    /// Opens a connection to whichever target answers first.
    async fn open(&self, targets: Vec<Target>) -> Result<Opened, Failure> {
        let started = Instant::now();
        let note = |target: &Target| note_failure(&self.order, target);
        let dial = |target| async move { (self.reach(&target).await, target) };
        let (tcp, address, target) = dial_first(targets, dial, note).await?;
        Ok(Opened { tcp, address, target, took: started.elapsed() })
    }

    async fn reach(&self, target: &Target) -> Dialled {
        match (&self.proxy, target) {
            (Some(proxy), _) => {
                let (tcp, proxy) = proxy.reach(target).await?;
                Ok((tcp, target.address().unwrap_or(proxy)))
            }
            (None, Target::Address(address)) => dial_one(*address).await,
            // Without a proxy every target is an address.
            (None, Target::Name(..)) => Err(Failure::ConnectTimeout(CONNECT_TIMEOUT)),
        }
    }

    /// Speaks TLS. Where a greeting with post-quantum keys, which fills two packets, gets lost on
    /// the way and one without them does not, the server is greeted without them for a day.
    async fn secure(&self, tls: &Tls, opened: Opened) -> Result<Secured, Failure> {
        let now = Instant::now();
        if tls.keys(now) == Keys::Classical {
            return tls.handshake(Keys::Classical, opened.tcp).await;
        }
        let patience = LARGE_GREETING_TIMEOUT.max(opened.took * LARGE_GREETING_ROUND_TRIPS);
        match timeout(patience, tls.handshake(Keys::PostQuantum, opened.tcp)).await {
            Ok(Ok(secured)) => {
                tls.note_passed();
                return Ok(secured);
            }
            Ok(Err(failure)) if !tls::was_cut(&failure) => return Err(failure),
            Ok(Err(_)) | Err(_) => {}
        }
        let (tcp, _) = self.reach(&opened.target).await?;
        let secured = tls.handshake(Keys::Classical, tcp).await?;
        if tls.note_cut(now) {
            let server = &self.server;
            warn!(%server, "post-quantum greetings do not get through, going on without for a day");
            self.witness.note(&Event::Downgraded);
        }
        Ok(secured)
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Secured = (TlsStream<TcpStream>, Agreed);

/// Notes an address as failed unless TLS comes about, also when the time is over before that.
struct Suspect<'a> {
    order: &'a Mutex<Order>,
    target: &'a Target,
    is_acquitted: bool,
}

impl<'a> Suspect<'a> {
    fn new(order: &'a Mutex<Order>, target: &'a Target) -> Self {
        Self { order, target, is_acquitted: false }
    }

    fn acquit(mut self) {
        self.is_acquitted = true;
        if let Some(address) = self.target.address() {
            self.order.lock().unwrap_or_else(PoisonError::into_inner).note_success(address);
        }
    }
}

impl Drop for Suspect<'_> {
    fn drop(&mut self) {
        if !self.is_acquitted {
            note_failure(self.order, self.target);
        }
    }
}

fn note_failure(order: &Mutex<Order>, target: &Target) {
    if let Some(address) = target.address() {
        let mut order = order.lock().unwrap_or_else(PoisonError::into_inner);
        order.note_failure(address, Instant::now());
    }
}

/// Connects to whichever target answers first, the earlier ones with a head start; tells which of
/// them failed, were overtaken, or were silent until this was given up.
async fn dial_first<F: Future<Output = (Dialled, Target)>>(
    targets: Vec<Target>,
    dial: impl Fn(Target) -> F,
    note: impl Fn(&Target),
) -> Result<(TcpStream, SocketAddr, Target), Failure> {
    let mut waiting = targets.into_iter();
    let mut dialling = FuturesUnordered::new();
    let mut silent = Silent { targets: Vec::new(), note };
    let mut last_failure = None;
    loop {
        if let Some(target) = waiting.next() {
            silent.targets.push(target.clone());
            dialling.push(dial(target));
        }
        tokio::select! {
            outcome = dialling.next() => match outcome {
                Some((Ok((tcp, address)), target)) => {
                    // Those dialled before it had their chance; those after it did not.
                    let earlier = silent.targets.iter().take_while(|other| **other != target);
                    let earlier = earlier.count();
                    silent.targets.truncate(earlier);
                    return Ok((tcp, address, target));
                }
                Some((Err(failure), target)) => {
                    (silent.note)(&target);
                    silent.targets.retain(|other| *other != target);
                    last_failure = Some(failure);
                }
                // None is left to wait for: each failed, and a server has one at least.
                None => {
                    let nothing_dialled = Failure::ConnectTimeout(CONNECT_TIMEOUT);
                    return Err(last_failure.unwrap_or(nothing_dialled));
                }
            },
            () = sleep(NEXT_ADDRESS_AFTER), if waiting.len() > 0 => {}
        }
    }
}

/// Targets that have not answered; tells of them when it goes.
struct Silent<N: Fn(&Target)> {
    targets: Vec<Target>,
    note: N,
}

impl<N: Fn(&Target)> Drop for Silent<N> {
    fn drop(&mut self) {
        self.targets.iter().for_each(&self.note);
    }
}

async fn dial_one(address: SocketAddr) -> Dialled {
    let failure = |error| {
        let cause: Cause = Arc::new(error);
        Failure::Connect { address, cause }
    };
    let tcp = TcpStream::connect(address).await.map_err(failure)?;
    // Queries are small and never followed by more: waiting to fill a packet only delays them.
    tcp.set_nodelay(true).map_err(failure)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // Some sandboxes do not know it, which costs time but no answer.
    let _ = socket2::SockRef::from(&tcp).set_tcp_user_timeout(Some(USER_TIMEOUT));
    Ok((tcp, address))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn closed_address() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        listener.local_addr().expect("a bound socket has an address")
    }

    async fn dial_all(
        addresses: &[SocketAddr],
    ) -> Result<(TcpStream, SocketAddr, Target), Failure> {
        let targets = addresses.iter().copied().map(Target::Address).collect();
        let dial = |target: Target| async move {
            (dial_one(target.address().expect("an address")).await, target)
        };
        dial_first(targets, dial, |_| {}).await
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_passed_over() {
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [closed_address().await, open.local_addr().unwrap()];

        let (tcp, address, _) = dial_all(&addresses).await.unwrap();

        assert_eq!((tcp.peer_addr().unwrap(), address), (addresses[1], addresses[1]));
    }

    #[tokio::test]
    async fn when_every_address_refuses_the_last_one_is_named() {
        let addresses = [closed_address().await, closed_address().await];

        let failure = dial_all(&addresses).await.unwrap_err();

        assert!(matches!(failure, Failure::Connect { address, .. } if address == addresses[1]));
    }
}
