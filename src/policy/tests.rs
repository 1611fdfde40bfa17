//! Decisions about names whose rule wants an answer of its own, or counts at some hours only.

use super::*;
use crate::{config::Environment, query::Client};

fn policy(toml: &str) -> Policy {
    policy_at(Timestamp::UNIX_EPOCH, toml)
}

fn policy_at(now: Timestamp, toml: &str) -> Policy {
    let config = Config::parse(toml, &Environment::default()).unwrap();
    let lists = Lists { are_loaded: true, ..Lists::default() };
    Policy::new(Arc::new(config), lists, now)
}

fn query(qtype: u16) -> Query {
    let packet = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\0\0\x01\0\x01";
    let client = Client::at([127, 0, 0, 1].into(), Transport::Tcp);
    let mut query = Query::read(packet, client).unwrap();
    query.qtype = qtype;
    query
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// What a rule that wants an alias makes of a question.
fn redirected(policy: &Policy, qtype: u16, target: &str, see: impl FnOnce(Decision<'_>)) {
    let (reason, alias) = (Arc::from("safe"), Reply::Alias(Box::new(name(target))));
    let block = Block { reason: &reason, line: 7, reply: Some(alias) };
    see(policy.block(&query(qtype), Asker::default(), block));
}

fn targets(path: &Path<'_>) -> Vec<String> {
    path.links.iter().map(|link| link.target.to_string()).collect()
}

#[test]
fn an_alias_of_a_rule_is_followed_like_a_local_one() {
    redirected(&policy(""), rtype::A, "safe.example", |decision| {
        let Decision::Resolve(path) = decision else { panic!("{decision:?}") };
        assert_eq!(
            (path.key.name, targets(&path)),
            (name("safe.example"), vec!["safe.example".into()])
        );
        assert_eq!(path.links[0].ttl, 2);
        assert_eq!(path.redirect.map(|block| block.line), Some(7));
    });
}

#[test]
fn who_asks_for_the_alias_itself_gets_that() {
    for qtype in [rtype::CNAME, rtype::ANY] {
        redirected(&policy(""), qtype, "safe.example", |decision| {
            assert!(matches!(decision, Decision::Block(_)), "{decision:?}");
        });
    }
}

#[test]
fn an_alias_may_lead_to_a_local_name_and_on_from_there() {
    let policy = policy(
        "[[records]]\nname = 'nas.lan'\na = ['192.168.1.2']\n\
         [[records]]\nname = 'out.lan'\ncname = 'www.example.org'",
    );
    redirected(&policy, rtype::A, "nas.lan", |decision| {
        assert!(matches!(decision, Decision::Local(_)), "{decision:?}");
    });
    redirected(&policy, rtype::A, "out.lan", |decision| {
        let Decision::Resolve(path) = decision else { panic!("{decision:?}") };
        assert_eq!(targets(&path), ["out.lan", "www.example.org"]);
        assert_eq!(path.key.name, name("www.example.org"));
    });
}

#[test]
fn an_alias_leads_to_no_special_name_and_is_judged_itself() {
    let policy = policy("[[rules]]\naction = 'deny'\nmatch = 'bad.example'");
    redirected(&policy, rtype::A, "x.invalid", |decision| {
        assert!(matches!(decision, Decision::Special(Special::NxDomain)), "{decision:?}");
    });
    redirected(&policy, rtype::A, "bad.example", |decision| {
        let Decision::Resolve(path) = decision else { panic!("{decision:?}") };
        let nothing = Targets::default();
        let found = policy.inspect(&query(rtype::A), &path, &nothing);
        assert_eq!(
            found.block.map(|block| block.reason.to_string()).as_deref(),
            Some("bad.example")
        );
    });
}

#[test]
fn rules_of_a_group_count_within_its_schedule_only() {
    let toml = "
        [[clients]]
        match = '127.0.0.0/8'
        groups = ['kids', 'default']
        [[groups]]
        name = 'kids'
        schedule = ['Mon-Fri 08:00-16:00']
        [[rules]]
        action = 'deny'
        match = 'www.example'
        groups = ['kids']
    ";
    for (now, is_blocked) in [
        ("2026-11-20T07:59:59Z", false),
        ("2026-11-20T08:00:00Z", true),
        ("2026-11-20T16:00:00Z", false),
    ] {
        let now: Timestamp = now.parse().unwrap();
        let policy = policy_at(now, toml);
        let query = query(rtype::A);
        let decision = policy.decide(&query, policy.admit(&query).unwrap());
        assert_eq!(matches!(decision, Decision::Block(_)), is_blocked, "{now}");
        assert!(policy.is_right_at(now));
        assert!(!policy.is_right_at(policy.next_edge(now).unwrap()), "{now}");
    }
}
