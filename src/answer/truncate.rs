//! A message that is too long goes in, how much of it is whole RRsets comes out.

use std::ops::Range;

use crate::wire::{self, HEADER, Records, rtype};

/// Where the OPT record lies, which is the last one of what we write; an empty place at the end
/// where there is none.
pub(super) fn opt(message: &[u8], question_end: usize, records: usize) -> Range<usize> {
    let last = Records::new(message, question_end, records).filter_map(Result::ok).last();
    let start = last.filter(|record| record.rtype == rtype::OPT).map(|record| record.start);
    start.unwrap_or(message.len())..message.len()
}

/// Whether any of the records from a place on proves that something does not exist.
pub(super) fn has_proofs(message: &[u8], from: usize, records: usize) -> bool {
    let mut rest = Records::new(message, from, records).map_while(Result::ok);
    rest.any(|record| matches!(record.rtype, rtype::NSEC | rtype::NSEC3))
}

/// How many records of the answer section fit as whole RRsets, and where the last of them ends.
pub(super) fn whole_rrsets(
    message: &[u8],
    question_end: usize,
    answers: u16,
    room: usize,
) -> (u16, usize) {
    let mut records = Records::new(message, question_end, usize::from(answers));
    let (mut kept, mut end) = (0, question_end);
    let (mut seen, mut last_end) = (0, question_end);
    let mut rrset = None;
    while let Some(Ok(record)) = records.next() {
        let of = Some((owner_at(message, record.start), record.rtype));
        if rrset != of {
            (kept, end, rrset) = (seen, last_end, of);
        }
        if record.data.end > room {
            return (kept, end);
        }
        (seen, last_end) = (seen + 1, record.data.end);
    }
    (seen, last_end)
}

/// Where an owner's name is written: here, or where its pointer leads. In what we write, the same
/// name is always written in one place.
fn owner_at(message: &[u8], start: usize) -> usize {
    match wire::u16_at(message, start) {
        Some(pointer) if pointer >= 0xc000 => usize::from(pointer & 0x3fff).max(HEADER),
        _ => start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A question for `a.test`, a CNAME to `b.test`, and three addresses of that.
    fn message() -> Vec<u8> {
        let mut message = b"\0\0\x81\x80\0\x01\0\x04\0\0\0\0\x01a\x04test\0\0\x01\0\x01".to_vec();
        message.extend_from_slice(b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01b\xc0\x0e");
        for last in 1..=3 {
            message.extend_from_slice(b"\xc0\x24\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02");
            message.push(last);
        }
        message
    }

    #[test]
    fn r08_an_rrset_is_kept_whole_or_not_at_all() {
        let message = message();
        let (alias_end, whole) = (40, message.len());
        for (room, expected) in [
            (whole, (4, whole)),
            (whole - 1, (1, alias_end)),
            (alias_end + 20, (1, alias_end)),
            (alias_end, (1, alias_end)),
            (alias_end - 1, (0, 24)),
            (0, (0, 24)),
        ] {
            assert_eq!(whole_rrsets(&message, 24, 4, room), expected, "room for {room}");
        }
    }
}
