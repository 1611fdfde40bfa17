//! What several targets need: a client, and the checks that every answer must pass.

use std::net::Ipv4Addr;

use dnsward::{
    answer::{self, Rcode},
    query::{Client, Query, Transport},
    wire::HEADER,
};
use hickory_proto::{
    op::{Message, MessageType},
    rr,
};

/// A client of this host, over UDP.
pub fn client() -> Client {
    Client::at(Ipv4Addr::LOCALHOST.into(), Transport::Udp)
}

/// Reads an answer back, and checks that it is one to this query and fits where it goes.
pub fn check_answer(query: &Query, rcode: Option<Rcode>, out: &mut Vec<u8>) -> Message {
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

/// Reads an answer back.
pub fn read_back(out: &[u8]) -> Message {
    Message::from_vec(out).unwrap_or_else(|error| panic!("{error}: {out:02x?}"))
}

/// A name as it stands in a message.
pub fn wire_of(name: &rr::Name) -> Vec<u8> {
    let label = |label: &[u8]| [&[u8::try_from(label.len()).unwrap_or(u8::MAX)], label].concat();
    name.iter().flat_map(label).chain([0]).collect()
}
