//! One verdict for a name, whatever way leads to it: the cases are a table, the ways are another.
//!
//! Filters are walked around where a second way forgets to ask (a transport, the cache, an alias, a
//! service's target), so every case goes every way, and each must end as the straight one does.

use crate::{
    lab::{Fake, Lab, Reply, question},
    story::Story,
};

/// A name and what becomes of it.
struct Case {
    name: &'static str,
    verdict: Verdict,
    why: &'static str,
}

/// What becomes of a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Blocked, and told with this reason.
    Blocked(&'static str),
    /// Resolved: it has the address that the upstream knows.
    Resolved,
    /// Resolved, but its addresses are left out because they are private.
    Home,
    /// Answered here with this address; no upstream is asked.
    Local(&'static str),
    /// Denied here; no upstream is asked.
    Nowhere,
}

/// Lists, rules and local names, for all cases together.
const RULES: &str = r"
    [[lists]]
    name = 'ads'
    inline = ['||ads.example^', 'host.example']
    [[lists]]
    name = 'ours'
    action = 'allow'
    inline = ['||fine.ads.example^']
    [[lists]]
    name = 'games'
    groups = ['kids']
    inline = ['||games.example^']
    [[rules]]
    action = 'deny'
    match = 'x.fine.ads.example'
    [[rules]]
    action = 'allow'
    match = 'free.ads.example'
    [[rules]]
    action = 'deny'
    match = '*.tracker.example'
    [[rules]]
    action = 'allow'
    match = '*.shop.tracker.example'
    [[rules]]
    action = 'deny'
    match = '/^ad[0-9]+\./'
    [[rules]]
    action = 'deny'
    match = 'six.example'
    types = ['AAAA']
    [[rules]]
    action = 'deny'
    match = 'nas.lan'
    [[records]]
    name = 'nas.lan'
    a = ['192.168.1.2']
";

/// Every kind of verdict that rules, lists, local names and special names can make.
const CASES: &[Case] = &[
    case("ads.example", Verdict::Blocked("ads"), "a list's domain"),
    case("a.b.ads.example", Verdict::Blocked("ads"), "below a list's domain"),
    case("host.example", Verdict::Blocked("ads"), "a list's exact name"),
    case("below.host.example", Verdict::Resolved, "below a list's exact name"),
    case("notads.example", Verdict::Resolved, "a name that only ends alike"),
    case("fine.ads.example", Verdict::Resolved, "an allow list beats a block list"),
    case("x.fine.ads.example", Verdict::Blocked("x.fine.ads.example"), "a deny rule beats both"),
    case("free.ads.example", Verdict::Resolved, "an allow rule beats a block list"),
    case("a.tracker.example", Verdict::Blocked("*.tracker.example"), "a deny rule's suffix"),
    case("a.shop.tracker.example", Verdict::Resolved, "an allow rule beats a deny rule"),
    case("ad17.example", Verdict::Blocked("/^ad[0-9]+\\./"), "a regular expression"),
    case("six.example", Verdict::Resolved, "a rule for another type"),
    case("games.example", Verdict::Resolved, "a list for another group"),
    case("www.example", Verdict::Resolved, "a name that nothing speaks of"),
    case("router.example", Verdict::Home, "a public name with a private address"),
    case("nas.lan", Verdict::Local("192.168.1.2"), "a local name beats a deny rule"),
    case("localhost", Verdict::Local("127.0.0.1"), "the loopback name"),
    case("x.test", Verdict::Nowhere, "a special name"),
    case("4.3.2.10.in-addr.arpa", Verdict::Nowhere, "a private reverse name"),
];

const fn case(name: &'static str, verdict: Verdict, why: &'static str) -> Case {
    Case { name, verdict, why }
}

/// A way to ask about a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Tcp,
    Udp,
    Shouted,
    WithoutEdns,
    /// A local name is its alias.
    LocalAlias,
    /// A public name is its alias.
    Alias,
    /// An alias of its alias.
    TwoAliases,
    /// It is the target of a service.
    Service,
}

