//! Answers to blocked names whose rule wants one of its own.

use std::{borrow::Cow, sync::Arc};

use blocker::{Asker, Name, Reply as RuleReply};
use hickory_proto::{
    op::{Message, MessageType, OpCode},
    rr::{self, RData, Record, RecordType},
};
use tokio::time::Instant;

use super::*;
use crate::{
    cache::{Arrival, Bounds, Key, Link},
    config::Config,
    pipeline::{Pipeline, Progress, Worker},
    query::{Client, Edns, Transport},
};

const PACKET: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\0\0\x01\0\x01";

fn query() -> Query {
    let client = Client::at([127, 0, 0, 1].into(), Transport::Udp);
    let mut query = Query::read(PACKET, client).unwrap();
    query.edns = Some(Edns::plain(1232));
    query
}

fn worker() -> std::rc::Rc<Worker> {
    let (pipeline, _engine) = Pipeline::new(&Arc::new(Config::default())).unwrap();
    Worker::new(pipeline)
}

/// Does something with a query that was admitted.
fn with_asked<T>(worker: &Worker, see: impl FnOnce(&Asked<'_>) -> T) -> T {
    let (query, snapshot) = (query(), worker.pipeline.published.load());
    see(&Asked::admit(&query, &snapshot, Instant::now()).unwrap())
}

/// What an upstream has for the address of `safe.example`.
fn found(address: [u8; 4]) -> Found {
    let owner = rr::Name::from_ascii("safe.example.").unwrap();
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.add_query(hickory_proto::op::Query::query(owner.clone(), RecordType::A));
    message.add_answer(Record::from_rdata(
        owner,
        300,
        RData::A(std::net::Ipv4Addr::from(address).into()),
    ));
    let (none, day) = (Duration::ZERO, Duration::from_secs(86_400));
    let bounds = Bounds { min: none, max: day, max_negative: day, stale: none };
    let answer = message.to_vec().unwrap();
    let (at, upstream) = (Instant::now(), "https://doh.example/".into());
    let arrival = Arrival { answer: &answer, age: none, at, upstream };
    let key = Key { name: Name::parse("safe.example").unwrap(), ..Key::of(&query()) };
    let entry = Arc::new(Entry::new(&key, &arrival, &bounds).unwrap());
    Found { entry, outcome: Outcome::Cached }
}

/// The way from `www.example` to `safe.example` by a rule.
fn redirected<'p>(asked: &Asked<'_>, block: Block<'p>) -> Path<'p> {
    let [owner, target] = ["www.example", "safe.example"].map(|name| Name::parse(name).unwrap());
    let straight = match asked.snapshot.policy.decide(asked.query, asked.admitted) {
        crate::policy::Decision::Resolve(path) => path.key,
        other => panic!("{other:?}"),
    };
    let links = Cow::Owned(vec![Link { owner, target, ttl: 2 }]);
    Path::redirected(Key { name: target, ..straight }, Asker::default(), links, block)
}

#[test]
fn a_rules_alias_is_shown_with_what_it_leads_to_and_why() {
    let (reason, alias) = (Arc::from("safe-search"), Name::parse("safe.example").unwrap());
    let alias = RuleReply::Alias(Box::new(alias));
    let block = Block { reason: &reason, line: 3, reply: Some(alias) };

    let (reply, out) = with_asked(&worker(), |asked| {
        let (path, mut out) = (redirected(asked, block.clone()), Vec::new());
        (resolved(asked, &path, &found([192, 0, 2, 1]), &mut out), out)
    });

    let message = Message::from_vec(&out).unwrap();
    let told: Vec<_> = message.answers.iter().map(|r| (r.ttl, r.data.to_string())).collect();
    assert_eq!(told, [(2, "safe.example.".into()), (300, "192.0.2.1".into())]);
    assert!(out.ends_with(b"safe-search"));
    assert_eq!((reply.answered.outcome, reply.answered.rcode), (Outcome::Blocked, 0));
    assert!(reply.validity.is_none());
}

#[test]
fn a_rules_alias_does_not_lead_into_this_network() {
    let reason = Arc::from("safe-search");
    let block = Block { reason: &reason, line: 3, reply: None };

    let out = with_asked(&worker(), |asked| {
        let (path, found) = (redirected(asked, block.clone()), found([192, 168, 0, 1]));
        assert!(asked.snapshot.policy.guards_against_rebinding(asked.query, &path, &found.entry));
        let mut out = Vec::new();
        without_private_addresses(asked, &path, &found, &mut out);
        out
    });

    let message = Message::from_vec(&out).unwrap();
    assert!(message.answers.is_empty());
    assert_eq!(message.queries[0].name.to_string(), "www.example.");
}

#[test]
fn behind_another_name_a_rules_alias_is_a_block_like_any() {
    let (reason, alias) = (Arc::from("safe-search"), Name::parse("safe.example").unwrap());
    let alias = RuleReply::Alias(Box::new(alias));
    let block = Block { reason: &reason, line: 3, reply: Some(alias) };

    let out = with_asked(&worker(), |asked| {
        let mut out = Vec::new();
        blocked(asked, &block, Some(&found([192, 0, 2, 1])), &mut out);
        out
    });

    let message = Message::from_vec(&out).unwrap();
    assert_eq!(message.answers[0].data.to_string(), "0.0.0.0");
}

#[test]
fn row_62_silence_is_no_answer_and_is_counted_and_logged() {
    let (reason, silence) = (Arc::from("quiet"), RuleReply::Silence);
    let block = Block { reason: &reason, line: 3, reply: Some(silence) };
    let (worker, mut out) = (worker(), b"what was here before".to_vec());

    let progress = with_asked(&worker, |asked| {
        let reply = blocked(asked, &block, None, &mut out);
        assert!(reply.validity.is_none());
        worker.done(asked.query, &reply, asked.snapshot)
    });

    assert!(matches!(progress, Progress::Silence) && out.is_empty());
    assert_eq!(worker.pipeline.metrics.answers(Outcome::Blocked), 1);
    worker.pipeline.log.collect_now();
    let row = worker.pipeline.log.last(1).remove(0);
    assert_eq!((row.rcode.as_str(), row.list.as_deref()), ("none", Some("quiet")));
}
