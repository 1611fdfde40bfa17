//! The addresses of a server go in, an HTTP/2 connection comes out. Kept apart because this is all
//! the network a new connection needs, and it ends within one budget.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http_body_util::Full;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tracing::debug;

use crate::error::{Cause, Failure};
use crate::server::Server;
use crate::tls;
use crate::upstream::IN_FLIGHT;

/// Time for TCP, TLS and HTTP/2 together: long enough for one lost SYN (sent again after 1 s), and
/// no longer than a query waits before another server is asked.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);

/// How long one address is waited for before the next is dialled beside it (RFC 8305 section 8).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// While answers are owed: silence before a PING, and the time its echo may take. Streams do not
/// fail by themselves on a path that went dead, for minutes; this finds it within 2 s.
const PING_AFTER: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a silent path may go unnoticed while answers are owed.
pub(crate) const SILENCE_LIMIT: Duration = PING_AFTER.saturating_add(PING_TIMEOUT);

/// Room for one answer of any size in a stream.
const STREAM_WINDOW: u32 = 65_535;

/// Room for many answers in a connection; h2 also takes half of it as the number of bytes that
/// small frames may waste before it says goodbye, hence at least 1 MiB.
const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;

/// Response headers of a resolver fill a few hundred bytes.
const MAX_HEADERS: u32 = 8 * 1024;

/// How long late frames of a query that was given up are known as such; after that they would end
/// the connection.
const REMEMBER_RESETS: Duration = Duration::from_secs(10);

/// Where requests of one connection go in.
pub(crate) type Sender = SendRequest<Full<Bytes>>;

/// Opens connections to one server.
pub(crate) struct Dialer {
    server: Arc<Server>,
    tls: TlsConnector,
}

impl Dialer {
    pub(crate) fn new(server: Arc<Server>, tls: TlsConnector) -> Self {
        Self { server, tls }
    }

    /// Opens a connection and starts the task that drives it until either side closes it.
    pub(crate) async fn dial(&self) -> Result<Sender, Failure> {
        match timeout(CONNECT_TIMEOUT, self.connect()).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(Failure::ConnectTimeout(CONNECT_TIMEOUT)),
        }
    }

    async fn connect(&self) -> Result<Sender, Failure> {
        let tcp = dial_first(self.server.addresses()).await?;
        let tls = tls::handshake(&self.tls, self.server.tls_name().clone(), tcp).await?;
        let (sender, connection) =
            http2_settings().handshake(TokioIo::new(tls)).await.map_err(Failure::from_http)?;
        let server = Arc::clone(&self.server);
        tokio::spawn(async move {
            match connection.await {
                Ok(()) => debug!(%server, "connection closed"),
                Err(error) => debug!(%server, %error, "connection broke"),
            }
        });
        Ok(sender)
    }
}

fn http2_settings() -> http2::Builder<TokioExecutor> {
    let mut settings = http2::Builder::new(TokioExecutor::new());
    settings
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADERS)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(false)
        .max_concurrent_reset_streams(IN_FLIGHT)
        .max_local_error_reset_streams(None)
        .reset_stream_duration(REMEMBER_RESETS);
    settings
}

/// Connects to whichever address answers first, the earlier ones with a head start.
async fn dial_first(addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
    let mut waiting = addresses.iter().copied();
    let mut dialling = FuturesUnordered::new();
    let mut last_failure = None;
    loop {
        dialling.extend(waiting.next().map(dial_one));
        tokio::select! {
            outcome = dialling.next() => match outcome {
                Some(Ok(tcp)) => return Ok(tcp),
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

async fn dial_one(address: SocketAddr) -> Result<TcpStream, Failure> {
    let failure = |error| {
        let cause: Cause = Arc::new(error);
        Failure::Connect { address, cause }
    };
    let tcp = TcpStream::connect(address).await.map_err(failure)?;
    // Queries are small and never followed by more: waiting to fill a packet only delays them.
    tcp.set_nodelay(true).map_err(failure)?;
    Ok(tcp)
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

        let tcp = dial_first(&addresses).await.unwrap();

        assert_eq!(tcp.peer_addr().unwrap(), addresses[1]);
    }

    #[tokio::test]
    async fn when_every_address_refuses_the_last_one_is_named() {
        let addresses = [closed_address().await, closed_address().await];

        let failure = dial_first(&addresses).await.unwrap_err();

        assert!(matches!(failure, Failure::Connect { address, .. } if address == addresses[1]));
    }
}
