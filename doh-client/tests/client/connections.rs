//! One connection for everybody: who opens it, what survives whom, and how it is replaced.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::fake::{Act, Fake, clients_of};
use crate::{answer, query};

#[tokio::test]
async fn two_hundred_cold_queries_share_one_connection() {
    let fake = Fake::start([Act::Answer]).await;
    let client = fake.client();

    let mut exchanges = JoinSet::new();
    for number in 0..200 {
        let client = client.clone();
        exchanges.spawn(async move {
            let name = format!("n{number}.test");
            assert_eq!(client.exchange(&query(&name)).await.unwrap().answer, answer(&name));
        });
    }
    exchanges.join_all().await;

    assert_eq!((fake.connections(), fake.seen().len()), (1, 200));
}

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

#[tokio::test]
async fn a_connection_closed_while_idle_costs_no_answer() {
    let fake = Fake::start([Act::Answer]).await;
    let client = fake.client();

    for round in 1..=20 {
        client.exchange(&query("a.test")).await.unwrap();
        assert_eq!(fake.connections(), round);
        fake.close_connections().await;
    }

    assert_eq!(client.status()[0].failed, 0);
}

#[tokio::test]
async fn r78_a_connection_closed_under_a_query_is_replaced_once_for_free() {
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

#[tokio::test]
async fn r78_a_goaway_under_a_query_costs_no_answer() {
    let fake = Fake::start([Act::GoAway, Act::Answer]).await;
    let client = fake.client();

    assert!(client.exchange(&query("a.test")).await.is_ok());
    assert_eq!((fake.connections(), client.status()[0].failed), (2, 0));
}

#[tokio::test]
async fn a_connection_that_was_told_to_go_away_is_replaced() {
    let fake = Fake::start([Act::AnswerThenGoAway]).await;
    let client = fake.client();

    for _ in 0..20 {
        client.exchange(&query("a.test")).await.unwrap();
    }

    assert!(fake.connections() > 1);
    assert_eq!(client.status()[0].failed, 0);
}

#[tokio::test]
async fn a_path_that_went_dead_is_noticed_and_replaced_while_the_query_waits() {
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
