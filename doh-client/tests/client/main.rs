//! The client against scripted servers over real TLS and HTTP/2 on loopback ports.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on panics"
)]

mod bootstrap;
mod connections;
mod datagram;
mod dns;
mod events;
mod exchange;
mod failover;
mod fake;
mod proxies;
mod resolver;
mod secured;
mod network;
mod pace;
mod raw;
mod relay;
mod soak;
mod stage;
mod streams;
mod stream;
mod trust;

use doh_client::Client;
use tokio::task::JoinSet;

/// A query for an A record, with an id and RD set.
fn query(name: &str) -> Vec<u8> {
    let mut query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00".to_vec();
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).expect("the labels of these tests are short"));
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&[0, 0, 1, 0, 1]);
    query
}

/// The NOERROR answer a scripted server gives to [`query`].
fn answer(name: &str) -> Vec<u8> {
    let mut answer = query(name);
    answer[..4].copy_from_slice(&[0, 0, 0x81, 0x80]);
    answer
}

/// Asks so many questions at once, each of which has to be answered.
async fn ask_at_once(client: &Client, count: usize) {
    let mut exchanges = JoinSet::new();
    for number in 0..count {
        let client = client.clone();
        exchanges.spawn(async move {
            let name = format!("n{number}.test");
            assert_eq!(
                client.exchange(&query(&name)).await.expect("an answer").answer,
                answer(&name)
            );
        });
    }
    exchanges.join_all().await;
}
