//! Any bytes go in as an upstream's answer; what clients are given of it must be what
//! hickory-proto reads in it, whoever asks, however old it is and under whatever alias.
//!
//! An answer is patched in place: id, letter case, flags and times to live are written over what
//! is kept. A place that is found wrong would be a record that nobody sent.

#![no_main]

use std::time::Duration;

use dnsward::{
    answer,
    cache::{Arrival, Bounds, Entry, Key, Link, Unusable, is_usable},
    query::Query,
    wire::{self, CLASS_IN, HEADER, Header, flag},
};
use dnsward_fuzz::{check_answer, client};
use hickory_proto::{
    op::Message,
    rr::{self, RData},
};
use libfuzzer_sys::fuzz_target;
use tokio::time::Instant;

/// The defaults of the configuration.
const BOUNDS: Bounds = Bounds {
    min: Duration::ZERO,
    max: Duration::from_secs(86_400),
    max_negative: Duration::from_secs(3600),
    stale: Duration::ZERO,
};

/// What stale answers say (RFC 8767 section 4).
const STALE_TTL: u32 = 30;

fuzz_target!(|bytes: &[u8]| {
    let Some(query) = query_for(bytes) else { return };
    let now = Instant::now();
    let entry = take_in(bytes, &Key::of(&query), now);
    assert!(entry.is_err() || is_usable(bytes), "kept, and yet another server was asked");
    if let Ok(entry) = entry {
        let message = Message::from_vec(bytes);
        let message = message.unwrap_or_else(|error| panic!("kept, but for hickory: {error}"));
        check_entry(&query, &message, &entry, now);
    }
});

/// An answer of an upstream is given out with records it came with, and no others.
fn check_entry(query: &Query, message: &Message, entry: &Entry, now: Instant) {
    assert!(entry.ttls().all(|(_, ttl)| u64::from(ttl) <= BOUNDS.max.as_secs()));
    let out = &mut Vec::new();
    for age in [Duration::ZERO, BOUNDS.max] {
        answer::cached(query, entry, None, now + age, out);
        let given = check_answer(query, None, out);
        let mut theirs = contents(message);
        let is_theirs = contents(&given).all(|ours| theirs.any(|record| record == ours));
        assert!(is_theirs, "records changed:\n{message}\n{given}");
    }
    let stale = entry.gone_stale(now);
    answer::cached(query, &stale, None, now, out);
    let given = check_answer(query, None, out);
    assert!(given.all_sections().all(|record| record.ttl == STALE_TTL));
    let link = Link { owner: query.name, target: query.name, ttl: 60 };
    if let Ok(aliased) = entry.under_alias(&query.name, query.qtype, &[link], now) {
        answer::cached(query, &aliased, None, now, out);
        let given = check_answer(query, None, out);
        assert_eq!(given.answers.len(), usize::from(entry.answers()) + 1);
    }
}

fn take_in(bytes: &[u8], key: &Key, now: Instant) -> Result<Entry, Unusable> {
    let age = Duration::from_secs(1);
    Entry::new(key, &Arrival { answer: bytes, age, at: now, upstream: "".into() }, &BOUNDS)
}

/// The query that a message answers, where `doh-client` would let it through: it is a response to
/// one question of the class that upstreams are asked for, with its name in full.
fn query_for(answer: &[u8]) -> Option<Query> {
    let header = Header::read(answer)?;
    let [questions, ..] = header.counts;
    let is_answer = header.is_response() && header.flags & flag::OPCODE == 0 && questions == 1;
    let question_end = wire::skip_name(answer, HEADER)? + 4;
    let question = answer.get(HEADER..question_end).filter(|_| is_answer)?;
    let [id, flags] = [0x1234u16, flag::RD].map(u16::to_be_bytes);
    let counts = [0, 1, 0, 0, 0, 0, 0, 1];
    let opt = [0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0];
    let packet = [&id[..], &flags, &counts, question, &opt].concat();
    Query::read(&packet, client()).ok().filter(|query| query.qclass == CLASS_IN)
}

/// What a message's records say, but for their times to live.
fn contents(message: &Message) -> impl Iterator<Item = (&rr::Name, u16, &RData)> {
    message.all_sections().map(|record| (&record.name, u16::from(record.dns_class), &record.data))
}
