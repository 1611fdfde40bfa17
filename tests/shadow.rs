//! Rules and lists in shadow mode: they decide nothing, and what they would have decided is told.

use std::net::Ipv6Addr;

use hickory_proto::rr::RData;
use tokio::net::UdpSocket;

use crate::{
    lab::{Fake, Lab, Reply, question, receive_from},
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

/// A list in shadow mode beside others that decide, and one for a group alone.
const LISTS: &str = r"
    [[lists]]
    name = 'trial'
    mode = 'shadow'
    inline = [
        '||tracker.example^', '||ads.example^', '||fine.example^', '||ad1.example^$important',
        '/^www\.six/;querytype=AAAA', '||here.example^$dnsrewrite=192.0.2.9',
    ]
    [[lists]]
    name = 'ads'
    inline = ['||ads.example^']
    [[lists]]
    name = 'ours'
    action = 'allow'
    inline = ['||fine.example^', '||ad1.example^']
    [[lists]]
    name = 'for kids'
    mode = 'shadow'
    groups = ['kids']
    inline = ['||games.example^']
    [[rules]]
    action = 'deny'
    match = '/^den\./'
    [[rules]]
    action = 'allow'
    match = '*.free.tracker.example'
    [[clients]]
    match = '127.0.0.2'
    groups = ['default', 'kids']
";

const V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// Knows every name that the lists speak of.
fn knowing_listed() -> Fake {
    let names = ["a.tracker", "b.free.tracker", "den.tracker", "ads", "x.fine", "ad1", "games"];
    let more = ["www.six", "here", "www", "den.other"];
    let fake = Fake::new().cname("shop.example", "a.tracker.example");
    names.iter().chain(&more).fold(fake, |fake, name| {
        let name = format!("{name}.example");
        fake.a(&name, [192, 0, 2, 1]).record(&name, RData::AAAA(V6.into()))
    })
}

#[tokio::test]
async fn a_list_in_shadow_mode_decides_nothing_and_counts_what_it_would_cached_or_not() {
    let lab = Lab::builder().upstream(knowing_listed()).config(LISTS).start().await;
    assert_eq!((counted(&lab, "trial").await, counted(&lab, "for kids").await), (0, 0));

    for round in 1..=5 {
        for name in ["a.tracker.example", "shop.example", "here.example"] {
            for reply in [lab.ask(name, "A").await, lab.ask_udp(name, "A").await] {
                let seen = (reply.addresses(), reply.ede());
                assert_eq!(seen, (vec!["192.0.2.1".into()], vec![]), "{name}");
            }
        }
        assert_eq!(counted(&lab, "trial").await, 6 * round);
    }
    assert_eq!(lab.upstream_hits(), 3);
    for transport in ["tcp", "udp"] {
        let blocked = format!("{{transport=\"{transport}\",outcome=\"blocked\"}}");
        assert_eq!(lab.sample(&format!("dnsward_queries_total{blocked}")).await, 0);
    }
}

#[tokio::test]
async fn a_list_in_shadow_mode_counts_nothing_that_others_decide() {
    let lab = Lab::builder().upstream(knowing_listed()).config(LISTS).start().await;

    for (name, qtype, address, why) in [
        ("ads.example", "A", "0.0.0.0", "a list beside it blocks the name"),
        ("x.fine.example", "A", "192.0.2.1", "an allow list beats a block list"),
        ("b.free.tracker.example", "A", "192.0.2.1", "an allow rule beats a block list"),
        ("den.tracker.example", "A", "0.0.0.0", "a rule denies the name"),
        ("www.six.example", "A", "192.0.2.1", "the line is for another type"),
        ("www.example", "A", "192.0.2.1", "nothing speaks of it"),
    ] {
        for _ in ["the first time", "again"] {
            assert_eq!(lab.ask(name, qtype).await.addresses(), [address], "{name}: {why}");
            assert_eq!(counted(&lab, "trial").await, 0, "{name}: {why}");
        }
    }
    lab.ask("www.six.example", "AAAA").await;
    assert_eq!(counted(&lab, "trial").await, 1, "the line is for this type");
    assert_eq!(lab.ask("ad1.example", "A").await.addresses(), ["192.0.2.1"]);
    assert_eq!(counted(&lab, "trial").await, 2, "what is important beats an allow list");
}

#[tokio::test]
async fn a_list_in_shadow_mode_counts_for_its_own_groups() {
    let lab = Lab::builder().upstream(knowing_listed()).config(LISTS).start().await;

    for (client, count) in [("127.0.0.1", 0), ("127.0.0.2", 1), ("127.0.0.1", 1), ("127.0.0.2", 2)]
    {
        let socket = UdpSocket::bind((client, 0)).await.unwrap();
        socket.connect(lab.dns()).await.unwrap();
        socket.send(&question("games.example", "A").to_vec().unwrap()).await.unwrap();
        let reply = Reply::read(&receive_from(&socket).await);
        assert_eq!(reply.addresses(), ["192.0.2.1"], "{client}");
        assert_eq!(counted(&lab, "for kids").await, count, "{client}");
    }
}

#[tokio::test]
async fn a_list_that_is_enforced_after_its_trial_blocks_what_it_counted() {
    let lab = Lab::builder().upstream(knowing_listed()).config(LISTS).start().await;
    assert_eq!(lab.ask("a.tracker.example", "A").await.addresses(), ["192.0.2.1"]);

    lab.reload(&LISTS.replace("mode = 'shadow'", "")).await;

    for (name, address) in [
        ("a.tracker.example", "0.0.0.0"),
        ("shop.example", "0.0.0.0"),
        ("ad1.example", "0.0.0.0"),
        ("here.example", "192.0.2.9"),
        ("x.fine.example", "192.0.2.1"),
        ("games.example", "192.0.2.1"),
    ] {
        assert_eq!(lab.ask(name, "A").await.addresses(), [address], "{name}");
    }
    assert!(!lab.get_metrics("/metrics").await.1.contains("dnsward_shadow_blocks_total{"));
}

#[tokio::test(start_paused = true)]
async fn the_query_log_tells_which_list_would_have_blocked_an_answer() {
    let story = Story::begin("");
    story.reload(LISTS).await;
    story.upstream.knows("a.tracker.example A", "192.0.2.1", 300);
    story.upstream.knows("shop.example CNAME", "a.tracker.example", 300);

    for _ in ["from upstream", "from the cache", "from the thread's own"] {
        story.ask("a.tracker.example A").await.gets("192.0.2.1");
    }
    story.ask("shop.example A").await.gets("192.0.2.1");
    story.ask("ads.example A").await.gets("0.0.0.0");
    story.ask("x.fine.example A").await;

    let trials: Vec<_> =
        story.logged().await.into_iter().map(|row| row.would_be_blocked_by).collect();
    let told = Some("trial".to_owned());
    assert_eq!(trials, [None, None, told.clone(), told.clone(), told.clone(), told]);
}
