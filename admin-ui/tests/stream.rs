//! Live queries: each row as it comes, until the session, the server or the room is at its end.

mod lab;

use std::time::Duration;

use axum::body::Body;
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt;
use lab::{Ask, Lab, row};

/// Streams the server keeps open at once.
const MAX_STREAMS: usize = 64;

async fn open(lab: &Lab, cookie: &str) -> Response<Body> {
    lab.send(Ask::get("/api/v1/queries/stream").with("cookie", cookie)).await
}

/// The next piece of a stream, or `None` at its end.
#[expect(clippy::unwrap_used, reason = "a broken stream fails the test")]
async fn next(stream: &mut Response<Body>) -> Option<String> {
    let frame = stream.body_mut().frame().await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn a_query_reaches_those_who_watch() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;
    let mut stream = open(&lab, &cookie).await;
    assert_eq!(stream.status(), StatusCode::OK);
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(stream.headers()["cache-control"], "no-store");
    assert_eq!(stream.headers()["x-accel-buffering"], "no");
    assert_eq!(next(&mut stream).await.as_deref(), Some(": alive\n\n"));

    lab.script.add(row(7));

    let event = next(&mut stream).await.unwrap();
    assert!(event.contains("event: query\n"), "{event}");
    assert!(event.contains("id: 7\n"), "{event}");
    assert!(event.contains(r#""name":"ads.example","type":"A""#), "{event}");
}

#[tokio::test]
async fn a_slow_reader_is_told_what_it_missed() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;
    let mut stream = open(&lab, &cookie).await;
    next(&mut stream).await;

    // The lab keeps four rows for slow readers.
    (1..=10).for_each(|id| lab.script.add(row(id)));

    let gap = next(&mut stream).await.unwrap();
    assert_eq!(gap, "event: gap\ndata: {\"missed\":6}\n\n");
    assert!(next(&mut stream).await.unwrap().contains("id: 7\n"));
}

#[tokio::test]
async fn a_reader_is_told_of_rows_that_the_backend_left_out() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;
    let mut stream = open(&lab, &cookie).await;
    next(&mut stream).await;

    [5, 6, 20].into_iter().for_each(|id| lab.script.add(row(id)));

    assert!(next(&mut stream).await.unwrap().contains("id: 5\n"));
    assert!(next(&mut stream).await.unwrap().contains("id: 6\n"));
    let gap = next(&mut stream).await.unwrap();
    assert_eq!(gap, "event: gap\ndata: {\"missed\":13}\n\n");
    assert!(next(&mut stream).await.unwrap().contains("id: 20\n"));
}

#[tokio::test]
async fn a_reader_that_is_slow_as_well_is_told_of_all_that_is_missing() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;
    let mut stream = open(&lab, &cookie).await;
    next(&mut stream).await;
    lab.script.add(row(1));
    assert!(next(&mut stream).await.unwrap().contains("id: 1\n"));

    (101..=106).for_each(|id| lab.script.add(row(id)));

    let gap = next(&mut stream).await.unwrap();
    assert_eq!(gap, "event: gap\ndata: {\"missed\":101}\n\n");
    assert!(next(&mut stream).await.unwrap().contains("id: 103\n"));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_shows_that_it_lives() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;
    let mut stream = open(&lab, &cookie).await;
    next(&mut stream).await;
    let start = tokio::time::Instant::now();

    assert_eq!(next(&mut stream).await.as_deref(), Some(": alive\n\n"));

    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_session() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;
    let mut stream = open(&lab, &cookie).await;
    next(&mut stream).await;

    lab.ask(Ask::new(Method::DELETE, "/api/v1/session", "").with("cookie", &cookie)).await;

    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test(start_paused = true)]
async fn watching_alone_does_not_keep_a_session_alive() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;
    let mut stream = open(&lab, &cookie).await;
    let start = tokio::time::Instant::now();

    while next(&mut stream).await.is_some() {}

    assert_eq!(start.elapsed(), Duration::from_secs(30 * 60));
}

#[tokio::test]
async fn a_stream_ends_when_the_server_drains() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;
    let mut stream = open(&lab, &cookie).await;
    next(&mut stream).await;

    lab.script.drain();

    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn only_so_many_may_watch_until_one_leaves() {
    let lab = Lab::new();
    let cookie = lab.log_in().await;
    let mut streams = Vec::new();
    for _ in 0..MAX_STREAMS {
        streams.push(open(&lab, &cookie).await);
    }

    let ask = || Ask::get("/api/v1/queries/stream").with("cookie", &cookie);
    let answer = lab.ask(ask()).await;
    answer.assert_problem(503, "too_many_streams");
    assert_eq!(answer.header("retry-after"), "30");

    streams.pop();
    assert_eq!(open(&lab, &cookie).await.status(), StatusCode::OK);
}
