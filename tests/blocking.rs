//! What is blocked, what is not, and what a blocked name is answered with.

use crate::lab::{Fake, Lab, list};

/// Names that a list blocks are asked of an upstream that would know them.
fn knowing() -> Fake {
    Fake::new()
        .a("ads.example", [192, 0, 2, 66])
        .a("x.ads.example", [192, 0, 2, 66])
        .a("badads.example", [192, 0, 2, 1])
        .cname("shop.example", "x.ads.example")
        .https("svc.example", "x.ads.example")
}

#[tokio::test]
async fn r92_a_blocked_name_is_answered_without_asking_upstream() {
    let lab = Lab::builder().upstream(knowing()).list("ads", &["||ads.example^"]).start().await;

    for name in ["ads.example", "x.ads.example"] {
        for reply in [lab.ask(name, "A").await, lab.ask_udp(name, "A").await] {
            assert_eq!(reply.addresses(), ["0.0.0.0"]);
            assert_eq!(reply.message.answers[0].ttl, 2);
            assert_eq!(reply.ede(), [(15, "ads".to_owned())]);
        }
        assert_eq!(lab.ask(name, "AAAA").await.addresses(), ["::"]);
        let other = lab.ask(name, "MX").await;
        assert_eq!((other.rcode(), other.answers().len()), (0, 0));
    }
    assert_eq!(lab.upstream_hits(), 0);
    assert_eq!(lab.ask("badads.example", "A").await.addresses(), ["192.0.2.1"]);
}

#[tokio::test]
async fn every_form_of_block_answer_says_what_it_promises() {
    for (answer, rcode, address, soa) in [
        ("'null'", 0, Some("0.0.0.0"), 0),
        ("'nxdomain'", 3, None, 1),
        ("'nodata'", 0, None, 1),
        ("'refused'", 5, None, 0),
        ("{ ipv4 = '192.0.2.80' }", 0, Some("192.0.2.80"), 0),
    ] {
        let config = format!("[blocking]\nanswer = {answer}\nttl = '7s'\n");
        let lab = Lab::builder().config(&config).list("ads", &["ads.example"]).start().await;

        let reply = lab.ask("ads.example", "A").await;

        assert_eq!(reply.rcode(), rcode, "{answer}");
        assert_eq!(reply.addresses().first().map(String::as_str), address, "{answer}");
        assert_eq!(reply.message.authorities.len(), soa, "{answer}");
        for record in reply.message.answers.iter().chain(&reply.message.authorities) {
            assert_eq!(record.ttl, 7, "{answer}");
        }
        assert_eq!(reply.ede(), [(15, "ads".to_owned())], "{answer}");
    }
}

#[tokio::test]
async fn a_family_without_an_address_gets_no_data() {
    let config = "[blocking]\nanswer = { ipv4 = '192.0.2.80' }";
    let lab = Lab::builder().config(config).list("ads", &["ads.example"]).start().await;

    let reply = lab.ask("ads.example", "AAAA").await;

    assert_eq!((reply.rcode(), reply.answers().len()), (0, 0));
}

#[tokio::test]
async fn r31_r81_r98_a_name_that_leads_to_a_blocked_one_is_blocked_cached_or_not() {
    let lab = Lab::builder().upstream(knowing()).list("ads", &["||ads.example^"]).start().await;

    for _ in ["from upstream", "from the cache"] {
        let alias = lab.ask("shop.example", "A").await;
        assert_eq!(
            (alias.addresses(), alias.ede()),
            (vec!["0.0.0.0".into()], vec![(15, "ads".into())])
        );
        assert_eq!(lab.ask("svc.example", "HTTPS").await.ede(), [(15, "ads".to_owned())]);
    }
    assert_eq!(lab.upstream_hits(), 2);
}

#[tokio::test]
async fn the_names_an_answer_leads_to_can_be_left_alone() {
    let lab = Lab::builder()
        .upstream(knowing())
        .config("[blocking]\ninspect_cname = false")
        .list("ads", &["||ads.example^"])
        .start()
        .await;

    assert_eq!(lab.ask("shop.example", "A").await.addresses(), ["192.0.2.66"]);
}

#[tokio::test]
async fn r98_an_allow_rule_beats_every_list_and_frees_what_follows() {
    let lab = Lab::builder()
        .upstream(knowing())
        .list("ads", &["||ads.example^", "shop.example"])
        .config("[[rules]]\naction = 'allow'\nmatch = 'shop.example'")
        .start()
        .await;

    let answers = lab.ask("shop.example", "A").await.answers();

    assert_eq!(answers, ["CNAME x.ads.example.", "A 192.0.2.66"]);
    assert_eq!(lab.ask("x.ads.example", "A").await.addresses(), ["0.0.0.0"]);
}

