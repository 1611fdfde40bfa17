//! Connections: frames in any pieces, many queries at once, answers as they become ready.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
};

use crate::lab::{Fake, Lab, Reply, frame, question};

/// A query's bytes with this id.
fn numbered(id: u16, name: &str) -> Vec<u8> {
    let mut message = question(name, "A");
    message.metadata.id = id;
    message.to_vec().unwrap()
}

#[tokio::test]
async fn r10_a_query_may_come_in_pieces_and_many_in_one() {
    let lab = Lab::builder().start().await;
    let mut conversation = lab.connect().await;

    for octet in frame(&numbered(1, "localhost")) {
        conversation.stream.write_all(&[octet]).await.unwrap();
        conversation.stream.flush().await.unwrap();
    }
    let first = conversation.receive().await.unwrap();
    let many: Vec<u8> = (2..200).flat_map(|id| frame(&numbered(id, "localhost"))).collect();
    conversation.stream.write_all(&many).await.unwrap();

    assert_eq!(Reply::read(&first).message.metadata.id, 1);
    for id in 2..200 {
        let answer = conversation.receive().await.unwrap();
        assert_eq!(Reply::read(&answer).message.metadata.id, id);
    }
}

#[tokio::test]
async fn r11_a_slow_answer_holds_up_none_behind_it() {
    let gate = Arc::new(Notify::new());
    let fake = Fake::new().a("slow.example", [192, 0, 2, 1]).gated(&gate);
    let lab = Lab::builder().upstream(fake).start().await;
    let mut conversation = lab.connect().await;

    conversation.send(&numbered(1, "slow.example")).await;
    conversation.send(&numbered(2, "localhost")).await;
    let first = Reply::read(&conversation.receive().await.unwrap());
    gate.notify_one();
    let second = Reply::read(&conversation.receive().await.unwrap());

    assert_eq!((first.message.metadata.id, second.message.metadata.id), (2, 1));
}

#[tokio::test]
async fn r11_there_is_no_cap_on_queries_of_one_connection() {
    let lab = Lab::builder().start().await;
    let mut conversation = lab.connect().await;

    for id in 0..5_000 {
        conversation.send(&numbered(id, "localhost")).await;
        let answer = conversation.receive().await.expect("the connection stays open");
        assert_eq!(Reply::read(&answer).message.metadata.id, id);
    }
}

#[tokio::test]
async fn r11_a_hundred_queries_in_flight_are_answered_in_any_order() {
    let gates: Vec<_> = (0..100).map(|_| Arc::new(Notify::new())).collect();
    let fake = gates.iter().zip(0..).fold(Fake::new(), |fake, (gate, number)| {
        let name = format!("n{number}.example");
        fake.a(&name, [192, 0, 2, number]).gates(&name, gate)
    });
    let lab = Lab::builder().upstream(fake).start().await;
    let mut conversation = lab.connect().await;
    for number in 0..100 {
        conversation.send(&numbered(number, &format!("n{number}.example"))).await;
    }

    for number in (0..100).rev() {
        gates[number].notify_one();
        let reply = Reply::read(&conversation.receive().await.unwrap());
        assert_eq!(usize::from(reply.message.metadata.id), number);
        assert_eq!(reply.addresses(), [format!("192.0.2.{number}")]);
    }
}

#[tokio::test]
async fn r14_two_queries_with_one_id_get_two_answers() {
    let fake = Fake::new().a("one.example", [192, 0, 2, 1]).a("two.example", [192, 0, 2, 2]);
    let lab = Lab::builder().upstream(fake).start().await;
    let mut conversation = lab.connect().await;

    conversation.send(&numbered(7, "one.example")).await;
    conversation.send(&numbered(7, "two.example")).await;
    let mut addresses = Vec::new();
    for _ in 0..2 {
        let reply = Reply::read(&conversation.receive().await.unwrap());
        assert_eq!(reply.message.metadata.id, 7);
        addresses.extend(reply.addresses());
    }

    addresses.sort();
    assert_eq!(addresses, ["192.0.2.1", "192.0.2.2"]);
}

