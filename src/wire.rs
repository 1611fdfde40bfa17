//! A DNS message goes in as bytes, the places of its parts come out; nothing is copied.
//!
//! Exists because most of what a forwarder does with a message needs offsets, not values: where
//! the time to live of each record lies, where the OPT record begins. Every read is checked, and
//! a name never costs more than its own length, so hostile bytes cost no more than honest ones.

use std::ops::Range;

/// Octets before the question (RFC 1035 section 4.1.1).
pub const HEADER: usize = 12;

/// Longest name, root included (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 255;

/// Longest label (RFC 1035 section 2.3.4); larger length octets are pointers or reserved.
const MAX_LABEL: u8 = 63;

/// Header flags, as bits of the second word.
pub mod flag {
    /// This is a response.
    pub const QR: u16 = 1 << 15;
    /// The four bits of the operation.
    pub const OPCODE: u16 = 0xf << 11;
    /// Truncated: ask again over TCP.
    pub const TC: u16 = 1 << 9;
    /// Recursion desired.
    pub const RD: u16 = 1 << 8;
    /// Recursion available.
    pub const RA: u16 = 1 << 7;
    /// Authentic data (RFC 4035 section 3.2.3).
    pub const AD: u16 = 1 << 5;
    /// Checking disabled (RFC 4035 section 3.2.2).
    pub const CD: u16 = 1 << 4;
    /// The four lower bits of the response code.
    pub const RCODE: u16 = 0xf;
}

/// Record types that the server itself must know by number.
pub mod rtype {
    /// No type, and never one (RFC 6895 section 3.1).
    pub const RESERVED: u16 = 0;
    /// An IPv4 address.
    pub const A: u16 = 1;
    /// Another name of the owner.
    pub const CNAME: u16 = 5;
    /// Start of a zone of authority.
    pub const SOA: u16 = 6;
    /// What a host is; stands in for all types (RFC 8482 section 4.2).
    pub const HINFO: u16 = 13;
    /// A name that an address belongs to.
    pub const PTR: u16 = 12;
    /// Texts.
    pub const TXT: u16 = 16;
    /// An IPv6 address.
    pub const AAAA: u16 = 28;
    /// EDNS (RFC 6891).
    pub const OPT: u16 = 41;
    /// What lies between two names, and so does not exist (RFC 4034 section 4).
    pub const NSEC: u16 = 47;
    /// The same between hashes of names (RFC 5155 section 3).
    pub const NSEC3: u16 = 50;
    /// What a resolver does (RFC 9606).
    pub const RESINFO: u16 = 261;
    /// The first of the types that only a question can have, among them zone transfers
    /// (RFC 6895 section 3.1).
    pub const FIRST_META: u16 = 249;
    /// The last of them but ANY.
    pub const LAST_META: u16 = 254;
    /// All records of a name.
    pub const ANY: u16 = 255;
}

/// The class of the Internet.
pub const CLASS_IN: u16 = 1;

/// What lies before the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The id that an answer repeats.
    pub id: u16,
    /// All flags, see [`flag`].
    pub flags: u16,
    /// Entries of each section: question, answer, authority, additional.
    pub counts: [u16; 4],
}

impl Header {
    /// The header, or nothing where there are fewer than twelve octets.
    pub fn read(message: &[u8]) -> Option<Self> {
        let [i, d, f, l, q, q2, a, a2, n, n2, x, x2] = *message.first_chunk()?;
        let word = |high, low| u16::from_be_bytes([high, low]);
        Some(Self {
            id: word(i, d),
            flags: word(f, l),
            counts: [word(q, q2), word(a, a2), word(n, n2), word(x, x2)],
        })
    }

    /// Whether the message is a response.
    pub fn is_response(self) -> bool {
        self.flags & flag::QR != 0
    }

    /// Records after the question.
    pub fn records(self) -> usize {
        let [_, answers, authorities, additionals] = self.counts;
        usize::from(answers) + usize::from(authorities) + usize::from(additionals)
    }
}

/// One record and the places of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where the owner's name begins.
    pub start: usize,
    /// Its type, see [`rtype`].
    pub rtype: u16,
    /// Its class; for OPT the sender's UDP size.
    pub class: u16,
    /// Its time to live in seconds; for OPT extended code, version and flags.
    pub ttl: u32,
    /// Where the time to live lies.
    pub ttl_at: usize,
    /// Where its data lie.
    pub data: Range<usize>,
}

