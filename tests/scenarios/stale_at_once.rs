//! Popular answers that have just expired: nobody waits for their successors.

use dnsward::querylog::Outcome;
use hickory_proto::op::ResponseCode;

use crate::story::Story;

/// A story in which a name is known for 300 s and was asked for three times, and whose upstream
/// then takes a second for each answer.
async fn with_a_popular_name(config: &str) -> Story {
    let story = Story::begin(config);
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    for _ in 0..3 {
        story.ask("www.example A").await.gets("192.0.2.1").with_ede(&[]);
    }
    assert_eq!(story.upstream.asked(), 1);
    story.upstream.takes("1s");
    story
}

#[tokio::test(start_paused = true)]
async fn what_was_popular_is_given_at_once_and_asked_for_meanwhile() {
    for config in ["", "cache.prefetch = false"] {
        let story = with_a_popular_name(config).await;
        story.later("50m").await;

        let stale = story.ask("www.example A").await.gets("192.0.2.1").at_once();
        stale.with_ttl(30).with_ede(&[3]);
        story.later("1001ms").await;

        story.ask("www.example A").await.with_ttl(300).with_ede(&[]).at_once();
        assert_eq!((story.upstream.asked(), story.counted(Outcome::Stale)), (1, 1), "{config}");
    }
}

/// Failure story 13: an answer that comes after 5 s comes to nobody, for the client has given up. So
/// each has its time: what is popular none, what is known 1.8 s, what is not known the deadline.
#[tokio::test(start_paused = true)]
async fn t50_with_silent_upstreams_nobody_waits_longer_than_is_of_use() {
    let story = with_a_popular_name("").await;
    story.upstream.knows("known.example A", "192.0.2.2", 300);
    story.ask("known.example A").await.gets("192.0.2.2");
    story.upstream.falls_silent();
    story.later("10m").await;

    let (popular, known) = (story.ask("www.example A"), story.ask("known.example A"));
    let (popular, known, unknown) = tokio::join!(popular, known, story.ask("cold.example A"));

    popular.gets("192.0.2.1").with_ede(&[3]).at_once();
    known.gets("192.0.2.2").with_ede(&[3]).after("1800ms");
    unknown.is("SERVFAIL").with_ede(&[22]).after("4500ms");
}

#[tokio::test(start_paused = true)]
async fn a_no_that_was_popular_is_given_at_once_too() {
    let story = Story::begin("");
    for _ in 0..3 {
        story.ask("nobody.example A").await.is("NXDOMAIN");
    }
    story.upstream.takes("1s");
    story.upstream.knows("nobody.example A", "192.0.2.1", 300);
    story.later("10m").await;

    story.ask("nobody.example A").await.is("NXDOMAIN").with_ttl(30).with_ede(&[19]).at_once();
    story.later("1001ms").await;
    story.ask("nobody.example A").await.gets("192.0.2.1").at_once();
}

#[tokio::test(start_paused = true)]
async fn many_who_ask_for_it_are_one_question() {
    let story = with_a_popular_name("").await;
    story.upstream.takes("4s");
    story.later("10m").await;

    for _ in 0..39 {
        story.ask("www.example A").await.with_ede(&[3]).at_once();
        story.later("100ms").await;
    }
    assert_eq!(story.upstream.asked(), 1);
    story.later("101ms").await;
    story.ask("www.example A").await.with_ede(&[]).at_once();
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_what_was_not_popular_waits_for_what_is_right() {
    for hits in [0, 1] {
        let story = Story::begin("");
        story.upstream.knows("www.example A", "192.0.2.1", 300);
        for _ in 0..=hits {
            story.ask("www.example A").await;
        }
        story.upstream.takes("1s");
        story.later("10m").await;

        story.ask("www.example A").await.with_ttl(300).with_ede(&[]).after("1s");
    }
}

#[tokio::test(start_paused = true)]
async fn fame_lasts_for_one_life() {
    let story = with_a_popular_name("").await;
    story.later("10m").await;
    story.ask("www.example A").await.with_ede(&[3]).at_once();
    story.later("20m").await;

    story.ask("www.example A").await.with_ede(&[]).after("1s");
}

#[tokio::test(start_paused = true)]
async fn after_an_hour_or_when_nothing_may_be_stale_everybody_waits() {
    for (config, time) in
        [("", "3901s"), ("cache.stale = '10s'", "311s"), ("cache.stale = '0s'", "301s")]
    {
        let story = with_a_popular_name(config).await;
        story.later(time).await;

        story.ask("www.example A").await.with_ttl(300).with_ede(&[]).after("1s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_fails_is_asked_again_every_30_seconds_and_nobody_waits() {
    let story = with_a_popular_name("").await;
    story.upstream.fails(ResponseCode::ServFail);
    story.upstream.takes("0s");
    story.later("10m").await;

    for _ in 0..120 {
        story.ask("www.example A").await.gets("192.0.2.1").with_ede(&[3]).at_once();
        story.later("1s").await;
    }
    assert_eq!(story.upstream.asked(), 4);
    story.upstream.recovers();
    story.ask("www.example A").await.with_ede(&[3]).at_once();
    story.later("1ms").await;
    story.ask("www.example A").await.with_ttl(300).with_ede(&[]).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_silent_upstream_is_not_asked_by_everybody() {
    let story = with_a_popular_name("").await;
    story.upstream.falls_silent();
    story.later("10m").await;

    for _ in 0..60 {
        story.ask("www.example A").await.gets("192.0.2.1").with_ede(&[3]).at_once();
        story.later("1s").await;
    }
    assert_eq!(story.upstream.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_has_been_blocked_since_is_blocked_at_once() {
    let story = with_a_popular_name("").await;
    story.later("10m").await;
    story.reload("[[rules]]\naction = 'deny'\nmatch = 'www.example'").await;

    story.ask("www.example A").await.gets("0.0.0.0").with_ede(&[15]).at_once();
    assert_eq!(story.upstream.asked(), 0);
}
