//! Rules in shadow mode: they decide nothing, and what they would have decided is told.

use crate::{
    lab::{Fake, Lab},
    story::Story,
};

const RULES: &str = r"
    [[rules]]
    action = 'deny'
    match = '*.tracker.example'
    mode = 'shadow'
    [[rules]]
    action = 'deny'
    match = '/^ad[0-9]/'
    types = ['A']
    mode = 'shadow'
    [[rules]]
    action = 'allow'
    match = 'free.tracker.example'
    [[rules]]
    action = 'deny'
    match = 'den.tracker.example'
    [[rules]]
    action = 'allow'
    match = 'ads.example'
    mode = 'shadow'
    [[rules]]
    action = 'deny'
    match = 'kids.example'
    groups = ['kids']
    mode = 'shadow'
    [[lists]]
    name = 'ours'
    action = 'allow'
    inline = ['||fine.tracker.example^', '||ad1.fine.example^']
    [[lists]]
    name = 'ads'
    inline = ['||ads.example^']
";

/// The rules by whose text their counts are told.
const SUFFIX: &str = "*.tracker.example";
const REGEX: &str = "/^ad[0-9]/";

fn knowing() -> Fake {
    let names = ["www", "a.tracker", "ad1", "free.tracker", "fine.tracker", "ad1.fine", "kids"];
    names.iter().fold(Fake::new(), |fake, name| fake.a(&format!("{name}.example"), [192, 0, 2, 1]))
}

async fn counted(lab: &Lab, rule: &str) -> u64 {
    lab.sample(&format!("dnsward_shadow_blocks_total{{list=\"{rule}\"}}")).await
}

#[tokio::test]
async fn what_a_rule_in_shadow_mode_would_block_is_resolved_and_counted_cached_or_not() {
    let lab = Lab::builder().upstream(knowing()).config(RULES).start().await;
    assert_eq!((counted(&lab, SUFFIX).await, counted(&lab, REGEX).await), (0, 0));

    for _ in 0..5 {
        let reply = lab.ask("a.tracker.example", "A").await;
        assert_eq!((reply.addresses(), reply.ede()), (vec!["192.0.2.1".into()], vec![]));
        lab.ask_udp("ad1.example", "A").await;
        lab.ask_udp("ad1.example", "AAAA").await;
        lab.ask("www.example", "A").await;
    }

    assert_eq!((counted(&lab, SUFFIX).await, counted(&lab, REGEX).await), (5, 5));
    assert_eq!(lab.upstream_hits(), 4);
}

#[tokio::test]
async fn what_would_have_become_of_a_name_anyway_is_not_counted() {
    let lab = Lab::builder().upstream(knowing()).config(RULES).start().await;

    for (name, address, why) in [
        ("free.tracker.example", "192.0.2.1", "an allow rule beats a deny rule"),
        ("ad1.fine.example", "192.0.2.1", "an allow list beats a regular expression"),
        ("den.tracker.example", "0.0.0.0", "another rule denies it"),
        ("ads.example", "0.0.0.0", "an allow rule in shadow mode frees nothing"),
        ("kids.example", "192.0.2.1", "the rule is for another group"),
    ] {
        assert_eq!(lab.ask(name, "A").await.addresses(), [address], "{name}: {why}");
    }
    for rule in [SUFFIX, REGEX, "kids.example"] {
        assert_eq!(counted(&lab, rule).await, 0, "{rule}");
    }
    assert_eq!(lab.ask("fine.tracker.example", "A").await.addresses(), ["192.0.2.1"]);
    assert_eq!(counted(&lab, SUFFIX).await, 1, "a deny rule beats an allow list");
}

#[tokio::test]
async fn names_that_lead_to_what_would_be_blocked_are_counted() {
    let fake = knowing()
        .cname("shop.example", "a.tracker.example")
        .cname("first.example", "free.tracker.example")
        .cname("free.tracker.example", "b.tracker.example")
        .https("svc.example", "a.tracker.example");
    let local = "[[records]]\nname = 'way.lan'\ncname = 'a.tracker.example'";
    let lab = Lab::builder().upstream(fake).config(RULES).config(local).start().await;

    for (name, qtype, count) in [
        ("shop.example", "A", 1),
        ("svc.example", "HTTPS", 2),
        ("way.lan", "A", 3),
        ("shop.example", "A", 4),
        // It is freed before it leads there.
        ("first.example", "A", 4),
    ] {
        lab.ask(name, qtype).await;
        assert_eq!(counted(&lab, SUFFIX).await, count, "{name}");
    }
}

#[tokio::test]
async fn counts_go_on_over_a_reload_and_only_what_is_in_shadow_mode_is_told() {
    let lab = Lab::builder().upstream(knowing()).config(RULES).start().await;
    lab.ask("a.tracker.example", "A").await;

    lab.reload(&RULES.replace("mode = 'shadow'", "")).await;
    assert_eq!(lab.ask("a.tracker.example", "A").await.addresses(), ["0.0.0.0"]);
    assert!(!lab.get_metrics("/metrics").await.1.contains("dnsward_shadow_blocks_total{"));
    lab.reload(RULES).await;
    lab.ask("a.tracker.example", "A").await;

    assert_eq!(counted(&lab, SUFFIX).await, 2);
}

#[tokio::test(start_paused = true)]
async fn the_query_log_tells_what_would_have_blocked_an_answer() {
    let story = Story::begin(RULES);
    story.upstream.knows("a.tracker.example A", "192.0.2.1", 300);

    for _ in ["from upstream", "from the cache", "from the thread's own"] {
        story.ask("a.tracker.example A").await.gets("192.0.2.1");
    }
    story.ask("gone.tracker.example A").await;
    story.ask("www.example A").await;

    let trials: Vec<_> =
        story.logged().await.into_iter().map(|row| row.would_be_blocked_by).collect();
    let told = Some(SUFFIX.to_owned());
    assert_eq!(trials, [None, told.clone(), told.clone(), told.clone(), told]);
}
