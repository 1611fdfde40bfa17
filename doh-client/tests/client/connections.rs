//! One connection for everybody: who opens it, what survives whom, and how it is replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use doh_client::Hedge;
use tokio::time::{Instant, sleep, timeout};

use crate::fake::{Act, Fake, clients_of};
use crate::raw::{MAX_STREAMS, Raw};
use crate::{answer, ask_at_once, query};

/// Failure story 4: as many handshakes as there are queries when nothing is open yet.
#[tokio::test]
async fn t21_a_thousand_cold_queries_share_two_connections_at_most() {
    let fake = Fake::start([Act::Answer]).await;
    let client = fake.client();

    ask_at_once(&client, 1000).await;

    assert!((1..=2).contains(&fake.connections()), "{}", fake.connections());
    assert_eq!(client.status()[0].failed, 0);
}

/// Failure story 6: the query that started a connection is dropped, and all who wait fail with it.
#[tokio::test]
async fn a_first_query_that_is_dropped_takes_nothing_from_the_others() {
    let fake = Fake::start([Act::Answer]).await;
    let client = fake.client();
    let name = query("a.test");
    let mut first = Box::pin(client.exchange(&name));
    // One look at it is enough to start the connection, and too short to finish it.
    assert!(timeout(Duration::ZERO, &mut first).await.is_err());
    let second = tokio::spawn({
        let client = client.clone();
        async move { client.exchange(&query("b.test")).await }
    });

    drop(first);

    assert_eq!(second.await.unwrap().unwrap().answer, answer("b.test"));
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn a_query_that_is_dropped_leaves_the_connection_to_the_others() {
    let fake = Fake::start([Act::Hang, Act::Answer]).await;
    let client = fake.client();
    let name = query("a.test");
    let mut hanging = Box::pin(client.exchange(&name));
    while fake.seen().is_empty() {
        assert!(timeout(Duration::from_millis(1), &mut hanging).await.is_err());
    }

    drop(hanging);

    assert!(client.exchange(&query("b.test")).await.is_ok());
    assert_eq!(fake.connections(), 1);
}

/// Failure story 3: servers close idle connections, and the next query is lost.
#[tokio::test]
async fn t13_a_connection_closed_while_idle_costs_no_answer_in_200_rounds() {
    let fake = Fake::start([Act::Answer]).await;
    // However slow this machine is, a query is no reason to open a second one.
    let client = clients_of([&fake]).hedge(Hedge::Off).build().unwrap();

    for round in 1..=200 {
        client.exchange(&query("a.test")).await.unwrap();
        assert_eq!(fake.connections(), round);
        fake.close_connections().await;
    }

    assert_eq!((client.status()[0].failed, fake.seen().len()), (0, 200));
}

/// Failure story 3: the server closes the connection while the query is on its way.
#[tokio::test]
async fn t14_a_connection_closed_as_the_query_comes_costs_no_answer_in_1000_races() {
    let raw = Raw::start(&[], |mut peer, number| async move {
        for _ in 0..=number % 3 {
            let Some((stream, query)) = peer.request().await else { return };
            peer.answer(stream, &query).await;
        }
        // Closed a little earlier or later than the next query is on its way.
        for _ in 0..number % 16 {
            tokio::task::yield_now().await;
        }
    });
    let raw = raw.await;
    let client = raw.client();

    for round in 0..1000 {
        let exchange = client.exchange(&query("a.test")).await;
        assert!(exchange.is_ok(), "{round}: {exchange:?}");
    }

    assert_eq!(client.status()[0].failed, 0);
    assert!(raw.connections() >= 500);
}

/// Failure story 20: a provider answers 400 over connections that have been used before.
#[tokio::test]
async fn a_refusal_over_a_used_connection_is_tried_once_over_a_fresh_one() {
    for status in [400, 404, 421] {
        let fake = Fake::start([Act::FirstOnly(status)]).await;
        let client = fake.client();

        for connections in 1..=5 {
            client.exchange(&query("a.test")).await.unwrap();
            assert_eq!(fake.connections(), connections, "{status}");
        }
        assert_eq!(client.status()[0].failed, 0);
    }
}

#[tokio::test]
async fn a_refusal_by_a_fresh_connection_costs_no_handshake_with_each_query() {
    let fake = Fake::start([Act::Answer, Act::Status(404)]).await;
    let client = fake.client();
    client.exchange(&query("a.test")).await.unwrap();

    for _ in 0..20 {
        client.exchange(&query("a.test")).await.unwrap_err();
    }

    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn r78_t10_a_connection_closed_under_a_query_is_replaced_once_for_free() {
    let fake = Fake::start([Act::Close, Act::Answer]).await;
    let client = fake.client();

    assert!(client.exchange(&query("a.test")).await.is_ok());
    assert_eq!((fake.connections(), client.status()[0].failed), (2, 0));
}

#[tokio::test]
async fn a_server_that_closes_every_connection_fails_after_two() {
    let fake = Fake::start([Act::Close]).await;
    let client = fake.client();

    let error = client.exchange(&query("a.test")).await.unwrap_err();

    assert!(error.to_string().contains("the connection was lost"), "{error}");
    assert!(!error.is_unreachable());
    assert_eq!(fake.connections(), 2);
}

/// Failure story 1: what is on the way has forgotten all connections at once.
#[tokio::test]
async fn t34_two_connections_that_died_together_cost_no_answer() {
    let are_dead = Arc::new(AtomicBool::new(false));
    let raw = Raw::start(&[(MAX_STREAMS, 1)], {
        let are_dead = Arc::clone(&are_dead);
        move |mut peer, number| {
            let are_dead = Arc::clone(&are_dead);
            async move {
                while let Some((stream, query)) = peer.request().await {
                    if number < 2 && are_dead.load(Ordering::Relaxed) {
                        return;
                    }
                    peer.answer(stream, &query).await;
                }
            }
        }
    });
    let raw = raw.await;
    let client = raw.clients().hedge(Hedge::Off).build().unwrap();
    client.exchange(&query("a.test")).await.unwrap();
    ask_at_once(&client, 4).await;
    assert_eq!((raw.connections(), client.status()[0].open_connections), (2, 2));

    are_dead.store(true, Ordering::Relaxed);

    assert!(client.exchange(&query("b.test")).await.is_ok());
    assert_eq!((raw.connections(), client.status()[0].failed), (3, 0));
}

#[tokio::test]
async fn r78_t12_a_goaway_under_a_query_costs_no_answer() {
    let fake = Fake::start([Act::GoAway, Act::Answer]).await;
    let client = fake.client();

    assert!(client.exchange(&query("a.test")).await.is_ok());
    assert_eq!((fake.connections(), client.status()[0].failed), (2, 0));
}

/// Failure story 21: a goodbye in good order is taken for a failure.
#[tokio::test]
async fn t12_a_connection_that_was_told_to_go_away_is_replaced() {
    let fake = Fake::start([Act::AnswerThenGoAway]).await;
    let client = fake.client();

    for _ in 0..20 {
        client.exchange(&query("a.test")).await.unwrap();
    }

    assert!(fake.connections() > 1);
    assert_eq!(client.status()[0].failed, 0);
}

#[tokio::test]
async fn t33_a_path_that_went_dead_is_noticed_and_replaced_while_the_query_waits() {
    let fake = Fake::start([Act::GoSilent, Act::Answer]).await;
    let client = clients_of([&fake]).attempt_timeout(Duration::from_secs(4)).build().unwrap();
    let started = Instant::now();

    let exchange = client.exchange(&query("a.test")).await.unwrap();

    assert_eq!((exchange.answer.as_ref(), fake.connections()), (&*answer("a.test"), 2));
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_path_that_went_dead_is_noticed_however_short_the_timeout() {
    let fake = Fake::start([Act::GoSilent, Act::Answer]).await;
    let client = clients_of([&fake]).timeout(Duration::from_millis(300)).build().unwrap();

    assert!(client.exchange(&query("a.test")).await.unwrap_err().is_timeout());
    let look = Duration::from_millis(10);
    let noticed = timeout(Duration::from_secs(10), async {
        while client.status()[0].connects < 2 {
            sleep(look).await;
        }
    });

    assert!(noticed.await.is_ok());
}

#[tokio::test]
async fn the_connection_is_closed_with_the_last_client() {
    let fake = Fake::start([Act::Answer]).await;
    let client = fake.client();
    client.exchange(&query("a.test")).await.unwrap();

    drop(client);

    fake.connections_closed().await;
}
