//! Servers by name, found by resolvers at addresses: real datagrams, streams and connections.

mod resolvers;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use doh_client::{AddressBook, BuildError, Client, ClientBuilder, Failure, Server};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::fake::{Act, Fake, clients_of};
use crate::query;
use crate::resolver::{Conduct, Resolver};

/// The server of a fake, without its address.
fn by_name(fake: &Fake) -> Server {
    let url = fake.server().to_string();
    let server: Server = url.parse().expect("a good URL");
    assert!(server.needs_lookup());
    server
}

fn client_of(fake: &Fake, resolvers: &[&Resolver]) -> ClientBuilder {
    let builder = clients_of([]).server(by_name(fake));
    resolvers.iter().fold(builder, |builder, resolver| builder.bootstrap(resolver.bootstrap()))
}

#[tokio::test]
async fn a_server_by_name_is_found_whatever_a_resolver_does_to_its_datagrams() {
    for conduct in [
        Conduct::Answer,
        Conduct::AnswerV4Only,
        Conduct::Truncate,
        Conduct::LoseFirst,
        Conduct::Forge(1),
        Conduct::Forge(9),
    ] {
        let (fake, resolver) = (Fake::start([Act::Answer]).await, Resolver::start(conduct).await);
        let client = client_of(&fake, &[&resolver]).build().unwrap();

        assert!(client.exchange(&query("a.test")).await.is_ok(), "{conduct:?}");
    }
}

#[tokio::test]
async fn t32_a_family_that_is_never_answered_delays_nobody() {
    let resolver = Resolver::start(Conduct::AnswerV4Only).await;
    let fake = Fake::start([Act::Answer]).await;
    let client = client_of(&fake, &[&resolver]).build().unwrap();

    let exchange = client.exchange(&query("a.test")).await.unwrap();

    // Its question for AAAA is sent again and again, and given up after 3.5 s.
    assert!(exchange.elapsed < Duration::from_millis(450), "{:?}", exchange.elapsed);
}

#[tokio::test]
async fn a_thousand_queries_for_a_server_by_name_make_one_lookup() {
    let (fake, resolver) =
        (Fake::start([Act::Answer]).await, Resolver::start(Conduct::Answer).await);
    let client = client_of(&fake, &[&resolver]).build().unwrap();
    let mut exchanges = JoinSet::new();

    for number in 0..1000 {
        let client = client.clone();
        let name = format!("n{number}.test");
        exchanges.spawn(async move { client.exchange(&query(&name)).await.is_ok() });
    }

    assert!(exchanges.join_all().await.into_iter().all(|is_answered| is_answered));
    assert_eq!(resolver.asked(), 2, "one question for each family");
}

#[tokio::test]
async fn two_servers_of_one_host_share_a_lookup() {
    let fakes = [Fake::start([Act::Status(500)]).await, Fake::start([Act::Answer]).await];
    let resolver = Resolver::start(Conduct::Answer).await;
    let client = client_of(&fakes[0], &[&resolver]).server(by_name(&fakes[1])).build().unwrap();

    assert_eq!(client.exchange(&query("a.test")).await.unwrap().server, 1);
    assert_eq!(resolver.asked(), 2);
}

/// Failure story 11: one upstream that could not be resolved held up all of them.
#[tokio::test]
async fn a_server_that_is_not_found_holds_up_no_other() {
    for conduct in [Conduct::NoSuchName, Conduct::Refuse, Conduct::Silence] {
        let (lost, good) = (Fake::start([Act::Answer]).await, Fake::start([Act::Answer]).await);
        let resolver = Resolver::start(conduct).await;
        let client = clients_of([&good])
            .server(by_name(&lost))
            .bootstrap(resolver.bootstrap())
            .attempt_timeout(Duration::from_millis(200))
            .build()
            .unwrap();
        let first = client.exchange(&query("a.test")).await.unwrap();
        assert_eq!((first.server, resolver.asked()), (0, 0), "{conduct:?}");

        // Also where the lost one stands first.
        let client = clients_of([])
            .server(by_name(&lost))
            .server(good.server())
            .bootstrap(resolver.bootstrap())
            .attempt_timeout(Duration::from_millis(200))
            .build()
            .unwrap();
        let second = client.exchange(&query("a.test")).await.unwrap();

        assert_eq!(second.server, 1, "{conduct:?}");
        assert!(second.elapsed < Duration::from_secs(1), "{conduct:?} {:?}", second.elapsed);
    }
}

