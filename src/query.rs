//! A packet goes in, a `Query` comes out, or what to say to one that cannot be read.
//!
//! A query is read once, here; whoever comes later sees typed values and the name in lower case.
//! The name as it was asked is kept too, because answers repeat its letter case (0x20).

mod client;
mod edns;

use std::{fmt, ops::Range};

use blocker::Name;

use crate::wire::{self, Header, flag};

pub use client::{Account, Asker, Client, Identity, SpiffeId};
pub use edns::{Cookie, Edns, option};

use edns::Broken;

/// Largest UDP answer we send and advertise: what every path carries whole (DNS flag day 2020).
pub const MAX_UDP_ANSWER: u16 = 1232;

/// Largest query read: a question, and options that no client makes longer.
pub const MAX_QUERY: usize = 4096;

/// What a client without EDNS takes over UDP (RFC 1035 section 2.3.4).
const PLAIN_UDP_ANSWER: u16 = 512;

/// How a query came in.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Transport {
    /// One datagram.
    Udp,
    /// A connection with two octets of length before each message.
    Tcp,
}

impl Transport {
    /// The word for it in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// One question and everything an answer needs to know about it.
#[derive(Clone)]
pub struct Query {
    /// The id the answer repeats.
    pub id: u16,
    /// The header's flags.
    pub flags: u16,
    /// The name in lower case.
    pub name: Name,
    /// The type asked for.
    pub qtype: u16,
    /// The class asked for.
    pub qclass: u16,
    /// What the client says with EDNS, where it does.
    pub edns: Option<Edns>,
    /// Who asks.
    pub client: Client,
    as_asked: [u8; 255],
}

/// What to do about a packet that is no query we can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Nothing: it has no whole header, or it is itself a response.
    Ignore,
    /// To say what is wrong with it, and nothing else.
    Complain(Complaint),
}

/// What is wrong with a packet, and what the complaint repeats of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What is wrong.
    pub fault: Fault,
    /// Its header.
    pub header: Header,
    /// Where its only question lies; nowhere where there is none that can be read.
    pub question: Range<usize>,
    /// What its sender says with EDNS.
    pub edns: Option<Edns>,
}

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is broken (FORMERR).
    Malformed,
    /// It asks for an operation other than a query (NOTIMP).
    Opcode,
    /// Nothing: it has no question because it asks for a cookie only (RFC 7873 section 5.4).
    OnlyCookie,
}

impl Query {
    /// Reads a packet.
    ///
    /// # Errors
    /// What to say instead of an answer.
    pub fn read(packet: &[u8], client: Client) -> Result<Self, Unreadable> {
        let header = Header::read(packet).ok_or(Unreadable::Ignore)?;
        if header.is_response() {
            return Err(Unreadable::Ignore);
        }
        let question = Question::find(packet, header);
        let end = question.map(Question::end);
        let options = match end.or_else(|| end_of_questions(packet, header)) {
            Some(end) => Edns::find(packet, end, header),
            None => Err(Broken(None)),
        };
        let is_query = header.flags & flag::OPCODE == 0;
        match (question, options) {
            (Some(question), Ok(edns)) if is_query => {
                Self::of(packet, header, question, edns, client).ok_or(Unreadable::Ignore)
            }
            (_, options) => {
                let question = wire::HEADER..end.unwrap_or(wire::HEADER);
                Err(Unreadable::Complain(Complaint::new(header, question, options)))
            }
        }
    }

    /// The query that a client would send for a name, over TCP or UDP and without EDNS.
    pub fn about(name: &Name, qtype: u16, client: Client) -> Self {
        let mut as_asked = [0; 255];
        for (place, octet) in as_asked.iter_mut().zip(name.as_wire()) {
            *place = *octet;
        }
        let (flags, qclass) = (flag::RD, wire::CLASS_IN);
        Self { id: 0, flags, name: *name, qtype, qclass, edns: None, client, as_asked }
    }

    /// What was found; nothing never happens.
    #[inline]
    fn of(
        packet: &[u8],
        header: Header,
        question: Question,
        edns: Option<Edns>,
        client: Client,
    ) -> Option<Self> {
        let asked = packet.get(wire::HEADER..question.name_end)?;
        let mut as_asked = [0; 255];
        as_asked.get_mut(..asked.len())?.copy_from_slice(asked);
        Some(Self {
            id: header.id,
            flags: header.flags,
            name: Name::from_wire(asked).ok()?,
            qtype: question.qtype,
            qclass: question.qclass,
            edns,
            client,
            as_asked,
        })
    }

    /// The name in wire form with the letter case it was asked in.
    pub fn name_as_asked(&self) -> &[u8] {
        self.as_asked.get(..self.name.as_wire().len()).unwrap_or_default()
    }

    /// Whether the client wants us to ask others.
    pub fn is_recursion_desired(&self) -> bool {
        self.flags & flag::RD != 0
    }

    /// Whether the client receives what is sent to its address.
    pub fn has_proven_address(&self) -> bool {
        self.client.has_proven_address(self.edns.as_ref())
    }

    /// Who waits for the answer.
    pub fn asker(&self) -> Asker {
        let account = self.client.account();
        if self.has_proven_address() { Asker::Proven(account) } else { Asker::Unproven(account) }
    }

