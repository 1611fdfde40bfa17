//! Paths that stop, forget and reset: how soon a query gets around them.

use std::time::Duration;

use doh_client::{Client, ClientBuilder, Hedge};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use crate::fake::{Act, Fake, clients_of, server_at};
use crate::relay::{Path, Relay};
use crate::{answer, query};

/// When another server, or here the same again, is asked.
const HEDGE: Duration = Duration::from_millis(400);

/// What a machine with much to do may take longer than it should.
const SLACK: Duration = Duration::from_millis(1000);

async fn behind_relay(script: impl IntoIterator<Item = Act>) -> (ClientBuilder, Relay, Fake) {
    let fake = Fake::start(script).await;
    let relay = Relay::start(fake.address()).await;
    let builder = clients_of([]).server(server_at(relay.address)).attempt_timeout(HEDGE);
    (builder, relay, fake)
}

async fn warm(builder: ClientBuilder) -> Client {
    let client = builder.build().expect("a server and a good root make a client");
    client.exchange(&query("warm.test")).await.expect("the path is open");
    client
}

/// Failure story 1 and 2: queries go on to be sent over a connection that is dead, and hang.
#[tokio::test]
async fn t33_a_path_that_goes_dead_costs_one_delay_and_then_nothing() {
    for path in [Path::Dead, Path::Stuck] {
        let (builder, relay, _fake) = behind_relay([Act::Answer]).await;
        let client = warm(builder).await;
        relay.set(path);
        let started = Instant::now();

        let first = client.exchange(&query("a.test")).await.unwrap();
        assert_eq!(first.answer, answer("a.test"));
        assert!(started.elapsed() < HEDGE + SLACK, "{path:?} {:?}", started.elapsed());

        let second = Instant::now();
        client.exchange(&query("b.test")).await.unwrap();
        assert!(second.elapsed() < HEDGE, "{path:?} {:?}", second.elapsed());
        assert_eq!(client.status()[0].connects, 2);
    }
}

/// As above, with nothing set: who has one server is asked again over another connection, who has
/// two asks the other one, and it is one query alone that pays for it.
#[tokio::test]
async fn t33_a_path_that_goes_dead_costs_a_hedge_with_one_server_and_with_two() {
    for others in [0, 1] {
        let (fake, other) = (Fake::start([Act::Answer]).await, Fake::start([Act::Answer]).await);
        let relay = Relay::start(fake.address()).await;
        let builder = clients_of([&other].into_iter().take(others)).seed(1);
        let client = builder.server(server_at(relay.address)).build().unwrap();
        let relayed = others;
        while client.status()[relayed].answered < 20 {
            client.exchange(&query("warm.test")).await.unwrap();
        }
        relay.set(Path::Dead);

        let mut times = Vec::new();
        while times.len() < 40 {
            times.push(client.exchange(&query("a.test")).await.unwrap().elapsed);
        }

        times.sort();
        assert!(times[39] < HEDGE + SLACK, "{others}: {times:?}");
        assert!(times[38] < HEDGE, "{others}: {times:?}");
        assert!(client.status()[relayed].connects <= 2, "{others}");
    }
}

/// Failure story 2: a connection that is stalled but open is used again for ever.
#[tokio::test]
async fn t33_a_dead_connection_is_closed_within_about_two_seconds() {
    let (builder, relay, _fake) = behind_relay([Act::Answer]).await;
    let client = warm(builder).await;
    relay.set(Path::Dead);
    let started = Instant::now();

    client.exchange(&query("a.test")).await.unwrap();
    timeout(Duration::from_secs(10), relay.until_open(1)).await.unwrap();

    assert!(started.elapsed() < Duration::from_millis(2200) + SLACK, "{:?}", started.elapsed());
    assert!(started.elapsed() > Duration::from_secs(1), "{:?}", started.elapsed());
}

/// Failure story 3 and 12: a connection that a box on its way has forgotten.
#[tokio::test]
async fn t34_a_connection_that_was_forgotten_and_is_reset_costs_no_answer() {
    let (builder, relay, _fake) = behind_relay([Act::Answer]).await;
    let client = warm(builder).await;
    for round in 0..20 {
        relay.set(Path::Forgotten);
        let started = Instant::now();

        client.exchange(&query("a.test")).await.unwrap();

        assert!(started.elapsed() < HEDGE + SLACK, "{round} {:?}", started.elapsed());
    }
    assert_eq!((client.status()[0].failed, client.status()[0].connects), (0, 21));
}

