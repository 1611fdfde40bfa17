//! A query and what was decided go in, the bytes of the answer come out.
//!
//! All answers are made here and in one way: header, the question as it was asked, records whose
//! owner points to the question, and OPT only where the client spoke EDNS (RFC 6891 section 7).

mod blocked;
mod ede;
mod finished;
mod opt;
mod truncate;

use std::time::Duration;

use blocker::Name;
use tokio::time::Instant;

use crate::{
    cache::Entry,
    query::{Complaint, Fault, Query},
    wire::{self, CLASS_IN, Header, flag, rtype},
};

pub use blocked::{BlockForm, blocked};
pub use ede::Ede;
pub use finished::Finished;

use opt::Opt;

/// Response codes that we make ourselves (RFC 1035 section 4.1.1, RFC 6891 section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Rcode {
    /// All is well.
    NoError = 0,
    /// The query is malformed.
    FormErr = 1,
    /// We could not get an answer.
    ServFail = 2,
    /// There is no such name.
    NxDomain = 3,
    /// We do not do that.
    NotImp = 4,
    /// You may not ask that.
    Refused = 5,
    /// EDNS of a version we do not speak.
    BadVers = 16,
    /// The cookie proves nothing; ask again with the one that comes with this.
    BadCookie = 23,
}

/// Names in the SOA of negative answers of our own: no mailbox, no server, nothing to look up.
const SOA_NAMES: &[u8] = b"\x09localhost\0\x06nobody\x07invalid\0";

/// Where in an OPT record the upper bits of the response code lie (RFC 6891 section 6.1.3).
const EXTENDED_RCODE: usize = 5;

/// Owner of our records: a pointer to the question.
const POINTER_TO_QUESTION: [u8; 2] = [0xc0, 0x0c];

/// Makes the answer to a packet that is no query; its question is repeated where it has one.
pub fn complaint(packet: &[u8], complaint: &Complaint, out: &mut Vec<u8>) {
    let rcode = match complaint.fault {
        Fault::Malformed => Rcode::FormErr,
        Fault::Opcode => Rcode::NotImp,
        // RFC 7873 section 5.4: with a server's part that is none of ours it is a bad one.
        Fault::OnlyCookie => match complaint.edns.and_then(|edns| edns.cookie) {
            Some(cookie) if !cookie.is_valid && !cookie.is_first => Rcode::BadCookie,
            _ => Rcode::NoError,
        },
    };
    let [_, extended] = (rcode as u16 >> 4).to_be_bytes();
    let header = complaint.header;
    let code = rcode as u16 & flag::RCODE;
    let flags = flag::QR | header.flags & (flag::OPCODE | flag::RD) | code;
    let question = packet.get(complaint.question.clone()).unwrap_or_default();
    let counts = [u16::from(!question.is_empty()), 0, 0, u16::from(complaint.edns.is_some())];
    write_header(out, Header { id: header.id, flags, counts });
    out.extend_from_slice(question);
    if let Some(edns) = &complaint.edns {
        Opt::to(edns, extended).write(out, None);
    }
}

/// Makes an answer without records.
pub fn empty<'t>(
    query: &Query,
    rcode: Rcode,
    ede: impl IntoIterator<Item = Ede<'t>>,
    out: &mut Vec<u8>,
) {
    Reply::start(query, rcode, out).finish(ede);
}

/// Makes an answer that says "no such name" or "no such data" for a time (RFC 2308 section 5).
pub fn negative(
    query: &Query,
    rcode: Rcode,
    ttl: Duration,
    ede: Option<Ede<'_>>,
    out: &mut Vec<u8>,
) {
    let mut reply = Reply::start(query, rcode, out);
    reply.soa(seconds(ttl));
    reply.finish(ede);
}

/// One record of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalData {
    /// The owner, where it is not the name that was asked.
    pub owner: Option<Name>,
    /// The type.
    pub rtype: u16,
    /// Seconds.
    pub ttl: u32,
    /// The data in wire form.
    pub data: Vec<u8>,
}

/// Makes an answer from records of ours; none of them is "no such data".
pub fn local<'r>(
    query: &Query,
    records: impl Iterator<Item = &'r LocalData>,
    negative_ttl: Duration,
    out: &mut Vec<u8>,
) {
    let mut reply = Reply::start(query, Rcode::NoError, out);
    for record in records {
        reply.record_of(record);
    }
    if reply.counts[1] == 0 {
        reply.soa(seconds(negative_ttl));
    }
    reply.finish(None);
}

