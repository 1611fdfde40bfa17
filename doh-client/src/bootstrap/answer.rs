//! A host goes in as a question, the answer's addresses come out. A small reader of our own: of all
//! that DNS can say, only addresses at the end of a chain of aliases are of use here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::message::{AnswerProblem, Merit, Query};

/// Records looked at in one answer; providers give two to six addresses behind an alias or two.
const MAX_RECORDS: usize = 16;

/// Pointers followed in one name: each label of the longest name may have one.
const MAX_POINTERS: usize = 127;

/// Size of the header (RFC 1035 section 4.1.1).
const HEADER: usize = 12;

/// Types and class of the records of interest (RFC 1035 section 3.2, RFC 3596 section 2.1).
const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const IN: u16 = 1;

/// One of the two kinds of address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// The addresses of one family that a host has now, maybe none.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Records {
    pub(crate) addresses: Vec<IpAddr>,
    /// How long they are good for; nothing where there are none.
    pub(crate) ttl: Duration,
}

/// Why a resolver's answer is of no use.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Useless {
    #[error("it is no answer")]
    NoAnswer(#[source] AnswerProblem),
    #[error("the resolver failed or refused (response code {0})")]
    Declined(u8),
    #[error("it did not fit")]
    Truncated,
    #[error("its records are malformed")]
    Malformed,
}

impl Family {
    fn rtype(self) -> u16 {
        match self {
            Self::V4 => A,
            Self::V6 => AAAA,
        }
    }

    /// The question for a host's addresses; nothing for what is no name.
    pub(crate) fn question(self, host: &str) -> Option<Query> {
        let mut message = vec![0, 0, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in host.trim_end_matches('.').split('.') {
            let length = u8::try_from(label.len()).ok().filter(|length| *length > 0)?;
            message.push(length);
            message.extend_from_slice(label.as_bytes());
        }
        message.push(0);
        message.extend_from_slice(&self.rtype().to_be_bytes());
        message.extend_from_slice(&IN.to_be_bytes());
        Query::parse(&message).ok()
    }

    /// Reads the addresses out of an answer to that question.
    pub(crate) fn read(self, question: &Query, answer: &[u8]) -> Result<Records, Useless> {
        match question.judge(answer).map_err(Useless::NoAnswer)? {
            Merit::Good => {}
            Merit::Truncated => return Err(Useless::Truncated),
            Merit::Unhelpful => {
                return Err(Useless::Declined(answer.get(3).map_or(0, |codes| codes & 0x0f)));
            }
        }
        let mut reader = Reader { message: answer, at: HEADER };
        read_chain(&mut reader, self.rtype()).ok_or(Useless::Malformed)
    }
}

/// Walks the answer section once: aliases come before what they lead to.
fn read_chain(reader: &mut Reader<'_>, rtype: u16) -> Option<Records> {
    let count = u16::from_be_bytes(*reader.message.get(6..)?.first_chunk()?);
    let mut owner = reader.name()?;
    reader.take(4)?;
    let mut records = Records::default();
    let mut ttl = u32::MAX;
    for _ in 0..usize::from(count).min(MAX_RECORDS) {
        let record = reader.record()?;
        if record.owner != owner || record.class != IN {
            continue;
        }
        if record.rtype == CNAME {
            owner = Reader { message: reader.message, at: record.data_at }.name()?;
        } else if record.rtype == rtype {
            records.addresses.extend(address(record.data)?);
        } else {
            continue;
        }
        ttl = ttl.min(record.ttl);
    }
    if !records.addresses.is_empty() {
        records.ttl = Duration::from_secs(ttl.into());
    }
    Some(records)
}

/// The address of a record; an empty one where nobody can be dialled there, as some resolvers
/// answer for names that they block. Nothing where it has the wrong length.
fn address(data: &[u8]) -> Option<Option<IpAddr>> {
    let address: IpAddr = match data.len() {
        4 => Ipv4Addr::from(*data.first_chunk::<4>()?).into(),
        16 => Ipv6Addr::from(*data.first_chunk::<16>()?).into(),
        _ => return None,
    };
    let is_nobody = address.is_unspecified()
        || address.is_multicast()
        || address == IpAddr::V4(Ipv4Addr::BROADCAST);
    Some((!is_nobody).then_some(address))
}

struct Record<'a> {
    owner: Vec<u8>,
    rtype: u16,
    class: u16,
    ttl: u32,
    data: &'a [u8],
    data_at: usize,
}

/// Reads a message from front to back.
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.message.get(self.at..)?.get(..count)?;
        self.at += count;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(*self.take(2)?.first_chunk()?))
    }

    fn record(&mut self) -> Option<Record<'a>> {
        let owner = self.name()?;
        let (rtype, class) = (self.number()?, self.number()?);
        let ttl = u32::from_be_bytes(*self.take(4)?.first_chunk()?);
        // The highest bit means zero (RFC 2181 section 8).
        let ttl = if ttl > i32::MAX.unsigned_abs() { 0 } else { ttl };
        let length = self.number()?;
        let data_at = self.at;
        let data = self.take(length.into())?;
        Some(Record { owner, rtype, class, ttl, data, data_at })
    }

    /// A name in small letters without compression; pointers lead back only (RFC 1035 section
    /// 4.1.4), so that they cannot go round in circles.
    fn name(&mut self) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        let mut lowest = self.at;
        let mut pointers = 0;
        let mut after = None;
        loop {
            match *self.take(1)?.first()? {
                0 => break,
                length @ 1..=63 => {
                    name.push(length);
                    name.extend(self.take(length.into())?.iter().map(u8::to_ascii_lowercase));
                }
                high @ 0xc0.. => {
                    let low = *self.take(1)?.first()?;
                    after.get_or_insert(self.at);
                    self.at = usize::from(u16::from_be_bytes([high & 0x3f, low]));
                    pointers += 1;
                    if self.at >= lowest || pointers > MAX_POINTERS {
                        return None;
                    }
                    lowest = self.at;
                }
                _ => return None,
            }
            if name.len() > 254 {
                return None;
            }
        }
        self.at = after.unwrap_or(self.at);
        Some(name)
    }
}

#[cfg(test)]
mod tests;