const WAYS: [Way; 8] = [
    Way::Tcp,
    Way::Udp,
    Way::Shouted,
    Way::WithoutEdns,
    Way::LocalAlias,
    Way::Alias,
    Way::TwoAliases,
    Way::Service,
];

impl Verdict {
    /// Whether a public name may lead there, so that it is known only when the answer is.
    fn is_public(self) -> bool {
        !matches!(self, Self::Local(_) | Self::Nowhere)
    }

    /// What an answer looks like: response code, addresses, reason.
    fn seen(self) -> (u16, Vec<String>, Vec<(u16, String)>) {
        let told = |reason: &str| vec![(15, reason.to_owned())];
        match self {
            Self::Blocked(reason) => (0, vec!["0.0.0.0".into()], told(reason)),
            Self::Resolved => (0, vec!["192.0.2.1".into()], vec![]),
            Self::Home => (0, vec![], told("rebinding protection")),
            Self::Local(address) => (0, vec![address.into()], vec![]),
            Self::Nowhere => (3, vec![], vec![]),
        }
    }
}

impl Way {
    /// Whether this way can lead to a name. A local alias frees what it leads to from rebinding
    /// protection, and the target of a service brings no address along.
    fn leads_to(self, verdict: Verdict) -> bool {
        match self {
            Self::Alias | Self::TwoAliases => verdict.is_public(),
            Self::Service => verdict.is_public() && verdict != Verdict::Home,
            Self::LocalAlias => verdict != Verdict::Home,
            _ => true,
        }
    }

    async fn ask(self, lab: &Lab, number: usize, name: &str) -> Reply {
        match self {
            Self::Tcp => lab.ask(name, "A").await,
            Self::Udp => lab.ask_udp(name, "A").await,
            Self::Shouted => lab.ask_udp(&name.to_ascii_uppercase(), "A").await,
            Self::WithoutEdns => {
                let mut plain = question(name, "A");
                plain.edns = None;
                Reply::read(&lab.send_udp(&plain.to_vec().unwrap()).await)
            }
            Self::LocalAlias => lab.ask(&format!("way{number}.lan"), "A").await,
            Self::Alias => lab.ask(&format!("alias{number}.example"), "A").await,
            Self::TwoAliases => lab.ask_udp(&format!("far{number}.example"), "A").await,
            Self::Service => lab.ask(&format!("svc{number}.example"), "HTTPS").await,
        }
    }

    /// What of a verdict can be seen this way.
    fn sees(self, verdict: Verdict) -> (u16, Vec<String>, Vec<(u16, String)>) {
        let (rcode, addresses, reasons) = verdict.seen();
        match self {
            Self::Service => (rcode, vec![], reasons),
            Self::WithoutEdns => (rcode, addresses, vec![]),
            _ => (rcode, addresses, reasons),
        }
    }
}

/// An upstream that knows every case, and public names that lead to it.
fn knowing() -> Fake {
    CASES.iter().enumerate().fold(Fake::new(), |fake, (number, case)| {
        let home = case.verdict == Verdict::Home;
        let address = if home { [192, 168, 0, 1] } else { [192, 0, 2, 1] };
        fake.a(case.name, address)
            .cname(&format!("alias{number}.example"), case.name)
            .cname(&format!("far{number}.example"), &format!("alias{number}.example"))
            .https(&format!("svc{number}.example"), case.name)
    })
}

/// Local names that lead to every case.
fn local_aliases() -> String {
    let alias = |(number, case): (usize, &Case)| {
        format!("[[records]]\nname = 'way{number}.lan'\ncname = '{}'\n", case.name)
    };
    CASES.iter().enumerate().map(alias).collect()
}

