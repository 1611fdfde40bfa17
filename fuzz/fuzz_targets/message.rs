//! Any bytes go in; what the server makes of them must be what hickory-proto reads in them.
//!
//! Two readers that disagree about a message are how filters are walked around, and an answer
//! that a client cannot read is no answer. So every packet is read twice, and everything that is
//! written is read back. Where ours is stricter on purpose, the reason stands beside it.

#![no_main]

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    slice,
    time::Duration,
};

use dnsward::{
    answer::{self, Ede, LocalData, Rcode},
    config::BlockAnswer,
    query::{Query, Unreadable},
    wire::{HEADER, Records, rtype},
};
use dnsward_fuzz::{check_answer, client, read_back, wire_of};
use hickory_proto::op::{Message, MessageType, OpCode};
use libfuzzer_sys::fuzz_target;

const TTL: Duration = Duration::from_secs(2);

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
    match (Query::read(bytes, client()), &message) {
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
        let rcode = answer::blocked(query, form.into(), TTL, Some(Ede::Blocked(LIST)), out);
        check_answer(query, rcode, out);
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
