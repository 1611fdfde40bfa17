//! The end of a server: nothing that was asked stays unanswered.

use std::sync::Arc;

use tokio::{net::TcpStream, sync::Notify};

use crate::lab::{Conversation, Fake, Lab, Reply, plain_client, question};

/// A server that has read a query whose answer waits until the gate is opened.
async fn with_a_slow_query() -> (Lab, Conversation, Arc<Notify>) {
    let gate = Arc::new(Notify::new());
    let fake = Fake::new().a("slow.example", [192, 0, 2, 1]).gated(&gate);
    let lab = Lab::builder().upstream(fake).start().await;
    let mut conversation = lab.connect().await;
    conversation.send(&question("slow.example", "A").to_vec().unwrap()).await;
    conversation.send(&question("localhost", "A").to_vec().unwrap()).await;
    conversation.receive().await.expect("the quick answer, so that the slow query has been read");
    (lab, conversation, gate)
}

#[tokio::test]
async fn queries_in_flight_are_answered_before_the_end() {
    let (lab, mut conversation, gate) = with_a_slow_query().await;

    let ending = tokio::spawn(lab.server.shut_down());
    gate.notify_one();
    let answer = Reply::read(&conversation.receive().await.expect("the slow answer"));

    assert_eq!(answer.addresses(), ["192.0.2.1"]);
    assert!(conversation.receive().await.is_none());
    ending.await.unwrap();
}

#[tokio::test]
async fn what_has_arrived_before_the_end_is_read_until_nothing_is_left() {
    let lab = Lab::builder().start().await;
    let mut conversation = lab.connect().await;
    for _ in 0..200 {
        conversation.send(&question("localhost", "A").to_vec().unwrap()).await;
    }

    lab.server.shut_down().await;

    for number in 0..200 {
        assert!(conversation.receive().await.is_some(), "answer {number}");
    }
    assert!(conversation.receive().await.is_none());
}

#[tokio::test]
async fn what_had_no_room_before_the_end_is_read_when_there_is_room() {
    let gate = Arc::new(Notify::new());
    let fake = Fake::new().gated(&gate).a("n0.example", [192, 0, 2, 0]);
    let limit = "dns.limits.in_flight_per_connection = 1";
    let lab = Lab::builder().upstream(fake).config(limit).start().await;
    let mut conversation = lab.connect().await;
    conversation.send(&question("n0.example", "A").to_vec().unwrap()).await;
    while lab.sample("dnsward_queries_waiting").await == 0 {}
    for _ in 0..3 {
        conversation.send(&question("localhost", "A").to_vec().unwrap()).await;
    }

    let dns = lab.dns();
    let ending = tokio::spawn(lab.server.shut_down());
    // Every thread has closed its door once nobody can come in.
    while TcpStream::connect(dns).await.is_ok() {}
    gate.notify_one();

    for number in 0..4 {
        assert!(conversation.receive().await.is_some(), "answer {number}");
    }
    ending.await.unwrap();
}

#[tokio::test]
async fn a_server_that_ends_is_not_ready_while_it_still_answers() {
    let (lab, mut conversation, gate) = with_a_slow_query().await;
    let ready = format!("http://{}/readyz", lab.server.addresses().metrics.unwrap());

    let ending = tokio::spawn(lab.server.shut_down());
    let mut status = 200;
    while status == 200 {
        status = plain_client().get(&ready).send().await.unwrap().status().as_u16();
    }
    gate.notify_one();

    assert_eq!(status, 503);
    assert!(conversation.receive().await.is_some());
    ending.await.unwrap();
}

#[tokio::test]
async fn a_port_is_free_again_after_the_end() {
    let lab = Lab::builder().on_host("127.0.0.53").start().await;
    let address = lab.dns();

    lab.server.shut_down().await;

    std::net::TcpListener::bind(address).expect("the TCP port is free");
    std::net::UdpSocket::bind(address).expect("the UDP port is free");
}
