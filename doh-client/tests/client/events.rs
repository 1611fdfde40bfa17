//! What an observer is told of connections: how often they are opened, and why they end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use doh_client::{Closed, Event, Observer, SendKind};
use tokio::time::timeout;

use crate::fake::{Act, Fake, clients_of, server_at};
use crate::query;
use crate::relay::{Path, Relay};

/// Keeps what it is told.
#[derive(Default)]
struct Notes {
    ends: Mutex<Vec<Closed>>,
    free_retries: Mutex<usize>,
    connects: Mutex<usize>,
}

impl Observer for Notes {
    fn note(&self, _server: usize, event: &Event<'_>) {
        match event {
            Event::Closed(reason) => self.ends.lock().expect("no panic").push(*reason),
            Event::Sent(SendKind::FreeRetry) => *self.free_retries.lock().expect("no panic") += 1,
            Event::Connected(_) => *self.connects.lock().expect("no panic") += 1,
            _ => {}
        }
    }
}

impl Notes {
    fn ends(&self) -> Vec<Closed> {
        self.ends.lock().expect("no panic").clone()
    }

    async fn until_ended(&self, count: usize) {
        let waiting = async {
            while self.ends().len() < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(10), waiting).await.expect("connections end in time");
    }
}

#[tokio::test]
async fn the_end_of_a_connection_is_told_once_and_why() {
    for (act, expected) in [
        (Act::AnswerThenGoAway, Closed::GoAway),
        (Act::GoAway, Closed::GoAway),
        (Act::Close, Closed::Broken),
    ] {
        let fake = Fake::start([act, Act::Answer]).await;
        let notes = Arc::new(Notes::default());
        let client = clients_of([&fake]).observer(notes.clone()).build().unwrap();

        client.exchange(&query("a.test")).await.unwrap();
        notes.until_ended(1).await;

        assert_eq!(notes.ends(), [expected], "{act:?}");
    }
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_told_as_such() {
    let fake = Fake::start([Act::Answer]).await;
    let notes = Arc::new(Notes::default());
    let client = clients_of([&fake]).observer(notes.clone()).build().unwrap();
    client.exchange(&query("a.test")).await.unwrap();

    fake.close_connections().await;
    notes.until_ended(1).await;
    client.exchange(&query("b.test")).await.unwrap();

    assert_eq!((notes.ends(), *notes.connects.lock().unwrap()), (vec![Closed::Idle], 2));
    assert_eq!(*notes.free_retries.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_silent_connection_and_a_changed_network_are_told_as_such() {
    let fake = Fake::start([Act::Answer]).await;
    let relay = Relay::start(fake.address()).await;
    let notes = Arc::new(Notes::default());
    let server = server_at(relay.address);
    let client = clients_of([]).server(server).observer(notes.clone()).build().unwrap();
    client.exchange(&query("a.test")).await.unwrap();

    relay.set(Path::Dead);
    client.exchange(&query("b.test")).await.unwrap();
    notes.until_ended(1).await;
    client.network_changed();
    notes.until_ended(2).await;

    assert_eq!(notes.ends(), [Closed::Silent, Closed::Network]);
}

#[tokio::test]
async fn a_client_that_is_dropped_tells_nothing_of_its_connections() {
    let fake = Fake::start([Act::Answer]).await;
    let notes = Arc::new(Notes::default());
    let client = clients_of([&fake]).observer(notes.clone()).build().unwrap();
    client.exchange(&query("a.test")).await.unwrap();

    drop(client);
    fake.connections_closed().await;

    assert_eq!(notes.ends(), []);
}
