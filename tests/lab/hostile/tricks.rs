//! The table of tricks: each one is a line that says what it does and what may come of it.
//!
//! Where it forges something, that is the address `POISON` for the name `VICTIM`, about which
//! nobody had asked.

use std::net::Ipv4Addr;

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{
        DNSClass, Name, RData, Record, RecordType,
        rdata::{AAAA, CNAME, NS, NULL, SOA, TXT, opt::EdnsOption},
    },
};

use super::{
    Deed::{Http, Message as Says, Octets},
    Expected::{self, Failure, Nothing, Right},
    Http::{
        ContentType, Cut, Drip, Encoding, Endless, Farewell, FarewellAlone, Hang, HeaderFlood,
        Reset, Stall, Status,
    },
    Trick,
};
use crate::lab::doh::to_name;

/// The name that tricks want to own.
pub(crate) const VICTIM: &str = "victim.example";

/// The address that they give it.
pub(crate) const POISON: &str = "203.0.113.66";

/// Everything that an upstream tries.
pub(crate) const TRICKS: &[Trick] = &[
    // The header.
    trick("another id", Says(|m| m.metadata.id = 4711), Failure),
    trick("no response", Says(|m| m.metadata.message_type = MessageType::Query), Failure),
    trick("another opcode", Says(|m| m.metadata.op_code = OpCode::Update), Failure),
    trick("a failure", Says(|m| fail(m, ResponseCode::ServFail)), Failure),
    trick("an unknown response code", Octets(|o| o[3] = o[3] & 0xf0 | 11), Failure),
    trick("a code of EDNS", Says(|m| fail(m, ResponseCode::BADCOOKIE)), Failure),
    trick("more records than there are", Octets(|o| o[6] = 0xff), Failure),
    // The question.
    trick("another name asked", Says(|m| asked(m).name = to_name(VICTIM)), Failure),
    trick("another type asked", Says(|m| asked(m).query_type = RecordType::AAAA), Failure),
    trick("another class asked", Says(|m| asked(m).query_class = DNSClass::CH), Failure),
    trick("the name in capitals", Octets(|o| o[13..16].make_ascii_uppercase()), Right),
    trick("no question", Says(|m| m.queries.clear()), Failure),
    trick("two questions", Says(ask_twice), Failure),
    // The shape of the message.
    trick("no octets", Octets(Vec::clear), Failure),
    trick("a header alone", Octets(|o| o.truncate(12)), Failure),
    trick("half a message", Octets(|o| o.truncate(40)), Failure),
    trick("garbage", Octets(|o| *o = b"\xff\x00\xc0\x0c".repeat(50)), Failure),
    trick("octets behind the end", Octets(|o| o.extend_from_slice(&[0xc0; 500])), Right),
    trick("a name that points to itself", Octets(|o| point_owner_at(o, o.len())), Failure),
    trick("a name that points ahead", Octets(|o| point_owner_at(o, o.len() + 20)), Failure),
    trick("an address of three octets", Octets(|o| append(o, 1, &[192, 0, 2])), Failure),
    trick("data beyond the end", Octets(data_beyond_the_end), Failure),
    trick("two OPT records", Octets(|o| append(o, 41, b"")), Failure),
    trick("OPT among the answers", Octets(|o| opt_among_answers(o)), Failure),
    trick("OPT of a name", Octets(opt_of_a_name), Failure),
    trick("ten thousand options", Says(|m| (0..10_000).for_each(|_| option(m, 100, b""))), Right),
    trick("a reason without end", Says(|m| option(m, 15, &[b'x'; 60_000])), Right),
    trick(
        "a reason that writes lines",
        Says(|m| option(m, 15, b"\0\x06\r\n\x1b[31mx\0\xff")),
        Right,
    ),
    trick("a reason of one octet", Says(|m| option(m, 15, b"\0")), Right),
    trick("the largest message", Says(swell), Right),
    trick("a message that is too large", Octets(|o| o.resize(65_536, 0)), Failure),
    // The answer.
    trick("a truncated message", Says(truncate), Failure),
    trick("no records", Says(|m| m.answers.clear()), Nothing),
    trick("another type", Says(|m| m.answers = vec![ipv6_of(m)]), Nothing),
    trick("another class", Says(foreign_class), Nothing),
    trick("an alias of itself", Says(|m| m.answers = vec![alias(m, own_name(m))]), Failure),
    trick("aliases in a circle", Says(circle), Failure),
    trick("years to live", Says(|m| m.answers[0].ttl = u32::MAX), Right),
    trick("an address and no such name", Says(no_such_name), Right),
    // Names that nobody asked for.
    trick("a name nobody asked for", Says(|m| m.answers.push(forged())), Right),
    trick("that name alone", Says(stranger_alone), Nothing),
    trick("that name beside the answer", Says(|m| m.additionals.push(forged())), Right),
    trick("that name as authority", Says(|m| m.authorities.push(forged())), Right),
    trick("its zone given away", Says(|m| give_away(m, VICTIM)), Right),
    trick("the parent's zone given away", Says(|m| give_away(m, "example")), Right),
    trick("no such name, by a nameserver", Says(no_such_name_with_nameserver), Nothing),
    trick("no such parent", Says(no_such_parent), Nothing),
    trick("a proof of nothing", Says(proof_of_nothing), Nothing),
    // HTTP.
    trick("a wrong path", Http(Status(404)), Failure),
    trick("a redirect", Http(Status(302)), Failure),
    trick("too many requests", Http(Status(429)), Failure),
    trick("a server error", Http(Status(500)), Failure),
    trick("a web page", Http(ContentType("text/html")), Failure),
    trick("no content type", Http(ContentType("")), Failure),
    trick("a compressed body", Http(Encoding), Failure),
    trick("a megabyte of headers", Http(HeaderFlood), Failure),
    trick("an octet now and then", Http(Drip), Failure),
    trick("half a body", Http(Stall), Failure),
    trick("a body without end", Http(Endless), Failure),
    trick("a reset stream", Http(Reset), Failure),
    trick("a farewell with the answer", Http(Farewell), Right),
    trick("a farewell without answer", Http(FarewellAlone), Failure),
    trick("a lost connection", Http(Cut), Failure),
    trick("silence", Http(Hang), Failure),
];