#[tokio::test]
async fn t13_a_connection_reset_while_idle_costs_no_answer() {
    let (builder, relay, fake) = behind_relay([Act::Answer]).await;
    let client = warm(builder).await;
    for _ in 0..50 {
        relay.set(Path::Reset);

        client.exchange(&query("a.test")).await.unwrap();
    }
    assert_eq!(client.status()[0].failed, 0);
    assert_eq!(fake.seen().len(), 51);
}

#[tokio::test]
async fn t35_a_change_of_the_network_replaces_the_connection_before_a_query_needs_it() {
    let (builder, relay, fake) = behind_relay([Act::Answer]).await;
    let client = warm(builder).await;
    relay.set(Path::Dead);

    client.network_changed();
    // The old one is let go once the new one is open.
    timeout(Duration::from_secs(10), async {
        while client.status()[0].connects < 2 {
            tokio::task::yield_now().await;
        }
        relay.until_open(1).await;
    })
    .await
    .unwrap();
    let started = Instant::now();
    client.exchange(&query("a.test")).await.unwrap();

    assert!(started.elapsed() < HEDGE, "{:?}", started.elapsed());
    assert_eq!(fake.connections(), 2);
}

/// A connect on the network of before would be waited for until its time is over.
#[tokio::test]
async fn t35_a_connect_under_way_begins_anew_when_the_network_changes() {
    let fake = Fake::start([Act::Answer]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = server_at(listener.local_addr().unwrap());
    let client = clients_of([]).server(server).hedge(Hedge::Off).build().unwrap();
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.exchange(&query("a.test")).await }
    });
    let (_silent, _) = listener.accept().await.unwrap();

    client.network_changed();

    let (mut near, _) = timeout(HEDGE, listener.accept()).await.unwrap().unwrap();
    let mut far = TcpStream::connect(fake.address()).await.unwrap();
    tokio::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
    assert_eq!(waiting.await.unwrap().unwrap().answer, answer("a.test"));
    assert_eq!((client.status()[0].connects, client.status()[0].failed), (1, 0));
}

#[tokio::test]
async fn t35_an_answer_under_way_survives_a_change_of_the_network() {
    let (builder, _relay, fake) = behind_relay([Act::Answer, Act::Late(300)]).await;
    let client = warm(builder.attempt_timeout(Duration::from_secs(4))).await;
    let name = query("a.test");
    let waiting = client.exchange(&name);
    tokio::pin!(waiting);
    while fake.seen().len() < 2 {
        assert!(timeout(Duration::from_millis(1), &mut waiting).await.is_err());
    }

    client.network_changed();

    assert_eq!(waiting.await.unwrap().answer, answer("a.test"));
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn t35_a_client_that_was_never_asked_connects_to_nobody() {
    let (builder, relay, _fake) = behind_relay([Act::Answer]).await;
    let client = builder.build().unwrap();

    client.network_changed();

    assert_eq!((client.status()[0].connects, relay.open()), (0, 0));
}

/// One lost packet holds up all streams of its connection; the other one goes on.
#[tokio::test]
async fn t37_a_connection_that_stalls_does_not_hold_up_the_other() {
    let (builder, relay, fake) = behind_relay([Act::Late(700)]).await;
    let client = builder.attempt_timeout(Duration::from_secs(4)).build().unwrap();
    let mut slow = tokio::task::JoinSet::new();
    for _ in 0..80 {
        let client = client.clone();
        slow.spawn(async move { client.exchange(&query("slow.test")).await });
    }
    timeout(Duration::from_secs(10), relay.until_open(2)).await.unwrap();
    while fake.connections() < 2 {
        tokio::task::yield_now().await;
    }
    for outcome in slow.join_all().await {
        outcome.unwrap();
    }

    relay.set_one(0, Path::Dead);
    let started = Instant::now();
    let mut queries = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let client = client.clone();
        queries.spawn(async move {
            let started = Instant::now();
            client.exchange(&query("a.test")).await.unwrap();
            started.elapsed()
        });
    }
    let times = queries.join_all().await;

    let prompt = times.iter().filter(|time| **time < Duration::from_millis(1700)).count();
    assert!(prompt >= 10, "{times:?}");
    assert!(started.elapsed() < Duration::from_secs(4), "{times:?}");
}
