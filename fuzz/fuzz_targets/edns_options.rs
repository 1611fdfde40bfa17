//! Any bytes go in as the options of a query; what the server says to them must be an answer with
//! one OPT record that repeats no option and reflects nothing but the client's own cookie.
//!
//! The first octet chooses the transport and whether the answer explains itself; the second one is
//! the version of EDNS.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use dnsward::{
    answer::{self, Ede, Rcode},
    cookie::Cookies,
    query::{Client, Fault, Query, Transport, Unreadable, option},
};
use hickory_proto::{op::Message, rr::rdata::opt::EdnsOption};
use libfuzzer_sys::fuzz_target;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The header and the question `a.test` A, with one record to come.
const QUESTION: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x01a\x04test\0\0\x01\0\x01";

/// Octets of options in the longest answer: a cookie, an idle time, an error with its text.
const MOST: usize = 28 + 6 + 6 + 96;

fuzz_target!(|bytes: &[u8]| {
    let [choice, version, options @ ..] = bytes else { return };
    let Ok(length) = u16::try_from(options.len()) else { return };
    let transport = if choice & 1 == 0 { Transport::Udp } else { Transport::Tcp };
    let fixed = [0, 0, 41, 0x04, 0xd0, 0, *version, 0, 0];
    let packet = [QUESTION, &fixed, &length.to_be_bytes(), options].concat();
    let mut out = Vec::new();
    match Query::read(&packet, Client::at(CLIENT, transport)) {
        Ok(mut query) => {
            let asked = query.edns.and_then(|edns| edns.cookie);
            if let Some(cookie) = query.edns.as_mut().and_then(|edns| edns.cookie.as_mut()) {
                Cookies::default().check(cookie, CLIENT, &[]);
                assert!(!cookie.is_valid, "a cookie of a secret that nobody has seen");
            }
            let ede = (choice & 2 == 0).then_some(Ede::Blocked("list"));
            answer::empty(&query, Rcode::NoError, ede, &mut out);
            let reflected = check(&out, transport, ede.is_some());
            assert_eq!(reflected, asked.map(|cookie| cookie.client));
        }
        Err(Unreadable::Complain(complaint)) => {
            assert_eq!(complaint.fault, Fault::Malformed);
            assert!(*version == 0 && !options.is_empty(), "nothing to complain about");
            answer::complaint(&packet, &complaint, &mut out);
            check(&out, Transport::Udp, false);
        }
        Err(Unreadable::Ignore) => panic!("a query is ignored"),
    }
});

/// Reads an answer back; the client's part of the cookie in it.
fn check(out: &[u8], transport: Transport, is_explained: bool) -> Option<[u8; 8]> {
    assert!(out.starts_with(b"\x12\x34") && out.len() <= QUESTION.len() + 11 + MOST);
    let message = Message::from_vec(out).unwrap_or_else(|error| panic!("{error}: {out:02x?}"));
    assert_eq!(message.queries.len(), 1, "the question");
    let Some(edns) = &message.edns else { panic!("no OPT for who speaks EDNS") };
    assert_eq!(edns.version(), 0);
    let mut cookie = None;
    let mut codes = Vec::new();
    for (code, found) in edns.options().as_ref() {
        let code = u16::from(*code);
        assert!(!codes.contains(&code), "option {code} twice");
        codes.push(code);
        let EdnsOption::Unknown(_, data) = found else { panic!("{found:?} is none of ours") };
        match code {
            option::COOKIE => cookie = data.first_chunk().copied(),
            option::TCP_KEEPALIVE => assert_eq!((transport, data.len()), (Transport::Tcp, 2)),
            option::EXTENDED_ERROR => assert!(is_explained && data.len() == 6),
            other => panic!("option {other} is none of ours"),
        }
    }
    cookie
}
