//! What becomes of a connection for DNS over TLS or TCP that is closed, falls silent or is left.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doh_client::{Client, Closed, Event, Failure, Hedge, Observer, SendKind};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{asked, both, failure_of};
use crate::dns::{Act, Dns, refusing};
use crate::fake::clients_of;
use crate::{answer, query};

/// An attempt timeout that is longer than a connection may be silent.
const PATIENT: Duration = Duration::from_secs(4);

/// Notes why connections are over, and how many queries were sent again for it.
#[derive(Default)]
struct Ends {
    reasons: Mutex<Vec<Closed>>,
    retries: AtomicUsize,
}

impl Observer for Ends {
    fn note(&self, _server: usize, event: &Event<'_>) {
        match event {
            Event::Closed(reason) => {
                self.reasons.lock().expect("no test panics with it").push(*reason);
            }
            Event::Sent(SendKind::FreeRetry) => {
                self.retries.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

/// Failure story 3: servers close idle connections after seconds, and the next query failed.
#[tokio::test]
async fn t13_a_connection_closed_while_idle_costs_no_answer_in_200_rounds() {
    for dns in both(&[Act::Answer]).await {
        // However slow this machine is, a query is no reason to open a second one.
        let client = clients_of([]).server(dns.server()).hedge(Hedge::Off).build().unwrap();
        for round in 1..=200 {
            client.exchange(&query("a.test")).await.unwrap();
            assert_eq!((dns.connections(), dns.seen().len()), (round, round));
            dns.close_connections().await;
        }
        assert_eq!(client.status()[0].failed, 0);
    }
}

#[tokio::test]
async fn t13_a_connection_that_is_reset_while_idle_costs_no_answer() {
    for dns in both(&[Act::AnswerThenReset]).await {
        let client = dns.client();
        for _ in 0..100 {
            client.exchange(&query("a.test")).await.unwrap();
            dns.connections_closed().await;
        }
        assert_eq!(client.status()[0].failed, 0);
    }
}

/// Failure story 3 again: the query is on its way when the connection is closed.
#[tokio::test]
async fn t14_a_goodbye_that_races_the_query_costs_no_answer() {
    for (dns, rounds) in both(&[Act::AnswerThenClose]).await.into_iter().zip([1000, 200]) {
        let client = dns.client();
        for _ in 0..rounds {
            client.exchange(&query("a.test")).await.unwrap();
        }
        assert_eq!(client.status()[0].failed, 0);
    }
}

#[tokio::test]
async fn t10_a_connection_closed_in_the_middle_of_an_answer_is_replaced_once_for_free() {
    for part in [0, 1, 2, 14, 25] {
        for dns in both(&[Act::Part(part), Act::Answer]).await {
            let client = dns.client();

            assert_eq!(client.exchange(&query("a.test")).await.unwrap().answer, answer("a.test"));
            assert_eq!((dns.connections(), client.status()[0].failed), (2, 0), "{part} bytes");
        }
    }
}

/// Failure story 1 again: something on the way forgot the connection, and says so to the next query.
#[tokio::test]
async fn t34_a_connection_that_is_reset_under_a_query_is_replaced_once_for_free() {
    for dns in both(&[Act::Answer, Act::Reset, Act::Answer]).await {
        let client = dns.client();
        for _ in 0..2 {
            assert_eq!(client.exchange(&query("a.test")).await.unwrap().answer, answer("a.test"));
        }
        assert_eq!((dns.connections(), client.status()[0].failed), (2, 0));
    }
}

#[tokio::test]
async fn a_server_that_closes_every_connection_fails_after_two() {
    for dns in both(&[Act::Close]).await {
        let failure = failure_of(&dns.client()).await;

        assert!(matches!(failure, Failure::ConnectionLost(_)), "{failure}");
        assert_eq!(dns.connections(), 2);
    }
}

#[tokio::test]
async fn t30_a_server_that_refuses_connections_is_passed_over_at_once() {
    for scheme in ["tcp", "tls"] {
        let dns = Dns::tcp([Act::Answer]).await;
        let client = Client::builder()
            .server(refusing(scheme).await)
            .server(dns.server())
            .attempt_timeout(Duration::from_secs(4))
            .build()
            .unwrap();

        let exchange = client.exchange(&query("a.test")).await.unwrap();

        assert_eq!((exchange.server, client.status()[0].failed), (1, 1));
        assert!(exchange.elapsed < Duration::from_secs(1), "{:?}", exchange.elapsed);
    }
}

/// Failure story 1: queries went on and on into a connection whose path was dead.
#[tokio::test]
async fn t33_a_path_that_went_dead_is_replaced_while_the_query_waits() {
    let mut exchanges = JoinSet::new();
    for dns in both(&[Act::Answer, Act::GoSilent, Act::Answer]).await {
        exchanges.spawn(async move {
            let client = clients_of([]).server(dns.server()).attempt_timeout(PATIENT).build();
            let client = client.unwrap();
            client.exchange(&query("a.test")).await.unwrap();

            let waited = client.exchange(&query("b.test")).await.unwrap();
            let next = client.exchange(&query("c.test")).await.unwrap();

            assert_eq!((waited.answer.as_ref(), dns.connections()), (&*answer("b.test"), 2));
            assert!(waited.elapsed < Duration::from_millis(2500), "{:?}", waited.elapsed);
            assert!(next.elapsed < Duration::from_secs(1), "{:?}", next.elapsed);
        });
    }
    exchanges.join_all().await;
}

#[tokio::test]
async fn t15_an_answer_that_trickles_in_is_not_waited_for() {
    let dns = Dns::tcp([Act::Trickle, Act::Answer]).await;
    let client = clients_of([]).server(dns.server()).attempt_timeout(PATIENT).build().unwrap();

    let exchange = client.exchange(&query("a.test")).await.unwrap();

    assert_eq!((exchange.answer.as_ref(), dns.connections()), (&*answer("a.test"), 2));
    assert!(exchange.elapsed < Duration::from_millis(2500), "{:?}", exchange.elapsed);
}

/// Failure story 12: a connection whose peer went silent cost 10 s, whatever the timeout said.
#[tokio::test]
async fn t50_a_silent_connection_costs_no_more_than_the_timeout_and_is_replaced() {
    let dns = Dns::tls([Act::Answer, Act::GoSilent, Act::Answer]).await;
    let limit = Duration::from_millis(300);
    let client = clients_of([]).server(dns.server()).timeout(limit).build().unwrap();
    client.exchange(&query("a.test")).await.unwrap();
    let started = Instant::now();

    let error = client.exchange(&query("a.test")).await.unwrap_err();

    assert!(error.is_timeout() && started.elapsed() < limit * 2, "{:?}", started.elapsed());
    let replaced = timeout(Duration::from_secs(10), async {
        while dns.connections() < 2 {
            sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(replaced.await.is_ok());
    assert!(client.exchange(&query("a.test")).await.is_ok());
}

/// Failure story 6: who gave up took the connection away from the others.
#[tokio::test]
async fn a_query_that_is_dropped_leaves_the_connection_in_order() {
    for dns in both(&[Act::Hold, Act::Answer]).await {
        let client = dns.client();
        let name = query("a.test");
        let mut given_up = Box::pin(client.exchange(&name));
        while dns.seen().is_empty() {
            assert!(timeout(Duration::from_millis(1), &mut given_up).await.is_err());
        }

        drop(given_up);

        // The first of them comes together with the late answer.
        for name in ["b.test", "c.test"] {
            assert_eq!(client.exchange(&query(name)).await.unwrap().answer, answer(name));
        }
        assert_eq!((dns.connections(), client.status()[0].failed), (1, 0));
    }
}

#[tokio::test]
async fn one_query_without_an_answer_does_not_hold_up_the_others() {
    for dns in both(&[Act::Hang, Act::Answer]).await {
        let client = dns.client();
        let hanging = tokio::spawn({
            let client = client.clone();
            async move { client.exchange(&query("a.test")).await }
        });
        asked(&dns, 1).await;

        for _ in 0..100 {
            client.exchange(&query("b.test")).await.unwrap();
        }

        assert_eq!(dns.connections(), 1);
        hanging.abort();
    }
}

#[tokio::test]
async fn the_connection_is_closed_with_the_last_client() {
    for dns in both(&[Act::Answer]).await {
        let client = dns.client();
        client.exchange(&query("a.test")).await.unwrap();

        drop(client);

        dns.connections_closed().await;
    }
}

/// As dnsmasq does it: whoever has more under way than it takes would lose it again and again.
#[tokio::test]
async fn a_server_that_closes_after_a_hundred_answers_costs_none_of_ten_thousand() {
    for at_once in [100, 250] {
        let dns = Dns::tcp([Act::AnswerUpTo(100)]).await;
        let ends = Arc::new(Ends::default());
        let builder = clients_of([]).server(dns.server()).hedge(Hedge::Off);
        let client = builder.observer(Arc::<Ends>::clone(&ends)).build().unwrap();
        let mut exchanges = JoinSet::new();
        for _ in 0..at_once {
            let client = client.clone();
            exchanges.spawn(async move {
                for _ in 0..10_000 / at_once {
                    client.exchange(&query("a.test")).await.unwrap();
                }
            });
        }

        exchanges.join_all().await;

        // Without having learned, nearly all that is under way is lost with each connection.
        let retries = ends.retries.load(Ordering::Relaxed);
        assert!(dns.connections() >= 100);
        assert_eq!(client.status()[0].failed, 0);
        assert!(retries < at_once * 25, "{retries} queries of {at_once} at once were lost");
    }
}

#[tokio::test]
async fn why_a_connection_is_over_is_told_once() {
    for (act, reason) in [
        (Act::AnswerThenClose, Closed::Idle),
        (Act::AnswerThenReset, Closed::Idle),
        (Act::Close, Closed::Broken),
        (Act::Reset, Closed::Broken),
        (Act::Part(9), Closed::Broken),
        (Act::Length(3), Closed::Broken),
        (Act::Strays(10), Closed::Broken),
    ] {
        for dns in both(&[act, Act::Answer]).await {
            let ends = Arc::new(Ends::default());
            let builder = clients_of([]).server(dns.server());
            let client = builder.observer(Arc::<Ends>::clone(&ends)).build().unwrap();
            client.exchange(&query("a.test")).await.unwrap();
            // The connection to the first act is gone by the time that the second has answered.
            while dns.connections() < 2 {
                client.exchange(&query("b.test")).await.unwrap();
            }

            drop(client);
            dns.connections_closed().await;

            // That we let go of the last one ourselves is nothing to be told.
            assert_eq!(*ends.reasons.lock().unwrap(), [reason], "{act:?}");
        }
    }
}