#[tokio::test]
async fn r98_an_allow_list_beats_a_block_list_but_not_a_deny_rule() {
    let allow = "[[lists]]\nname = 'ours'\naction = 'allow'\ninline = ['||ads.example^']";
    let deny = "[[rules]]\naction = 'deny'\nmatch = 'x.ads.example'";
    let lab = Lab::builder()
        .upstream(knowing())
        .list("ads", &["||ads.example^"])
        .config(allow)
        .config(deny)
        .start()
        .await;

    assert_eq!(lab.ask("ads.example", "A").await.addresses(), ["192.0.2.66"]);
    let denied = lab.ask("x.ads.example", "A").await;
    assert_eq!(denied.ede(), [(15, "x.ads.example".to_owned())]);
}

#[tokio::test]
async fn rules_can_hold_for_some_types_only() {
    let rule = "[[rules]]\naction = 'deny'\nmatch = 'badads.example'\ntypes = ['AAAA', 'HTTPS']";
    let lab = Lab::builder().upstream(knowing()).config(rule).start().await;

    assert_eq!(lab.ask("badads.example", "A").await.addresses(), ["192.0.2.1"]);
    assert_eq!(lab.ask("badads.example", "AAAA").await.addresses(), ["::"]);
}

#[tokio::test]
async fn suffix_and_regex_rules_match_as_they_are_written() {
    let rules = "
        [[rules]]
        action = 'deny'
        match = '*.tracker.example'
        [[rules]]
        action = 'deny'
        match = '/^ad[0-9]+\\./'
    ";
    let lab = Lab::builder().upstream(Fake::new()).config(rules).start().await;

    for name in ["tracker.example", "a.b.tracker.example", "ad17.example"] {
        assert_eq!(lab.ask(name, "A").await.addresses(), ["0.0.0.0"], "{name}");
    }
    assert_eq!(lab.ask("nottracker.example", "A").await.rcode(), 3);
    assert_eq!(lab.ask("ads.example", "A").await.rcode(), 3);
}

#[tokio::test]
async fn a_client_has_the_groups_of_its_row_and_no_others() {
    let kids = "
        [[lists]]
        name = 'games'
        groups = ['kids']
        inline = ['||games.example^']
        [[clients]]
        match = '127.0.0.0/8'
        groups = ['kids']
    ";
    let lab = Lab::builder()
        .upstream(knowing())
        .list("ads", &["||ads.example^"])
        .config(kids)
        .start()
        .await;

    assert_eq!(lab.ask("games.example", "A").await.ede(), [(15, "games".to_owned())]);
    assert_eq!(lab.ask("ads.example", "A").await.addresses(), ["192.0.2.66"]);
}

#[tokio::test]
async fn a_group_that_is_switched_off_blocks_nothing() {
    let off = "[[groups]]\nname = 'default'\nenabled = false";
    let lab = Lab::builder()
        .upstream(knowing())
        .list("ads", &["||ads.example^"])
        .config(off)
        .start()
        .await;

    assert_eq!(lab.ask("ads.example", "A").await.addresses(), ["192.0.2.66"]);
}

#[tokio::test]
async fn blocking_can_be_switched_off_and_cached_answers_obey_at_once() {
    let lab = Lab::builder().upstream(knowing()).start().await;
    let blocking = list("ads", &["||ads.example^"]);
    let switched_off = format!("[blocking]\nenabled = false\n{blocking}");

    assert_eq!(lab.ask("shop.example", "A").await.addresses(), ["192.0.2.66"]);
    lab.reload(&blocking).await;
    assert_eq!(lab.ask("shop.example", "A").await.addresses(), ["0.0.0.0"]);
    lab.reload(&switched_off).await;
    assert_eq!(lab.ask("shop.example", "A").await.addresses(), ["192.0.2.66"]);
    assert_eq!(lab.upstream_hits(), 1);
}

#[tokio::test]
async fn r25_a_rule_holds_for_a_name_in_any_letters() {
    let lab = Lab::builder().upstream(knowing()).list("ads", &["||Ads.eXample^"]).start().await;

    for name in ["ads.example", "ADS.EXAMPLE", "x.aDs.Example"] {
        assert_eq!(lab.ask(name, "A").await.ede(), [(15, "ads".to_owned())], "{name}");
    }
    assert_eq!(lab.upstream_hits(), 0);
}

#[tokio::test]
async fn r81_each_target_of_a_service_is_judged_for_itself() {
    let rules = "[[rules]]\naction = 'allow'\nmatch = 'free.example'\n\
                 [[rules]]\naction = 'deny'\nmatch = 'ads.example'";
    for targets in [["free.example", "ads.example"], ["ads.example", "free.example"]] {
        let fake = targets.iter().fold(Fake::new(), |fake, target| fake.https("x.example", target));
        let lab = Lab::builder().upstream(fake).config(rules).start().await;

        let reply = lab.ask("x.example", "HTTPS").await;

        assert_eq!(reply.ede(), [(15, "ads.example".to_owned())], "{targets:?}");
    }
    let fake = Fake::new().cname("y.example", "free.example").https("free.example", "ads.example");
    let lab = Lab::builder().upstream(fake).config(rules).start().await;
    assert!(lab.ask("y.example", "HTTPS").await.ede().is_empty(), "an allowed alias frees it");
}
