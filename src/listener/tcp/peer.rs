//! A new connection comes in, who is behind it goes out: the peer itself, or whoever a proxy that
//! we know stands for.

use std::{io, net::IpAddr, time::Duration};

use tokio::{
    io::AsyncReadExt as _,
    net::TcpStream,
    time::{Instant, sleep_until},
};

use super::proxy::{FIXED, Header, MAX_REST, Malformed};
use crate::{
    metrics::ProxyHeader,
    pipeline::Pipeline,
    query::{Client, Transport},
    server::Drain,
};

/// Longest that a header may take: more than one packet that is lost and sent again
/// (proxy-protocol.txt section 2 asks for three seconds at least).
const PATIENCE: Duration = Duration::from_secs(5);

/// The same once the server ends: what has been sent by then is there.
const PATIENCE_AT_THE_END: Duration = Duration::from_millis(500);

/// Who is behind a connection, and what was read of it beyond that; nobody where a proxy does not
/// say. A proxy that connects and closes, as some do to see whether we are there, is no event.
pub(super) async fn introduce(
    stream: &mut TcpStream,
    peer: IpAddr,
    pipeline: &Pipeline,
    drain: &mut Drain,
) -> Option<(Client, Vec<u8>)> {
    if !pipeline.published.load().config.dns.expects_header_from(peer) {
        return Some((Client::at(peer, Transport::Tcp), Vec::new()));
    }
    let mut octets = Vec::with_capacity(FIXED + MAX_REST);
    match read_header(stream, &mut octets, drain).await {
        Ok((header, length)) => {
            pipeline.metrics.count_proxy_header(ProxyHeader::Accepted);
            octets.drain(..length);
            octets.shrink_to_fit();
            Some((header.client(peer), octets))
        }
        Err(error) if octets.is_empty() => {
            tracing::debug!(%peer, %error, "a proxy closed without a header");
            None
        }
        Err(error) => {
            pipeline.metrics.count_proxy_header(ProxyHeader::Malformed);
            tracing::debug!(%peer, %error, "a connection has no PROXY v2 header");
            None
        }
    }
}

/// Reads until the header is whole; what comes behind it is read too, and left in `octets`.
async fn read_header(
    stream: &mut TcpStream,
    octets: &mut Vec<u8>,
    drain: &mut Drain,
) -> io::Result<(Header, usize)> {
    let mut deadline = Instant::now() + PATIENCE;
    let mut is_draining = false;
    loop {
        match Header::read(octets) {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(Malformed) => return Err(io::ErrorKind::InvalidData.into()),
        }
        tokio::select! {
            read = stream.read_buf(octets) => {
                if read? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            () = sleep_until(deadline) => return Err(io::ErrorKind::TimedOut.into()),
            () = drain.started(), if !is_draining => {
                is_draining = true;
                deadline = deadline.min(Instant::now() + PATIENCE_AT_THE_END);
            }
        }
    }
}
