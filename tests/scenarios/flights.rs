//! One flight for each key, whoever wants it and whatever becomes of those who wait.

use futures_util::future::join_all;

use crate::story::Story;

/// A route of its own.
const CORP: &str = "[[upstream.routes]]\ndomains = ['corp.example']\n\
                    servers = ['https://10.0.0.1/q']\n";

#[tokio::test(start_paused = true)]
async fn t56_a_thousand_identical_cold_queries_are_one_upstream_query() {
    let story = Story::begin("");
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    story.upstream.takes("100ms");

    let asked = (0..1000).map(|_| story.ask("www.example A"));
    for told in join_all(asked).await {
        told.gets("192.0.2.1").after("100ms");
    }

    assert_eq!(story.upstream.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn t56_who_asks_first_may_leave_and_the_others_are_answered() {
    let story = Story::begin("");
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    story.upstream.takes("1s");

    tokio::select! {
        _ = story.ask("www.example A") => panic!("it takes a second"),
        () = story.later("500ms") => {}
    }
    story.ask("www.example A").await.gets("192.0.2.1").after("500ms");

    assert_eq!(story.upstream.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn t56_a_flight_that_a_defect_ends_is_told_at_once_and_harms_no_other() {
    let story = Story::begin("");
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    story.upstream.is_a_defect();

    for told in join_all((0..10).map(|_| story.ask("www.example A"))).await {
        told.is("SERVFAIL").with_ede(&[23]).at_once();
    }
    story.upstream.recovers();
    story.ask("www.example A").await.gets("192.0.2.1");

    assert_eq!(story.upstream.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_and_the_misses_after_it_are_one_flight() {
    let story = Story::begin("");
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    story.ask("www.example A").await;
    story.later("299s").await;
    story.upstream.takes("3s");
    for _ in 0..5 {
        story.ask("www.example A").await.gets("192.0.2.1").with_ttl(1).at_once();
    }

    story.later("1500ms").await;
    let asked = (0..100).map(|_| story.ask("www.example A"));
    for told in join_all(asked).await {
        told.gets("192.0.2.1").with_ttl(30).with_ede(&[3]).at_once();
    }
    story.later("2s").await;
    story.ask("www.example A").await.with_ede(&[]).at_once();

    assert_eq!(story.upstream.asked(), 2, "the first and the renewal");
}

#[tokio::test(start_paused = true)]
async fn those_with_a_stale_answer_wait_on_the_same_flight() {
    let story = Story::begin("");
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    story.ask("www.example A").await;
    story.later("10m").await;
    story.upstream.takes("3s");

    let asked = (0..100).map(|_| story.ask("www.example A"));
    for told in join_all(asked).await {
        told.gets("192.0.2.1").with_ttl(30).with_ede(&[3]).after("1800ms");
    }
    story.later("1300ms").await;
    story.ask("www.example A").await.with_ttl(300).with_ede(&[]).at_once();

    assert_eq!(story.upstream.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn r41_a_good_answer_on_one_route_ends_no_failure_on_another() {
    let story = Story::begin(CORP);
    story.upstream.knows("www.example A", "192.0.2.1", 1);
    story.upstream.knows("www.corp.example A", "192.0.2.2", 300);
    story.upstream.dies_for("corp.example");
    story.ask("nas.corp.example A").await.is("SERVFAIL").with_ede(&[22]);
    story.ask("www.corp.example A").await.is("SERVFAIL").with_ede(&[22]);

    story.ask("www.example A").await.gets("192.0.2.1");
    story.ask("www.corp.example A").await.is("SERVFAIL").with_ede(&[22, 13]).at_once();
    story.upstream.recovers();
    story.later("1s").await;
    story.ask("nas.corp.example A").await.is("NXDOMAIN");
    story.ask("www.corp.example A").await.gets("192.0.2.2").with_ede(&[]);
}

#[tokio::test(start_paused = true)]
async fn a_query_that_a_reload_leads_elsewhere_while_it_waits_is_answered_from_there() {
    let story = Story::begin("");
    story.upstream.knows("www.corp.example A", "192.0.2.1", 300);
    story.upstream.takes("1s");

    let (told, ()) = tokio::join!(story.ask("www.corp.example A"), async {
        story.later("500ms").await;
        story.reload(CORP).await;
    });

    told.gets("192.0.2.1").after("2s");
    assert_eq!(story.upstream.asked(), 2, "once on each route");
}

#[tokio::test(start_paused = true)]
async fn a_query_whose_route_a_reload_takes_away_is_answered() {
    let story = Story::begin(CORP);
    story.upstream.knows("www.corp.example A", "192.0.2.1", 300);
    story.upstream.takes("1s");

    let (told, ()) = tokio::join!(story.ask("www.corp.example A"), async {
        story.later("500ms").await;
        story.reload("").await;
        story.reload("").await;
    });

    told.gets("192.0.2.1").after("2s");
}
