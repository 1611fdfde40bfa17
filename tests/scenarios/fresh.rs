//! Answers that are still good: how they grow old, and for whom they count.

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
async fn what_one_client_was_told_is_remembered_for_all_on_every_road() {
    let story = Story::begin("");
    story.upstream.knows("www.example A", "192.0.2.1", 300);

    story.client("10.0.0.1").ask("www.example A").await.gets("192.0.2.1");
    story.later("1s").await;
    let other = story.client("10.0.0.2").over_udp();
    other.ask("wWw.Example A").await.gets("192.0.2.1").with_ttl(299).at_once();
    assert_eq!(story.upstream.asked(), 1);
}
