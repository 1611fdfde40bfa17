//! A script goes in, a DoH server that follows it runs on a loopback port. It is made of the bare
//! `h2` crate, so that it can break HTTP/2 in ways no well-behaved server does.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use doh_client::{Client, ClientBuilder, Server};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Method, Request, Response, Uri};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use crate::stage::Stage;

/// The name in the certificates of the fakes.
pub(crate) const NAME: &str = "dns.test";

/// The authority that signs them.
static AUTHORITY: LazyLock<CertifiedIssuer<'static, KeyPair>> = LazyLock::new(|| {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("a root certificate")
});

/// What becomes of a good answer.
pub(crate) type Change = fn(&mut Vec<u8>);

/// What a fake does with one request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Answers NOERROR.
    Answer,
    /// Answers with these flags.
    Flags([u8; 2]),
    /// Answers with an id that is not 0.
    WrongId,
    /// Answers a question that was not asked.
    WrongQuestion,
    /// Answers with this many bytes in all.
    Size(usize),
    /// Answers from a cache, with this `age` header.
    Age(&'static str),
    /// Answers under this content type.
    Type(&'static str),
    /// Answers with this status.
    Status(u16),
    /// Answers 200 with this header besides the others.
    Header(&'static str, &'static str),
    /// Refuses with this status and this `retry-after`.
    RetryAfter(u16, &'static str),
    /// Answers with what this makes of a good answer.
    Body(Change),
    /// Answers after so many milliseconds.
    Late(u64),
    /// Answers with more than any message has, without an end.
    Endless,
    /// Answers, unless the query came as a POST, which it refuses with this status.
    GetOnly(u16),
    /// Answers a first query of a connection, and refuses all others there with this status.
    FirstOnly(u16),
    /// Resets the stream.
    Reset,
    /// Closes the connection without an answer.
    Close,
    /// Says GOAWAY without an answer.
    GoAway,
    /// Answers, and says GOAWAY afterwards.
    AnswerThenGoAway,
    /// Never answers this request, but goes on with the others.
    Hang,
    /// Stops reading and writing, as a path does that went dead.
    GoSilent,
}

/// The flags of a failed answer.
pub(crate) const SERVFAIL: Act = Act::Flags([0x81, 0x82]);

/// The flags of an answer that did not fit.
pub(crate) const TRUNCATED: Act = Act::Flags([0x83, 0x80]);

/// A scripted server. It stops with the runtime of its test.
pub(crate) struct Fake {
    address: SocketAddr,
    stage: Arc<Stage<Act, Seen>>,
}

/// A request as a fake saw it.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Fake {
    /// Starts a server that does one act a request; the last one goes for all that follow.
    pub(crate) async fn start(script: impl IntoIterator<Item = Act>) -> Self {
        Self::with(script, b"h2").await
    }

    /// Starts a server that speaks another protocol than HTTP/2.
    pub(crate) async fn speaking(protocol: &[u8]) -> Self {
        Self::with([Act::Answer], protocol).await
    }

    async fn with(script: impl IntoIterator<Item = Act>, protocol: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let stage = Arc::new(Stage::of(script));
        tokio::spawn(accept(listener, Arc::clone(&stage), acceptor(protocol)));
        Self { address, stage }
    }

    /// How the client has to be told about it.
    pub(crate) fn server(&self) -> Server {
        server_at(self.address)
    }

    /// A client of this server only, which trusts it.
    pub(crate) fn client(&self) -> Client {
        clients_of([self]).build().expect("a server and a good root make a client")
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far.
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

/// How the client has to be told about a server with the name of the fakes.
pub(crate) fn server_at(address: SocketAddr) -> Server {
    let url = format!("https://{NAME}:{}/dns-query#{}", address.port(), address.ip());
    url.parse().expect("the URL of a fake is good")
}

/// A builder with these servers, in this order, and the authority that signed them.
pub(crate) fn clients_of<'a>(fakes: impl IntoIterator<Item = &'a Fake>) -> ClientBuilder {
    let builder = Client::builder().extra_roots_pem(AUTHORITY.pem().as_bytes());
    fakes.into_iter().fold(builder, |builder, fake| builder.server(fake.server()))
}

/// A server that refuses every connection.
pub(crate) async fn refusing() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    server_at(listener.local_addr().expect("a bound socket has an address"))
}

/// TLS as a server with the name of the fakes speaks it.
pub(crate) fn acceptor(protocol: &[u8]) -> TlsAcceptor {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([NAME.to_owned()]).expect("a good name");
    let certificate = params.signed_by(&key, &AUTHORITY).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key in PKCS #8");
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has the default versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("certificate and key belong together");
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(listener: TcpListener, stage: Arc<Stage<Act, Seen>>, tls: TlsAcceptor) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (stage, closing) = (Arc::clone(&stage), stage.closing());
        tokio::spawn(serve(tcp, stage, closing, tls.clone()));
    }
}

