//! Several servers, some of which fail: whose answer is returned, and when.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use doh_client::{Blame, Breaker, Client, Error, Event, Failure, Hedge, Observer};
use tokio::time::Instant;

use crate::fake::{Act, Fake, SERVFAIL, TRUNCATED, clients_of, refusing};
use crate::query;

async fn pair(first: Act, second: Act) -> (Client, Fake, Fake) {
    let (first, second) = (Fake::start([first]).await, Fake::start([second]).await);
    // However slow this machine is, nobody is asked before the first one has answered.
    let client = clients_of([&first, &second]).hedge(Hedge::Off).build();
    (client.expect("two servers make a client"), first, second)
}

#[tokio::test]
async fn whatever_the_first_server_does_wrong_the_second_one_answers() {
    for wrong in [
        Act::Status(301),
        Act::Status(404),
        Act::Status(500),
        Act::Status(999),
        Act::Type("text/html"),
        Act::WrongId,
        Act::WrongQuestion,
        Act::Flags([0x01, 0x00]),
        Act::Size(0),
        Act::Size(11),
        Act::Size(65_536),
        Act::Reset,
        Act::Close,
        Act::GoAway,
        SERVFAIL,
        TRUNCATED,
    ] {
        let (client, first, _second) = pair(wrong, Act::Answer).await;

        let exchange = client.exchange(&query("a.test")).await;

        assert_eq!(exchange.expect("the second server answers").server, 1, "{wrong:?}");
        assert!(!first.seen().is_empty(), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_connections_is_passed_over() {
    let second = Fake::start([Act::Answer]).await;
    let client = clients_of([]).server(refusing().await).server(second.server()).build().unwrap();

    assert_eq!(client.exchange(&query("a.test")).await.unwrap().server, 1);
    assert_eq!(client.status()[0].failed, 1);
}

#[tokio::test]
async fn a_servfail_is_passed_on_when_nobody_knows_better() {
    let (client, _first, second) = pair(SERVFAIL, SERVFAIL).await;

    let exchange = client.exchange(&query("a.test")).await.unwrap();

    assert_eq!((exchange.server, exchange.answer[3] & 0x0f), (0, 2));
    assert_eq!(second.seen().len(), 1);
}

#[tokio::test]
async fn while_the_first_server_hangs_the_second_one_answers() {
    for (hedge, patience) in [(Hedge::Adaptive, 400), (Hedge::Off, 500)] {
        let (first, second) = (Fake::start([Act::Hang]).await, Fake::start([Act::Answer]).await);
        let client = clients_of([&first, &second]).attempt_timeout(Duration::from_millis(500));
        let client = client.hedge(hedge).seed(1).build().unwrap();

        let exchange = client.exchange(&query("a.test")).await.unwrap();
        let next = client.exchange(&query("b.test")).await.unwrap();

        assert!(exchange.elapsed >= Duration::from_millis(patience), "{hedge:?}");
        assert_eq!((exchange.server, next.server), (1, 1), "{hedge:?}");
        assert_eq!(first.seen().len(), 1, "{hedge:?}");
    }
}

/// Remembers sends and wins.
#[derive(Default)]
struct Tape(Mutex<Vec<(usize, String)>>);

impl Observer for Tape {
    fn note(&self, server: usize, event: &Event<'_>) {
        if let Event::Sent(_) | Event::HedgeWon = event {
            self.0.lock().expect("no test panics with it").push((server, format!("{event:?}")));
        }
    }
}

#[tokio::test]
async fn each_send_is_told_with_its_reason() {
    for (act, reason) in [(Act::Hang, "Hedge"), (Act::Reset, "Retry"), (SERVFAIL, "Retry")] {
        let (first, second) = (Fake::start([act]).await, Fake::start([Act::Answer]).await);
        let tape = Arc::new(Tape::default());
        let hedge = if reason == "Hedge" { Hedge::Adaptive } else { Hedge::Off };
        let client = clients_of([&first, &second]).hedge(hedge).observer(tape.clone());
        let client = client.build().unwrap();

        client.exchange(&query("a.test")).await.unwrap();

        let mut expected = vec![(0, "Sent(First)".to_owned()), (1, format!("Sent({reason})"))];
        if reason == "Hedge" {
            expected.push((1, "HedgeWon".to_owned()));
        }
        assert_eq!(*tape.0.lock().unwrap(), expected, "{act:?}");
    }
}

#[tokio::test]
async fn t30_a_server_that_refuses_is_left_alone_after_a_few_queries() {
    let second = Fake::start([Act::Answer]).await;
    let client = clients_of([]).server(refusing().await).server(second.server());
    let client = client.seed(1).build().unwrap();

    for _ in 0..200 {
        assert_eq!(client.exchange(&query("a.test")).await.unwrap().server, 1);
    }

    let failed = client.status()[0].failed;
    assert!((1..=10).contains(&failed), "{failed} of 200");
}

/// Failure story 9: a server that asks for fewer queries is taken for one that is down.
#[tokio::test]
async fn t54_a_server_that_complains_gets_less_keeps_its_connection_and_is_asked_again() {
    let script = [Act::Answer, Act::RetryAfter(429, "2"), Act::Answer];
    let (first, second) = (Fake::start(script).await, Fake::start([Act::Answer]).await);
    let client = clients_of([&first, &second]).hedge(Hedge::Off).seed(1).build().unwrap();
    let at_first = client.status()[0].limit;
    client.exchange(&query("a.test")).await.unwrap();

    while client.status()[0].throttled_for.is_none() {
        client.exchange(&query("b.test")).await.unwrap();
    }
    let (asked, throttled) = (first.seen().len(), client.status().remove(0));
    for _ in 0..20 {
        assert_eq!(client.exchange(&query("c.test")).await.unwrap().server, 1);
    }
    assert!(throttled.limit < at_first && throttled.throttled_for <= Some(Duration::from_secs(2)));
    assert_eq!((throttled.breaker, first.seen().len()), (Breaker::Closed, asked));

    // When the second is over that it asked for, it gets its share, and more each time.
    while client.status()[0].limit < throttled.limit + 3 {
        client.exchange(&query("d.test")).await.unwrap();
    }
    assert!(first.seen().len() > asked);
    assert_eq!(first.connections(), 1);
}

#[tokio::test]
async fn servers_that_hang_end_in_a_timeout_within_the_budget() {
    let (first, second) = (Fake::start([Act::Hang]).await, Fake::start([Act::Hang]).await);
    let budget = Duration::from_millis(300);
    let client = clients_of([&first, &second])
        .attempt_timeout(Duration::from_millis(50))
        .timeout(budget)
        .build()
        .unwrap();
    let started = Instant::now();

    let error = client.exchange(&query("a.test")).await.unwrap_err();

    assert!(started.elapsed() < budget + Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(error.is_timeout() && error.is_unreachable() && error.is_retryable());
}

#[tokio::test]
async fn when_no_server_can_be_reached_each_is_named() {
    let servers = [refusing().await, refusing().await];
    let [first, second] = servers.clone();
    let client = Client::builder().server(first).server(second).build().unwrap();

    let error = client.exchange(&query("a.test")).await.unwrap_err();

    assert!(error.is_unreachable() && !error.is_timeout());
    assert_eq!(error.blame(), Blame::Upstream);
    for server in servers {
        assert!(error.to_string().contains(&server.to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_full_server_is_an_overload_and_not_a_failure() {
    let fake = Fake::start([Act::Hang]).await;
    let client = clients_of([&fake]).timeout(Duration::from_millis(200)).build().unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..1025 {
        let client = client.clone();
        waiting.spawn(async move { client.exchange(&query("a.test")).await.unwrap_err() });
    }

    let errors = waiting.join_all().await;

    let overloads = errors.iter().filter(|error| matches!(error, Error::Overloaded)).count();
    assert_eq!(overloads, 1);
}

#[tokio::test]
async fn r77_a_page_of_a_captive_portal_is_told_by_its_content_type() {
    let fake = Fake::start([Act::Type("text/html")]).await;

    let Err(Error::AllFailed(failures)) = fake.client().exchange(&query("a.test")).await else {
        panic!("a page was believed");
    };

    assert!(matches!(&failures[0].failure, Failure::ContentType(found) if &**found == "text/html"));
}
