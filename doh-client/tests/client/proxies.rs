//! Ways to a server: through proxies of either kind, around addresses that lead nowhere, and without
//! TLS.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doh_client::{Blame, BuildError, Client, Error, Failure, ProxyProblem};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::secured::{Credentials, Life, Notes, Secured, builder};
use crate::{answer, query};

/// What a proxy does when it is asked for a tunnel.
#[derive(Clone, Copy)]
enum Conduct {
    Connect,
    /// It wants `me` and `s@cret` first.
    Login,
    Refuse,
    Hang,
    Close,
}

/// A proxy that knows one server, whatever it is asked for.
struct Proxy {
    address: SocketAddr,
    /// Where it was asked to connect to.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn http(server: &Secured, conduct: Conduct) -> Self {
        Self::start(server.address, conduct, |near, conduct, asked| {
            Box::pin(http_tunnel(near, conduct, asked))
        })
        .await
    }

    async fn socks(server: &Secured, conduct: Conduct) -> Self {
        Self::start(server.address, conduct, |near, conduct, asked| {
            Box::pin(socks_tunnel(near, conduct, asked))
        })
        .await
    }

    async fn start(server: SocketAddr, conduct: Conduct, tunnel: Tunnel) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let noted = Arc::clone(&noted);
                tokio::spawn(async move {
                    if let Some(mut near) = tunnel(near, conduct, noted).await {
                        let mut far = TcpStream::connect(server).await.expect("it is there");
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics with it").clone()
    }
}

type Asked = Arc<Mutex<Vec<String>>>;
type Tunnel =
    fn(TcpStream, Conduct, Asked) -> futures_util::future::BoxFuture<'static, Option<TcpStream>>;

async fn http_tunnel(mut near: TcpStream, conduct: Conduct, asked: Asked) -> Option<TcpStream> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(near.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).expect("a head is text");
    let target = head.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
    asked.lock().expect("no test panics with it").push(target);
    let is_known = head.contains("\r\nProxy-Authorization: Basic bWU6c0BjcmV0\r\n");
    let (response, is_open) = match conduct {
        Conduct::Connect => ("HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n", true),
        Conduct::Login if is_known => ("HTTP/1.1 200 OK\r\n\r\n", true),
        Conduct::Login => ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", false),
        Conduct::Refuse => ("HTTP/1.1 403 Forbidden\r\n\r\n", false),
        Conduct::Hang => std::future::pending().await,
        Conduct::Close => ("", false),
    };
    near.write_all(response.as_bytes()).await.ok()?;
    is_open.then_some(near)
}

async fn socks_tunnel(mut near: TcpStream, conduct: Conduct, asked: Asked) -> Option<TcpStream> {
    let [_version, count] = read(&mut near).await?;
    let mut methods = vec![0; usize::from(count)];
    near.read_exact(&mut methods).await.ok()?;
    match conduct {
        Conduct::Login if methods.contains(&2) => {
            near.write_all(&[5, 2]).await.ok()?;
            let login: [u8; 11] = read(&mut near).await?;
            let is_known = login == *b"\x01\x02me\x06s@cret";
            near.write_all(&[1, u8::from(!is_known)]).await.ok()?;
        }
        Conduct::Login => {
            near.write_all(&[5, 0xff]).await.ok()?;
            return None;
        }
        _ => near.write_all(&[5, 0]).await.ok()?,
    }
    let [_version, _connect, _reserved, kind] = read(&mut near).await?;
    let host = match kind {
        1 => std::net::Ipv4Addr::from(read::<4>(&mut near).await?).to_string(),
        4 => format!("[{}]", std::net::Ipv6Addr::from(read::<16>(&mut near).await?)),
        _ => {
            let mut name = vec![0; usize::from(near.read_u8().await.ok()?)];
            near.read_exact(&mut name).await.ok()?;
            String::from_utf8(name).expect("a name is text")
        }
    };
    let target = format!("{host}:{}", near.read_u16().await.ok()?);
    asked.lock().expect("no test panics with it").push(target);
    let reply = match conduct {
        Conduct::Connect | Conduct::Login => 0,
        Conduct::Refuse => 2,
        Conduct::Hang => std::future::pending().await,
        Conduct::Close => return None,
    };
    near.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
    (reply == 0).then_some(near)
}

async fn read<const N: usize>(stream: &mut TcpStream) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}