/// Runs one connection; what an act does to all of it comes back over a channel.
async fn serve(
    tcp: TcpStream,
    stage: Arc<Stage<Act, Seen>>,
    mut closing: watch::Receiver<()>,
    tls: TlsAcceptor,
) {
    let Ok(tls) = tls.accept(tcp).await else { return };
    stage.note_connection();
    let Ok(mut connection) = h2::server::handshake(tls).await else { return };
    let (tell, mut told) = mpsc::channel(1);
    loop {
        tokio::select! {
            request = connection.accept() => {
                let Some(Ok((request, respond))) = request else { return };
                let (act, stage) = (stage.next_act(), Arc::clone(&stage));
                tokio::spawn(perform(act, request, respond, stage, tell.clone()));
            }
            act = told.recv() => match act {
                Some(Act::GoAway) => connection.abrupt_shutdown(Reason::NO_ERROR),
                Some(Act::AnswerThenGoAway) => connection.graceful_shutdown(),
                Some(Act::GoSilent) => break,
                _ => return,
            },
            _ = closing.changed() => return,
        }
    }
    // Keeps the connection without ever looking at it again, until the test closes it.
    let _ = closing.changed().await;
}

async fn perform(
    act: Act,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    stage: Arc<Stage<Act, Seen>>,
    tell: mpsc::Sender<Act>,
) {
    let is_post = request.method() == Method::POST;
    let query = see(&stage, request).await;
    match act {
        Act::Reset => respond.send_reset(Reason::INTERNAL_ERROR),
        Act::Hang => pending().await,
        Act::Close | Act::GoAway | Act::GoSilent => {
            let _ = tell.send(act).await;
            pending().await
        }
        act => {
            if let Act::Late(delay) = act {
                sleep(Duration::from_millis(delay)).await;
            }
            let is_refused = match act {
                Act::GetOnly(_) => is_post,
                Act::FirstOnly(_) => respond.stream_id().as_u32() > 1,
                _ => true,
            };
            let (head, body) = response(if is_refused { act } else { Act::Answer }, query);
            // The client may be gone by now, which is its right.
            if let Ok(stream) = respond.send_response(head, false) {
                send_body(act, stream, body.into()).await;
            }
            if let Act::AnswerThenGoAway = act {
                let _ = tell.send(act).await;
            }
        }
    }
}

async fn send_body(act: Act, mut stream: SendStream<Bytes>, body: Bytes) {
    let mut send = |body, is_end| stream.send_data(body, is_end);
    let _ = match act {
        Act::Endless => {
            while send(Bytes::from_static(&[0; 16_384]), false).is_ok() {
                tokio::task::yield_now().await;
            }
            Ok(())
        }
        _ => send(body, true),
    };
}

/// The response of an act that makes one.
fn response(act: Act, mut message: Vec<u8>) -> (Response<()>, Vec<u8>) {
    message[2..4].copy_from_slice(&[0x81, 0x80]);
    let mut head = Response::builder().header("content-type", "application/dns-message");
    match act {
        Act::Flags(flags) => message[2..4].copy_from_slice(&flags),
        Act::WrongId => message[1] = 7,
        Act::WrongQuestion => message[13] ^= 1,
        Act::Size(size) => message.resize(size, 0),
        Act::Body(change) => change(&mut message),
        Act::Age(age) => head = head.header("age", age),
        Act::Type(found) => head = Response::builder().header("content-type", found),
        Act::Header(name, value) => head = head.header(name, value),
        Act::Status(status) | Act::GetOnly(status) | Act::FirstOnly(status) => {
            head = head.status(status);
        }
        Act::RetryAfter(status, after) => head = head.status(status).header("retry-after", after),
        _ => {}
    }
    (head.body(()).expect("the headers of a script are valid"), message)
}

/// The query in the URL of a GET.
fn query_of(uri: &Uri) -> Vec<u8> {
    let text = uri.query().and_then(|query| query.strip_prefix("dns=")).expect("a query");
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => panic!("{text} is no base64url"),
    };
    let mut bits = 0_u32;
    let mut bytes = Vec::new();
    for (number, digit) in text.bytes().enumerate() {
        bits = (bits << 6) | u32::from(value(digit));
        if number % 4 > 0 {
            let left = 6 - 2 * (number % 4);
            bytes.push(u8::try_from((bits >> left) & 0xff).expect("8 bits are left"));
        }
    }
    bytes
}

/// Takes down a request; returns its query.
async fn see(stage: &Stage<Act, Seen>, request: Request<RecvStream>) -> Vec<u8> {
    let (head, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(Ok(chunk)) = stream.data().await {
        body.extend_from_slice(&chunk);
        let _ = stream.flow_control().release_capacity(chunk.len());
    }
    if head.method == Method::GET {
        body = query_of(&head.uri);
    }
    let (method, uri, headers) = (head.method, head.uri, head.headers);
    stage.see(Seen { method, uri, headers, body: body.clone() });
    body
}
