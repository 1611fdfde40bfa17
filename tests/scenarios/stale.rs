//! Answers that have expired, and when they are still better than none.

use dnsward::querylog::Outcome;
use hickory_proto::op::ResponseCode;

use crate::story::Story;

#[tokio::test(start_paused = true)]
async fn r42_when_upstreams_die_what_has_expired_still_answers() {
    let story = Story::begin("");
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    story.ask("www.example A").await.gets("192.0.2.1").with_ede(&[]);

    story.upstream.falls_silent();
    story.later("10m").await;
    let stale = story.ask("www.example A").await.gets("192.0.2.1").after("1800ms");
    stale.with_ttl(30).with_ede(&[3]);

    story.later("23h").await;
    story.ask("www.example A").await.gets("192.0.2.1").with_ttl(30);
    story.later("1h").await;
    story.ask("www.example A").await.is("SERVFAIL").with_ede(&[22]).after("1800ms");
    assert_eq!((story.counted(Outcome::Stale), story.counted(Outcome::Failed)), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn r43_a_failed_refresh_is_tried_again_every_30_seconds_and_nobody_waits_between() {
    let story = Story::begin("");
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    story.ask("www.example A").await;
    story.ask("nobody.example A").await.is("NXDOMAIN");
    story.upstream.dies();
    story.later("10m").await;

    story.ask("www.example A").await.gets("192.0.2.1").with_ede(&[3]).at_once();
    story.ask("nobody.example A").await.is("NXDOMAIN").with_ttl(30).with_ede(&[19]);
    assert_eq!(story.upstream.asked(), 4);
    for _ in 0..29 {
        story.later("1s").await;
        story.ask("www.example A").await.gets("192.0.2.1").with_ttl(30).at_once();
    }
    assert_eq!(story.upstream.asked(), 0);
    story.later("1s").await;
    story.ask("www.example A").await.gets("192.0.2.1").with_ttl(30);
    assert_eq!(story.upstream.asked(), 1);

    story.upstream.recovers();
    story.later("30s").await;
    story.ask("www.example A").await.gets("192.0.2.1").with_ttl(300).with_ede(&[]);
}

#[tokio::test(start_paused = true)]
async fn what_was_stale_upstream_already_says_so_once() {
    let story = Story::begin("");
    for (code, text) in [(3, "theirs"), (4, "forged"), (19, "theirs")] {
        story.upstream.explains(code, text);
    }
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    story.ask("www.example A").await.with_ede(&[3, 4, 19]);
    story.ask("nobody.example A").await.is("NXDOMAIN").with_ede(&[3, 4, 19]);
    story.upstream.dies();
    story.later("10m").await;

    story.ask("www.example A").await.gets("192.0.2.1").with_ede(&[3, 4]);
    story.ask("nobody.example A").await.is("NXDOMAIN").with_ede(&[19, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_upstream_refreshes_for_the_next_client() {
    let story = Story::begin("");
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    story.ask("www.example A").await;
    story.later("10m").await;
    story.upstream.takes("3s");

    story.ask("www.example A").await.with_ttl(30).with_ede(&[3]).after("1800ms");
    story.ask("www.example A").await.with_ttl(300).with_ede(&[]).after("1200ms");
    assert_eq!(story.upstream.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn r44_a_fresh_no_ends_what_was_stale() {
    let story = Story::begin("");
    story.upstream.knows("gone.example A", "192.0.2.1", 300);
    story.ask("gone.example A").await.gets("192.0.2.1");
    story.upstream.forgets("gone.example");
    story.later("10m").await;

    story.ask("gone.example A").await.is("NXDOMAIN").with_ede(&[]);
    story.upstream.dies();
    story.later("10m").await;
    story.ask("gone.example A").await.is("NXDOMAIN").with_ede(&[19]);
}

#[tokio::test(start_paused = true)]
async fn r44_a_failure_ends_nothing() {
    for rcode in [ResponseCode::ServFail, ResponseCode::Refused] {
        let story = Story::begin("");
        story.upstream.knows("www.example A", "192.0.2.1", 300);
        story.ask("www.example A").await;
        story.upstream.fails(rcode);
        story.later("10m").await;

        story.ask("www.example A").await.gets("192.0.2.1").with_ede(&[3]).at_once();
        story.ask("www.example A").await.gets("192.0.2.1").with_ttl(30);
    }
}

#[tokio::test(start_paused = true)]
async fn r45_r98_what_has_been_blocked_since_is_not_served_stale() {
    let story = Story::begin("");
    story.upstream.knows("www.example CNAME", "cdn.example", 300);
    story.upstream.knows("cdn.example A", "192.0.2.1", 300);
    story.upstream.knows("home.example A", "10.0.0.1", 300);
    story.ask("www.example A").await.gets("192.0.2.1");
    story.ask("home.example A").await.gets("").with_ede(&[15]);
    story.upstream.dies();
    story.later("10m").await;
    story.ask("www.example A").await.gets("192.0.2.1").with_ede(&[3]);
    story.ask("home.example A").await.gets("").with_ede(&[15]);

    for name in ["www.example", "cdn.example"] {
        story.reload(&format!("[[rules]]\naction = 'deny'\nmatch = '{name}'")).await;
        story.ask("www.example A").await.gets("0.0.0.0").with_ede(&[15]);
    }
    story.reload("").await;
    story.ask("www.example A").await.gets("192.0.2.1").with_ede(&[3]);
}

#[tokio::test(start_paused = true)]
async fn r46_a_timeout_below_our_patience_brings_stale_answers_sooner() {
    let story = Story::begin("upstream.timeout = '500ms'");
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    story.ask("www.example A").await;
    story.upstream.falls_silent();
    story.later("10m").await;

    story.ask("www.example A").await.gets("192.0.2.1").with_ede(&[3]).after("500ms");
}

#[tokio::test(start_paused = true)]
async fn without_stale_answers_what_has_expired_is_gone() {
    let story = Story::begin("cache.stale = '0s'");
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    story.ask("www.example A").await;
    story.upstream.dies();
    story.later("300s").await;

    story.ask("www.example A").await.is("SERVFAIL").with_ede(&[22]);
}

#[tokio::test(start_paused = true)]
async fn what_is_good_for_no_time_is_never_stale() {
    let story = Story::begin("");
    story.upstream.knows("now.example A", "192.0.2.1", 300);
    story.ask("now.example A").await;
    story.later("10m").await;
    story.upstream.forgets("now.example");
    story.upstream.knows("now.example A", "192.0.2.2", 0);
    story.ask("now.example A").await.gets("192.0.2.2");
    story.upstream.dies();

    story.ask("now.example A").await.is("SERVFAIL");
}

#[tokio::test(start_paused = true)]
async fn six_hours_without_upstreams_are_survived_in_peace() {
    let story = Story::begin("");
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    story.ask("www.example A").await;
    story.upstream.dies();
    story.later("5m").await;

    for _ in 0..6 * 60 {
        story.ask("www.example A").await.gets("192.0.2.1").with_ttl(30).with_ede(&[3]).at_once();
        story.ask("cold.example A").await.is("SERVFAIL").at_once();
        story.later("60s").await;
    }
    story.upstream.recovers();
    story.ask("www.example A").await.gets("192.0.2.1").with_ttl(300);
    assert!(story.upstream.asked() <= 2 * 6 * 60 + 2);
}
