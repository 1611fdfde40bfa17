//! How long answers are kept, what is taken off them, and what is not taken in.

use std::net::Ipv4Addr;

use hickory_proto::{
    op::{Edns, OpCode, ResponseCode},
    rr::{
        RecordType,
        rdata::{A, NULL, SOA},
    },
    serialize::binary::BinEncodable as _,
};

use super::*;
use crate::{route::RouteId, wire::rtype};

const BOUNDS: Bounds = Bounds {
    min: Duration::ZERO,
    max: Duration::from_secs(86_400),
    max_negative: Duration::from_secs(3600),
    stale: Duration::ZERO,
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
    take_in_wire_aged(&message.to_vec().unwrap(), age)
}

fn take_in_wire(wire: &[u8]) -> Result<Entry, Unusable> {
    take_in_wire_aged(wire, 0)
}

fn take_in_wire_aged(answer: &[u8], age: u64) -> Result<Entry, Unusable> {
    let asked = Message::from_vec(answer).ok().and_then(|message| message.queries.first().cloned());
    let qtype = asked.map_or(rtype::A, |question| question.query_type.into());
    take_in_for(answer, qtype, age, Dnssec::Unasked)
}

/// Whether the client wants DNSSEC's records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dnssec {
    Asked,
    Unasked,
}

fn take_in_for(answer: &[u8], qtype: u16, age: u64, dnssec: Dnssec) -> Result<Entry, Unusable> {
    let name = Name::parse("www.example").unwrap();
    let dnssec_ok = dnssec == Dnssec::Asked;
    let route = RouteId::default();
    let key = Key { name, qtype, dnssec_ok, checking_disabled: false, route };
    let age = Duration::from_secs(age);
    let arrival = Arrival { answer, age, at: Instant::now(), upstream: Arc::from("") };
    Entry::new(&key, &arrival, &BOUNDS)
}

/// A record of this owner.
fn record(owner: &str, ttl: u32, data: RData) -> Record {
    Record::from_rdata(rr::Name::from_ascii(owner).unwrap(), ttl, data)
}

/// DNSSEC's data of a type, of which only the type covered counts here.
fn dnssec_data(code: RecordType, covered: RecordType) -> RData {
    let bytes = u16::from(covered).to_be_bytes().to_vec();
    RData::Unknown { code, rdata: NULL::with(bytes) }
}

/// The owners and types of the records that an entry has kept.
fn kept(entry: &Entry) -> Vec<String> {
    let message = Message::from_vec(entry.wire()).unwrap();
    message
        .all_sections()
        .map(|record| format!("{} {}", record.name, record.record_type()))
        .collect()
}

#[test]
fn r33_an_answer_is_good_for_its_shortest_time_to_live() {
    let mut message = response(ResponseCode::NoError, &[(300, alias("x.example."))]);
    message.add_answer(record("x.example.", 60, address()));

    let entry = take_in(&message, 10).unwrap();

    assert_eq!(entry.lifetime(), Duration::from_secs(50));
    assert_eq!(entry.ttls().map(|(_, ttl)| ttl).collect::<Vec<_>>(), [290, 50]);
    assert_eq!(entry.targets().aliases(), [Name::parse("x.example").unwrap()]);
}

#[test]
fn r34_r35_r36_a_no_is_good_for_as_long_as_its_soa_says_and_no_longer_than_allowed() {
    for (ttl, minimum, seconds) in [(900, 60, 60), (30, 60, 30), (90_000, 90_000, 3600)] {
        let mut message = response(ResponseCode::NXDomain, &[]);
        message.add_authority(soa(ttl, minimum));
        let entry = take_in(&message, 0).unwrap();
        assert_eq!(entry.lifetime(), Duration::from_secs(seconds), "{ttl} {minimum}");
        assert_eq!(entry.ttls().map(|(_, ttl)| u64::from(ttl)).collect::<Vec<_>>(), [seconds]);
    }
    let without_soa = response(ResponseCode::NoError, &[(60, alias("x.example."))]);
    assert_eq!(take_in(&without_soa, 0).unwrap().lifetime(), Duration::ZERO);
}

