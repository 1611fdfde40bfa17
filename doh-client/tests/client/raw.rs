//! A script of frames goes in, an HTTP/2 server that follows it to the letter runs on a loopback
//! port: it can say what no library lets a server say.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use doh_client::{Client, ClientBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;

use crate::fake::{acceptor, clients_of, server_at};

/// Kinds of frames (RFC 9113 section 6).
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

/// Flags of frames.
pub(crate) const NOTHING: u8 = 0;
pub(crate) const END_STREAM: u8 = 1;
const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// Settings (RFC 9113 section 6.5.2).
pub(crate) const MAX_STREAMS: u16 = 3;
pub(crate) const WINDOW: u16 = 4;

/// `:status: 200` and the content type, without a table (RFC 7541).
pub(crate) const HEAD: &[u8] = b"\x88\x0f\x10\x17application/dns-message";

/// A server made of frames. It stops with the runtime of its test.
pub(crate) struct Raw {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Raw {
    /// Starts a server that runs a script for each connection, which it is given the number of.
    pub(crate) async fn start<S, F>(settings: &'static [(u16, u32)], script: S) -> Self
    where
        S: Fn(Peer, usize) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let (counter, tls, script) = (Arc::clone(&connections), acceptor(b"h2"), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (tls, script) = (tls.clone(), Arc::clone(&script));
                let number = counter.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    // The frames of a script are written one by one.
                    tcp.set_nodelay(true).expect("TCP has that");
                    let Ok(tls) = tls.accept(tcp).await else { return };
                    if let Some(peer) = Peer::open(tls, settings).await {
                        script(peer, number).await;
                    }
                });
            }
        });
        Self { address, connections }
    }

    /// A builder with this server, which trusts it.
    pub(crate) fn clients(&self) -> ClientBuilder {
        clients_of([]).server(server_at(self.address))
    }

    /// A client of this server only.
    pub(crate) fn client(&self) -> Client {
        self.clients().build().expect("a server and a good root make a client")
    }

    /// The connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// The server's end of a connection. What the script sends to a client that has gone is lost.
pub(crate) struct Peer {
    tls: TlsStream<TcpStream>,
    bodies: HashMap<u32, Vec<u8>>,
    /// PINGs are answered.
    pub(crate) pings: usize,
    /// RST_STREAM frames of the client.
    pub(crate) resets: usize,
}

impl Peer {
    async fn open(mut tls: TlsStream<TcpStream>, settings: &[(u16, u32)]) -> Option<Self> {
        let mut preface = [0; 24];
        tls.read_exact(&mut preface).await.ok()?;
        let mut peer = Self { tls, bodies: HashMap::new(), pings: 0, resets: 0 };
        peer.settings(settings).await;
        Some(peer)
    }

    /// The next request that is complete, until the client closes the connection.
    pub(crate) async fn request(&mut self) -> Option<(u32, Vec<u8>)> {
        loop {
            let (kind, flags, stream, payload) = self.read().await?;
            match kind {
                HEADERS | DATA => {
                    let body = self.bodies.entry(stream).or_default();
                    if kind == DATA {
                        body.extend_from_slice(&payload);
                    }
                    if flags & END_STREAM != 0 {
                        return Some((stream, self.bodies.remove(&stream).unwrap_or_default()));
                    }
                }
                SETTINGS if flags & ACK == 0 => self.send(SETTINGS, ACK, 0, b"").await,
                PING if flags & ACK == 0 => {
                    self.pings += 1;
                    self.send(PING, ACK, 0, &payload).await;
                }
                RST_STREAM => self.resets += 1,
                GOAWAY => return None,
                _ => {}
            }
        }
    }

    async fn read(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.tls.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("24 bits fit")];
        self.tls.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Some((head[3], head[4], stream, payload))
    }

    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("frames are small").to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        self.write(&frame).await;
    }

    /// Sends bytes as they are.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = self.tls.write_all(bytes).await;
        let _ = self.tls.flush().await;
    }

    pub(crate) async fn settings(&mut self, settings: &[(u16, u32)]) {
        let pairs = settings
            .iter()
            .flat_map(|(name, value)| name.to_be_bytes().into_iter().chain(value.to_be_bytes()));
        let payload: Vec<u8> = pairs.collect();
        self.send(SETTINGS, NOTHING, 0, &payload).await;
    }

    /// Answers NOERROR.
    pub(crate) async fn answer(&mut self, stream: u32, query: &[u8]) {
        self.send(HEADERS, END_HEADERS, stream, HEAD).await;
        self.send(DATA, END_STREAM, stream, &noerror(query)).await;
    }

    pub(crate) async fn reset(&mut self, stream: u32, code: u32) {
        self.send(RST_STREAM, NOTHING, stream, &code.to_be_bytes()).await;
    }

    /// Says goodbye; streams above the last one were not looked at.
    pub(crate) async fn go_away(&mut self, last: u32, code: u32) {
        let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
        self.send(GOAWAY, NOTHING, 0, &payload).await;
    }

    /// Grants room for request bodies.
    pub(crate) async fn widen(&mut self, stream: u32, room: u32) {
        self.send(WINDOW_UPDATE, NOTHING, stream, &room.to_be_bytes()).await;
    }

    /// Answers everything until the client closes the connection.
    pub(crate) async fn serve(&mut self) {
        while let Some((stream, query)) = self.request().await {
            self.answer(stream, &query).await;
        }
    }

    /// Answers nothing, but PINGs, until the client closes the connection.
    pub(crate) async fn ignore(&mut self) {
        while self.request().await.is_some() {}
    }
}

/// The answer to a query that says that there is nothing.
pub(crate) fn noerror(query: &[u8]) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[2..4].copy_from_slice(&[0x81, 0x80]);
    answer
}
