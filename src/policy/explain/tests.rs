//! What is told of a decision is what is decided, for names and clients of every kind.

use std::sync::Arc;

use blocker::{Compiler, GroupSet, Home, MatcherBuilder, Seed, Source};
use jiff::Timestamp;

use super::*;
use crate::{
    config::{Config, Environment, ListSource},
    policy::{Block, Groups, Lists},
    query::{Client, SpiffeId, Transport},
};

/// Rules, lists, groups and local names of every kind, in each other's way.
const CONFIG: &str = r"
    [[lists]]
    name = 'ads'
    inline = ['||ads.example^', 'host.example', '*tracker*', '@@||good.ads.example^']
    [[lists]]
    name = 'fine'
    action = 'allow'
    inline = ['||fine.ads.example^', '/^ok[0-9]/']
    [[lists]]
    name = 'rules'
    groups = ['kids', 'off']
    inline = ['||games.example^', '||ads.example^']
    [[lists]]
    name = 'idle'
    enabled = false
    inline = ['||www.example^']
    [[lists]]
    name = 'terms'
    inline = [
        '||ads.example^$important,dnstype=AAAA', '||safe.example^$dnsrewrite=out.example',
        '||to-records.example^$dnsrewrite=nas.lan', '||to-special.example^$dnsrewrite=x.internal',
        '||nas.lan^$dnsrewrite=ads.example', '||nobody.example^$dnsrewrite=NXDOMAIN',
        '||mine.example^$client=10.1.9.9', '@@||ok3.example^$important', '/^inv/;invert;querytype=TXT',
    ]
    [[lists]]
    name = 'tried'
    mode = 'shadow'
    inline = ['||www.example^', '||games.example^']
    [[rules]]
    action = 'deny'
    match = 'www.example'
    mode = 'shadow'
    [[rules]]
    action = 'deny'
    match = '/^ok2/;querytype=A'
    [[rules]]
    action = 'deny'
    match = 'x.fine.ads.example'
    [[rules]]
    action = 'allow'
    match = 'free.ads.example'
    groups = ['kids']
    [[rules]]
    action = 'deny'
    match = '*.tracker.example'
    [[rules]]
    action = 'deny'
    match = '||a.tracker.example^'
    comment = 'narrower'
    [[rules]]
    action = 'allow'
    match = '*.shop.tracker.example'
    types = ['AAAA']
    [[rules]]
    action = 'deny'
    match = '/^ad[0-9]+\./'
    groups = ['off', 'default']
    [[rules]]
    action = 'allow'
    match = 'x.test'
    [[rules]]
    action = 'deny'
    match = '||host.example^$client=10.1.2.3'
    groups = ['default', 'kids']
    [[rules]]
    action = 'allow'
    match = '/^ad17/$client=~10.1.9.9|~10.1.2.3'
    groups = ['default', 'kids']
    [[groups]]
    name = 'off'
    enabled = false
    [[clients]]
    match = '10.1.0.0/16'
    groups = ['kids', 'off']
    [[clients]]
    match = '10.1.2.3'
    groups = ['default', 'kids']
    [[clients]]
    match = 'spiffe://td/ns/*'
    groups = ['kids']
    [[clients]]
    match = 'spiffe://td/ns/a/*'
    groups = ['off']
    [[clients]]
    match = 'unidentified'
    groups = ['none']
    [[records]]
    name = 'nas.lan'
    a = ['192.168.1.2']
    [[records]]
    name = 'out.lan'
    cname = 'x.ads.example'
    [[records]]
    name = 'home.lan'
    cname = 'x.internal'
";

const NAMES: [&str; 31] = [
    "safe.example",
    "to-records.example",
    "to-special.example",
    "nobody.example",
    "mine.example",
    "ok3.example",
    "_esni.ads.example",
    "_esni.good.ads.example",
    "_esni.free.ads.example",
    "ads.example",
    "a.b.ads.example",
    "good.ads.example",
    "host.example",
    "below.host.example",
    "fine.ads.example",
    "x.fine.ads.example",
    "free.ads.example",
    "a.tracker.example",
    "b.a.tracker.example",
    "my-tracker-7.example",
    "a.shop.tracker.example",
    "ok1.tracker.example",
    "ad17.example",
    "ok2.example",
    "games.example",
    "www.example",
    "nas.lan",
    "out.lan",
    "home.lan",
    "localhost",
    "x.test",
];

const TYPES: [u16; 6] = [rtype::A, rtype::AAAA, rtype::CNAME, rtype::TXT, rtype::ANY, 252];

