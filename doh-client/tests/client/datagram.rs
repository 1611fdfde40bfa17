//! DNS over UDP: what a forger would have to guess, what is believed, and what becomes of a
//! datagram that is lost or too small.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use doh_client::{Client, Error, Event, Failure, Observer, Protocol, SendKind};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::dns::{Act, Dns, TRUNCATED, name_of, refusing};
use crate::{answer, ask_at_once, query};

/// A name with so many letters that random case never leaves all as they are.
const LETTERS: &str = "a-name-with-many-letters-in-many-labels.of-one.domain.test";

/// Time for an attempt: a datagram is sent again within it, after 400 ms.
const ATTEMPT: Duration = Duration::from_millis(600);

/// Counts what is sent again.
#[derive(Default)]
struct Repeats(AtomicUsize);

impl Observer for Repeats {
    fn note(&self, _server: usize, event: &Event<'_>) {
        if let Event::Sent(SendKind::Repeat) = event {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test]
async fn an_answer_comes_back_under_the_id_0_and_with_the_letters_of_the_query() {
    let dns = Dns::udp([Act::Answer]).await;

    let exchange = dns.client().exchange(&query("A.Name.test")).await.unwrap();

    assert_eq!(exchange.answer, answer("A.Name.test"));
    assert_eq!(dns.server().protocol(), Protocol::Udp);
}

#[tokio::test]
async fn each_query_has_a_port_an_id_and_letters_of_its_own() {
    let dns = Dns::udp([Act::Answer]).await;
    let client = dns.client();
    for _ in 0..100 {
        client.exchange(&query(LETTERS)).await.unwrap();
    }

    let seen = dns.seen();
    let ports: HashSet<_> = seen.iter().map(|seen| seen.from.port()).collect();
    let ids: HashSet<_> = seen.iter().map(|seen| seen.message[..2].to_vec()).collect();
    let names: HashSet<_> =
        seen.iter().map(|seen| seen.message[name_of(&seen.message)].to_vec()).collect();
    assert!(ports.len() > 90 && ids.len() > 90, "{} ports, {} ids", ports.len(), ids.len());
    assert_eq!(names.len(), 100);
    for seen in seen {
        let plain = seen.message[2..].to_ascii_lowercase();
        assert_eq!(plain, query(LETTERS)[2..].to_ascii_lowercase());
    }
}

#[tokio::test]
async fn t07_datagrams_that_answer_nothing_are_ignored() {
    let dns = Dns::udp([Act::Strays(9), Act::Stranger, Act::Answer]).await;
    let client = dns.client();

    for _ in 0..3 {
        assert_eq!(client.exchange(&query("a.test")).await.unwrap().answer, answer("a.test"));
    }

    assert_eq!((dns.seen().len(), client.status()[0].failed), (3, 0));
}

#[tokio::test]
async fn t07_an_answer_to_something_else_is_waited_past() {
    let mut exchanges = JoinSet::new();
    for act in [
        Act::Flags([0x01, 0x00]),
        Act::Flags([0xa1, 0x80]),
        Act::Turn(0, 1),
        Act::Turn(1, 1),
        Act::Turn(5, 1),
        Act::Turn(5, 3),
        Act::Turn(12, 0xc1),
        Act::Turn(13, 3),
        Act::Turn(21, 28),
        Act::Size(0),
        Act::Size(11),
        Act::Size(12),
    ] {
        exchanges.spawn(async move {
            let dns = Dns::udp([act, Act::Answer]).await;
            let exchange = dns.client().exchange(&query("a.test")).await.unwrap();

            assert_eq!(exchange.answer, answer("a.test"), "{act:?}");
            // The right answer is the one to the repeated datagram.
            assert_eq!(dns.seen().len(), 2, "{act:?}");
        });
    }
    exchanges.join_all().await;
}

#[tokio::test]
async fn ten_wrong_datagrams_are_one_too_many() {
    let dns = Dns::udp([Act::Strays(10)]).await;
    let client = dns.client();

    let Err(Error::AllFailed(failures)) = client.exchange(&query("a.test")).await else {
        panic!("an answer in a flood was believed");
    };

    assert!(matches!(failures[0].failure, Failure::Spoofed(10)), "{}", failures[0]);
    assert!(failures[0].failure.is_retryable());
}

#[tokio::test]
async fn a_server_that_changes_the_case_of_names_is_found_out_and_asked_plainly() {
    let dns = Dns::udp([Act::SmallLetters]).await;
    let client = dns.client();
    let started = Instant::now();

    let first = client.exchange(&query(LETTERS)).await.unwrap();
    let found_out = dns.seen().len();
    let second = client.exchange(&query(LETTERS)).await.unwrap();

    assert_eq!(
        (first.answer.as_ref(), second.answer.as_ref()),
        (&*answer(LETTERS), &*answer(LETTERS))
    );
    assert_eq!((found_out, dns.seen().len()), (4, 5));
    assert_eq!(dns.seen()[4].message[2..], query(LETTERS)[2..]);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_forger_who_does_not_know_the_letters_gets_nowhere() {
    let dns = Dns::udp([Act::SmallLetters, Act::Answer]).await;
    let client = dns.client();

    for _ in 0..20 {
        assert_eq!(client.exchange(&query(LETTERS)).await.unwrap().answer, answer(LETTERS));
    }

    let names: HashSet<_> = dns.seen().iter().map(|seen| seen.message[12..].to_vec()).collect();
    assert_eq!(names.len(), 20, "letters are still mixed");
}

#[tokio::test]
async fn a_lost_datagram_is_sent_again_as_it_was() {
    let dns = Dns::udp([Act::Hang, Act::Answer]).await;
    let repeats = Arc::new(Repeats::default());
    let builder = Client::builder().server(dns.server());
    let client = builder.observer(Arc::<Repeats>::clone(&repeats)).build().unwrap();

    let exchange = client.exchange(&query("a.test")).await.unwrap();

    assert_eq!(repeats.0.load(Ordering::Relaxed), 1);
    let seen = dns.seen();
    assert_eq!((seen.len(), exchange.answer.as_ref()), (2, &*answer("a.test")));
    assert_eq!((&seen[0].message, seen[0].from), (&seen[1].message, seen[1].from));
    let wait = Duration::from_millis(400);
    assert!(exchange.elapsed >= wait && exchange.elapsed < wait * 3, "{:?}", exchange.elapsed);
}

#[tokio::test]
async fn the_answer_to_the_first_of_two_datagrams_is_as_good() {
    let dns = Dns::udp([Act::Hold, Act::Answer]).await;
    let client = dns.client();

    client.exchange(&query("a.test")).await.unwrap();

    // The other answer comes to a port that is closed by now, and disturbs nobody.
    assert!(client.exchange(&query("b.test")).await.is_ok());
    assert_eq!(client.status()[0].failed, 0);
}

/// Failure story 12: a silent server cost more than the timeout.
#[tokio::test]
async fn t50_a_silent_server_costs_no_more_than_the_timeout_and_is_sent_little() {
    let dns = Dns::udp([Act::Hang]).await;
    let limit = Duration::from_millis(1300);
    let client = Client::builder()
        .server(dns.server())
        .attempt_timeout(Duration::from_millis(1250))
        .timeout(limit)
        .build()
        .unwrap();
    let started = Instant::now();

    let error = client.exchange(&query("a.test")).await.unwrap_err();

    assert!(error.is_timeout() && error.is_unreachable());
    assert!(started.elapsed() < limit * 3 / 2, "{:?}", started.elapsed());
    assert!(dns.seen().len() <= 4, "{} datagrams", dns.seen().len());
}

#[tokio::test]
async fn t08_an_answer_that_does_not_fit_comes_over_tcp() {
    let (udp, tcp) = Dns::udp_and_tcp([TRUNCATED], [Act::Size(40_000)]).await;
    let client = udp.client();

    for round in 1..=3 {
        let exchange = client.exchange(&query("a.test")).await.unwrap();

        assert_eq!((exchange.server, exchange.answer.len()), (0, 40_000));
        assert_eq!((udp.seen().len(), tcp.seen().len(), tcp.connections()), (round, round, 1));
    }
    assert_eq!(client.status()[0].failed, 0);
}

#[tokio::test]
async fn t08_a_part_of_the_answer_is_passed_on_where_tcp_is_refused() {
    let udp = Dns::udp([TRUNCATED]).await;

    let exchange = udp.client().exchange(&query("a.test")).await.unwrap();

    assert_eq!(exchange.answer[2] & 0x02, 0x02);
}

#[tokio::test]
async fn t08_only_an_answer_to_the_query_makes_it_turn_to_tcp() {
    let (udp, tcp) = Dns::udp_and_tcp([Act::Strays(3), Act::Answer], [Act::Answer]).await;

    udp.client().exchange(&query("a.test")).await.unwrap();

    assert_eq!(tcp.connections(), 0);
}

#[tokio::test]
async fn a_query_too_large_for_a_datagram_goes_over_tcp() {
    let (udp, tcp) = Dns::udp_and_tcp([Act::Answer], [Act::Answer]).await;
    let mut padded = query("a.test");
    padded.resize(1233, 0);

    udp.client().exchange(&padded).await.unwrap();

    assert_eq!((udp.seen().len(), tcp.seen().len()), (0, 1));
}

#[tokio::test]
async fn t06_a_datagram_may_be_as_large_as_they_come() {
    let dns = Dns::udp([Act::Size(60_000)]).await;

    let exchange = dns.client().exchange(&query("a.test")).await.unwrap();

    assert_eq!(exchange.answer.len(), 60_000);
}

#[tokio::test]
async fn t30_a_port_where_nobody_listens_is_passed_over_at_once() {
    let dns = Dns::udp([Act::Answer]).await;
    let client = Client::builder()
        .server(refusing("udp").await)
        .server(dns.server())
        .attempt_timeout(Duration::from_secs(4))
        .build()
        .unwrap();

    let exchange = client.exchange(&query("a.test")).await.unwrap();

    assert_eq!((exchange.server, client.status()[0].failed), (1, 1));
    assert!(exchange.elapsed < Duration::from_millis(390), "{:?}", exchange.elapsed);

    let alone = Client::builder().server(refusing("udp").await).build().unwrap();
    let Err(Error::AllFailed(failures)) = alone.exchange(&query("a.test")).await else {
        panic!("nobody listens there");
    };
    assert!(matches!(failures[0].failure, Failure::Connect { .. }), "{}", failures[0]);
}

/// A silent socket, and a client of a server which stands there and, behind that, at this one.
async fn behind_a_silent_address(dns: &Dns) -> (UdpSocket, Client) {
    let port = dns.server().port();
    let silent = UdpSocket::bind(("127.0.0.2", port)).await.expect("a free port");
    let url = format!("udp://dns.test:{port}#127.0.0.2,127.0.0.1");
    let builder = Client::builder().server(url.parse().expect("a good URL"));
    let client = builder.attempt_timeout(ATTEMPT).build().expect("a server makes a client");
    (silent, client)
}

#[tokio::test]
async fn t31_an_address_that_swallows_every_datagram_delays_one_query_and_not_all() {
    let dns = Dns::udp([Act::Answer]).await;
    let (_silent, client) = behind_a_silent_address(&dns).await;

    let first = client.exchange(&query("a.test")).await.unwrap();
    let second = client.exchange(&query("b.test")).await.unwrap();

    assert!(first.elapsed >= ATTEMPT && first.elapsed < ATTEMPT * 3, "{:?}", first.elapsed);
    assert!(second.elapsed < Duration::from_millis(390), "{:?}", second.elapsed);
    assert_eq!((dns.seen().len(), client.status()[0].failed), (2, 0));
}

#[tokio::test]
async fn addresses_are_asked_in_their_order_again_once_the_network_has_changed() {
    let dns = Dns::udp([Act::Answer]).await;
    let (_silent, client) = behind_a_silent_address(&dns).await;
    client.exchange(&query("a.test")).await.unwrap();

    client.network_changed();
    let second = client.exchange(&query("b.test")).await.unwrap();

    assert!(second.elapsed >= ATTEMPT, "{:?}", second.elapsed);
}

#[tokio::test]
async fn a_thousand_queries_at_once_get_their_own_answers() {
    let dns = Dns::udp([Act::Answer]).await;
    let client = dns.client();

    ask_at_once(&client, 1000).await;
}

#[tokio::test]
async fn there_are_no_more_sockets_than_queries_a_server_may_have() {
    let dns = Dns::udp([Act::Hang]).await;
    let client = Client::builder()
        .server(dns.server())
        .in_flight(2)
        .timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let mut exchanges = JoinSet::new();
    for _ in 0..5 {
        let client = client.clone();
        exchanges.spawn(async move { client.exchange(&query("a.test")).await.unwrap_err() });
    }

    let errors = exchanges.join_all().await;

    let overloads = errors.iter().filter(|error| matches!(error, Error::Overloaded)).count();
    let ports: HashSet<_> = dns.seen().iter().map(|seen| seen.from).collect();
    assert_eq!((overloads, ports.len()), (3, 2));
}
