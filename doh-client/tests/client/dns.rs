//! A script goes in, a DNS server that follows it runs on a loopback port, over TLS, TCP or UDP. It
//! is made of bare sockets, so that it can lie about every byte.

mod answer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use doh_client::{Client, Server};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

pub(crate) use answer::{framed, name_of, reply};

use answer::{answers, strays};

use crate::fake::{NAME, acceptor, clients_of};
use crate::stage::Stage;

/// What a server does with one query.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Answers NOERROR.
    Answer,
    /// Answers with these flags.
    Flags([u8; 2]),
    /// Answers with this byte of the message turned by these bits.
    Turn(usize, u8),
    /// Answers in small letters.
    SmallLetters,
    /// Answers with this many bytes in all.
    Size(usize),
    /// Answers under so many ids that nobody uses, and under the right one at last.
    Strays(usize),
    /// Answers after the next answer.
    Hold,
    /// Never answers this query, but goes on with the others.
    Hang,
    /// Writes the first bytes of the answer and closes the connection.
    Part(usize),
    /// Says that the answer has this many bytes.
    Length(u16),
    /// Closes the connection without an answer.
    Close,
    /// Resets the connection without an answer.
    Reset,
    /// Answers and closes the connection.
    AnswerThenClose,
    /// Answers, and closes the connection after so many queries.
    AnswerUpTo(usize),
    /// Answers, and resets the connection.
    AnswerThenReset,
    /// Stops reading and writing, as a path does that went dead.
    GoSilent,
    /// Writes the answer byte by byte, five in a second.
    Trickle,
    /// Lets a stranger answer SERVFAIL from another port, and answers then.
    Stranger,
}

/// The flags of an answer that did not fit.
pub(crate) const TRUNCATED: Act = Act::Flags([0x83, 0x80]);

/// Time between two bytes of [`Act::Trickle`].
const TRICKLE: Duration = Duration::from_millis(200);

/// A scripted server. It stops with the runtime of its test.
pub(crate) struct Dns {
    scheme: &'static str,
    address: SocketAddr,
    stage: Arc<Stage<Act, Seen>>,
    /// Keeps its port, so that nobody else listens there.
    _refusing: Option<TcpSocket>,
}

/// A query as a server saw it.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) from: SocketAddr,
    pub(crate) message: Vec<u8>,
}

impl Dns {
    /// Starts a server that does one act a query; the last one goes for all that follow.
    pub(crate) async fn tcp(script: impl IntoIterator<Item = Act>) -> Self {
        Self::stream("tcp", listener().await, script, None)
    }

    /// Starts a server that needs no ALPN and offers none.
    pub(crate) async fn tls(script: impl IntoIterator<Item = Act>) -> Self {
        let mut config = ServerConfig::clone(acceptor(b"dot").config());
        config.alpn_protocols.clear();
        Self::stream("tls", listener().await, script, Some(Arc::new(config).into()))
    }

    /// Starts a server that names this protocol by ALPN.
    pub(crate) async fn tls_speaking(protocol: &[u8]) -> Self {
        Self::stream("tls", listener().await, [Act::Answer], Some(acceptor(protocol)))
    }

    /// Starts a server that refuses TCP.
    pub(crate) async fn udp(script: impl IntoIterator<Item = Act>) -> Self {
        let (tcp, udp) = same_port().await;
        Self::datagrams(udp, script, Some(tcp))
    }

    /// Starts a server with a script for each of the two.
    pub(crate) async fn udp_and_tcp(
        udp_script: impl IntoIterator<Item = Act>,
        tcp_script: impl IntoIterator<Item = Act>,
    ) -> (Self, Self) {
        let (tcp, udp) = same_port().await;
        let listener = tcp.listen(128).expect("nobody else listens there");
        (Self::datagrams(udp, udp_script, None), Self::stream("tcp", listener, tcp_script, None))
    }

    fn datagrams(
        socket: UdpSocket,
        script: impl IntoIterator<Item = Act>,
        refusing: Option<TcpSocket>,
    ) -> Self {
        let address = socket.local_addr().expect("a bound socket has an address");
        let stage = Arc::new(Stage::of(script));
        tokio::spawn(serve_datagrams(socket, Arc::clone(&stage)));
        Self { scheme: "udp", address, stage, _refusing: refusing }
    }

    fn stream(
        scheme: &'static str,
        listener: TcpListener,
        script: impl IntoIterator<Item = Act>,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let address = listener.local_addr().expect("a bound socket has an address");
        let stage = Arc::new(Stage::of(script));
        tokio::spawn(accept(listener, Arc::clone(&stage), tls));
        Self { scheme, address, stage, _refusing: None }
    }

    /// How the client has to be told about it.
    pub(crate) fn server(&self) -> Server {
        let (scheme, address) = (self.scheme, self.address);
        let url = match scheme {
            "tls" => format!("tls://{NAME}:{}#{}", address.port(), address.ip()),
            _ => format!("{scheme}://{address}"),
        };
        url.parse().expect("the URL of a fake is good")
    }

    /// A client of this server only, which trusts it.
    pub(crate) fn client(&self) -> Client {
        clients_of([]).server(self.server()).build().expect("a server makes a client")
    }

