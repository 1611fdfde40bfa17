//! Answers that are renewed before they expire.

use hickory_proto::op::ResponseCode;

use crate::story::Story;

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_often_is_renewed_before_it_expires() {
    let story = Story::begin("");
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    story.ask("www.example A").await;
    for _ in 0..10 {
        story.ask("www.example A").await.at_once();
    }
    story.later("280s").await;
    assert_eq!(story.upstream.asked(), 1);

    story.upstream.takes("1s");
    for _ in 0..5 {
        story.ask("www.example A").await.gets("192.0.2.1").with_ttl(20).at_once();
    }
    story.later("1s").await;
    story.later("1s").await;
    assert_eq!(story.upstream.asked(), 1);
    story.ask("www.example A").await.with_ttl(299).at_once();
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_what_is_popular_never_waits() {
    for ttl in [20, 300] {
        let story = Story::begin("");
        story.upstream.knows("www.example A", "192.0.2.1", ttl);
        story.upstream.takes("200ms");
        story.ask("www.example A").await.after("200ms");
        for _ in 0..3600 {
            story.later("1s").await;
            story.ask("www.example A").await.gets("192.0.2.1").with_ede(&[]).at_once();
        }
        let asked = u32::try_from(story.upstream.asked()).unwrap();
        let least = 3600 / ttl;
        assert!((least..=least + least / 5 + 1).contains(&asked), "{asked} questions for {ttl} s");
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asks_for_twice_is_not_renewed() {
    for (config, asks) in [("", 1), ("cache.prefetch = false", 5)] {
        let story = Story::begin(config);
        story.upstream.knows("www.example A", "192.0.2.1", 300);
        story.ask("www.example A").await;
        story.later("280s").await;
        for _ in 0..asks {
            story.ask("www.example A").await.with_ttl(20);
        }
        story.later("10s").await;
        assert_eq!(story.upstream.asked(), 1, "{config}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_harms_nobody() {
    let story = Story::begin("");
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    story.ask("www.example A").await;
    story.later("280s").await;
    story.upstream.fails(ResponseCode::ServFail);
    story.ask("www.example A").await;
    story.ask("www.example A").await;
    story.later("1s").await;
    assert_eq!(story.upstream.asked(), 2);

    story.ask("www.example A").await.gets("192.0.2.1").with_ttl(19).with_ede(&[]);
    story.later("20s").await;
    story.ask("www.example A").await.gets("192.0.2.1").with_ede(&[3]).at_once();
}

#[tokio::test(start_paused = true)]
async fn r41_a_renewal_that_fails_is_forgotten_when_clients_ask() {
    for (config, is_stale) in [("", true), ("cache.stale = '0s'", false)] {
        let story = Story::begin(config);
        story.upstream.knows("www.example A", "192.0.2.1", 300);
        story.ask("www.example A").await;
        story.later("295s").await;
        story.upstream.fails(ResponseCode::ServFail);
        story.ask("www.example A").await;
        story.ask("www.example A").await;
        story.later("1s").await;
        story.upstream.recovers();
        assert_eq!(story.upstream.asked(), 2, "{config}");

        story.later("5s").await;
        if is_stale {
            story.ask("www.example A").await.gets("192.0.2.1").with_ede(&[3]).at_once();
            story.later("1ms").await;
        }
        story.ask("www.example A").await.gets("192.0.2.1").with_ttl(300).with_ede(&[]);
        assert_eq!(story.upstream.asked(), 1, "{config}");
    }
}

/// A second before an answer expires two clients ask for it; the renewal takes two seconds and fails.
async fn with_a_renewal_that_is_going_to_fail(config: &str) -> Story {
    let story = Story::begin(config);
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    story.ask("www.example A").await;
    story.later("299s").await;
    story.upstream.fails(ResponseCode::ServFail);
    story.upstream.takes("2s");
    story.ask("www.example A").await.at_once();
    story.ask("www.example A").await.at_once();
    story.later("1s").await;
    story
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_a_client_has_joined_fails_for_it_like_any_other() {
    let story = with_a_renewal_that_is_going_to_fail("cache.stale = '0s'").await;
    story.ask("www.example A").await.is("SERVFAIL").after("1s");
    assert_eq!(story.upstream.asked(), 2);

    story.upstream.recovers();
    story.upstream.takes("0s");
    story.ask("www.example A").await.is("SERVFAIL").at_once();
    assert_eq!(story.upstream.asked(), 0);
    story.later("1s").await;
    story.ask("www.example A").await.gets("192.0.2.1").with_ede(&[]);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_outlives_a_popular_answer_counts_as_the_question_for_it() {
    let story = with_a_renewal_that_is_going_to_fail("").await;
    story.ask("www.example A").await.gets("192.0.2.1").with_ede(&[3]).at_once();
    story.later("2s").await;
    assert_eq!(story.upstream.asked(), 2);

    story.upstream.recovers();
    story.upstream.takes("0s");
    story.later("28s").await;
    story.ask("www.example A").await.with_ede(&[3]).at_once();
    assert_eq!(story.upstream.asked(), 0);
    story.later("2s").await;
    story.ask("www.example A").await.with_ede(&[3]).at_once();
    story.later("1ms").await;
    story.ask("www.example A").await.gets("192.0.2.1").with_ede(&[]);
}

#[tokio::test(start_paused = true)]
async fn with_no_room_to_wait_a_stale_answer_comes_at_once_and_nothing_is_renewed() {
    let story = Story::begin("dns.limits.in_flight = 1");
    story.upstream.knows("old.example A", "192.0.2.1", 300);
    story.upstream.knows("www.example A", "192.0.2.2", 1000);
    story.ask("old.example A").await;
    story.ask("www.example A").await;
    story.later("950s").await;
    story.upstream.falls_silent();
    story.upstream.asked();

    let waits = story.ask("cold.example A");
    let others = async {
        story.later("1s").await;
        story.ask("old.example A").await.gets("192.0.2.1").with_ede(&[3]).at_once();
        for _ in 0..3 {
            story.ask("www.example A").await.gets("192.0.2.2").at_once();
        }
        story.ask("other.example A").await.is("SERVFAIL").with_ede(&[23]).at_once();
    };
    tokio::join!(waits, others).0.is("SERVFAIL").with_ede(&[22]);
    assert_eq!(story.upstream.asked(), 1);
}