const fn trick(name: &'static str, deed: super::Deed, expected: Expected) -> Trick {
    Trick { name, deed, expected }
}

fn asked(message: &mut Message) -> &mut Query {
    &mut message.queries[0]
}

fn ask_twice(message: &mut Message) {
    let again = asked(message).clone();
    message.queries.push(again);
}

fn own_name(message: &Message) -> Name {
    message.queries[0].name.clone()
}

fn alias(message: &Message, target: Name) -> Record {
    Record::from_rdata(own_name(message), 300, RData::CNAME(CNAME(target)))
}

fn address(owner: &str) -> Record {
    let address: Ipv4Addr = POISON.parse().unwrap();
    Record::from_rdata(to_name(owner), 300, RData::A(address.into()))
}

fn forged() -> Record {
    address(VICTIM)
}

/// Nobody need wait long for the truth: it may be kept as an answer.
fn stranger_alone(message: &mut Message) {
    message.answers = vec![forged()];
    message.answers[0].ttl = 1;
}

fn foreign_class(message: &mut Message) {
    message.answers[0].dns_class = DNSClass::CH;
    message.answers[0].ttl = 1;
}

fn ipv6_of(message: &Message) -> Record {
    let address = AAAA("2001:db8::1".parse().unwrap());
    Record::from_rdata(own_name(message), 300, RData::AAAA(address))
}

fn nameserver(zone: &str) -> Record {
    Record::from_rdata(to_name(zone), 300, RData::NS(NS(to_name("ns.evil.example"))))
}

