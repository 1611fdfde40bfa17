//! A link against a server of the same library, without TLS.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use h2::server;
use http::Response;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::*;

/// `example.com` A IN.
const QUERY: &[u8] = b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01";

/// What a server counts.
#[derive(Default)]
struct Seen {
    requests: AtomicUsize,
    /// Streams that the client reset before they were answered.
    resets: AtomicUsize,
}

/// A server that holds back its answers until it is told to go on.
struct Held {
    link: Link,
    seen: Arc<Seen>,
    go_on: watch::Sender<bool>,
}

impl Held {
    async fn start(settings: &server::Builder) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (seen, go_on) = (Arc::new(Seen::default()), watch::Sender::new(false));
        let (counted, told, settings) = (Arc::clone(&seen), go_on.subscribe(), settings.clone());
        tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.expect("a client connects");
            let mut connection = settings.handshake(tcp).await.expect("it speaks HTTP/2");
            while let Some(Ok((request, respond))) = connection.accept().await {
                counted.requests.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(answer(request, respond, Arc::clone(&counted), told.clone()));
            }
        });
        let tcp = TcpStream::connect(address).await.expect("the server listens");
        let server = format!("https://127.0.0.1:{}/q", address.port()).parse().expect("a URL");
        let template = Arc::new(Template::new(&server));
        let link = Link::open(Wire::plain(tcp), template, Witness::new(None, 0)).await;
        Self { link: link.expect("a connection"), seen, go_on }
    }
}

async fn answer(
    request: http::Request<h2::RecvStream>,
    mut respond: server::SendResponse<Bytes>,
    seen: Arc<Seen>,
    mut told: watch::Receiver<bool>,
) {
    let mut body = request.into_body();
    while let Some(Ok(piece)) = body.data().await {
        let _ = body.flow_control().release_capacity(piece.len());
    }
    tokio::select! {
        _ = told.wait_for(|go_on| *go_on) => {
            let head = Response::builder().header("content-type", "application/dns-message");
            let head = head.body(()).expect("a good head");
            if let Ok(mut stream) = respond.send_response(head, false) {
                let _ = stream.send_data(Bytes::from_static(QUERY), true);
            }
        }
        _ = poll_fn(|context| respond.poll_reset(context)) => {
            seen.resets.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn query() -> Query {
    Query::parse(QUERY).expect("a query")
}

async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(10), waiting).await.expect("it comes to that in time");
}

/// Failure story 8: each cancelled query resets a stream, and after a thousand of them one side
/// says goodbye.
#[tokio::test]
async fn t18_ten_thousand_dropped_queries_reset_nothing() {
    let held = Held::start(&server::Builder::new()).await;
    let query = query();
    for round in 1..=20 {
        held.go_on.send_replace(false);
        for _ in 0..500 {
            assert!(held.link.exchange(&query).now_or_never().is_none());
        }
        assert_eq!(held.link.pulse().in_flight, 500, "{round}");
        held.go_on.send_replace(true);
        until(|| held.link.pulse().in_flight == 0).await;
    }

    assert_eq!(held.link.exchange(&query).await.unwrap().body, QUERY);
    assert_eq!(held.seen.requests.load(Ordering::SeqCst), 10_001);
    assert_eq!(held.seen.resets.load(Ordering::SeqCst), 0);
    assert!(held.link.pulse().is_open);
}

#[tokio::test]
async fn t20_a_server_without_a_header_table_is_understood() {
    let held = Held::start(server::Builder::new().header_table_size(0)).await;
    held.go_on.send_replace(true);

    for _ in 0..10 {
        assert_eq!(held.link.exchange(&query()).await.unwrap().body, QUERY);
    }
}

#[tokio::test]
async fn what_is_seen_of_a_connection_is_true() {
    let held = Held::start(server::Builder::new().max_concurrent_streams(7)).await;
    let query = query();
    let first = held.link.exchange(&query);
    tokio::pin!(first);
    assert!(first.as_mut().now_or_never().is_none());
    until(|| held.link.pulse().capacity == 7).await;

    let busy = held.link.pulse();
    held.go_on.send_replace(true);
    first.await.unwrap();
    let idle = held.link.pulse();

    assert_eq!((busy.in_flight, idle.in_flight), (1, 0));
    assert!(busy.owed_since.is_some() && idle.owed_since.is_none());
    assert!(busy.is_open && idle.is_open && idle.heard_at >= busy.heard_at);
}

#[tokio::test]
async fn an_exchange_is_small() {
    let held = Held::start(&server::Builder::new()).await;
    let query = query();

    let size = size_of_val(&held.link.exchange(&query));

    // Each byte is moved several times on its way into the tasks that wait for it.
    assert!(size <= 512, "{size}");
}