/// Makes an answer from a cached one: its bytes, aged, under this query's id and letter case.
pub fn cached(query: &Query, entry: &Entry, ede: Option<Ede<'_>>, now: Instant, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(entry.wire());
    let Some(mut header) = Header::read(out) else { return };
    header.id = query.id;
    let shown = if query.understands_authentic_data() { flag::AD } else { 0 };
    header.flags = reply_flags(query) | header.flags & (flag::RCODE | flag::TC | shown);
    let age = entry.age(now);
    for (at, ttl) in entry.ttls() {
        overwrite(out, at, &ttl.saturating_sub(age).to_be_bytes());
    }
    overwrite(out, wire::HEADER, query.name_as_asked());
    let mut reply = Reply { query, out, counts: header.counts, flags: header.flags, extended: 0 };
    reply.write_back();
    reply.finish(ede.into_iter().chain(entry.reasons().iter().map(Ede::Upstream)));
}

/// Cuts an answer down to what the client takes: whole RRsets of the answer section only, and OPT,
/// with TC where any of them is missing (RFC 2181 section 9), or the proofs that a validator needs
/// (RFC 4035 section 3.1.3). Reasons are the first to go.
pub fn fit(query: &Query, out: &mut Vec<u8>) {
    let limit = query.answer_limit();
    if out.len() <= limit {
        return;
    }
    let Some(mut header) = Header::read(out) else { return };
    let [_, answers, ..] = header.counts;
    let question_end = wire::HEADER + query.name_as_asked().len() + 4;
    let mut opt = truncate::opt(out, question_end, header.records());
    if question_end + opt.len() > limit {
        let extended = out.get(opt.start + EXTENDED_RCODE).copied().unwrap_or(0);
        out.truncate(opt.start);
        if let Some(plain) = Opt::answering(query, extended) {
            plain.write(out, None);
        }
        opt = opt.start..out.len();
    }
    let room = limit.saturating_sub(opt.len());
    let (kept, end) = truncate::whole_rrsets(out, question_end, answers, room);
    let end_of_opt = end + opt.len();
    let is_cut = kept < answers
        || answers == 0
        || query.is_dnssec_ok() && truncate::has_proofs(out, end, header.records());
    header.flags |= if is_cut { flag::TC } else { 0 };
    header.counts = [1, kept, 0, u16::from(!opt.is_empty())];
    out.copy_within(opt, end);
    out.truncate(end_of_opt);
    overwrite(out, 0, &header_bytes(header));
}

/// Makes an answer that sends the client to TCP.
pub fn truncated(query: &Query, out: &mut Vec<u8>) {
    let mut reply = Reply::start(query, Rcode::NoError, out);
    reply.flags |= flag::TC;
    reply.finish(None);
}

fn reply_flags(query: &Query) -> u16 {
    flag::QR | flag::RA | query.flags & (flag::OPCODE | flag::RD | flag::CD)
}

/// An answer while it is written.
struct Reply<'a> {
    query: &'a Query,
    out: &'a mut Vec<u8>,
    counts: [u16; 4],
    flags: u16,
    /// The upper eight bits of the response code, which only OPT can carry.
    extended: u8,
}

impl<'a> Reply<'a> {
    fn start(query: &'a Query, rcode: Rcode, out: &'a mut Vec<u8>) -> Self {
        let code = rcode as u16;
        let flags = reply_flags(query) | code & flag::RCODE;
        let [_, extended] = (code >> 4).to_be_bytes();
        write_header(out, Header { id: query.id, flags, counts: [0; 4] });
        out.extend_from_slice(query.name_as_asked());
        out.extend_from_slice(&query.qtype.to_be_bytes());
        out.extend_from_slice(&query.qclass.to_be_bytes());
        Self { query, out, counts: [1, 0, 0, 0], flags, extended }
    }

    fn record(&mut self, rtype: u16, ttl: u32, data: &[u8]) {
        self.out.extend_from_slice(&POINTER_TO_QUESTION);
        self.write_fixed(rtype, ttl, data);
        self.counts[1] += 1;
    }