/// The policy of a configuration whose lists are all inline.
fn policy(toml: &str) -> Policy {
    let config = Arc::new(Config::parse(toml, &Environment::default()).unwrap());
    let groups = Groups::new(&config);
    let seed = Seed::new(3);
    let mut builder = MatcherBuilder::new(seed);
    for list in config.lists.iter().filter(|list| list.enabled) {
        let ListSource::Inline(lines) = &list.source else { panic!("an inline list") };
        let source =
            Source { name: &list.name, action: list.action, groups: groups.set(&list.groups) };
        let mut compiler = Compiler::new(seed, Home::Memory).unwrap();
        compiler.read(lines.join("\n").as_bytes()).unwrap();
        let compiled = compiler.finish([0; 32]).unwrap();
        assert_eq!(compiled.report().rejected, 0, "{:?}", compiled.report().samples);
        builder.add(&source, list.mode, Arc::new(compiled));
    }
    let enabled = config.lists.iter().filter(|list| list.enabled);
    let names = enabled.map(|list| list.name.as_str().into()).collect();
    let matcher = Arc::new(builder.build().unwrap());
    Policy::new(config, Lists { matcher, names, are_loaded: true }, Timestamp::UNIX_EPOCH)
}

fn clients() -> Vec<Client> {
    let at = |address: &str| Client::at(address.parse().unwrap(), Transport::Tcp);
    let workload = |id: &str| at("10.0.0.1").introduced_as(SpiffeId::parse(id));
    vec![
        at("127.0.0.1"),
        at("10.1.9.9"),
        at("10.1.2.3"),
        at("192.0.2.1"),
        workload("spiffe://td/ns/b/sa/web"),
        workload("spiffe://td/ns/a/sa/web"),
        workload("spiffe://other/x"),
        at("10.1.2.3").introduced_as(None),
    ]
}

fn query(name: &str, qtype: u16, client: &Client) -> Query {
    Query::about(&Name::parse(name).unwrap(), qtype, client.clone())
}

/// What is told agrees with what is decided, down to the rule.
fn assert_agrees(policy: &Policy, query: &Query) {
    let reasons = policy.explain(query);
    let at = format!("{} {} for {}", query.name, query.qtype, query.client);

    assert_eq!(reasons.defect, None, "{at}: {:?}", reasons.steps);
    let winners = reasons.steps.iter().flat_map(|step| &step.findings);
    let winners: Vec<_> = winners.filter(|finding| finding.standing == Standing::Wins).collect();
    let decided = policy.admit(query).map(|admitted| policy.decide(query, admitted));
    match decided {
        Ok(Decision::Block(block)) => {
            assert_eq!(winners.len(), 1, "{at}");
            assert!(winners[0].is(&block) && winners[0].does == Does::Block, "{at}");
        }
        Ok(Decision::Resolve(Path { redirect: Some(block), .. })) => {
            assert_eq!(winners.len(), 1, "{at}");
            assert!(winners[0].is(&block), "{at}");
        }
        Ok(Decision::Resolve(path)) if !path.inspects => assert_eq!(winners.len(), 1, "{at}"),
        Ok(Decision::Special(Special::Any)) => {}
        // A rule may lead to where an answer is at hand.
        _ => assert!(winners.iter().all(|winner| winner.rule.contains("dnsrewrite")), "{at}"),
    }
    assert_eq!(reasons.steps.iter().filter(|step| step.decides).count(), 1, "{at}");
}

fn assert_agrees_everywhere(toml: &str, types: &[u16]) {
    let policy = policy(toml);
    for client in clients() {
        for (name, qtype) in NAMES.iter().flat_map(|name| types.iter().map(move |t| (name, *t))) {
            assert_agrees(&policy, &query(name, qtype, &client));
        }
    }
}

#[test]
fn what_is_told_is_what_is_decided_for_every_name_and_client() {
    assert_agrees_everywhere(CONFIG, &TYPES);
    assert_agrees_everywhere(&format!("blocking.enabled = false\n{CONFIG}"), &TYPES[..2]);
    assert_agrees_everywhere(&format!("blocking.special_names = false\n{CONFIG}"), &TYPES[..2]);
}

