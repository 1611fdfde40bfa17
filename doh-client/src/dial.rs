//! A server goes in, an open connection to one of its addresses comes out. Kept apart because this
//! is all the network a new connection needs, and it ends within one budget.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::addresses::Addresses;
use crate::error::{Cause, Failure};
use crate::observer::{Connected, Event, Tls, Witness};
use crate::request::Template;
use crate::server::{Protocol, Server};
use crate::tls;
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

/// How long what we sent may stay without an acknowledgement: then a path is dead, which the system
/// itself notices after a quarter of an hour only (RFC 5482).
#[cfg(any(target_os = "linux", target_os = "android"))]
const USER_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens connections to one server.
pub(crate) struct Dialer {
    server: Arc<Server>,
    addresses: Arc<Addresses>,
    tls: TlsConnector,
    template: Arc<Template>,
    witness: Witness,
}

impl Dialer {
    pub(crate) fn new(
        server: Arc<Server>,
        addresses: Arc<Addresses>,
        tls: TlsConnector,
        witness: Witness,
    ) -> Self {
        let template = Arc::new(Template::new(&server));
        Self { server, addresses, tls, template, witness }
    }

    /// Opens a connection and starts the task that drives it until either side closes it.
    pub(crate) async fn dial(&self) -> Result<Link, Failure> {
        let outcome = match timeout(CONNECT_TIMEOUT, self.connect()).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(Failure::ConnectTimeout(CONNECT_TIMEOUT)),
        };
        if let Err(failure) = &outcome {
            self.witness.note(&Event::ConnectFailed(failure));
        }
        outcome
    }

    async fn connect(&self) -> Result<Link, Failure> {
        let started = Instant::now();
        let (tcp, address) = dial_first(&self.addresses.list()).await?;
        let took = started.elapsed();
        let protocol = self.server.protocol();
        let name = self.server.tls_name().clone();
        let (wire, tls) = match protocol {
            Protocol::Https => encrypted(tls::handshake(&self.tls, name, tcp).await?),
            Protocol::Tls => encrypted(tls::handshake_for_dns(&self.tls, name, tcp).await?),
            Protocol::H2c | Protocol::Tcp | Protocol::Udp => (Wire::plain(tcp), None),
        };
        self.witness.note(&Event::Connected(&Connected { address, tcp: took, tls }));
        let witness = self.witness.clone();
        Ok(match protocol {
            Protocol::Https | Protocol::H2c => {
                let template = Arc::clone(&self.template);
                Link::Http(http::Link::open(wire, template, witness).await?)
            }
            Protocol::Tls | Protocol::Tcp | Protocol::Udp => {
                Link::Stream(stream::Link::open(wire, witness))
            }
        })
    }
}

fn encrypted((tls, agreed): (TlsStream<TcpStream>, Tls)) -> (Wire, Option<Tls>) {
    (Wire::tls(tls), Some(agreed))
}

/// Connects to whichever address answers first, the earlier ones with a head start.
async fn dial_first(addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), Failure> {
    let mut waiting = addresses.iter().copied();
    let mut dialling = FuturesUnordered::new();
    let mut last_failure = None;
    loop {
        dialling.extend(waiting.next().map(dial_one));
        tokio::select! {
            outcome = dialling.next() => match outcome {
                Some(Ok(dialled)) => return Ok(dialled),
                Some(Err(failure)) => last_failure = Some(failure),
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

async fn dial_one(address: SocketAddr) -> Result<(TcpStream, SocketAddr), Failure> {
    let failure = |error| {
        let cause: Cause = Arc::new(error);
        Failure::Connect { address, cause }
    };
    let tcp = TcpStream::connect(address).await.map_err(failure)?;
    // Queries are small and never followed by more: waiting to fill a packet only delays them.
    tcp.set_nodelay(true).map_err(failure)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket2::SockRef::from(&tcp).set_tcp_user_timeout(Some(USER_TIMEOUT)).map_err(failure)?;
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

    #[tokio::test]
    async fn an_address_that_refuses_is_passed_over() {
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [closed_address().await, open.local_addr().unwrap()];

        let (tcp, address) = dial_first(&addresses).await.unwrap();

        assert_eq!((tcp.peer_addr().unwrap(), address), (addresses[1], addresses[1]));
    }

    #[tokio::test]
    async fn when_every_address_refuses_the_last_one_is_named() {
        let addresses = [closed_address().await, closed_address().await];

        let failure = dial_first(&addresses).await.unwrap_err();

        assert!(matches!(failure, Failure::Connect { address, .. } if address == addresses[1]));
    }
}
