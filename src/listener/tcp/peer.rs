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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;
    use crate::{
        config::{Config, Environment},
        server::drain,
    };

    /// Both ends of a connection from where a header must come, and who serves it.
    async fn pair() -> (TcpStream, TcpStream, Arc<Pipeline>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let config = "dns.proxy_protocol_from = ['127.0.0.0/8']";
        let config = Arc::new(Config::parse(config, &Environment::default()).unwrap());
        let (pipeline, _engine) = Pipeline::new(&config).unwrap();
        (proxy, stream, pipeline)
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_that_never_ends_its_header_is_let_go() {
        for sent in [b"".as_slice(), b"\r\n\r\n"] {
            let (mut proxy, mut stream, pipeline) = pair().await;
            let (_trigger, mut drain) = drain::channel();
            proxy.write_all(sent).await.unwrap();
            let started = Instant::now();

            let peer = proxy.local_addr().unwrap().ip();
            let introduced = introduce(&mut stream, peer, &pipeline, &mut drain).await;

            assert!(introduced.is_none());
            assert_eq!(started.elapsed().as_secs(), PATIENCE.as_secs());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_server_waits_for_no_header_that_does_not_come() {
        let (proxy, mut stream, pipeline) = pair().await;
        let (trigger, mut drain) = drain::channel();
        drop(trigger);
        let started = Instant::now();

        let peer = proxy.local_addr().unwrap().ip();
        let introduced = introduce(&mut stream, peer, &pipeline, &mut drain).await;

        assert!(introduced.is_none());
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}
