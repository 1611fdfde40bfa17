//! An answer that was given goes in, the same answer for somebody else who asks the same comes out:
//! under another id, in another letter case, some seconds older, with an OPT record of its own.

use super::{Opt, overwrite};
use crate::{
    query::{Query, option},
    wire::{self, Header, Records, rtype},
};

/// Where the header counts the records of the additional section.
const ADDITIONALS: usize = 10;

/// An answer as it was given, ready to be given again.
#[derive(Debug)]
pub struct Finished {
    /// The message without OPT, then the Extended DNS Errors of that.
    octets: Box<[u8]>,
    /// Where they begin.
    message_end: usize,
    /// Where times to live lie, and what they were.
    ttls: Box<[(u16, u32)]>,
}

impl Finished {
    /// Keeps an answer to this query, at most so many octets of it; nothing where it is longer, or
    /// more than a copy is needed.
    pub fn of(query: &Query, answer: &[u8], limit: usize) -> Option<Self> {
        let mut header = Header::read(answer)?;
        let question_end = wire::HEADER + query.name_as_asked().len() + 4;
        let (mut ttls, mut message_end, mut errors) = (Vec::new(), answer.len(), Vec::new());
        for record in Records::new(answer, question_end, header.records()) {
            let record = record.ok()?;
            if record.rtype == rtype::OPT {
                // The last record, as all our answers have it.
                if record.data.end != answer.len() {
                    return None;
                }
                message_end = record.start;
                header.counts[3] = header.counts[3].checked_sub(1)?;
                errors = extended_errors(answer.get(record.data)?)?;
            } else {
                ttls.push((u16::try_from(record.ttl_at).ok()?, record.ttl));
            }
        }
        let mut octets = answer.get(..message_end)?.to_vec();
        overwrite(&mut octets, 0, &super::header_bytes(header));
        octets.extend(errors);
        let is_small = octets.len() <= limit;
        is_small.then(|| Self { octets: octets.into(), message_end, ttls: ttls.into() })
    }

    /// Gives it again, so many seconds older, to somebody who asks the same with the same flags.
    pub fn give(&self, query: &Query, age: u32, out: &mut Vec<u8>) {
        let (message, errors) = self.octets.split_at(self.message_end);
        out.clear();
        out.extend_from_slice(message);
        overwrite(out, 0, &query.id.to_be_bytes());
        overwrite(out, wire::HEADER, query.name_as_asked());
        if age > 0 {
            for (at, ttl) in &self.ttls {
                overwrite(out, usize::from(*at), &ttl.saturating_sub(age).to_be_bytes());
            }
        }
        if let Some(opt) = Opt::answering(query, 0) {
            opt.write_with(out, errors);
            // Without OPT of its own there are fewer than 65,535 additional records.
            let additionals = wire::u16_at(out, ADDITIONALS).unwrap_or(0) + 1;
            overwrite(out, ADDITIONALS, &additionals.to_be_bytes());
        }
    }
}

/// The Extended DNS Errors among the options of an OPT record, as they are on the wire.
fn extended_errors(mut options: &[u8]) -> Option<Vec<u8>> {
    let mut errors = Vec::new();
    while !options.is_empty() {
        let length = 4 + usize::from(wire::u16_at(options, 2)?);
        let (option, rest) = options.split_at_checked(length)?;
        if wire::u16_at(option, 0)? == option::EXTENDED_ERROR {
            errors.extend_from_slice(option);
        }
        options = rest;
    }
    Some(errors)
}