#[test]
fn what_says_that_it_cannot_tell_is_of_no_use() {
    for (rcode, is_of_use) in [
        (ResponseCode::NoError, true),
        (ResponseCode::NXDomain, true),
        (ResponseCode::YXDomain, true),
        (ResponseCode::FormErr, false),
        (ResponseCode::ServFail, false),
        (ResponseCode::Refused, false),
    ] {
        assert_eq!(take_in(&response(rcode, &[]), 0).unwrap().is_of_use(), is_of_use, "{rcode}");
    }
}

#[test]
fn r61_opt_is_taken_off_wherever_it_stands() {
    let mut message = response(ResponseCode::NoError, &[(60, address())]);
    message.set_edns(Edns::new());
    let last = message.to_vec().unwrap();
    // The same with another record behind OPT.
    let mut middle = last.clone();
    middle[11] += 1;
    middle.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x02");

    for wire in [last, middle] {
        let entry = take_in_wire(&wire).unwrap();
        let message = Message::from_vec(entry.wire()).unwrap();
        assert!(message.edns.is_none());
        assert_eq!((message.answers.len(), message.additionals.len()), (1, 0));
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

#[test]
fn only_what_the_upstream_said_word_for_word_is_authentic() {
    let home = RData::A(A(Ipv4Addr::new(10, 0, 0, 1)));
    let mut message = response(ResponseCode::NoError, &[(60, address()), (60, home)]);
    message.metadata.authentic_data = true;
    let entry = take_in(&message, 0).unwrap();
    let (owner, target) = (Name::parse("shop.lan").unwrap(), Name::parse("www.example").unwrap());
    let under = |links: &[Link]| entry.under_alias(&owner, rtype::A, links, Instant::now());

    assert!(entry.is_authentic());
    assert!(!under(&[Link { owner, target, ttl: 30 }]).unwrap().is_authentic());
    assert!(!entry.without_private_addresses().unwrap().is_authentic());
    assert!(under(&[]).unwrap().is_authentic(), "what a no for the name is made into");
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
        let entry = take_in_wire(&with_target(&[3, b'c', b'd', b'n', 0xc0, pointer])).unwrap();
        let mut shown = entry.wire().to_vec();
        shown[..2].copy_from_slice(b"\x01x");
        for (at, _) in entry.ttls() {
            shown[at..at + 4].copy_from_slice(b"\x02yz\0");
        }
        let message = Message::from_vec(&shown).unwrap();
        assert_eq!(Targets::of(&message).aliases(), entry.targets().aliases(), "{where_to}");
        assert_eq!(
            entry.targets().aliases(),
            [Name::parse("cdn").unwrap()],
            "written in full: {where_to}"
        );
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
    wire[20..22].copy_from_slice(b"\xff\x01");
    wire.extend_from_slice(b"\xc0\x0c\xff\x01\0\x01\0\0\0\x3c\0\x06\xc0\x0c\x03abc");

    assert_eq!(*take_in_wire(&wire).unwrap().wire(), *wire);
}

#[test]
fn only_what_begins_at_the_asked_name_is_kept() {
    let mut message = response(ResponseCode::NoError, &[(60, alias("cdn.example."))]);
    message.add_answer(record("bank.example.", 60, address()));
    message.add_answer(record("cdn.example.", 60, address()));
    message.add_answer(record("cdn.example.", 60, alias("other.example.")));
    message.add_answer(record("other.example.", 60, address()));
    message.add_authority(record("example.", 60, soa(60, 60).data));
    message.add_authority(record("bank.", 60, soa(60, 60).data));
    message.add_additional(record("bank.example.", 60, address()));

    let entry = take_in(&message, 0).unwrap();

    let expected = ["www.example. CNAME", "cdn.example. A", "example. SOA"];
    assert_eq!(kept(&entry), expected);
    assert_eq!(entry.targets().aliases(), [Name::parse("cdn.example").unwrap()]);
}

/// Redirects all names below its owner.
fn dname(target: &str) -> RData {
    let data = rr::Name::from_ascii(target).unwrap().to_bytes().unwrap();
    RData::Unknown { code: RecordType::DNAME, rdata: NULL::with(data) }
}

#[test]
fn a_dname_is_kept_only_with_the_alias_that_it_made() {
    let mut made = response(ResponseCode::NoError, &[(60, alias("WWW.cdn.test."))]);
    made.add_answer(record("example.", 60, dname("cdn.test.")));
    made.add_answer(record("www.cdn.test.", 60, address()));
    let expected = ["www.example. CNAME", "example. DNAME", "www.cdn.test. A"];
    assert_eq!(kept(&take_in(&made, 0).unwrap()), expected);

    let mut other = made.clone();
    other.answers[1].data = dname("ads.test.");
    assert_eq!(kept(&take_in(&other, 0).unwrap()), ["www.example. CNAME", "www.cdn.test. A"]);
    let mut alone = made.clone();
    alone.answers.remove(0);
    assert!(kept(&take_in(&alone, 0).unwrap()).is_empty());
    let mut broken = made;
    broken.answers[1].data = dnssec_data(RecordType::DNAME, RecordType::A);
    assert_eq!(kept(&take_in(&broken, 0).unwrap()), ["www.example. CNAME", "www.cdn.test. A"]);
}

#[test]
fn r29_an_alias_beside_the_data_asked_for_is_dropped() {
    let message = response(ResponseCode::NoError, &[(60, alias("x.example.")), (60, address())]);

    assert_eq!(kept(&take_in(&message, 0).unwrap()), ["www.example. A"]);
}

#[test]
fn r30_aliases_that_go_round_or_on_too_long_are_not_taken_in() {
    let mut chain = response(ResponseCode::NoError, &[(60, alias("n0.example."))]);
    for link in 1..11 {
        let owner = format!("n{}.example.", link - 1);
        chain.add_answer(record(&owner, 60, alias(&format!("n{link}.example."))));
    }
    let mut longer = chain.clone();
    longer.add_answer(record("n10.example.", 60, alias("n11.example.")));
    let mut round = chain.clone();
    round.add_answer(record("n10.example.", 60, alias("N3.example.")));

    assert_eq!(kept(&take_in(&chain, 0).unwrap()).len(), 11);
    assert_eq!(take_in(&longer, 0).unwrap_err(), Unusable::Chain);
    assert_eq!(take_in(&round, 0).unwrap_err(), Unusable::Chain);
}

#[test]
fn r27_an_rrset_has_its_lowest_time_to_live() {
    let other = RData::A(A(Ipv4Addr::new(192, 0, 2, 2)));
    let message = response(ResponseCode::NoError, &[(300, address()), (60, other)]);

    let ttls: Vec<_> = take_in(&message, 0).unwrap().ttls().map(|(_, ttl)| ttl).collect();

    assert_eq!(ttls, [60, 60]);
}

#[test]
fn r28_a_time_to_live_with_its_highest_bit_set_is_long_and_cut() {
    let message = response(ResponseCode::NoError, &[(0x8000_0001, address())]);

    assert_eq!(take_in(&message, 0).unwrap().lifetime(), BOUNDS.max);
}

#[test]
fn r50_records_of_dnssec_are_for_those_who_ask_for_them() {
    let signature = dnssec_data(RecordType::RRSIG, RecordType::A);
    let proof = dnssec_data(RecordType::NSEC, RecordType::ZERO);
    let mut message = response(ResponseCode::NoError, &[(60, address()), (60, signature.clone())]);
    message.add_answer(record("bank.example.", 60, signature.clone()));
    let of_mail = dnssec_data(RecordType::RRSIG, RecordType::MX);
    message.add_answer(record("www.example.", 60, of_mail));
    message.add_authority(record("a.example.", 60, proof));
    message.add_authority(record("a.example.", 60, signature.clone()));
    let wire = message.to_vec().unwrap();

    let plain = take_in_for(&wire, rtype::A, 0, Dnssec::Unasked).unwrap();
    let whole = take_in_for(&wire, rtype::A, 0, Dnssec::Asked).unwrap();
    assert_eq!(kept(&plain), ["www.example. A"]);
    let expected = ["www.example. A", "www.example. RRSIG", "a.example. NSEC", "a.example. RRSIG"];
    assert_eq!(kept(&whole), expected);

    let mut asked = response(ResponseCode::NoError, &[(60, signature)]);
    asked.queries[0].query_type = RecordType::RRSIG;
    assert_eq!(kept(&take_in(&asked, 0).unwrap()), ["www.example. RRSIG"]);
}

#[test]
fn an_answer_with_a_part_missing_is_not_taken_in() {
    let mut message = response(ResponseCode::NoError, &[(60, address())]);
    message.metadata.truncation = true;

    assert_eq!(take_in(&message, 0).unwrap_err(), Unusable::Truncated);
}