    /// Whether the client wants DNSSEC's records.
    pub fn is_dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }

    /// Whether the client wants data even where they fail validation.
    pub fn is_checking_disabled(&self) -> bool {
        self.flags & flag::CD != 0
    }

    /// Whether the client may be shown that data were validated (RFC 6840 section 5.8).
    pub fn understands_authentic_data(&self) -> bool {
        self.is_dnssec_ok() || self.flags & flag::AD != 0
    }

    /// The largest answer this client takes on the way it came.
    pub fn answer_limit(&self) -> usize {
        let limit = match (self.client.transport, self.edns) {
            (Transport::Tcp, _) => u16::MAX,
            (Transport::Udp, None) => PLAIN_UDP_ANSWER,
            (Transport::Udp, Some(edns)) => edns.udp_size.clamp(PLAIN_UDP_ANSWER, MAX_UDP_ANSWER),
        };
        usize::from(limit)
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("qtype", &self.qtype)
            .field("edns", &self.edns)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl Complaint {
    fn new(header: Header, question: Range<usize>, options: Result<Option<Edns>, Broken>) -> Self {
        let fault = match options {
            _ if header.flags & flag::OPCODE != 0 => Fault::Opcode,
            Ok(Some(edns)) if edns.cookie.is_some() && header.counts[0] == 0 => Fault::OnlyCookie,
            _ => Fault::Malformed,
        };
        Self { fault, header, question, edns: options.unwrap_or_else(|Broken(edns)| edns) }
    }
}

/// Where the records begin, however many questions there are.
fn end_of_questions(packet: &[u8], header: Header) -> Option<usize> {
    let skip = |at, _| Some(wire::skip_name(packet, at)? + 4);
    (0..header.counts[0]).try_fold(wire::HEADER, skip)
}

/// The only question of a packet.
#[derive(Clone, Copy)]
struct Question {
    /// Where its name ends.
    name_end: usize,
    qtype: u16,
    qclass: u16,
}

impl Question {
    /// Finds it, where there is just one. Its name is whole: nothing before it could be pointed to.
    fn find(packet: &[u8], header: Header) -> Option<Self> {
        if header.counts[0] != 1 {
            return None;
        }
        let name_end = wire::skip_name(packet, wire::HEADER)?;
        let qtype = wire::u16_at(packet, name_end)?;
        Some(Self { name_end, qtype, qclass: wire::u16_at(packet, name_end + 2)? })
    }

    fn end(self) -> usize {
        self.name_end + 4
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::wire::rtype;

    fn client() -> Client {
        Client::at(Ipv4Addr::LOCALHOST.into(), Transport::Udp)
    }

    const PLAIN: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01A\x04tEst\0\0\x01\0\x01";
    const OPT: &[u8] = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0";

    /// `PLAIN` with the header counts changed and bytes added at the end.
    fn packet(questions: u8, additionals: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = [PLAIN, rest].concat();
        packet[5] = questions;
        packet[11] = additionals;
        packet
    }

    fn fault(packet: &[u8]) -> Option<Fault> {
        match Query::read(packet, client()) {
            Err(Unreadable::Complain(complaint)) => Some(complaint.fault),
            _ => None,
        }
    }

    #[test]
    fn the_name_is_lower_case_and_as_asked() {
        let query = Query::read(PLAIN, client()).unwrap();

        assert_eq!(query.name, Name::parse("a.test").unwrap());
        assert_eq!(query.name_as_asked(), b"\x01A\x04tEst\0");
        assert_eq!((query.id, query.qtype, query.answer_limit()), (0x1234, rtype::A, 512));
    }

    #[test]
    fn edns_tells_size_and_dnssec_ok() {
        let query = Query::read(&packet(1, 1, OPT), client()).unwrap();

        assert!(query.is_dnssec_ok());
        assert_eq!(query.answer_limit(), 1232);
    }

    #[test]
    fn r02_r03_r58_what_cannot_be_read_is_ignored_or_malformed() {
        let response = [b"\x12\x34\x81\0".as_slice(), &PLAIN[4..]].concat();
        let update = [b"\x12\x34\x28\0".as_slice(), &PLAIN[4..]].concat();
        assert_eq!(Query::read(&PLAIN[..11], client()).unwrap_err(), Unreadable::Ignore);
        assert_eq!(Query::read(&response, client()).unwrap_err(), Unreadable::Ignore);
        assert_eq!(fault(&update), Some(Fault::Opcode));
        let mut opt_as_answer = packet(1, 0, OPT);
        opt_as_answer[7] = 1;
        for (packet, why) in [
            (packet(0, 0, b""), "no question"),
            (packet(2, 0, b""), "two questions"),
            (PLAIN[..PLAIN.len() - 1].to_vec(), "a question cut short"),
            (packet(1, 1, b""), "a record that is not there"),
            (packet(1, 2, &OPT.repeat(2)), "two OPT records"),
            (packet(1, 1, &[b"\x01a", OPT].concat()), "an OPT with a name"),
            (opt_as_answer, "an OPT as an answer"),
        ] {
            assert_eq!(fault(&packet), Some(Fault::Malformed), "{why}");
        }
    }
}
