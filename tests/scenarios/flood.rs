//! Floods over UDP, and what their victims and everybody else notice of them.

use crate::{
    lab::question,
    story::{Client, Story},
};

const TEN_A_SECOND: &str = "[dns]\nrate_limit = { queries_per_second = 10, prefix_v4 = 24 }";

/// Sends so many queries at once; how many are answered in full, and how many sent to TCP.
async fn flood(client: &Client, queries: usize) -> (usize, usize) {
    let (mut whole, mut cut) = (0, 0);
    for _ in 0..queries {
        let answer = client.send("www.example A", &question("www.example", "A")).await;
        match answer.map(|told| told.reply.message.metadata.truncation) {
            Some(true) => cut += 1,
            Some(false) => whole += 1,
            None => {}
        }
    }
    (whole, cut)
}

fn begin() -> Story {
    let story = Story::begin(TEN_A_SECOND);
    story.upstream.knows("www.example A", "192.0.2.1", 86_400);
    story
}

#[tokio::test(start_paused = true)]
async fn r102_an_hour_of_forged_queries_costs_their_victim_little() {
    let story = begin();
    let victim = story.client("10.1.1.1").over_udp();

    let (mut whole, mut cut) = (0, 0);
    for _ in 0..3600 {
        let answered = flood(&victim, 30).await;
        (whole, cut) = (whole + answered.0, cut + answered.1);
        story.later("1s").await;
    }

    assert_eq!((whole, cut), (36_000, 36_000), "of 108,000 queries");
}

#[tokio::test(start_paused = true)]
async fn r102_the_victim_itself_is_served_over_tcp_meanwhile() {
    let story = begin();
    let victim = story.client("10.1.1.1");
    flood(&victim.clone().over_udp(), 1000).await;

    for _ in 0..100 {
        victim.ask("www.example A").await.gets("192.0.2.1").at_once();
    }
}

#[tokio::test(start_paused = true)]
async fn r102_neighbours_share_a_rate_and_others_do_not_notice() {
    let story = begin();
    let [one, neighbour, other] =
        ["10.1.1.1", "10.1.1.200", "10.1.2.1"].map(|address| story.client(address).over_udp());

    assert_eq!(flood(&one, 12).await, (10, 1));
    assert_eq!(flood(&neighbour, 2).await, (0, 1));
    assert_eq!(flood(&other, 10).await, (10, 0));
    story.later("500ms").await;
    assert_eq!(flood(&neighbour, 5).await, (5, 0), "what half a second brings back");
}
