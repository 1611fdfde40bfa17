//! How long answers are kept, what is taken off them, and what is not taken in.

use std::net::Ipv4Addr;

use hickory_proto::{
    op::{Edns, MessageType, OpCode},
    rr::rdata::{A, SOA},
};

use super::*;
use crate::wire::rtype;

const BOUNDS: Bounds = Bounds {
    min: Duration::ZERO,
    max: Duration::from_secs(86_400),
    max_negative: Duration::from_secs(3600),
};

/// A response to `www.example` A with these answers.
fn response(rcode: ResponseCode, answers: &[(u32, RData)]) -> Message {
    let name = rr::Name::from_ascii("www.example.").unwrap();
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.metadata.response_code = rcode;
    message.add_query(Query::query(name.clone(), RecordType::A));
    for (ttl, data) in answers {
        message.add_answer(Record::from_rdata(name.clone(), *ttl, data.clone()));
    }
    message
}

fn address() -> RData {
    RData::A(A(Ipv4Addr::new(192, 0, 2, 1)))
}

fn alias(target: &str) -> RData {
    RData::CNAME(CNAME(rr::Name::from_ascii(target).unwrap()))
}

fn soa(ttl: u32, minimum: u32) -> Record {
    let root = rr::Name::root();
    Record::from_rdata(
        root.clone(),
        ttl,
        RData::SOA(SOA::new(root.clone(), root, 1, 2, 3, 4, minimum)),
    )
}

fn take_in(message: &Message, age: u64) -> Result<Entry, Unusable> {
    let wire = message.to_vec().unwrap();
    Entry::new(&wire, Duration::from_secs(age), &BOUNDS, Arc::from(""), Instant::now())
}

fn take_in_wire(wire: &[u8]) -> Result<Entry, Unusable> {
    Entry::new(wire, Duration::ZERO, &BOUNDS, Arc::from(""), Instant::now())
}

#[test]
fn an_answer_is_good_for_its_shortest_time_to_live() {
    let message = response(ResponseCode::NoError, &[(300, alias("x.example.")), (60, address())]);

    let entry = take_in(&message, 10).unwrap();

    assert_eq!(entry.lifetime(), Duration::from_secs(50));
    assert_eq!(entry.ttls().map(|(_, ttl)| ttl).collect::<Vec<_>>(), [290, 50]);
    assert_eq!(entry.targets(), [Name::parse("x.example").unwrap()]);
}

#[test]
fn r34_a_no_is_good_for_as_long_as_its_soa_says_and_no_longer_than_allowed() {
    for (ttl, minimum, seconds) in [(900, 60, 60), (30, 60, 30), (90_000, 90_000, 3600)] {
        let mut message = response(ResponseCode::NXDomain, &[]);
        message.add_authority(soa(ttl, minimum));
        let entry = take_in(&message, 0).unwrap();
        assert_eq!(entry.lifetime(), Duration::from_secs(seconds), "{ttl} {minimum}");
    }
    let without_soa = response(ResponseCode::NoError, &[(60, alias("x.example."))]);
    assert_eq!(take_in(&without_soa, 0).unwrap().lifetime(), Duration::ZERO);
}

#[test]
fn a_failure_is_remembered_for_a_moment_only() {
    let entry = take_in(&response(ResponseCode::ServFail, &[]), 0).unwrap();

    assert_eq!(entry.lifetime(), FAILURE_LIFETIME);
}

#[test]
fn opt_is_taken_off_wherever_it_stands() {
    let mut message = response(ResponseCode::NoError, &[(60, address())]);
    message.set_edns(Edns::new());
    let last = message.to_vec().unwrap();
    // The same with another record behind OPT.
    let mut middle = last.clone();
    middle[11] += 1;
    middle.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x02");

    for (wire, additionals) in [(last, 0), (middle, 1)] {
        let entry = take_in_wire(&wire).unwrap();
        let message = Message::from_vec(entry.wire()).unwrap();
        assert!(message.edns.is_none());
        assert_eq!((message.answers.len(), message.additionals.len()), (1, additionals));
    }
}

