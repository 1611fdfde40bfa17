//! Upstreams that are gone for hours: who is answered meanwhile, how soon the others are told, and
//! what comes upon an upstream that is back.

use futures_util::future::join_all;

use crate::story::Story;

/// A route of its own.
const CORP: &str = "[[upstream.routes]]\ndomains = ['corp.example']\n\
                    servers = ['https://10.0.0.1/q']\n";

/// Failure story 13: answers that come after the client has given up. In an outage nobody waits
/// for long in vain.
#[tokio::test(start_paused = true)]
async fn t50_in_hours_of_silence_known_names_are_answered_and_others_told_within_two_seconds() {
    let story = Story::begin("");
    story.upstream.knows("www.example A", "192.0.2.1", 300);
    story.ask("www.example A").await;
    story.upstream.falls_silent();
    story.later("10m").await;

    let waits = story.ask("www.example A").await;
    waits.gets("192.0.2.1").with_ede(&[3]).after("1800ms");
    for minute in 0..6 * 60 {
        let cold = story.ask(&format!("n{minute}.example A")).await;
        cold.is("SERVFAIL").with_ede(&[22]).within("1900ms");
        let known = story.ask("www.example A").await;
        known.gets("192.0.2.1").with_ttl(30).with_ede(&[3]).within("1900ms");
        story.later("60s").await;
    }

    story.upstream.recovers();
    story.ask("www.example A").await.gets("192.0.2.1").with_ttl(300).with_ede(&[]);
    story.ask("n0.example A").await.is("NXDOMAIN").at_once();
}

#[tokio::test(start_paused = true)]
async fn t50_the_first_who_cannot_know_wait_as_long_as_they_may() {
    let story = Story::begin("");
    story.upstream.falls_silent();

    let (first, second) = tokio::join!(story.ask("a.example A"), async {
        story.later("2s").await;
        story.ask("b.example A").await
    });

    first.is("SERVFAIL").with_ede(&[22]).after("4500ms");
    second.is("SERVFAIL").with_ede(&[22]).after("1800ms");
    story.later("1h").await;
    story.ask("c.example A").await.is("SERVFAIL").with_ede(&[22]).after("1800ms");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_slow_takes_no_time_from_another_that_is_slow() {
    let story = Story::begin("");
    story.upstream.falls_silent_about("broken.example");
    story.upstream.knows("slow.example A", "192.0.2.1", 300);
    story.upstream.takes("2s");

    let (broken, quick, slow) = tokio::join!(
        story.ask("www.broken.example A"),
        async {
            story.later("1s").await;
            story.ask("quick.example A").await
        },
        async {
            story.later("2s").await;
            story.ask("slow.example A").await
        }
    );

    broken.is("SERVFAIL").after("4500ms");
    quick.is("NXDOMAIN").after("2s");
    slow.gets("192.0.2.1").after("2s");
}

/// Failure story 15: clients that ask again at once, all of them, at every failure.
#[tokio::test(start_paused = true)]
async fn no_storm_comes_upon_an_upstream_in_an_outage_nor_when_it_is_back() {
    let story = Story::begin("");
    let names: Vec<String> = (0..500).map(|number| format!("n{number}.example A")).collect();
    for name in &names {
        story.upstream.knows(name, "192.0.2.1", 300);
    }
    story.upstream.falls_silent();
    story.ask("first.example A").await.is("SERVFAIL");
    story.later("1s").await;
    story.upstream.asked();

    // A hundred clients ask five names each, and each asks again for as long as it fails.
    for _ in 0..20 {
        let told = join_all(names.iter().map(|name| story.ask(name))).await;
        for told in told {
            told.is("SERVFAIL").within("1900ms");
        }
        story.later("1s").await;
    }
    let asked = story.upstream.asked();
    assert!(asked <= 64 * 20, "{asked} in a minute, in which 10,000 were asked here");

    story.upstream.recovers();
    story.later("5s").await;
    for _ in 0..3 {
        join_all(names.iter().map(|name| story.ask(name))).await;
    }
    let asked = story.upstream.asked();
    assert!(asked <= 500, "{asked} for 500 names");
    for name in &names {
        story.ask(name).await.gets("192.0.2.1").at_once();
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_route_leaves_places_for_all_others() {
    let story = Story::begin(&format!("dns.limits.in_flight = 200\n{CORP}"));
    story.upstream.knows("www.example A", "192.0.2.1", 0);
    story.upstream.falls_silent_about("corp.example");
    story.ask("first.corp.example A").await.is("SERVFAIL");
    story.later("1s").await;

    let names: Vec<String> = (0..190).map(|number| format!("n{number}.corp.example A")).collect();
    let dead = join_all(names.iter().map(|name| story.ask(name)));
    let (dead, ()) = tokio::join!(dead, async {
        story.later("100ms").await;
        for _ in 0..100 {
            story.ask("www.example A").await.gets("192.0.2.1").at_once();
        }
        let more: Vec<String> = (0..130).map(|n| format!("n{n}.example A")).collect();
        for told in join_all(more.iter().map(|name| story.ask(name))).await {
            told.is("NXDOMAIN").at_once();
        }
    });

    let at_once = dead.into_iter().map(|told| told.is("SERVFAIL").within("1900ms"));
    let at_once = at_once.filter(|told| told.reply.ede().len() == 2).count();
    assert_eq!(at_once, 190 - 64, "told that nobody answers, without trying");
}