    /// The queries so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.stage.seen()
    }

    /// The connections so far, TLS handshake included.
    pub(crate) fn connections(&self) -> usize {
        self.stage.connections()
    }

    /// Closes every connection and waits until that is done; one that is accepted meanwhile stays.
    pub(crate) async fn close_connections(&self) {
        self.stage.close_connections().await;
    }

    /// Waits until no connection is left.
    pub(crate) async fn connections_closed(&self) {
        self.stage.connections_closed().await;
    }
}

/// A server behind a port where nobody listens.
pub(crate) async fn refusing(scheme: &str) -> Server {
    let address = listener().await.local_addr().expect("a bound socket has an address");
    format!("{scheme}://{address}").parse().expect("the URL of a fake is good")
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port")
}

/// Two sockets at the same port; the first does not listen yet.
async fn same_port() -> (TcpSocket, UdpSocket) {
    loop {
        let tcp = TcpSocket::new_v4().expect("a socket");
        tcp.bind(([127, 0, 0, 1], 0).into()).expect("loopback has a free port");
        let address = tcp.local_addr().expect("a bound socket has an address");
        // Somebody else may have it already.
        if let Ok(udp) = UdpSocket::bind(address).await {
            return (tcp, udp);
        }
    }
}

async fn accept(listener: TcpListener, stage: Arc<Stage<Act, Seen>>, tls: Option<TlsAcceptor>) {
    while let Ok((tcp, from)) = listener.accept().await {
        let (stage, tls) = (Arc::clone(&stage), tls.clone());
        let closing = stage.closing();
        tokio::spawn(async move {
            tcp.set_nodelay(true).expect("a fresh connection takes options");
            let Some(tls) = tls else { return serve(tcp, from, stage, closing).await };
            if let Ok(tls) = tls.accept(tcp).await {
                serve(tls, from, stage, closing).await;
            }
        });
    }
}

/// Something a connection is made of, and what is below it.
trait Wire: AsyncRead + AsyncWrite + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Wire for tokio_rustls::server::TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Runs one connection.
async fn serve(
    mut wire: impl Wire,
    from: SocketAddr,
    stage: Arc<Stage<Act, Seen>>,
    mut closing: watch::Receiver<()>,
) {
    stage.note_connection();
    let mut held = Vec::new();
    for number in 1.. {
        let query = tokio::select! {
            query = read(&mut wire) => query,
            _ = closing.changed() => return,
        };
        let Some(query) = query else { return };
        let act = see(&stage, from, &query);
        match act {
            Act::Hold => held.push(framed(&reply(act, &query))),
            Act::Hang => {}
            Act::Close => return,
            Act::Reset => {
                wire.tcp().set_zero_linger().expect("an open connection takes options");
                return;
            }
            Act::GoSilent => {
                // Keeps the connection without ever looking at it again, until the test closes it.
                let _ = closing.changed().await;
                return;
            }
            Act::Trickle => {
                for byte in framed(&reply(act, &query)) {
                    sleep(TRICKLE).await;
                    let _ = wire.write_u8(byte).await;
                    let _ = wire.flush().await;
                }
            }
            act => {
                let bytes = [answers(act, &query), held.concat()].concat();
                held.clear();
                // The client may be gone by now, which is its right.
                let _ = wire.write_all(&bytes).await;
                let _ = wire.flush().await;
            }
        }
        if let Act::AnswerThenReset = act {
            wire.tcp().set_zero_linger().expect("an open connection takes options");
        }
        if let Act::Part(_) | Act::AnswerThenClose | Act::AnswerThenReset = act {
            return;
        }
        if let Act::AnswerUpTo(limit) = act
            && number >= limit
        {
            return;
        }
    }
}

/// Takes down a query; returns what to do with it.
fn see(stage: &Stage<Act, Seen>, from: SocketAddr, message: &[u8]) -> Act {
    stage.see(Seen { from, message: message.to_vec() });
    stage.next_act()
}

async fn read(wire: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let length = wire.read_u16().await.ok()?;
    let mut query = vec![0; length.into()];
    wire.read_exact(&mut query).await.ok()?;
    Some(query)
}

async fn serve_datagrams(socket: UdpSocket, stage: Arc<Stage<Act, Seen>>) {
    let (mut room, mut held) = (vec![0; 65_535], Vec::new());
    while let Ok((length, from)) = socket.recv_from(&mut room).await {
        let query = &room[..length];
        let act = see(&stage, from, query);
        let answer = reply(act, query);
        match act {
            Act::Hang => continue,
            Act::Hold => {
                held.push((answer, from));
                continue;
            }
            Act::Strays(count) => {
                for stray in strays(&answer, count) {
                    let _ = socket.send_to(&stray, from).await;
                }
            }
            Act::Stranger => {
                let stranger = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
                let forged = reply(Act::Flags([0x81, 0x82]), query);
                let _ = stranger.send_to(&forged, from).await;
            }
            _ => {}
        }
        // The client may be gone by now, which is its right.
        let _ = socket.send_to(&answer, from).await;
        for (answer, from) in held.drain(..) {
            let _ = socket.send_to(&answer, from).await;
        }
    }
}