/// Asks about every case in every way that leads to it.
async fn each_answer(lab: &Lab) -> Vec<(&'static Case, Way, Reply)> {
    let mut answers = Vec::new();
    for (number, case) in CASES.iter().enumerate() {
        for way in WAYS.into_iter().filter(|way| way.leads_to(case.verdict)) {
            answers.push((case, way, way.ask(lab, number, case.name).await));
        }
    }
    answers
}

async fn check_every_way(lab: &Lab, when: &str) {
    for (case, way, reply) in each_answer(lab).await {
        let seen = (reply.rcode(), reply.addresses(), reply.ede());
        let (name, why) = (case.name, case.why);
        assert_eq!(seen, way.sees(case.verdict), "{name}, {why}, by {way:?}, {when}");
    }
}

#[tokio::test]
async fn r98_r31_every_way_to_a_name_ends_in_the_same_verdict() {
    let config = format!("{RULES}{}", local_aliases());
    let lab = Lab::builder().upstream(knowing()).config(&config).start().await;

    check_every_way(&lab, "asked for the first time").await;
    let hits = lab.upstream_hits();
    check_every_way(&lab, "from the cache").await;

    assert_eq!(lab.upstream_hits(), hits);
}

#[tokio::test]
async fn r98_r45_what_was_cached_before_a_rule_is_judged_by_it() {
    let lab = Lab::builder().upstream(knowing()).config(&local_aliases()).start().await;
    each_answer(&lab).await;
    let hits = lab.upstream_hits();

    lab.reload(&format!("{RULES}{}", local_aliases())).await;

    check_every_way(&lab, "cached before there was a rule").await;
    assert_eq!(lab.upstream_hits(), hits);
}

#[tokio::test]
async fn r98_a_client_outside_allow_from_is_refused_every_way() {
    let config = format!("{RULES}{}", local_aliases());
    let lab = Lab::builder().upstream(knowing()).config(&config).start().await;
    each_answer(&lab).await;
    let hits = lab.upstream_hits();

    lab.reload(&format!("dns.allow_from = ['192.0.2.0/24']\n{config}")).await;

    for (case, way, reply) in each_answer(&lab).await {
        let reasons = if way == Way::WithoutEdns { vec![] } else { vec![(18, String::new())] };
        let seen = (reply.rcode(), reply.answers().len(), reply.ede());
        assert_eq!(seen, (5, 0, reasons), "{} by {way:?}", case.name);
    }
    assert_eq!(lab.upstream_hits(), hits);
}

#[tokio::test(start_paused = true)]
async fn r98_r45_what_has_gone_stale_is_judged_like_what_is_fresh() {
    let story = Story::begin("");
    for (number, case) in CASES.iter().enumerate() {
        let address = if case.verdict == Verdict::Home { "192.168.0.1" } else { "192.0.2.1" };
        story.upstream.knows(&format!("{} A", case.name), address, 60);
        story.upstream.knows(&format!("alias{number}.example CNAME"), case.name, 60);
        story.ask(&format!("{} A", case.name)).await;
        story.ask(&format!("alias{number}.example A")).await;
    }
    story.upstream.dies();
    story.later("1h").await;
    story.reload(RULES).await;

    for (number, case) in CASES.iter().enumerate() {
        let alias = format!("alias{number}.example");
        let ways = [case.name, &alias].into_iter().take(1 + usize::from(case.verdict.is_public()));
        for name in ways {
            let told = story.ask(&format!("{name} A")).await;
            let (is_stale, reasons): (Vec<_>, Vec<_>) =
                told.reply.ede().into_iter().partition(|(code, _)| *code == 3);
            let seen = (told.reply.rcode(), told.reply.addresses(), reasons);
            assert_eq!(seen, case.verdict.seen(), "{name}, {}", case.why);
            let is_shown = case.verdict == Verdict::Resolved;
            assert!(!is_shown || is_stale.len() == 1, "{name} is stale and does not say so");
        }
    }
}