    fn record_of(&mut self, record: &LocalData) {
        match &record.owner {
            None => self.out.extend_from_slice(&POINTER_TO_QUESTION),
            Some(owner) => self.out.extend_from_slice(owner.as_wire()),
        }
        self.write_fixed(record.rtype, record.ttl, &record.data);
        self.counts[1] += 1;
    }

    /// The record that tells resolvers how long to remember a negative answer.
    fn soa(&mut self, ttl: u32) {
        let [refresh, retry, expire] = [3600u32, 1200, 604_800];
        let mut data = [0; SOA_NAMES.len() + 20];
        let (names, numbers) = data.split_at_mut(SOA_NAMES.len());
        names.copy_from_slice(SOA_NAMES);
        for (place, number) in numbers.chunks_exact_mut(4).zip([1, refresh, retry, expire, ttl]) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        self.out.extend_from_slice(&POINTER_TO_QUESTION);
        self.write_fixed(rtype::SOA, ttl, &data);
        self.counts[2] += 1;
    }

    fn write_fixed(&mut self, rtype: u16, ttl: u32, data: &[u8]) {
        let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
        self.out.extend_from_slice(&rtype.to_be_bytes());
        self.out.extend_from_slice(&CLASS_IN.to_be_bytes());
        self.out.extend_from_slice(&ttl.to_be_bytes());
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.extend_from_slice(data.get(..usize::from(length)).unwrap_or_default());
    }

    fn finish<'t>(mut self, ede: impl IntoIterator<Item = Ede<'t>>) {
        if let Some(opt) = Opt::answering(self.query, self.extended) {
            opt.write(self.out, ede);
            self.counts[3] += 1;
        }
        self.write_back();
    }

    /// Writes the header again, with the counts and flags as they are now.
    fn write_back(&mut self) {
        let header = Header { id: self.query.id, flags: self.flags, counts: self.counts };
        overwrite(self.out, 0, &header_bytes(header));
    }
}

fn write_header(out: &mut Vec<u8>, header: Header) {
    out.clear();
    out.extend_from_slice(&header_bytes(header));
}

fn header_bytes(header: Header) -> [u8; wire::HEADER] {
    let [questions, answers, authorities, additionals] = header.counts;
    let words = [header.id, header.flags, questions, answers, authorities, additionals];
    let mut bytes = [0; wire::HEADER];
    for (place, word) in bytes.chunks_exact_mut(2).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

fn overwrite(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// Whole seconds, as records count them.
pub fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::{
        cache::{Arrival, Bounds, Key},
        query::{Client, Edns, Transport},
    };

    const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01A\x04tEst\0\0\x01\0\x01";
    const RESPONSE: &[u8] = b"\0\0\x81\x80\0\x01\0\x01\0\0\0\0\x01a\x04test\0\0\x01\0\x01\
        \xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01";

    fn query() -> Query {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Query::read(QUERY, Client::at(address, Transport::Udp)).unwrap()
    }

    #[test]
    fn r33_a_cached_answer_ages_and_never_below_zero() {
        let (min, max, stale) = (Duration::ZERO, Duration::MAX, Duration::ZERO);
        let bounds = Bounds { min, max, max_negative: max, stale };
        let stored = Instant::now();
        let arrival =
            Arrival { answer: RESPONSE, age: Duration::ZERO, at: stored, upstream: "".into() };
        let entry = Entry::new(&Key::of(&query()), &arrival, &bounds).unwrap();
        let mut out = Vec::new();

        for (age, shown) in [(0, 60), (25, 35), (59, 1), (60, 0), (600, 0)] {
            cached(&query(), &entry, None, stored + Duration::from_secs(age), &mut out);
            assert_eq!(wire::u32_at(&out, 30), Some(shown), "after {age} s");
        }
        assert_eq!(out[..2], QUERY[..2]);
        assert_eq!(out[12..24], QUERY[12..24]);
    }

    #[test]
    fn a_long_reason_is_cut_at_a_characters_edge() {
        let mut edns = query();
        edns.edns = Some(Edns::plain(1232));
        let name = "\u{e9}".repeat(100);
        let mut out = Vec::new();

        empty(&edns, Rcode::Refused, Some(Ede::Blocked(&name)), &mut out);

        let message = hickory_proto::op::Message::from_vec(&out).unwrap();
        assert!(message.edns.is_some_and(|edns| edns.options().as_ref().len() == 1));
        assert!(std::str::from_utf8(&out[out.len() - 96..]).is_ok());
    }
}