/// Rules are put together at random, so that they meet in ways nobody has thought of.
#[test]
fn what_is_told_is_what_is_decided_however_rules_meet() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut choose = |options: &[&'static str]| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        options[usize::try_from(state >> 33).unwrap() % options.len()]
    };
    const PATTERNS: &[&str] = &[
        "ads.example",
        "||ads.example^",
        "*.example",
        "/ads/",
        "/^a/",
        "*ads*",
        "||tracker.example^",
        "a.tracker.example",
        "x.test",
    ];
    const GROUPS: &[&str] = &["default", "kids", "off", "none"];
    for _ in 0..6 {
        let mut toml = String::from("[[groups]]\nname = 'off'\nenabled = false\n");
        toml.push_str("[[clients]]\nmatch = '10.1.0.0/16'\ngroups = ['kids', 'off']\n");
        for number in 0..6 {
            let (pattern, group) = (choose(PATTERNS), choose(GROUPS));
            let (does, types) = (choose(&["allow", "deny"]), choose(&["", "types = ['A']\n"]));
            toml.push_str(&format!(
                "[[rules]]\naction = '{does}'\nmatch = '{pattern}'\ngroups = ['{group}']\n{types}"
            ));
            let (pattern, group) = (choose(PATTERNS), choose(GROUPS));
            let does = choose(&["allow", "block", "block"]);
            toml.push_str(&format!(
                "[[lists]]\nname = 'l{number}'\naction = '{does}'\ninline = ['{pattern}']\n\
                 groups = ['{group}']\n"
            ));
        }
        assert_agrees_everywhere(&toml, &TYPES[..2]);
    }
}

#[test]
fn a_decision_that_the_steps_do_not_come_to_is_a_defect_that_is_told() {
    let reason: Arc<str> = "other".into();
    let block = Block { reason: &reason, line: 1, reply: None };
    let policy = policy(CONFIG);
    let name = Name::parse("ads.example").unwrap();
    let judged = policy.judging_steps(&Question::new(&name, GroupSet::ALL));

    let (steps, told) = settle(judged.into(), Some(&block));

    assert_eq!(told, None);
    assert!(steps.iter().any(|step| step.decides));
}

#[test]
fn a_client_is_told_which_row_it_has_and_which_groups_count() {
    let policy = policy(CONFIG);
    let told: Vec<String> = clients()
        .iter()
        .map(|client| {
            let membership = policy.explain(&query("www.example", rtype::A, client)).membership;
            let groups = membership.groups.iter();
            let groups: Vec<String> = groups.map(|g| format!("{}={}", g.name, g.counts)).collect();
            format!("{} {}", membership.matches.unwrap_or_default(), groups.join(" "))
        })
        .collect();

    assert_eq!(
        told,
        [
            " default=true",
            "10.1.0.0/16 kids=true off=false",
            "10.1.2.3/32 default=true kids=true",
            " default=true",
            "spiffe://td/ns/* kids=true",
            "spiffe://td/ns/a/* off=false",
            " default=true",
            "unidentified none=true",
        ]
    );
}

#[test]
fn each_rule_says_why_it_does_not_count() {
    let policy = policy(CONFIG);
    let standing = |name: &str, qtype, client: usize, rule: &str| {
        let reasons = policy.explain(&query(name, qtype, &clients()[client]));
        let mut findings = reasons.steps.into_iter().flat_map(|step| step.findings);
        findings.find(|finding| finding.rule == rule).expect(rule).standing
    };

    let cases = [
        ("free.ads.example", rtype::A, 0, "free.ads.example", Standing::OtherGroup),
        ("free.ads.example", rtype::A, 1, "free.ads.example", Standing::Wins),
        ("a.shop.tracker.example", rtype::A, 0, "*.shop.tracker.example", Standing::OtherType),
        ("b.a.tracker.example", rtype::A, 0, "*.tracker.example", Standing::Applies),
        ("b.a.tracker.example", rtype::A, 0, "||a.tracker.example^", Standing::Wins),
        ("games.example", rtype::A, 0, "||games.example^", Standing::OtherGroup),
        (
            "ads.example",
            rtype::A,
            0,
            "||ads.example^$important,dnstype=AAAA",
            Standing::OtherQuestion,
        ),
        ("ads.example", rtype::AAAA, 0, "||ads.example^$important,dnstype=AAAA", Standing::Wins),
        ("mine.example", rtype::A, 0, "||mine.example^$client=10.1.9.9/32", Standing::OtherClient),
        ("www.example", rtype::A, 0, "||www.example^", Standing::Shadow),
        ("www.example", rtype::A, 0, "www.example", Standing::Shadow),
        ("ok2.example", rtype::AAAA, 0, "/^ok2/;querytype=A", Standing::OtherQuestion),
        ("_esni.ads.example", rtype::A, 0, "||ads.example^", Standing::Wins),
        ("games.example", rtype::A, 1, "||games.example^", Standing::Wins),
        ("ad17.example", rtype::A, 1, "/^ad[0-9]+\\./", Standing::OtherGroup),
    ];
    for (name, qtype, client, rule, expected) in cases {
        assert_eq!(standing(name, qtype, client, rule), expected, "{rule} for {name}");
    }
}