/// Both kinds in front of a server, with the beginning of their URLs.
async fn both(server: &Secured, conduct: Conduct) -> [(&'static str, Proxy); 2] {
    [("http", Proxy::http(server, conduct).await), ("socks5", Proxy::socks(server, conduct).await)]
}

fn through(url: &str, proxy: &str) -> Client {
    builder(url).proxy(proxy.parse().expect("a good proxy")).build().expect("a good client")
}

#[tokio::test]
async fn t60_queries_go_through_a_proxy_to_the_pinned_address() {
    let server = Secured::start(Credentials::good().config()).await;
    for (scheme, proxy) in both(&server, Conduct::Connect).await {
        let url = format!("{scheme}://{}", proxy.address);

        // An address of the documentation: only the proxy can lead anywhere.
        let client = through(&server.url("192.0.2.1"), &url);

        assert_eq!(client.exchange(&query("a.test")).await.unwrap().answer, answer("a.test"));
        assert_eq!(proxy.asked(), [format!("192.0.2.1:{}", server.address.port())]);
    }
}

#[tokio::test]
async fn t60_a_server_without_an_address_is_named_to_the_proxy() {
    let server = Secured::start(Credentials::good().config()).await;
    let url = format!("https://dns.test:{}/dns-query", server.address.port());
    assert!(matches!(builder(&url).build(), Err(BuildError::NoAddress { .. })));
    for (scheme, proxy) in both(&server, Conduct::Connect).await {
        let client = through(&url, &format!("{scheme}://{}", proxy.address));

        assert_eq!(client.exchange(&query("a.test")).await.unwrap().answer, answer("a.test"));
        assert_eq!(proxy.asked(), [format!("dns.test:{}", server.address.port())]);
    }
}

#[tokio::test]
async fn t60_a_proxy_that_asks_is_told_user_and_password() {
    let server = Secured::start(Credentials::good().config()).await;
    for (scheme, proxy) in both(&server, Conduct::Login).await {
        let client =
            through(&server.url("192.0.2.1"), &format!("{scheme}://me:s%40cret@{}", proxy.address));
        assert!(client.exchange(&query("a.test")).await.is_ok());

        for login in ["", "me:wrong1@"] {
            let url = format!("{scheme}://{login}{}", proxy.address);
            let client = through(&server.url("192.0.2.1"), &url);

            let error = client.exchange(&query("a.test")).await.unwrap_err();

            assert!(error.to_string().contains("set them in its URL"), "{error}");
            assert!(!error.to_string().contains("wrong1"), "{error}");
            assert_eq!((error.blame(), error.is_retryable()), (Blame::Config, false));
        }
    }
}

#[tokio::test]
async fn t60_what_a_proxy_does_not_want_is_told() {
    let server = Secured::start(Credentials::good().config()).await;
    for conduct in [Conduct::Refuse, Conduct::Close] {
        for (scheme, proxy) in both(&server, conduct).await {
            let url = format!("{scheme}://{}", proxy.address);
            let client = through(&server.url("192.0.2.1"), &url);

            let error = client.exchange(&query("a.test")).await.unwrap_err();

            let Error::AllFailed(failures) = &error else { panic!("{error}") };
            let Failure::Proxy { proxy, problem } = &failures[0].failure else { panic!("{error}") };
            assert_eq!(**proxy, *url);
            let is_refusal = matches!(problem, ProxyProblem::Refused { .. });
            assert_eq!(is_refusal, matches!(conduct, Conduct::Refuse), "{error}");
            assert_eq!(error.blame(), Blame::Upstream);
        }
    }
    assert_eq!(server.answered(), 0);
}

#[tokio::test]
async fn t60_a_proxy_that_hangs_costs_no_more_than_connecting_may() {
    let server = Secured::start(Credentials::good().config()).await;
    let [(scheme, proxy), _] = both(&server, Conduct::Hang).await;
    let client = through(&server.url("192.0.2.1"), &format!("{scheme}://{}", proxy.address));

    let exchange = timeout(Duration::from_secs(3), client.exchange(&query("a.test"))).await;

    assert!(exchange.expect("it ends in time").is_err());
}

#[tokio::test]
async fn t60_a_proxy_that_is_not_there_is_named() {
    // Port 1 is given to nobody, unlike one that was bound and freed.
    for url in ["http://127.0.0.3:1", "socks5://localhost:1"] {
        let client = through("https://dns.test/dns-query", url);

        let error = client.exchange(&query("a.test")).await.unwrap_err();

        assert!(error.to_string().contains(&format!("`{url}`")), "{error}");
        assert!(error.to_string().contains("cannot be reached"), "{error}");
    }
}

#[test]
fn a_proxy_cannot_carry_udp() {
    let proxy = "http://127.0.0.1:3128".parse().unwrap();

    let error = builder("udp://9.9.9.9").proxy(proxy).build().unwrap_err();

    assert!(error.to_string().contains("`udp://9.9.9.9`"), "{error}");
}

#[tokio::test]
async fn t60_h2c_is_http_2_from_the_first_byte() {
    let server = Secured::plain().await;
    let notes = Arc::new(Notes::default());
    let url = format!("h2c://{}/dns-query", server.address);
    let client = builder(&url).observer(notes.clone()).build().unwrap();

    assert_eq!(client.exchange(&query("a.test")).await.unwrap().answer, answer("a.test"));
    assert!(notes.connected.lock().unwrap()[0].tls.is_none());
}

/// An address that takes no connection any more and refuses none: its queue is full.
struct BlackHole {
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    async fn at(address: SocketAddr) -> Self {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.expect("a socket");
        socket.bind(address).expect("the port is free");
        let listener = socket.listen(0).expect("a bound socket can listen");
        let mut queued = Vec::new();
        let soon = Duration::from_millis(100);
        while let Ok(connected) = timeout(soon, TcpStream::connect(address)).await {
            queued.push(connected.expect("whoever listens refuses nobody"));
        }
        Self { _listener: listener, _queued: queued }
    }
}

/// How long connections took, one query each.
async fn connects(url: &str, count: usize) -> Vec<(SocketAddr, Duration)> {
    let notes = Arc::new(Notes::default());
    let client = builder(url).observer(notes.clone()).build().expect("a good client");
    let connected = || {
        let connected = notes.connected.lock().expect("no test panics with it");
        connected.iter().map(|each| (each.address, each.tcp)).collect::<Vec<_>>()
    };
    while connected().len() < count {
        client.exchange(&query("a.test")).await.expect("the server answers");
    }
    connected()
}

async fn brief(at: &str) -> Secured {
    Secured::with(Some(Credentials::good().config()), at, Life::OneAnswer).await
}

#[tokio::test]
async fn t30_an_address_that_refuses_costs_next_to_nothing() {
    let server = Secured::start(Credentials::good().config()).await;

    // The quickest of several, because the machine may be busy with something else.
    let mut quickest = Duration::MAX;
    for _ in 0..10 {
        let connected = connects(&server.url("127.0.0.2,127.0.0.1"), 1).await;
        assert_eq!(connected[0].0, server.address);
        quickest = quickest.min(connected[0].1);
    }

    assert!(quickest < Duration::from_millis(5), "{quickest:?}");
}

/// Failure story 11: an address that leads nowhere is waited for again and again.
#[tokio::test]
async fn t31_an_address_that_is_a_black_hole_is_passed_over_once_and_then_avoided() {
    let server = brief("127.0.0.1:0").await;
    let _hole = BlackHole::at(SocketAddr::from(([127, 0, 0, 2], server.address.port()))).await;

    let connected = connects(&server.url("127.0.0.2,127.0.0.1"), 3).await;

    assert!(connected.iter().all(|(address, _)| *address == server.address));
    let head_start = Duration::from_millis(250);
    assert!(connected[0].1 >= head_start, "{connected:?}");
    assert!(connected[1..].iter().all(|(_, took)| *took < head_start), "{connected:?}");
}

/// Failure story 11: a host without a way to IPv6 dials IPv6 first, each time.
#[tokio::test]
async fn t32_where_one_family_leads_nowhere_the_other_is_next() {
    let server = brief("127.0.0.1:0").await;
    let v6 = SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), server.address.port());
    if TcpListener::bind(v6).await.is_err() {
        eprintln!("SKIPPED: this machine has no IPv6");
        return;
    }
    let _hole = BlackHole::at(v6).await;
    // In the order of the URL, two more addresses would be dialled before the good one.
    let url = server.url("::1,2001:db8::1,2001:db8::2,127.0.0.1");

    let connected = connects(&url, 2).await;

    assert!(connected.iter().all(|(address, _)| *address == server.address));
    assert!(connected[0].1 < Duration::from_millis(500), "{connected:?}");
    assert!(connected[1].1 < Duration::from_millis(250), "{connected:?}");
}

#[tokio::test]
async fn t32_a_server_with_ipv6_only_is_reached() {
    if TcpListener::bind("[::1]:0").await.is_err() {
        eprintln!("SKIPPED: this machine has no IPv6");
        return;
    }
    let server = brief("[::1]:0").await;

    assert_eq!(connects(&server.url("::1"), 1).await[0].0, server.address);
}