#[tokio::test]
async fn a_query_waits_for_resolvers_within_its_own_time_and_no_longer() {
    let (fake, resolver) =
        (Fake::start([Act::Answer]).await, Resolver::start(Conduct::Silence).await);
    let client =
        client_of(&fake, &[&resolver]).timeout(Duration::from_millis(300)).build().unwrap();
    let started = Instant::now();

    let error = client.exchange(&query("a.test")).await.unwrap_err();

    assert!(error.is_timeout() && error.is_unreachable());
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn resolvers_that_were_dead_and_come_back_are_heard() {
    let (fake, resolver) =
        (Fake::start([Act::Answer]).await, Resolver::start(Conduct::Refuse).await);
    let client = client_of(&fake, &[&resolver]).build().unwrap();
    let error = client.exchange(&query("a.test")).await.unwrap_err();
    assert!(error.is_unreachable() && error.is_retryable(), "{error}");

    resolver.becomes(Conduct::Answer);

    let answered = async { while client.exchange(&query("a.test")).await.is_err() {} };
    assert!(timeout(Duration::from_secs(10), answered).await.is_ok());
}

/// A book with one page.
struct Page(Vec<IpAddr>);

impl AddressBook for Page {
    fn recall(&self, host: &str) -> Vec<IpAddr> {
        assert_eq!(host, "dns.test");
        self.0.clone()
    }

    fn learn(&self, _: &str, _: &[IpAddr]) {}
}

#[tokio::test]
async fn t59_remembered_addresses_serve_while_every_resolver_is_dead() {
    let (fake, resolver) =
        (Fake::start([Act::Answer]).await, Resolver::start(Conduct::Silence).await);
    let book = Arc::new(Page(vec![Ipv4Addr::LOCALHOST.into()]));
    let client = client_of(&fake, &[&resolver]).address_book(book).build().unwrap();

    let exchange = client.exchange(&query("a.test")).await.unwrap();

    assert!(exchange.elapsed < Duration::from_secs(2), "{:?}", exchange.elapsed);
}

/// An address where connecting gets no answer at all, for as long as what comes back is held: its
/// line of waiting connections is full.
async fn swallow(address: SocketAddr) -> (TcpListener, Vec<TcpStream>) {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let socket = socket.expect("a socket");
    socket.bind(address).expect("a free port");
    let listener = socket.listen(1).expect("it listens");
    let mut waiting = Vec::new();
    let enough = Duration::from_millis(200);
    while let Ok(Ok(stream)) = timeout(enough, TcpStream::connect(address)).await {
        waiting.push(stream);
    }
    (listener, waiting)
}

#[tokio::test]
async fn t31_an_address_that_swallows_everything_delays_one_connection_and_not_all() {
    let fake = Fake::start([Act::Answer]).await;
    let hole = SocketAddr::from(([127, 0, 0, 2], fake.server().port()));
    let _hole = swallow(hole).await;
    let url = format!("{}#127.0.0.2,127.0.0.1", fake.server());
    let client = clients_of([]).server(url.parse().unwrap()).build().unwrap();

    let first = client.exchange(&query("a.test")).await.unwrap();
    fake.close_connections().await;
    let second = client.exchange(&query("b.test")).await.unwrap();

    let head_start = Duration::from_millis(250);
    assert!(first.elapsed >= head_start && first.elapsed < head_start * 4, "{:?}", first.elapsed);
    assert!(second.elapsed < head_start, "{:?}", second.elapsed);
    assert_eq!(fake.connections(), 2);
}

/// Whether this host has IPv6 at all; says so where it has not.
async fn has_ipv6() -> bool {
    let has = TcpListener::bind("[::1]:0").await.is_ok();
    if !has {
        eprintln!("SKIPPED: this host has no IPv6");
    }
    has
}

#[tokio::test]
async fn t32_ipv6_that_swallows_everything_delays_one_connection_and_not_all() {
    if !has_ipv6().await {
        return;
    }
    let fake = Fake::start([Act::Answer]).await;
    let _hole = swallow((Ipv6Addr::LOCALHOST, fake.server().port()).into()).await;
    let resolver = Resolver::start(Conduct::AnswerBoth).await;
    let client = client_of(&fake, &[&resolver]).build().unwrap();

    let first = client.exchange(&query("a.test")).await.unwrap();
    fake.close_connections().await;
    let second = client.exchange(&query("b.test")).await.unwrap();

    let head_start = Duration::from_millis(250);
    assert!(first.elapsed >= head_start && first.elapsed < head_start * 4, "{:?}", first.elapsed);
    assert!(second.elapsed < head_start, "{:?}", second.elapsed);
}

#[tokio::test]
async fn t32_a_server_that_has_only_ipv6_is_found() {
    if !has_ipv6().await {
        return;
    }
    let fake = Fake::start([Act::Answer]).await;
    let port = fake.server().port();
    let relay = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await.expect("a free port");
    tokio::spawn(async move {
        let (mut from, _) = relay.accept().await.expect("somebody comes");
        let mut to = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("the fake");
        let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
    });
    let resolver = Resolver::start(Conduct::AnswerV6Only).await;
    let client = client_of(&fake, &[&resolver]).build().unwrap();

    assert!(client.exchange(&query("a.test")).await.is_ok());
}

#[test]
fn a_server_by_name_needs_somebody_to_ask() {
    let server: Server = "https://dns.test/q".parse().unwrap();

    let error = Client::builder().server(server).build().unwrap_err();

    assert!(matches!(&error, BuildError::NoAddress { host } if host == "dns.test"));
    assert!(error.to_string().contains("allowed `https://dns.test/dns-query#192.0.2.1"), "{error}");
}

#[test]
fn a_resolver_by_name_is_refused() {
    let server: Server = "https://dns.test/q".parse().unwrap();

    let error = Client::builder().server(server.clone()).bootstrap(server).build().unwrap_err();

    assert!(matches!(&error, BuildError::BootstrapByName { host } if host == "dns.test"));
    assert!(error.to_string().contains("allowed an address, such as `udp://9.9.9.9`"), "{error}");
}

#[tokio::test]
async fn who_could_not_be_found_is_named() {
    let fake = Fake::start([Act::Answer]).await;
    let resolver = Resolver::start(Conduct::Refuse).await;
    let client = client_of(&fake, &[&resolver]).build().unwrap();

    let error = client.exchange(&query("a.test")).await.unwrap_err();

    let doh_client::Error::AllFailed(failures) = &error else { panic!("{error}") };
    assert!(
        matches!(&failures[0].failure, Failure::NoAddress { host, .. } if **host == *"dns.test")
    );
}