#[tokio::test]
async fn a_connection_over_its_limit_waits_and_is_not_closed() {
    let gate = Arc::new(Notify::new());
    let fake = (0..50).fold(Fake::new().gated(&gate), |fake, number| {
        fake.a(&format!("n{number}.example"), [192, 0, 2, number])
    });
    let limit = "dns.limits.in_flight_per_connection = 2";
    let lab = Lab::builder().upstream(fake).config(limit).start().await;
    let mut conversation = lab.connect().await;

    for number in 0..50 {
        conversation.send(&numbered(number, &format!("n{number}.example"))).await;
    }
    let opener = tokio::spawn(async move {
        loop {
            gate.notify_one();
            tokio::task::yield_now().await;
        }
    });
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(Reply::read(&conversation.receive().await.unwrap()).message.metadata.id);
    }
    opener.abort();

    ids.sort_unstable();
    assert_eq!(ids, (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn r13_r103_whoever_stops_sending_still_gets_the_answers() {
    let gate = Arc::new(Notify::new());
    let fake = Fake::new().a("slow.example", [192, 0, 2, 1]).gated(&gate);
    let lab = Lab::builder().upstream(fake).start().await;
    let mut conversation = lab.connect().await;

    conversation.send(&numbered(7, "slow.example")).await;
    conversation.stream.shutdown().await.unwrap();
    gate.notify_one();

    assert_eq!(Reply::read(&conversation.receive().await.unwrap()).addresses(), ["192.0.2.1"]);
    assert!(conversation.receive().await.is_none());
}

#[tokio::test]
async fn connecting_and_closing_costs_nothing_and_says_nothing() {
    let lab = Lab::builder().start().await;

    for _ in 0..100 {
        drop(lab.connect().await);
    }

    assert_eq!(lab.ask("localhost", "A").await.addresses(), ["127.0.0.1"]);
    assert_eq!(lab.sample("dnsward_malformed_queries_total").await, 0);
}

#[tokio::test]
async fn a_broken_message_is_answered_and_the_connection_goes_on() {
    let lab = Lab::builder().start().await;
    let mut conversation = lab.connect().await;
    let mut broken = numbered(1, "localhost");
    broken[5] = 9;

    conversation.send(&broken).await;
    conversation.send(&numbered(2, "localhost")).await;

    assert_eq!(conversation.receive().await.unwrap()[3] & 0xf, 1);
    assert_eq!(Reply::read(&conversation.receive().await.unwrap()).message.metadata.id, 2);
}

#[tokio::test]
async fn fewer_connections_than_threads_are_enough_for_one_after_the_other() {
    let limit = "dns.limits.tcp_connections = 1";
    let lab = Lab::builder().config(limit).start().await;

    for _ in 0..20 {
        assert_eq!(lab.ask("localhost", "A").await.addresses(), ["127.0.0.1"]);
    }
}

#[tokio::test]
async fn what_one_read_brings_waits_within_the_limit_too() {
    let gate = Arc::new(Notify::new());
    let limit = "dns.limits.in_flight_per_connection = 2";
    let lab = Lab::builder().upstream(Fake::new().gated(&gate)).config(limit).start().await;
    let mut conversation = lab.connect().await;
    let mut many = frame(&numbered(100, "localhost"));
    for number in 0..10 {
        many.extend(frame(&numbered(number, &format!("n{number}.example"))));
    }

    conversation.stream.write_all(&many).await.unwrap();
    conversation.receive().await.expect("the answer that needs no upstream");

    assert_eq!(lab.sample("dnsward_queries_waiting").await, 2);
}

#[tokio::test]
async fn a_frame_longer_than_any_query_ends_the_connection() {
    let lab = Lab::builder().start().await;
    let mut conversation = lab.connect().await;

    conversation.stream.write_all(b"\xff\xff").await.unwrap();

    assert!(conversation.receive().await.is_none());
}

#[tokio::test]
async fn r10_a_message_of_no_octets_ends_the_connection_after_what_is_owed() {
    let lab = Lab::builder().start().await;
    let mut conversation = lab.connect().await;

    conversation.send(&numbered(1, "localhost")).await;
    conversation.send(b"").await;
    conversation.send(&numbered(2, "localhost")).await;

    assert_eq!(Reply::read(&conversation.receive().await.unwrap()).message.metadata.id, 1);
    assert!(conversation.receive().await.is_none());
}

#[tokio::test]
async fn r16_at_the_limit_the_connection_that_is_idle_longest_makes_room() {
    let gate = Arc::new(Notify::new());
    let fake = Fake::new().a("slow.example", [192, 0, 2, 1]).gated(&gate);
    let config = "dns.limits = { tcp_connections = 2 }";
    let lab = Lab::builder().upstream(fake).config(config).start().await;
    let mut busy = lab.connect().await;
    busy.send(&numbered(1, "slow.example")).await;
    busy.send(&numbered(2, "localhost")).await;
    busy.receive().await.expect("the second answer, so the first query waits");
    let mut idle = lab.connect().await;
    idle.send(&numbered(2, "localhost")).await;
    idle.receive().await.expect("an answer");

    assert_eq!(lab.ask("localhost", "A").await.addresses(), ["127.0.0.1"]);
    assert!(idle.receive().await.is_none(), "it is closed");
    gate.notify_one();
    let answer = Reply::read(&busy.receive().await.expect("who waits is left alone"));
    assert_eq!(answer.addresses(), ["192.0.2.1"]);
    let closed = "dnsward_tcp_connections_closed_for_room_total{which=\"idle_of_all\"}";
    assert_eq!(lab.sample(closed).await, 1);
}

#[tokio::test]
async fn r16_where_nobody_is_idle_a_new_connection_is_closed() {
    let gate = Arc::new(Notify::new());
    let fake = Fake::new().a("slow.example", [192, 0, 2, 1]).gated(&gate);
    let config = "dns.limits = { tcp_connections_per_client = 1 }";
    let lab = Lab::builder().upstream(fake).config(config).start().await;
    let mut busy = lab.connect().await;
    busy.send(&numbered(1, "slow.example")).await;
    busy.send(&numbered(2, "localhost")).await;
    busy.receive().await.expect("the second answer, so the first query waits");

    assert!(lab.connect().await.receive().await.is_none());
    gate.notify_one();
    assert!(busy.receive().await.is_some());
    let refused = "dnsward_tcp_connections_closed_for_room_total{which=\"new\"}";
    assert_eq!(lab.sample(refused).await, 1);
    lab.reload("dns.limits = { tcp_connections_per_client = 2 }").await;
    assert_eq!(lab.ask("localhost", "A").await.addresses(), ["127.0.0.1"]);
}

#[tokio::test]
async fn r12_length_and_message_are_written_at_once() {
    let lab = Lab::builder().start().await;
    let mut conversation = lab.connect().await;

    for id in 0..200 {
        conversation.send(&numbered(id, "localhost")).await;
        let mut buffer = [0; 512];
        let read = conversation.stream.read(&mut buffer).await.unwrap();
        let length = usize::from(u16::from_be_bytes([buffer[0], buffer[1]]));
        assert_eq!(read, 2 + length, "the first segment holds all of it");
    }
}

#[tokio::test]
async fn r15_tcp_is_served_where_udp_is_off() {
    let lab = Lab::builder().config("dns.udp = 'off'").start().await;
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(lab.dns()).await.unwrap();

    socket.send(&numbered(1, "localhost")).await.unwrap();
    let refused = socket.recv(&mut [0; 512]).await.unwrap_err();

    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(lab.ask("localhost", "A").await.addresses(), ["127.0.0.1"]);
}

#[tokio::test]
async fn r17_more_connections_than_there_is_room_for_do_not_hold_up_udp() {
    let limit = "dns.limits.tcp_connections = 1";
    let lab = Lab::builder().config(limit).start().await;
    let mut waiting = Vec::new();

    for _ in 0..200 {
        waiting.push(lab.connect().await);
    }

    for _ in 0..20 {
        assert_eq!(lab.ask_udp("localhost", "A").await.addresses(), ["127.0.0.1"]);
    }
}

#[tokio::test]
async fn whoever_asks_and_stops_sending_at_once_gets_every_answer() {
    let lab = Lab::builder().start().await;

    for number in 1..50 {
        let mut conversation = lab.connect().await;
        let many: Vec<u8> = (0..number).flat_map(|id| frame(&numbered(id, "localhost"))).collect();
        conversation.stream.write_all(&many).await.unwrap();
        conversation.stream.shutdown().await.unwrap();
        for id in 0..number {
            let answer = conversation.receive().await.expect("an answer");
            assert_eq!(Reply::read(&answer).message.metadata.id, id);
        }
        assert!(conversation.receive().await.is_none());
    }

    assert_eq!(lab.sample("dnsward_tcp_connections_opened_total").await, 49);
}

#[tokio::test]
async fn more_answers_than_are_written_at_once_come_in_order() {
    let lab = Lab::builder().start().await;
    let mut conversation = lab.connect().await;
    let many: Vec<u8> = (0..20_000).flat_map(|id| frame(&numbered(id, "localhost"))).collect();
    let (mut read, mut write) = tokio::io::split(&mut conversation.stream);
    let mut answers = Vec::new();

    let writing = async {
        write.write_all(&many).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let (read, ()) = tokio::join!(read.read_to_end(&mut answers), writing);

    read.unwrap();
    let mut rest = answers.as_slice();
    for id in 0..20_000_u16 {
        let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        assert_eq!(rest[2..4], id.to_be_bytes());
        rest = &rest[2 + length..];
    }
    assert!(rest.is_empty());
}
