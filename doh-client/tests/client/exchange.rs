//! One server that does its work: what it gets to see, and what comes back.

use std::time::Duration;

use doh_client::{Error, Failure, Health, QueryProblem};

use crate::fake::{Act, Fake};
use crate::{answer, query};

#[tokio::test]
async fn an_answer_comes_back_as_the_server_sent_it() {
    let fake = Fake::start([Act::Answer]).await;

    let exchange = fake.client().exchange(&query("a.test")).await.unwrap();

    assert_eq!(exchange.answer, answer("a.test"));
    assert_eq!((exchange.server, exchange.age), (0, Duration::ZERO));
}

#[tokio::test]
async fn r77_a_request_says_what_rfc_8484_asks_for_and_nothing_else() {
    let fake = Fake::start([Act::Answer]).await;
    fake.client().exchange(&query("a.test")).await.unwrap();

    let seen = &fake.seen()[0];

    assert_eq!((seen.method.as_str(), seen.uri.path()), ("POST", "/dns-query"));
    assert_eq!(seen.uri.host(), Some("dns.test"));
    let mut headers: Vec<_> =
        seen.headers.iter().map(|(name, value)| (name.as_str(), value)).collect();
    headers.sort_by_key(|(name, _)| *name);
    let dns_message = &"application/dns-message".parse().unwrap();
    let length = &"24".parse().unwrap();
    assert_eq!(
        headers,
        [("accept", dns_message), ("content-length", length), ("content-type", dns_message)]
    );
}

#[tokio::test]
async fn r77_a_query_is_sent_with_the_id_0() {
    let fake = Fake::start([Act::Answer]).await;
    let mut expected = query("a.test");
    expected[..2].copy_from_slice(&[0, 0]);

    fake.client().exchange(&query("a.test")).await.unwrap();

    assert_eq!(fake.seen()[0].body, expected);
}

#[tokio::test]
async fn r76_the_age_of_an_answer_is_passed_on() {
    let fake = Fake::start([Act::Age("100"), Act::Age("soon")]).await;
    let client = fake.client();

    assert_eq!(client.exchange(&query("a.test")).await.unwrap().age, Duration::from_secs(100));
    assert_eq!(client.exchange(&query("a.test")).await.unwrap().age, Duration::ZERO);
}

#[tokio::test]
async fn r21_r77_an_answer_may_have_65535_bytes_and_no_more() {
    let fake = Fake::start([Act::Size(65_535), Act::Size(65_536)]).await;
    let client = fake.client();

    assert_eq!(client.exchange(&query("a.test")).await.unwrap().answer.len(), 65_535);

    let Err(Error::AllFailed(failures)) = client.exchange(&query("a.test")).await else {
        panic!("an answer of 65,536 bytes was believed");
    };
    assert!(matches!(failures[0].failure, Failure::TooLarge));
}

#[tokio::test]
async fn the_content_type_may_have_parameters() {
    let fake = Fake::start([Act::Type("Application/DNS-Message; charset=utf-8")]).await;

    assert!(fake.client().exchange(&query("a.test")).await.is_ok());
}

#[tokio::test]
async fn a_message_that_is_no_query_is_never_sent() {
    let fake = Fake::start([Act::Answer]).await;

    let error = fake.client().exchange(&answer("a.test")).await.unwrap_err();

    assert!(matches!(error, Error::NotAQuery(QueryProblem::Response)));
    assert_eq!(fake.connections(), 0);
}

#[tokio::test]
async fn r77_the_status_tells_what_happened() {
    let fake = Fake::start([Act::Answer, Act::Status(503)]).await;
    let client = fake.client();
    assert_eq!(client.status()[0].health, Health::Untried);

    client.exchange(&query("a.test")).await.unwrap();
    let up = client.status().remove(0);
    client.exchange(&query("a.test")).await.unwrap_err();
    let down = client.status().remove(0);

    assert_eq!((up.health, up.connected, up.answered, up.failed), (Health::Up, true, 1, 0));
    assert!(up.last_error.is_none() && up.last_round_trip.is_some());
    assert_eq!((down.health, down.connects, down.answered, down.failed), (Health::Down, 1, 1, 1));
    assert!(down.last_error.unwrap().contains("503"));
}