/// The records of a message, one after the other; ends early with an error where they are broken.
#[derive(Clone, Debug)]
pub struct Records<'m> {
    message: &'m [u8],
    at: usize,
    left: usize,
}

/// The bytes are not a DNS message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a DNS message")]
pub struct Malformed;

impl<'m> Records<'m> {
    /// The records that begin at an offset, `left` of them.
    pub fn new(message: &'m [u8], at: usize, left: usize) -> Self {
        Self { message, at, left }
    }

    /// Where the record after the last one read begins.
    pub fn position(&self) -> usize {
        self.at
    }

    fn read(&mut self) -> Option<Record> {
        let start = self.at;
        let fixed = skip_name(self.message, start)?;
        let [t, t2, c, c2, l, l2, l3, l4, n, n2] = *self.message.get(fixed..)?.first_chunk()?;
        let data_at = fixed + 10;
        let end = data_at + usize::from(u16::from_be_bytes([n, n2]));
        self.message.get(data_at..end)?;
        self.at = end;
        Some(Record {
            start,
            rtype: u16::from_be_bytes([t, t2]),
            class: u16::from_be_bytes([c, c2]),
            ttl: u32::from_be_bytes([l, l2, l3, l4]),
            ttl_at: fixed + 4,
            data: data_at..end,
        })
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let record = self.read();
        if record.is_none() {
            self.left = 0;
        }
        Some(record.ok_or(Malformed))
    }
}

/// The big-endian word at an offset.
pub fn u16_at(message: &[u8], at: usize) -> Option<u16> {
    message.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

/// The big-endian double word at an offset.
pub fn u32_at(message: &[u8], at: usize) -> Option<u32> {
    message.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

/// Where a name ends that begins at `at`: after its root label or its pointer.
///
/// A pointer is not followed, but it must lead backwards (RFC 1035 section 4.1.4 speaks of a
/// *prior* occurrence), which is what keeps whoever follows it from going round in circles.
pub fn skip_name(message: &[u8], at: usize) -> Option<usize> {
    let mut here = at;
    loop {
        let length = *message.get(here)?;
        match length {
            0 => return within_limit(at, here + 1),
            1..=MAX_LABEL => here += 1 + usize::from(length),
            0xc0.. => {
                let target = usize::from(u16_at(message, here)? & 0x3fff);
                let is_backwards = (HEADER..at).contains(&target);
                return if is_backwards { within_limit(at, here + 2) } else { None };
            }
            _ => return None,
        }
        within_limit(at, here)?;
    }
}

fn within_limit(start: usize, end: usize) -> Option<usize> {
    (end - start <= MAX_NAME).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A response to `a.test` with an A record whose owner is a pointer to the question.
    const RESPONSE: &[u8] = b"\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0\x01a\x04test\0\0\x01\0\x01\
        \xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x7f\0\0\x01";

    #[test]
    fn a_record_is_found_with_its_time_to_live() {
        let question_end = skip_name(RESPONSE, HEADER).unwrap() + 4;
        let records: Vec<_> = Records::new(RESPONSE, question_end, 1).collect();

        let [Ok(record)] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!((record.rtype, record.ttl), (rtype::A, 60));
        assert_eq!(&RESPONSE[record.data.clone()], [127, 0, 0, 1]);
    }

    #[test]
    fn r05_names_that_lead_nowhere_are_malformed() {
        let padded = |name: &[u8]| [&[0; HEADER], name].concat();
        let too_long = [[63u8].as_slice(), &[b'a'; 63]].concat().repeat(4);
        for (name, why) in [
            (&b"\xc0\x0c"[..], "a pointer to itself"),
            (b"\xc0\xff", "a pointer forwards"),
            (b"\xc0\x00", "a pointer into the header"),
            (b"\x40a\0", "a reserved label type"),
            (b"\x03ab", "a label past the end"),
            (b"\x01a", "no root"),
            (b"", "nothing"),
            (&[too_long.as_slice(), b"\0"].concat(), "a name of 257 octets"),
        ] {
            assert_eq!(skip_name(&padded(name), HEADER), None, "{why}");
        }
    }

    #[test]
    fn a_record_cut_short_ends_the_records_with_an_error() {
        for cut in 1..16 {
            let message = &RESPONSE[..RESPONSE.len() - cut];
            let records: Vec<_> = Records::new(message, 24, 3).collect();
            assert_eq!(records, [Err(Malformed)], "{cut} octets short");
        }
    }
}
