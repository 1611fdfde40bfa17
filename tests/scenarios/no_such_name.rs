//! Names that do not exist, and what else that says.

use hickory_proto::rr::RecordType;

use crate::story::Story;

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
async fn r34_what_a_no_says_of_other_types_grows_old_and_stale_with_it() {
    let story = Story::begin("");
    story.ask("nobody.example A").await.is("NXDOMAIN").with_ttl(60);
    story.later("20s").await;
    story.ask("nobody.example AAAA").await.is("NXDOMAIN").with_ttl(40).at_once();
    story.later("20s").await;
    story.ask("nobody.example AAAA").await.is("NXDOMAIN").with_ttl(20).at_once();
    assert_eq!(story.upstream.asked(), 1);

    story.upstream.dies();
    story.later("20s").await;
    story.ask("nobody.example AAAA").await.is("NXDOMAIN").with_ttl(30).with_ede(&[19]);
    story.later("86399s").await;
    story.ask("nobody.example AAAA").await.is("NXDOMAIN").with_ede(&[19]);
    story.later("1s").await;
    story.ask("nobody.example AAAA").await.is("SERVFAIL");
}

#[tokio::test(start_paused = true)]
async fn r98_what_a_no_says_of_other_types_is_judged_anew_each_time() {
    let story = Story::begin("");
    story.ask("nobody.example A").await.is("NXDOMAIN");
    story.ask("nobody.example AAAA").await.is("NXDOMAIN");

    story.reload("[[rules]]\naction = 'deny'\nmatch = 'nobody.example'").await;
    story.ask("nobody.example AAAA").await.gets("::").with_ede(&[15]);
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
    story.later("10m").await;
    story.ask("gone.example A").await.is("NXDOMAIN").with_ede(&[19]);
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
    // Nobody names things that deep; a miss looks at eight names above and no more.
    story.ask("8.7.6.5.4.3.2.1.nobody.example A").await.is("NXDOMAIN");
    assert_eq!(story.upstream.asked(), 0);
    story.ask("9.8.7.6.5.4.3.2.1.nobody.example A").await.is("NXDOMAIN");
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
async fn r47_a_proof_that_covers_other_names_is_not_used_for_them() {
    let story = Story::begin("");
    story.upstream.validates();
    let client = story.client("10.0.0.1").with_dnssec();

    let told = client.ask("b.example A").await.is("NXDOMAIN");
    assert_eq!(told.reply.message.authorities.len(), 2, "SOA and NSEC");
    client.ask("a.example A").await.is("NXDOMAIN");
    client.ask("c.example A").await.is("NXDOMAIN");
    assert_eq!(story.upstream.asked(), 3);
}
