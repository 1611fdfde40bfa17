//! Servers that are slow, take few streams, or send answers in pieces: nothing is lost, and nobody
//! waits for longer than there is time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use doh_client::Hedge;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::raw::{
    DATA, END_HEADERS, END_STREAM, HEAD, HEADERS, MAX_STREAMS, NOTHING, Peer, Raw, WINDOW, noerror,
};
use crate::{answer, ask_at_once, query};

/// Short enough for a test, long enough for a handshake on a busy machine.
const SHORT: Duration = Duration::from_millis(600);

/// A frame: kind, flags, stream and payload.
type Frame = (u8, u8, u32, &'static [u8]);

/// Sends bytes one by one, slowly.
async fn trickle(peer: &mut Peer, bytes: &[u8]) {
    for byte in bytes {
        peer.write(&[*byte]).await;
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn t15_a_head_that_trickles_in_ends_with_the_time_for_it() {
    let raw = Raw::start(&[], |mut peer, _| async move {
        peer.request().await;
        trickle(&mut peer, &[0, 0, 200, HEADERS, END_HEADERS, 0, 0, 0, 1]).await;
        trickle(&mut peer, &[0; 200]).await;
    });
    let client = raw.await.clients().timeout(SHORT).build().unwrap();
    let started = Instant::now();

    let error = client.exchange(&query("a.test")).await.unwrap_err();

    assert!(error.is_timeout(), "{error}");
    assert!(started.elapsed() < 2 * SHORT, "{:?}", started.elapsed());
}

#[tokio::test]
async fn t15_a_body_that_trickles_in_is_an_answer_if_it_is_in_time() {
    let raw = Raw::start(&[], |mut peer, _| async move {
        while let Some((stream, query)) = peer.request().await {
            peer.send(HEADERS, END_HEADERS, stream, HEAD).await;
            for byte in noerror(&query) {
                peer.send(DATA, NOTHING, stream, &[byte]).await;
                sleep(Duration::from_millis(5)).await;
            }
            peer.send(DATA, END_STREAM, stream, b"").await;
        }
    });
    let client = raw.await.client();

    assert_eq!(client.exchange(&query("a.test")).await.unwrap().answer, answer("a.test"));
}

#[tokio::test]
async fn t15_a_head_without_a_body_holds_up_nobody_else() {
    let raw = Raw::start(&[], |mut peer, _| async move {
        let Some((stream, _)) = peer.request().await else { return };
        peer.send(HEADERS, END_HEADERS, stream, HEAD).await;
        peer.serve().await;
    });
    let raw = raw.await;
    let client = raw.clients().timeout(SHORT).build().unwrap();
    let hung = tokio::spawn({
        let client = client.clone();
        async move { client.exchange(&query("a.test")).await }
    });
    while client.status()[0].connects == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    // The first query was sent before this one is.
    tokio::task::yield_now().await;

    for _ in 0..10 {
        client.exchange(&query("b.test")).await.unwrap();
    }

    assert!(hung.await.unwrap().unwrap_err().is_timeout());
}

#[tokio::test]
async fn t15_a_slow_answer_is_waited_for_while_pings_are_answered() {
    let pings = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&pings);
    let raw = Raw::start(&[], move |mut peer, _| {
        let counter = Arc::clone(&counter);
        async move {
            let Some((stream, query)) = peer.request().await else { return };
            let _ = timeout(Duration::from_millis(1500), peer.request()).await;
            counter.store(peer.pings, Ordering::Relaxed);
            peer.answer(stream, &query).await;
            peer.ignore().await;
        }
    });
    let raw = raw.await;
    let client =
        raw.clients().hedge(Hedge::Off).attempt_timeout(Duration::from_secs(4)).build().unwrap();

    client.exchange(&query("a.test")).await.unwrap();

    assert_eq!((pings.load(Ordering::Relaxed), raw.connections()), (1, 1));
}

/// Failure story 5: the streams of the only connection are used up, and everything stands still.
#[tokio::test]
async fn t16_a_server_that_takes_one_stream_answers_everything() {
    let raw = Raw::start(&[(MAX_STREAMS, 1)], |mut peer, _| async move { peer.serve().await });
    let raw = raw.await;
    let client = raw.client();

    ask_at_once(&client, 200).await;

    assert!(raw.connections() <= 2);
    assert_eq!(client.status()[0].failed, 0);
}

#[tokio::test]
async fn t16_a_server_that_takes_fewer_streams_than_before_answers_everything() {
    let raw = Raw::start(&[(MAX_STREAMS, 50)], |mut peer, _| async move {
        let (mut seen, mut limit) = (0, 50);
        while let Some((stream, query)) = peer.request().await {
            seen += 1;
            if seen % 20 == 0 && limit > 1 {
                limit /= 2;
                peer.settings(&[(MAX_STREAMS, limit)]).await;
            }
            // As a server does with what was on its way when it changed its mind.
            if seen % 20 == 1 {
                peer.reset(stream, 7).await
            } else {
                peer.answer(stream, &query).await
            }
        }
    });
    let raw = raw.await;
    let client = raw.client();

    ask_at_once(&client, 200).await;

    assert!(raw.connections() <= 2);
    assert!(client.status()[0].failed <= 10, "{}", client.status()[0].failed);
}

#[tokio::test]
async fn t16_a_server_that_takes_no_stream_for_a_while_loses_nothing() {
    let raw = Raw::start(&[(MAX_STREAMS, 0)], |mut peer, _| async move {
        let _ = timeout(Duration::from_millis(300), peer.request()).await;
        peer.settings(&[(MAX_STREAMS, 10)]).await;
        peer.serve().await;
    });
    let raw = raw.await;
    let client = raw.client();

    ask_at_once(&client, 50).await;

    assert!(raw.connections() <= 2);
}

#[tokio::test]
async fn t16_a_server_that_never_takes_a_stream_ends_in_a_timeout() {
    let raw = Raw::start(&[(MAX_STREAMS, 0)], |mut peer, _| async move { peer.ignore().await });
    let raw = raw.await;
    let client = raw.clients().timeout(SHORT).build().unwrap();
    let started = Instant::now();

    assert!(client.exchange(&query("a.test")).await.unwrap_err().is_timeout());
    assert!(started.elapsed() < 2 * SHORT, "{:?}", started.elapsed());
}

/// Answers everything, the end of each answer as this does it.
async fn ending(end: fn(u32) -> [Frame; 2]) -> Raw {
    Raw::start(&[], move |mut peer, _| async move {
        while let Some((stream, query)) = peer.request().await {
            peer.send(HEADERS, END_HEADERS, stream, HEAD).await;
            peer.send(DATA, NOTHING, stream, &noerror(&query)).await;
            for (kind, flags, stream, payload) in end(stream) {
                peer.send(kind, flags, stream, payload).await;
            }
        }
    })
    .await
}

/// `x: y`, without a table.
const TRAILERS: &[u8] = b"\0\x01x\x01y";

/// Failure story 7: a hundred small pieces, and our own library says goodbye.
#[tokio::test]
async fn t17_answers_in_small_pieces_are_no_offence() {
    let ends: [fn(u32) -> [Frame; 2]; 2] = [
        |stream| [(DATA, NOTHING, stream, b"\0"), (DATA, END_STREAM, stream, b"")],
        |stream| {
            [(DATA, NOTHING, stream, b"\0"), (HEADERS, END_HEADERS | END_STREAM, stream, TRAILERS)]
        },
    ];
    for end in ends {
        let raw = ending(end).await;
        let client = raw.client();

        let mut exchanges = JoinSet::new();
        for _ in 0..500 {
            let client = client.clone();
            exchanges.spawn(async move { client.exchange(&query("a.test")).await.unwrap() });
        }
        exchanges.join_all().await;

        assert!(raw.connections() <= 2);
        assert_eq!(client.status()[0].failed, 0);
    }
}

/// Failure story 7: the library allows a hundred empty pieces, however long a connection lives.
#[tokio::test]
async fn t17_a_connection_with_many_empty_pieces_is_replaced_in_time() {
    let raw = ending(|stream| {
        [(DATA, NOTHING, stream, b""), (HEADERS, END_HEADERS | END_STREAM, stream, TRAILERS)]
    });
    let raw = raw.await;
    let client = raw.client();

    for _ in 0..25 {
        ask_at_once(&client, 20).await;
    }

    assert!(raw.connections() <= 11, "{}", raw.connections());
    assert_eq!(client.status()[0].failed, 0);
}

#[tokio::test]
async fn t19_a_query_that_finds_no_window_is_sent_when_there_is_one() {
    let raw = Raw::start(&[(WINDOW, 0)], |mut peer, _| async move {
        // The first query is on its way before the client knows of the window.
        let Some((stream, query)) = peer.request().await else { return };
        peer.answer(stream, &query).await;
        for stream in [3, 5] {
            let early = timeout(Duration::from_millis(100), peer.request()).await;
            assert!(early.is_err(), "there was no room for this");
            peer.widen(stream, 1).await;
            peer.widen(stream, 1000).await;
            let Some((stream, query)) = peer.request().await else { return };
            peer.answer(stream, &query).await;
        }
    });
    let raw = raw.await;
    let client = raw.client();

    for _ in 0..3 {
        assert_eq!(client.exchange(&query("a.test")).await.unwrap().answer, answer("a.test"));
    }
    assert_eq!((raw.connections(), client.status()[0].failed), (1, 0));
}