/// A "no" may be kept for a moment only, so that the test need not wait for the truth.
fn soa(zone: &str) -> Record {
    let soa = SOA::new(to_name(zone), to_name(zone), 1, 2, 3, 4, 1);
    Record::from_rdata(to_name(zone), 1, RData::SOA(soa))
}

fn fail(message: &mut Message, rcode: ResponseCode) {
    message.answers.clear();
    message.metadata.response_code = rcode;
}

fn truncate(message: &mut Message) {
    message.answers.clear();
    message.metadata.truncation = true;
}

fn circle(message: &mut Message) {
    let owner = own_name(message);
    let back = Record::from_rdata(to_name("round.example"), 1, RData::CNAME(CNAME(owner)));
    message.answers = vec![alias(message, to_name("round.example")), back];
    message.answers[0].ttl = 1;
}

fn no_such_name(message: &mut Message) {
    message.metadata.response_code = ResponseCode::NXDomain;
    message.authorities.push(soa("example"));
}

fn no_such_name_with_nameserver(message: &mut Message) {
    fail(message, ResponseCode::NXDomain);
    message.authorities.push(nameserver("example"));
    message.additionals.push(address("ns.evil.example"));
}

fn no_such_parent(message: &mut Message) {
    fail(message, ResponseCode::NXDomain);
    message.authorities = vec![soa("example")];
    message.additionals.push(forged());
}

fn proof_of_nothing(message: &mut Message) {
    fail(message, ResponseCode::NXDomain);
    let proof = RData::Unknown { code: RecordType::NSEC3, rdata: NULL::with(vec![1, 0, 0, 0, 0]) };
    let owner = to_name("0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example");
    message.authorities = vec![soa("example"), Record::from_rdata(owner, 1, proof)];
}

fn give_away(message: &mut Message, zone: &str) {
    message.authorities.push(nameserver(zone));
    message.additionals.extend([address("ns.evil.example"), address(zone)]);
}

/// Makes it as large as a message can be, to within an octet or two of each record's size.
fn swell(message: &mut Message) {
    let text = || TXT::new(vec!["x".repeat(255), "x".repeat(255)]);
    let record = || Record::from_rdata(Name::root(), 300, RData::TXT(text()));
    let room = 65_535 - message.to_vec().unwrap().len();
    // Owner, type, class, time to live, length, and two strings with theirs.
    message.additionals.extend((0..room / (11 + 512)).map(|_| record()));
}

fn option(message: &mut Message, code: u16, data: &[u8]) {
    let edns = message.edns.as_mut().expect("the server speaks EDNS");
    edns.options_mut().insert(EdnsOption::Unknown(code, data.to_vec()));
}

/// Says that OPT, the only additional record, is an answer.
fn opt_among_answers(octets: &mut [u8]) {
    octets[7] += 1;
    octets[11] -= 1;
}

/// Gives OPT, which is last and whose owner is the root, the name of the question.
fn opt_of_a_name(octets: &mut Vec<u8>) {
    let owner = octets.len() - 11;
    octets.splice(owner..=owner, [0xc0, 12]);
}

/// Adds a record of the root behind all others.
fn append(octets: &mut Vec<u8>, rtype: u8, data: &[u8]) {
    octets[11] += 1;
    octets.extend_from_slice(&[0, 0, rtype, 0, 1, 0, 0, 0, 60, 0]);
    octets.push(u8::try_from(data.len()).unwrap());
    octets.extend_from_slice(data);
}

fn data_beyond_the_end(octets: &mut Vec<u8>) {
    append(octets, 16, b"\x03abc");
    let length = octets.len() - 5;
    octets[length] = 200;
}

/// Adds a record whose owner is a pointer to this place.
fn point_owner_at(octets: &mut Vec<u8>, place: usize) {
    octets[11] += 1;
    octets.extend_from_slice(&[0xc0, u8::try_from(place).unwrap()]);
    octets.extend_from_slice(&[0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 66]);
}
