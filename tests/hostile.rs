//! Upstreams that lie, break and stall: every query has its answer in time, and nothing of what
//! they tried is left once they are honest.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};

use crate::lab::{Expected, Fake, Hostility, Lab, POISON, Reply, TRICKS, Trick, VICTIM};

/// `upstream.timeout` where the trick is to make us wait.
const BUDGET: &str = "upstream.timeout = '1s'";

/// Longest that an answer may take, on a machine that does other things too.
const LATE: Duration = Duration::from_secs(6);

/// Longest until a failure is forgotten.
const PATIENCE: Duration = Duration::from_secs(20);

/// Labs that run at once.
const AT_ONCE: usize = 4;

/// The name asked about over each transport, while the upstream is hostile and after.
const ASKED: [(&str, Way); 2] = [("udp.example", Way::Udp), ("tcp.example", Way::Tcp)];

/// What both have for address.
const RIGHT: &str = "192.0.2.1";

#[derive(Clone, Copy, Debug)]
enum Way {
    Udp,
    Tcp,
}

#[tokio::test]
async fn r77_r78_every_trick_has_its_answer_in_time_and_leaves_nothing_behind() {
    try_all(TRICKS.iter(), withstand).await;
}

#[tokio::test]
async fn r77_r40_an_honest_upstream_answers_for_a_hostile_one() {
    try_all(TRICKS.iter().filter(|trick| trick.can_be_told()), evade).await;
}

/// Tries tricks, each in a task of its own so that one that works does not hide another.
async fn try_all<F: Future<Output = ()> + Send + 'static>(
    tricks: impl Iterator<Item = &'static Trick>,
    defend: fn(&'static Trick) -> F,
) {
    let runs = stream::iter(tricks).map(|trick| tokio::spawn(defend(trick)));
    let runs: Vec<_> = runs.buffer_unordered(AT_ONCE).collect().await;
    let lost = runs.iter().filter(|run| run.is_err()).count();
    assert_eq!(lost, 0, "tricks that worked, each with its panic above");
}

/// With a second upstream, what the first one fails at is done by the other.
async fn evade(trick: &'static Trick) {
    let fake = || Fake::new().a("www.example", [192, 0, 2, 1]);
    let hostile = fake().hostile(&Hostility::new(trick));
    let lab = Lab::builder().upstream(hostile).upstream(fake()).start().await;

    let reply = lab.ask("www.example", "A").await;

    let sent: usize = lab.upstreams.iter().map(|upstream| upstream.hits()).sum();
    assert!(sent <= 3, "{} was tried {sent} times", trick.name);
    assert_eq!(reply.addresses(), [RIGHT], "{}: {reply:?}", trick.name);
}

async fn withstand(trick: &'static Trick) {
    let hostility = Hostility::new(trick);
    let fake = ASKED.iter().fold(Fake::new(), |fake, (name, _)| fake.a(name, [192, 0, 2, 1]));
    let fake = fake.a(VICTIM, [192, 0, 2, 2]).hostile(&hostility);
    let budget = if trick.expected == Expected::Failure { BUDGET } else { "" };
    let lab = Lab::builder().upstream(fake).config(budget).start().await;

    for (name, way) in ASKED {
        let started = Instant::now();
        let reply = ask(&lab, name, way).await;
        let what = format!("{}, over {way:?}: {reply:?}", trick.name);
        assert!(started.elapsed() < LATE, "late: {what}");
        let seen = seen(&reply, name);
        let is_met = match trick.expected {
            Expected::Nothing => seen != Expected::Right,
            expected => seen == expected,
        };
        assert!(is_met, "{:?} expected of {what}", trick.expected);
        assert!(reply.ede().iter().all(|(_, text)| is_fit_to_print(text)), "{what}");
        assert!(reply.message.all_sections().all(|record| record.ttl <= 86_400), "{what}");
    }

    hostility.end();
    for (name, way) in ASKED {
        comes_to_have(&lab, (VICTIM, "192.0.2.2"), way).await;
        comes_to_have(&lab, (name, RIGHT), way).await;
    }
}

async fn ask(lab: &Lab, name: &str, way: Way) -> Reply {
    match way {
        Way::Udp => lab.ask_udp(name, "A").await,
        Way::Tcp => lab.ask(name, "A").await,
    }
}

/// What a client makes of an answer; never anything about another name.
fn seen(reply: &Reply, name: &str) -> Expected {
    assert_eq!(reply.message.queries[0].name, Name::from_ascii(format!("{name}.")).unwrap());
    let addresses = addresses_of(reply, name);
    assert!(!format!("{:?}", reply.message).contains(POISON), "{reply:?}");
    match (reply.rcode(), addresses.as_slice()) {
        (2, []) if matches!(reply.ede()[..], [(22 | 23, _)]) => Expected::Failure,
        (2, _) => panic!("no reason: {reply:?}"),
        (0 | 3, addresses @ [_, ..]) => {
            assert_eq!(addresses, [RIGHT]);
            Expected::Right
        }
        _ => Expected::Nothing,
    }
}

/// Whether a reason can go into a terminal and a log as it is.
fn is_fit_to_print(text: &str) -> bool {
    text.len() <= 200 && !text.chars().any(char::is_control)
}

/// The addresses that belong to a name.
fn addresses_of(reply: &Reply, name: &str) -> Vec<String> {
    let owner = Name::from_ascii(format!("{name}.")).unwrap();
    let own = |record: &&hickory_proto::rr::Record| {
        record.name == owner
            && (record.record_type(), record.dns_class) == (RecordType::A, DNSClass::IN)
    };
    let address = |data: &RData| data.ip_addr().map(|address| address.to_string());
    reply.message.answers.iter().filter(own).filter_map(|record| address(&record.data)).collect()
}

/// Asks until what was remembered of a failure is forgotten; what is forged is never seen.
async fn comes_to_have(lab: &Lab, (name, address): (&str, &str), way: Way) {
    let started = Instant::now();
    loop {
        let reply = ask(lab, name, way).await;
        let addresses = addresses_of(&reply, name);
        if addresses == [address] {
            return;
        }
        assert!(addresses.is_empty() && started.elapsed() < PATIENCE, "{reply:?}");
    }
}
