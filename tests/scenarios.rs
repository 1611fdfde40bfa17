//! What is remembered, for how long, and what clients are told when time and upstreams go by.

use hickory_proto::{op::ResponseCode, rr::RecordType};

use crate::story::Story;

#[tokio::test(start_paused = true)]
async fn r33_what_is_remembered_grows_old_and_is_asked_for_again() {
    let story = Story::begin("");
    story.upstream.knows("www.example A", "192.0.2.1", 300);

    story.ask("www.example A").await.gets("192.0.2.1").with_ttl(300);
    story.later("100s").await;
    story.ask("www.example A").await.gets("192.0.2.1").with_ttl(200).at_once();
    assert_eq!(story.upstream.asked(), 1);

    story.later("200s").await;
    story.ask("www.example A").await.gets("192.0.2.1").with_ttl(300);
    assert_eq!(story.upstream.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn r32_what_is_good_for_no_time_is_told_once_to_all_who_wait() {
    let story = Story::begin("");
    story.upstream.knows("now.example A", "192.0.2.1", 0);
    story.upstream.takes("1s");

    let (first, second) = tokio::join!(story.ask("now.example A"), story.ask("now.example A"));
    first.gets("192.0.2.1").with_ttl(0);
    second.gets("192.0.2.1").with_ttl(0);
    assert_eq!(story.upstream.asked(), 1);

    story.ask("now.example A").await.gets("192.0.2.1").after("1s");
    assert_eq!(story.upstream.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn r37_r35_a_no_grows_old_and_holds_for_its_type_alone() {
    let story = Story::begin("");
    story.upstream.knows("www.example A", "192.0.2.1", 300);

    story.ask("www.example AAAA").await.gets("").with_ttl(60);
    story.later("20s").await;
    story.ask("www.example AAAA").await.gets("").with_ttl(40).at_once();
    story.ask("www.example A").await.gets("192.0.2.1").with_ttl(300);
    assert_eq!(story.upstream.asked(), 2);
}

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
    story.ask("www.example A").await.is("SERVFAIL").with_ede(&[22]).after("4500ms");
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
        story.reload(&format!("[[rules]]\naction = 'deny'\nmatch = '{name}'"));
        story.ask("www.example A").await.gets("0.0.0.0").with_ede(&[15]);
    }
    story.reload("");
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
async fn r39_a_failure_is_remembered_and_for_longer_each_time() {
    let story = Story::begin("");
    story.upstream.fails(ResponseCode::ServFail);
    story.ask("broken.example A").await.is("SERVFAIL").with_ede(&[23]);
    story.ask("broken.example A").await.is("SERVFAIL").with_ede(&[23, 13]).at_once();
    assert_eq!(story.upstream.asked(), 1);

    // Another name is well all the time, so it is this one that is broken.
    story.upstream.knows("www.example A", "192.0.2.1", 1);
    for pause in ["1s", "2s", "4s", "8s", "16s", "30s", "30s"] {
        story.upstream.recovers();
        story.ask("www.example A").await.gets("192.0.2.1");
        story.upstream.fails(ResponseCode::ServFail);
        story.upstream.asked();
        story.ask("broken.example A").await.with_ede(&[23, 13]);
        story.later(pause).await;
        assert_eq!(story.upstream.asked(), 0, "before {pause}");
        story.ask("broken.example A").await.with_ede(&[23]);
        assert_eq!(story.upstream.asked(), 1, "after {pause}");
    }
}

#[tokio::test(start_paused = true)]
async fn r39_a_timeout_and_a_refusal_are_remembered_too() {
    let story = Story::begin("");
    story.upstream.falls_silent();
    story.ask("slow.example A").await.is("SERVFAIL").with_ede(&[22]).after("4500ms");
    story.later("600ms").await;
    story.ask("slow.example A").await.is("SERVFAIL").with_ede(&[22, 13]).at_once();

    story.upstream.fails(ResponseCode::Refused);
    story.ask("refused.example A").await.is("REFUSED").with_ede(&[23]);
    story.ask("refused.example A").await.is("REFUSED").with_ede(&[23, 13]).at_once();
    assert_eq!(story.upstream.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn r41_the_first_good_answer_ends_what_is_remembered_of_an_outage() {
    let story = Story::begin("");
    story.upstream.knows("a.example A", "192.0.2.1", 300);
    story.upstream.knows("b.example A", "192.0.2.2", 300);
    story.upstream.dies();
    for _ in 0..20 {
        story.ask("a.example A").await.is("SERVFAIL");
        story.ask("b.example A").await.is("SERVFAIL");
        story.later("5s").await;
    }
    story.ask("b.example A").await.is("SERVFAIL");

    story.upstream.recovers();
    story.ask("b.example A").await.is("SERVFAIL").with_ede(&[22, 13]);
    story.ask("a.example A").await.gets("192.0.2.1");
    story.ask("b.example A").await.gets("192.0.2.2").with_ede(&[]);
}

#[tokio::test(start_paused = true)]
async fn r92_r93_a_client_with_edns_is_told_the_upstreams_reasons() {
    let story = Story::begin("");
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    story.upstream.explains(4, "forged");
    for _ in ["from upstream", "from the cache"] {
        story.ask("www.example A").await.with_ede(&[4]);
    }

    story.upstream.explains(6, "DNSSEC bogus");
    story.upstream.fails(ResponseCode::ServFail);
    let told = story.ask("bogus.example A").await.is("SERVFAIL").with_ede(&[23, 4, 6]);
    assert_eq!(told.reply.ede()[2].1, "DNSSEC bogus");
    let mut plain = crate::lab::question("www.example", "A");
    plain.edns = None;
    let told = story.client("10.0.0.1").send("plain", &plain).await.unwrap();
    assert!(told.gets("192.0.2.1").reply.message.edns.is_none());
}

#[tokio::test(start_paused = true)]
async fn r34_a_name_that_does_not_exist_has_no_type_at_all() {
    let story = Story::begin("");
    story.ask("nobody.example A").await.is("NXDOMAIN").with_ttl(60);
    story.later("20s").await;

    let told = story.ask("nobody.example AAAA").await.is("NXDOMAIN").with_ttl(40).at_once();
    assert_eq!(told.reply.message.queries[0].query_type, RecordType::AAAA);
    assert_eq!(story.upstream.asked(), 1);
    // Proofs and data that failed validation are kept apart.
    story.client("10.0.0.1").with_dnssec().ask("nobody.example AAAA").await.is("NXDOMAIN");
    story.client("10.0.0.1").with_dnssec().ask("nobody.example A").await.is("NXDOMAIN");
    assert_eq!(story.upstream.asked(), 1);

    story.upstream.knows("nobody.example A", "192.0.2.1", 300);
    story.later("40s").await;
    story.ask("nobody.example AAAA").await.is("NOERROR").with_ttl(60);
    story.ask("nobody.example A").await.gets("192.0.2.1");
}

#[tokio::test(start_paused = true)]
async fn r34_a_fresh_no_for_the_name_ends_a_stale_answer() {
    let story = Story::begin("");
    story.upstream.knows("gone.example A", "192.0.2.1", 300);
    story.ask("gone.example A").await;
    story.upstream.forgets("gone.example");
    story.later("10m").await;
    story.ask("gone.example AAAA").await.is("NXDOMAIN");

    story.upstream.dies();
    story.ask("gone.example A").await.is("NXDOMAIN").with_ede(&[]).at_once();
}

#[tokio::test(start_paused = true)]
async fn r38_below_a_name_that_provably_does_not_exist_there_is_nothing() {
    let local = "[[records]]\nname = 'nas.nobody.example'\na = ['192.0.2.7']";
    let story = Story::begin(local);
    story.upstream.validates();
    story.ask("nobody.example A").await.is("NXDOMAIN");
    assert_eq!(story.upstream.asked(), 1);

    let told = story.ask("a.b.nobody.example AAAA").await.is("NXDOMAIN").with_ttl(60).at_once();
    assert_eq!(told.reply.message.queries[0].name.to_string(), "a.b.nobody.example.");
    story.ask("nas.nobody.example A").await.gets("192.0.2.7");
    assert_eq!(story.upstream.asked(), 0);
    story.client("10.0.0.1").with_dnssec().ask("a.nobody.example A").await.is("NXDOMAIN");
    assert_eq!(story.upstream.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn r38_what_nobody_has_validated_says_nothing_of_names_below() {
    let story = Story::begin("");
    story.ask("nobody.example A").await.is("NXDOMAIN");
    story.ask("a.nobody.example A").await.is("NXDOMAIN");
    assert_eq!(story.upstream.asked(), 2);

    // Of an alias to nowhere, the alias itself exists.
    story.upstream.validates();
    story.upstream.knows("alias.example CNAME", "nowhere.example", 300);
    story.ask("alias.example A").await.is("NXDOMAIN");
    story.ask("alias.example AAAA").await.is("NXDOMAIN");
    story.ask("below.alias.example A").await.is("NXDOMAIN");
    assert_eq!(story.upstream.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn r48_data_that_fail_validation_are_remembered_apart() {
    let story = Story::begin("");
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    let mut unchecked = crate::lab::question("www.example", "A");
    unchecked.metadata.checking_disabled = true;

    for _ in ["from upstream", "from the cache"] {
        let told = story.client("10.0.0.1").send("with CD", &unchecked).await.unwrap();
        assert!(told.gets("192.0.2.1").reply.message.metadata.checking_disabled);
        story.ask("www.example A").await.gets("192.0.2.1");
    }
    assert_eq!(story.upstream.asked(), 2);
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
