//! Connections that nobody answers over, and a clock that is moved by hand.

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{advance, pause};

use super::*;
use crate::observer::Witness;
use crate::request::Template;
use crate::transport::http;
use crate::wire::Wire;

const SECOND: Duration = Duration::from_secs(1);

/// Seats and a listener that connections lead to.
async fn seats() -> (Seats, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    (Seats::default(), listener)
}

async fn link(listener: &TcpListener) -> Link {
    let address = listener.local_addr().expect("a bound socket has an address");
    let tcp = TcpStream::connect(address).await.expect("it listens");
    let server = format!("https://{address}/q").parse().expect("a good URL");
    let template = Arc::new(Template::new(&server));
    let link = http::Link::open(Wire::plain(tcp), template, Witness::new(None, 0)).await;
    Link::Http(link.expect("a client does not wait for its server"))
}

fn moods(seats: &Seats) -> Vec<Mood> {
    seats.views(Instant::now()).map(|view| view.mood).collect()
}

#[tokio::test]
async fn a_connection_is_old_after_8_to_12_minutes() {
    let (mut seats, listener) = seats().await;
    let link = link(&listener).await;
    pause();
    seats.add(link, Instant::now());

    advance(SHORTEST_USE - SECOND).await;
    assert_eq!(moods(&seats), [Mood::Staying]);

    advance(LONGEST_USE - SHORTEST_USE + SECOND).await;
    assert_eq!(moods(&seats), [Mood::Aged]);
}

#[tokio::test]
async fn t35_a_new_connection_takes_the_place_of_those_that_have_to_go() {
    let (mut seats, listener) = seats().await;
    let (first, second) = (link(&listener).await, link(&listener).await);
    let old = seats.add(first, Instant::now());
    seats.note_network_changed();
    assert_eq!(moods(&seats), [Mood::Leaving]);
    assert!(old.link().pulse().is_open, "there is no other yet");

    let new = seats.add(second, Instant::now());

    assert_eq!(moods(&seats), [Mood::Staying]);
    assert!(!old.link().pulse().is_open && new.link().pulse().is_open);
}

#[tokio::test]
async fn t13_a_connection_that_is_about_to_be_closed_is_let_go() {
    let (mut seats, listener) = seats().await;
    let link = link(&listener).await;
    pause();
    let seat = seats.add(link, Instant::now());
    seats.lifetime.note_close(30 * SECOND);

    advance(28 * SECOND).await;
    seats.prune(Instant::now());
    assert!(seat.link().pulse().is_open);

    advance(2 * SECOND).await;
    seats.prune(Instant::now());
    assert!(seats.is_empty() && !seat.link().pulse().is_open);
}

#[tokio::test]
async fn room_for_a_free_retry_is_made_as_it_needs() {
    let (mut seats, listener) = seats().await;
    let now = Instant::now();
    let proven = seats.add(link(&listener).await, now);
    let fresh = seats.add(link(&listener).await, now);
    proven.prove();

    seats.clear_for(Mercy::Anywhere, &proven);
    assert_eq!(seats.pulses().count(), 2);

    seats.clear_for(Mercy::Fresh, &proven);
    assert!(seats.nth(0).is_some_and(|left| Arc::ptr_eq(&left, &fresh)));
    assert_eq!(seats.pulses().count(), 1);

    seats.clear_for(Mercy::Elsewhere, &fresh);
    assert!(seats.is_empty());
}
