//! Any bytes go in; what the server makes of them must be what hickory-proto reads in them.
//!
//! Two readers that disagree about a message are how filters are walked around, and an answer
//! that a client cannot read is no answer. So every packet is read twice, and everything that is
//! written is read back. Where ours is stricter on purpose, the reason stands beside it.

#![no_main]

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    slice,
    time::Duration,
};

use dnsward::{
    answer::{self, Ede, LocalData, Rcode},
    cache::{Arrival, Bounds, Entry, Key, Link, Unusable},
    config::BlockAnswer,
    query::{Client, Query, Transport, Unreadable},
    wire::{self, CLASS_IN, HEADER, Header, Records, flag, rtype},
};
use hickory_proto::{
    op::{Message, MessageType, OpCode},
    rr::{self, RData},
};
use libfuzzer_sys::fuzz_target;
use tokio::time::Instant;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The defaults of the configuration.
const BOUNDS: Bounds = Bounds {
    min: Duration::ZERO,
    max: Duration::from_secs(86_400),
    max_negative: Duration::from_secs(3600),
    stale: Duration::ZERO,
};

const TTL: Duration = Duration::from_secs(2);

/// What stale answers say (RFC 8767 section 4).
const STALE_TTL: u32 = 30;

/// What an OPT record's size can say at least (RFC 6891 section 6.2.3); hickory raises it at once.
const LEAST_UDP_SIZE: u16 = 512;

/// Longer than an Extended DNS Error may be, with no character's edge where it is cut.
const LIST: &str =
    "a–list–whose–name–is–longer–than–anybody–would–call–one–and–not–in–plain–letters";

const RCODES: [Rcode; 8] = [
    Rcode::NoError,
    Rcode::FormErr,
    Rcode::ServFail,
    Rcode::NxDomain,
    Rcode::NotImp,
    Rcode::Refused,
    Rcode::BadVers,
    Rcode::BadCookie,
];

const BLOCK_ANSWERS: [BlockAnswer; 6] = [
    BlockAnswer::Null,
    BlockAnswer::NxDomain,
    BlockAnswer::NoData,
    BlockAnswer::Refused,
    BlockAnswer::Addresses { ipv4: Some(Ipv4Addr::LOCALHOST), ipv6: None },
    BlockAnswer::Addresses { ipv4: None, ipv6: Some(Ipv6Addr::LOCALHOST) },
];

fuzz_target!(|bytes: &[u8]| {
    let message = Message::from_vec(bytes).ok();
    walk_records(bytes);
    match (Query::read(bytes, Client::at(CLIENT, Transport::Udp)), &message) {
        (Ok(query), message) => {
            if let Some(message) = message {
                check_reading(&query, message);
            }
            check_own_answers(&query);
        }
        (Err(unreadable), message) => {
            let is_plain = message.as_ref().is_some_and(|message| is_plain_query(bytes, message));
            assert!(!is_plain, "a plain query is refused: {unreadable:?}");
            if let Unreadable::Complain(complaint) = unreadable {
                let mut out = Vec::new();
                answer::complaint(bytes, &complaint, &mut out);
                assert_eq!(out.get(..2), bytes.get(..2), "the id");
                read_back(&out);
            }
        }
    }
    if let Some(message) = &message {
        check_entry(bytes, message);
    } else {
        let entry = query_for(bytes).map(|query| take_in(bytes, &Key::of(&query), Instant::now()));
        assert!(!matches!(entry, Some(Ok(_))), "an answer is kept that hickory cannot read");
    }
});

/// Records never lie outside the message, and none begins before the end of the one before it.
fn walk_records(bytes: &[u8]) {
    for start in [0, HEADER, bytes.len()] {
        let mut records = Records::new(bytes, start, usize::from(u16::MAX));
        let mut end = start;
        while let Some(Ok(record)) = records.next() {
            assert!(record.start == end && record.ttl_at > end, "records overlap: {record:?}");
            assert_eq!(record.ttl_at + 6, record.data.start, "TTL, length, data");
            end = record.data.end;
            assert!(end == records.position() && end <= bytes.len(), "past the end: {record:?}");
        }
    }
}

/// Both readers found the same query.
fn check_reading(query: &Query, message: &Message) {
    let [question] = message.queries.as_slice() else {
        panic!("{} questions were taken for one", message.queries.len());
    };
    let name = wire_of(&question.name);
    assert_eq!(query.id, message.metadata.id);
    assert_eq!(query.name_as_asked(), name);
    assert_eq!(query.name.as_wire(), name.to_ascii_lowercase());
    assert_eq!(query.qtype, u16::from(question.query_type));
    assert_eq!(query.qclass, u16::from(question.query_class));
    assert_eq!(query.is_checking_disabled(), message.metadata.checking_disabled);
    let ours =
        query.edns.map(|edns| (edns.udp_size.max(LEAST_UDP_SIZE), edns.version, edns.dnssec_ok));
    let theirs = message
        .edns
        .as_ref()
        .map(|edns| (edns.max_payload(), edns.version(), edns.flags().dnssec_ok));
    assert_eq!(ours, theirs);
}