#[test]
fn an_answer_that_complains_about_edns_is_not_for_clients() {
    let mut message = response(ResponseCode::BADVERS, &[]);
    message.set_edns(Edns::new());

    assert_eq!(take_in(&message, 0).unwrap_err(), Unusable::Edns);
}

#[test]
fn what_is_no_message_is_not_taken_in() {
    let whole = response(ResponseCode::NoError, &[(60, address())]).to_vec().unwrap();

    let mut query = whole.clone();
    query[2] &= 0x7f;
    assert_eq!(take_in_wire(&query).unwrap_err(), Unusable::Malformed, "a query");
    for cut in 1..whole.len() {
        let entry = take_in_wire(&whole[..whole.len() - cut]);
        assert_eq!(entry.unwrap_err(), Unusable::Malformed, "{cut} octets short");
    }
}

#[test]
fn under_an_alias_the_question_and_the_first_record_are_ours() {
    let entry = take_in(&response(ResponseCode::NoError, &[(60, address())]), 0).unwrap();
    let owner = Name::parse("shop.lan").unwrap();
    let link = Link { owner, target: Name::parse("www.example").unwrap(), ttl: 30 };

    let aliased =
        entry.under_alias(&owner, rtype::A, std::slice::from_ref(&link), Instant::now()).unwrap();

    let message = Message::from_vec(aliased.wire()).unwrap();
    assert_eq!(message.queries[0].name.to_string(), "shop.lan.");
    let ttls: Vec<u32> = message.answers.iter().map(|record| record.ttl).collect();
    assert_eq!(ttls, [30, 60]);
    let later = Instant::now() + Duration::from_secs(20);
    let aliased = entry.under_alias(&owner, rtype::A, &[link], later).unwrap();
    let ages: Vec<u32> = aliased.ttls().map(|(_, ttl)| ttl - aliased.age(later)).collect();
    assert_eq!(ages, [30, 40]);
}

/// The response to `a.test` A with a CNAME whose target has this wire form.
fn with_target(target: &[u8]) -> Vec<u8> {
    let length = u8::try_from(target.len()).unwrap();
    let mut wire = b"\0\0\x81\x80\0\x01\0\x01\0\0\0\0\x01a\x04test\0\0\x01\0\x01".to_vec();
    wire.extend_from_slice(b"\xc0\x0c\0\x05\0\x01\0\0\x0e\x10\0");
    wire.push(length);
    wire.extend_from_slice(target);
    wire
}

#[test]
fn a_target_that_leans_on_bytes_we_overwrite_is_judged_as_clients_will_read_it() {
    for (pointer, where_to) in [(0, "the id"), (30, "a time to live")] {
        let entry = take_in_wire(&with_target(&[3, b'c', b'd', b'n', 0xc0, pointer]));
        let Ok(entry) = entry else { continue };
        let mut shown = entry.wire().to_vec();
        shown[..2].copy_from_slice(b"\x01x");
        for (at, _) in entry.ttls() {
            shown[at..at + 4].copy_from_slice(b"\x02yz\0");
        }
        let message = Message::from_vec(&shown).unwrap();
        assert_eq!(*targets(&message), *entry.targets(), "{where_to}");
    }
}

#[test]
fn octets_behind_the_last_record_are_left_behind() {
    let wire = [with_target(b"\x01x\0").as_slice(), b"more"].concat();

    let entry = take_in_wire(&wire).unwrap();

    assert_eq!(*entry.wire(), *with_target(b"\x01x\0"));
}

#[test]
fn r20_data_of_unknown_types_are_kept_to_the_octet() {
    let mut wire = with_target(b"");
    wire.truncate(24);
    wire.extend_from_slice(b"\xc0\x0c\xff\x01\0\x01\0\0\0\x3c\0\x06\xc0\x0c\x03abc");

    assert_eq!(*take_in_wire(&wire).unwrap().wire(), *wire);
}
