//! Upstreams that fail, hang and lie, and what becomes of the queries.

use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use tokio::sync::Notify;

use crate::lab::{Fake, Lab};

#[tokio::test]
async fn t56_a_thousand_waiters_make_one_flight() {
    let gate = Arc::new(Notify::new());
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]).gated(&gate);
    let lab = Lab::builder().upstream(fake).start().await;
    let mut conversations = Vec::new();

    for _ in 0..100 {
        let mut conversation = lab.connect().await;
        for _ in 0..10 {
            let query = crate::lab::question("www.example", "A").to_vec().unwrap();
            conversation.send(&query).await;
        }
        conversations.push(conversation);
    }
    gate.notify_one();

    for conversation in &mut conversations {
        for _ in 0..10 {
            let answer = conversation.receive().await.unwrap();
            assert_eq!(crate::lab::Reply::read(&answer).addresses(), ["192.0.2.1"]);
        }
    }
    assert_eq!(lab.upstream_hits(), 1);
}

#[tokio::test]
async fn r23_another_server_answers_for_one_that_fails() {
    for (bad, why) in [
        (Fake::new().status(500), "a server error"),
        (Fake::new().wrong_question(), "an answer to another question"),
        (Fake::new().failing(ResponseCode::ServFail), "SERVFAIL"),
    ] {
        let good = Fake::new().a("www.example", [192, 0, 2, 1]);
        let lab = Lab::builder().upstream(bad).upstream(good).start().await;

        assert_eq!(lab.ask("www.example", "A").await.addresses(), ["192.0.2.1"], "{why}");
    }
}

#[tokio::test]
async fn r92_when_nobody_can_be_reached_the_answer_says_so() {
    let lab = Lab::builder().start().await;

    let reply = lab.ask("www.example", "A").await;

    assert_eq!((reply.rcode(), reply.ede()[0].0), (2, 22));
}

#[tokio::test]
async fn r92_when_every_answer_is_bad_the_answer_says_so() {
    let lab = Lab::builder().upstream(Fake::new().status(503)).start().await;

    let reply = lab.ask("www.example", "A").await;

    assert_eq!((reply.rcode(), reply.ede()[0].0), (2, 23));
}

#[tokio::test]
async fn a_query_gets_its_answer_within_the_budget_even_from_a_silent_upstream() {
    let config = "upstream.timeout = '300ms'";
    let lab = Lab::builder().upstream(Fake::new().hanging()).config(config).start().await;
    let started = std::time::Instant::now();

    let reply = lab.ask("www.example", "A").await;

    assert_eq!((reply.rcode(), reply.ede()[0].0), (2, 22));
    assert!(started.elapsed() < std::time::Duration::from_secs(2));
}

/// Failure story 13: whoever asks a dead upstream is told before it gives up by itself.
#[tokio::test]
async fn t50_once_nobody_is_answered_further_queries_are_told_within_two_seconds() {
    let config = "upstream.timeout = '2500ms'";
    let lab = Lab::builder().upstream(Fake::new().hanging()).config(config).start().await;
    lab.ask("first.example", "A").await;
    let started = std::time::Instant::now();

    let reply = lab.ask("second.example", "A").await;

    assert_eq!((reply.rcode(), reply.ede()[0].0), (2, 22));
    assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_failure_that_all_servers_share_has_its_reason() {
    let fake = Fake::new().failing(ResponseCode::ServFail);
    let lab = Lab::builder().upstream(fake).start().await;

    let reply = lab.ask("www.example", "A").await;

    assert_eq!((reply.rcode(), reply.ede()[0].0), (2, 23));
    assert_eq!(lab.sample("dnsward_failures_remembered").await, 1);
    let failed = "dnsward_queries_total{transport=\"tcp\",outcome=\"failed\"}";
    assert_eq!(lab.sample(failed).await, 1);
}

#[tokio::test]
async fn a_reload_that_changes_nothing_upstream_keeps_what_is_known_of_it() {
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]);
    let lab = Lab::builder().upstream(fake).start().await;
    lab.ask("www.example", "A").await;

    lab.reload("[blocking]\nttl = '9s'").await;

    let answered =
        format!("dnsward_upstream_answered_total{{upstream=\"{}\"}}", lab.upstreams[0].url());
    assert_eq!(lab.sample(&answered).await, 1);
}

#[tokio::test]
async fn a_refusal_that_all_servers_share_is_passed_on() {
    let lab = Lab::builder().upstream(Fake::new().failing(ResponseCode::Refused)).start().await;

    assert_eq!(lab.ask("www.example", "A").await.rcode(), 5);
}

#[tokio::test]
async fn more_queries_than_may_wait_are_told_so_at_once() {
    let config = "dns.limits.in_flight = 3";
    let lab = Lab::builder().upstream(Fake::new().hanging()).config(config).start().await;
    let mut conversation = lab.connect().await;

    for number in 0..4 {
        let query = crate::lab::question(&format!("n{number}.example"), "A").to_vec().unwrap();
        conversation.send(&query).await;
    }
    let reply = crate::lab::Reply::read(&conversation.receive().await.unwrap());

    let text = "too many queries wait for an upstream".to_owned();
    assert_eq!((reply.rcode(), reply.ede()), (2, vec![(23, text)]));
    // A client that goes away leaves its queries to land.
    drop(conversation);
    assert_eq!(lab.ask("other.example", "A").await.ede()[0].0, 23);
    assert_eq!(lab.sample("dnsward_queries_overloaded_total{limit=\"all\"}").await, 2);
    assert_eq!(lab.ask("localhost", "A").await.addresses(), ["127.0.0.1"]);
}

#[tokio::test]
async fn one_client_leaves_places_for_others_over_udp_and_tcp() {
    let config = "dns.limits = { in_flight = 10, in_flight_per_client = 3 }";
    let lab = Lab::builder().upstream(Fake::new().hanging()).config(config).start().await;
    let mut conversation = lab.connect().await;

    for number in 0..4 {
        let query = crate::lab::question(&format!("n{number}.example"), "A").to_vec().unwrap();
        conversation.send(&query).await;
    }
    let over_tcp = crate::lab::Reply::read(&conversation.receive().await.unwrap());
    let over_udp = lab.ask_udp("n9.example", "A").await;

    let text = "too many queries of this client wait for an upstream".to_owned();
    for reply in [over_tcp, over_udp] {
        assert_eq!((reply.rcode(), reply.ede()), (2, vec![(23, text.clone())]));
    }
    assert_eq!(lab.sample("dnsward_queries_waiting").await, 3);
    assert_eq!(lab.sample("dnsward_queries_overloaded_total{limit=\"client\"}").await, 2);
    lab.reload("dns.limits = { in_flight = 10, in_flight_per_client = 4 }").await;
    conversation.send(&crate::lab::question("n5.example", "A").to_vec().unwrap()).await;
    conversation.send(&crate::lab::question("localhost", "A").to_vec().unwrap()).await;
    let next = crate::lab::Reply::read(&conversation.receive().await.unwrap());
    assert_eq!(next.addresses(), ["127.0.0.1"], "the fourth waits too");
}