/// Whether this is a query that must be read: one question with its name in full, and behind it
/// nothing or an OPT record whose owner is the root's one octet (RFC 6891 section 6.1.2), not a
/// pointer to one, and without options, whose form hickory does not mind. Other records may have
/// names that `wire::skip_name` refuses on purpose, such as pointers into the header.
fn is_plain_query(bytes: &[u8], message: &Message) -> bool {
    let [question] = message.queries.as_slice() else { return false };
    let name = wire_of(&question.name);
    let is_in_full = bytes.get(HEADER..).is_some_and(|rest| rest.starts_with(&name));
    let opt = bytes.get(HEADER + name.len() + 4..).unwrap_or_default();
    let is_plain_opt = opt.first() == Some(&0) && opt.get(9..11) == Some(&[0, 0]);
    message.metadata.message_type == MessageType::Query
        && message.metadata.op_code == OpCode::Query
        && is_in_full
        && message.all_sections().next().is_none()
        && (message.edns.is_none() || is_plain_opt)
}

/// Everything that we can say to a query ourselves is an answer to it.
fn check_own_answers(query: &Query) {
    let out = &mut Vec::new();
    for rcode in RCODES {
        answer::empty(query, rcode, None, out);
        check_answer(query, Some(rcode), out);
    }
    for ede in [
        Ede::Blocked(LIST),
        Ede::Prohibited,
        Ede::NoReachableAuthority(LIST),
        Ede::NetworkError(LIST),
        Ede::CachedError,
        Ede::NotReady,
    ] {
        answer::negative(query, Rcode::NxDomain, TTL, Some(ede), out);
        check_answer(query, Some(Rcode::NxDomain), out);
    }
    for form in BLOCK_ANSWERS {
        let rcode = answer::blocked(query, form, TTL, Ede::Blocked(LIST), out);
        check_answer(query, Some(rcode), out);
    }
    let address = LocalData { owner: None, rtype: rtype::A, ttl: 60, data: vec![127, 0, 0, 1] };
    let alias = LocalData {
        owner: Some(query.name),
        rtype: rtype::CNAME,
        ttl: 60,
        data: query.name.as_wire().to_vec(),
    };
    for records in [&[][..], slice::from_ref(&address), &[alias, address.clone()]] {
        answer::local(query, records.iter(), TTL, out);
        check_answer(query, Some(Rcode::NoError), out);
    }
    answer::truncated(query, out);
    assert!(check_answer(query, Some(Rcode::NoError), out).metadata.truncation);
}

/// An answer of an upstream is given out with records it came with, and no others.
fn check_entry(bytes: &[u8], message: &Message) {
    let now = Instant::now();
    let Some(query) = query_for(bytes) else { return };
    let Ok(entry) = take_in(bytes, &Key::of(&query), now) else { return };
    assert!(entry.ttls().all(|(_, ttl)| u64::from(ttl) <= BOUNDS.max.as_secs()));
    let out = &mut Vec::new();
    for age in [Duration::ZERO, BOUNDS.max] {
        answer::cached(&query, &entry, None, now + age, out);
        let given = check_answer(&query, None, out);
        let mut theirs = contents(message);
        let is_theirs = contents(&given).all(|ours| theirs.any(|record| record == ours));
        assert!(is_theirs, "records changed:\n{message}\n{given}");
    }
    let stale = entry.gone_stale(now);
    answer::cached(&query, &stale, None, now, out);
    let given = check_answer(&query, None, out);
    assert!(given.all_sections().all(|record| record.ttl == STALE_TTL));
    let link = Link { owner: query.name, target: query.name, ttl: 60 };
    if let Ok(aliased) = entry.under_alias(&query.name, query.qtype, &[link], now) {
        answer::cached(&query, &aliased, None, now, out);
        let given = check_answer(&query, None, out);
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
    Query::read(&packet, Client::at(CLIENT, Transport::Udp))
        .ok()
        .filter(|query| query.qclass == CLASS_IN)
}

/// What a message's records say, but for their times to live.
fn contents(message: &Message) -> impl Iterator<Item = (&rr::Name, u16, &RData)> {
    message.all_sections().map(|record| (&record.name, u16::from(record.dns_class), &record.data))
}

/// Reads an answer back, and checks that it is one to this query and fits where it goes.
fn check_answer(query: &Query, rcode: Option<Rcode>, out: &mut Vec<u8>) -> Message {
    let message = read_back(out);
    let question =
        [query.name_as_asked(), &query.qtype.to_be_bytes(), &query.qclass.to_be_bytes()].concat();
    assert_eq!(message.metadata.id, query.id);
    assert_eq!(message.metadata.message_type, MessageType::Response);
    assert_eq!(message.queries.len(), 1);
    assert!(out.get(HEADER..).is_some_and(|rest| rest.starts_with(&question)), "the question");
    assert_eq!(message.edns.is_some(), query.edns.is_some(), "OPT where the client spoke EDNS");
    // Without OPT there is no room for a code's upper bits.
    if let Some(rcode) = rcode.filter(|rcode| query.edns.is_some() || (*rcode as u16) < 16) {
        assert_eq!(u16::from(message.metadata.response_code), rcode as u16);
    }
    let has_fit = out.len() <= query.answer_limit();
    answer::fit(query, out);
    assert!(out.len() <= query.answer_limit(), "{} octets", out.len());
    assert!(has_fit || read_back(out).metadata.truncation, "cut without saying so");
    message
}

fn read_back(out: &[u8]) -> Message {
    Message::from_vec(out).unwrap_or_else(|error| panic!("{error}: {out:02x?}"))
}

fn wire_of(name: &rr::Name) -> Vec<u8> {
    let label = |label: &[u8]| [&[u8::try_from(label.len()).unwrap_or(u8::MAX)], label].concat();
    name.iter().flat_map(label).chain([0]).collect()
}
