//! HTTP/2 as no library would speak it: what streams and connections of a server may do wrong, and
//! that it costs no answer where that can be helped.

use std::time::Duration;

use doh_client::{Client, Error, Failure};
use tokio::time::{Instant, sleep};

use crate::raw::{DATA, END_HEADERS, END_STREAM, HEAD, HEADERS, NOTHING, Raw, noerror};
use crate::{answer, ask_at_once, query};

/// Short enough for a test, long enough for a handshake on a busy machine.
const SHORT: Duration = Duration::from_millis(600);

fn failure(error: Error) -> Failure {
    match error {
        Error::AllFailed(failures) | Error::Timeout { failures, .. } => failures[0].failure.clone(),
        error => panic!("{error}"),
    }
}

/// Closes the first connection at this point of an answer, and answers over the next.
async fn lose(cut: fn(Vec<u8>) -> Vec<u8>) -> (Client, Raw) {
    let raw = Raw::start(&[], move |mut peer, number| async move {
        let Some((stream, query)) = peer.request().await else { return };
        if number > 0 {
            return peer.answer(stream, &query).await;
        }
        let length = u8::try_from(HEAD.len()).expect("a short head");
        let mut frames = vec![0, 0, length, HEADERS, END_HEADERS, 0, 0, 0, 1];
        frames.extend_from_slice(HEAD);
        frames.extend_from_slice(&[0, 0, 40, DATA, NOTHING, 0, 0, 0, 1]);
        frames.extend_from_slice(&noerror(&query));
        peer.write(&cut(frames)).await;
    });
    let raw = raw.await;
    (raw.client(), raw)
}

/// Failure story 3: the server closes a connection, and the query under way is lost with it.
#[tokio::test]
async fn t10_a_connection_closed_within_an_answer_costs_no_answer() {
    let cuts: [fn(Vec<u8>) -> Vec<u8>; 5] = [
        |_| vec![],
        |frames| frames[..5].to_vec(),
        |frames| frames[..9 + HEAD.len() - 1].to_vec(),
        |frames| frames[..9 + HEAD.len()].to_vec(),
        |frames| frames,
    ];
    for (number, cut) in cuts.into_iter().enumerate() {
        let (client, raw) = lose(cut).await;

        let exchange = client.exchange(&query("a.test")).await;

        assert_eq!(exchange.expect("a second connection").answer, answer("a.test"), "{number}");
        assert_eq!((raw.connections(), client.status()[0].failed), (2, 0), "{number}");
    }
}

/// Resets the first stream with this code, and answers all others.
async fn resetting(code: u32) -> Raw {
    Raw::start(&[], move |mut peer, number| async move {
        if let (0, Some((stream, _))) = (number, peer.request().await) {
            peer.reset(stream, code).await;
        }
        peer.serve().await;
    })
    .await
}

#[tokio::test]
async fn t11_a_refused_stream_is_opened_again_for_free() {
    let raw = resetting(7).await;
    let client = raw.client();

    assert!(client.exchange(&query("a.test")).await.is_ok());
    assert_eq!((raw.connections(), client.status()[0].failed), (1, 0));
}

#[tokio::test]
async fn t11_any_other_reset_is_a_failure_of_that_query_alone() {
    for code in [1, 2, 8] {
        let raw = resetting(code).await;
        let client = raw.client();

        assert!(client.exchange(&query("a.test")).await.is_ok(), "{code}");

        let status = client.status().remove(0);
        assert_eq!((raw.connections(), status.failed), (1, 1), "{code}");
        assert!(status.last_error.unwrap().contains(&format!("code {code}")));
    }
}

#[tokio::test]
async fn t11_a_reset_behind_a_whole_answer_changes_nothing() {
    let raw = Raw::start(&[], |mut peer, _| async move {
        while let Some((stream, query)) = peer.request().await {
            peer.answer(stream, &query).await;
            peer.reset(stream, 0).await;
        }
    });
    let raw = raw.await;
    let client = raw.client();

    for _ in 0..20 {
        assert_eq!(client.exchange(&query("a.test")).await.unwrap().answer, answer("a.test"));
    }
    assert_eq!((raw.connections(), client.status()[0].failed), (1, 0));
}

/// Failure story 21: a GOAWAY without an error is taken for one.
#[tokio::test]
async fn t12_a_goaway_lets_the_streams_it_names_go_on_and_frees_the_others() {
    let raw = Raw::start(&[], |mut peer, number| async move {
        if number > 0 {
            return peer.serve().await;
        }
        let mut requests = Vec::new();
        while requests.len() < 10 {
            requests.extend(peer.request().await);
        }
        // Streams 1 to 9 were looked at, 11 to 19 were not.
        peer.go_away(9, 0).await;
        for (stream, query) in requests.iter().filter(|(stream, _)| *stream <= 9) {
            peer.answer(*stream, query).await;
        }
        peer.ignore().await;
    });
    let raw = raw.await;
    let client = raw.client();

    ask_at_once(&client, 10).await;

    assert_eq!((raw.connections(), client.status()[0].failed), (2, 0));
}

#[tokio::test]
async fn t12_a_goaway_that_asks_for_calm_costs_no_answer() {
    let raw = Raw::start(&[], |mut peer, number| async move {
        if number == 0 {
            peer.request().await;
            return peer.go_away(0, 11).await;
        }
        peer.serve().await;
    });
    let raw = raw.await;
    let client = raw.client();

    assert!(client.exchange(&query("a.test")).await.is_ok());
    assert_eq!((raw.connections(), client.status()[0].failed), (2, 0));
}

#[tokio::test]
async fn t12_a_connection_that_hangs_after_its_goaway_gets_no_more_queries() {
    let raw = Raw::start(&[], |mut peer, number| async move {
        if let (0, Some((stream, _))) = (number, peer.request().await) {
            peer.go_away(stream, 0).await;
            return peer.ignore().await;
        }
        peer.serve().await;
    });
    let raw = raw.await;
    let client = raw.clients().timeout(SHORT).build().unwrap();
    let hung = tokio::spawn({
        let client = client.clone();
        async move { client.exchange(&query("a.test")).await }
    });
    while raw.connections() == 0 {
        sleep(Duration::from_millis(1)).await;
    }

    // It may be a while until the goodbye has come.
    while raw.connections() == 1 {
        let started = Instant::now();
        if client.exchange(&query("b.test")).await.is_ok() {
            assert!(started.elapsed() < SHORT);
        }
    }

    assert!(hung.await.unwrap().is_err());
}

#[tokio::test]
async fn a_response_that_breaks_the_rules_is_told_as_such() {
    let raw = Raw::start(&[], |mut peer, _| async move {
        while let Some((stream, _)) = peer.request().await {
            // No `:status`.
            let head = b"\x0f\x10\x17application/dns-message";
            peer.send(HEADERS, END_HEADERS | END_STREAM, stream, head).await;
        }
    });
    let client = raw.await.client();

    let failure = failure(client.exchange(&query("a.test")).await.unwrap_err());

    assert!(matches!(failure, Failure::Protocol(_)), "{failure}");
}
