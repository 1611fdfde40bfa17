//! What is told of failures, and for how long they are remembered.

use hickory_proto::op::ResponseCode;

use crate::story::Story;

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
async fn r30_aliases_that_go_round_are_a_failure() {
    let story = Story::begin("");
    story.upstream.knows("a.example CNAME", "b.example", 300);
    story.upstream.knows("b.example CNAME", "a.example", 300);

    story.ask("a.example A").await.is("SERVFAIL").with_ede(&[23]);
    story.ask("a.example A").await.is("SERVFAIL").with_ede(&[23, 13]).at_once();
    assert_eq!(story.upstream.asked(), 1);
}
