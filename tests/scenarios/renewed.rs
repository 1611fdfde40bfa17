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
    for config in ["", "cache.stale = '0s'"] {
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
        story.ask("www.example A").await.gets("192.0.2.1").with_ttl(300).with_ede(&[]);
        assert_eq!(story.upstream.asked(), 1, "{config}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_a_client_has_joined_fails_for_it_like_any_other() {
    for (config, pause) in [("", "30s"), ("cache.stale = '0s'", "1s")] {
        let story = Story::begin(config);
        story.upstream.knows("www.example A", "192.0.2.1", 300);
        story.ask("www.example A").await;
        story.later("299s").await;
        story.upstream.fails(ResponseCode::ServFail);
        story.upstream.takes("2s");
        story.ask("www.example A").await.at_once();
        story.ask("www.example A").await.at_once();
        story.later("1s").await;
        story.ask("www.example A").await.after("1s");
        assert_eq!(story.upstream.asked(), 2, "{config}");

        story.upstream.recovers();
        story.ask("www.example A").await.at_once();
        assert_eq!(story.upstream.asked(), 0, "{config}");
        story.later(pause).await;
        story.upstream.takes("0s");
        story.ask("www.example A").await.gets("192.0.2.1").with_ede(&[]);
        assert_eq!(story.upstream.asked(), 1, "{config}");
    }
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
