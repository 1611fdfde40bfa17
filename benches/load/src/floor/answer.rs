//! A query goes in, its answer comes out in the same place: the cheapest honest answer there is.

use crate::packet::HEADER;

/// Octets that an answer is longer than its query: pointer, type, class, TTL, length, address.
pub const GROWTH: usize = 16;

/// The record every name has. The TTL is an hour, so that no cache before the floor runs dry in a
/// run; the address is of a documentation range, which no rebinding protection takes out.
const RECORD: [u8; GROWTH] = [0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4, 198, 51, 100, 1];

/// The question asks for an IPv4 address of the Internet.
const A_IN: [u8; 4] = [0, 1, 0, 1];

/// Turns the query at the front of `buffer` into its answer and returns the answer's length.
///
/// An OPT record, or whatever follows the question, moves behind the answer and is sent back, so
/// that answers have the size a real server's have. Types other than A get no record. A message
/// that is not a query with one question, or leaves no room, gets no answer.
pub fn answer_in_place(buffer: &mut [u8], query: usize) -> Option<usize> {
    let message = buffer.get(..query)?;
    let (flags, counts) = (message.get(2)?, message.get(4..6)?);
    if flags & 0x80 != 0 || counts != [0, 1] {
        return None;
    }
    let type_and_class = end_of_name(message)?;
    let section_end = type_and_class + A_IN.len();
    let has_record = message.get(type_and_class..section_end)? == A_IN;
    let end = if has_record { query + GROWTH } else { query };
    if has_record {
        // The room is checked before anything moves.
        buffer.get(..end)?;
        buffer.copy_within(section_end..query, section_end + GROWTH);
        buffer.get_mut(section_end..section_end + GROWTH)?.copy_from_slice(&RECORD);
    }
    *buffer.get_mut(2)? |= 0x80;
    *buffer.get_mut(3)? = 0x80;
    *buffer.get_mut(7)? = u8::from(has_record);
    Some(end)
}

/// Where the name of the first question ends.
fn end_of_name(message: &[u8]) -> Option<usize> {
    let mut place = HEADER;
    loop {
        match *message.get(place)? {
            0 => return Some(place + 1),
            // No question can point anywhere: nothing stands before it.
            length @ 1..64 => place += 1 + usize::from(length),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Edns, Question, Verdict};

    fn answer(question: &Question) -> Option<Vec<u8>> {
        let mut buffer = Vec::new();
        question.write(0x1234, &mut buffer);
        let query = buffer.len();
        buffer.resize(512, 0);
        let end = answer_in_place(&mut buffer, query)?;
        buffer.truncate(end);
        Some(buffer)
    }

    #[test]
    fn the_answer_has_the_question_one_address_and_the_opt_record() {
        let question = Question::new("a.example", 1, Edns::Plain).unwrap();

        let answer = answer(&question).unwrap();

        let expected = b"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x01\
            \x01a\x07example\x00\x00\x01\x00\x01\
            \xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\xc6\x33\x64\x01\
            \x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";
        assert_eq!(answer, expected);
        assert_eq!(question.judge(&answer), Verdict::Right);
    }

    #[test]
    fn other_types_get_an_answer_without_records() {
        let question = Question::new("a.example", 28, Edns::Plain).unwrap();

        let answer = answer(&question).unwrap();

        assert_eq!(answer[6..8], [0, 0]);
        assert_eq!(question.judge(&answer), Verdict::Right);
    }

    #[test]
    fn what_is_no_query_gets_nothing() {
        let mut wire = Vec::new();
        Question::new("a.example", 1, Edns::Absent).unwrap().write(1, &mut wire);
        let (mut response, mut pointer, mut full) = (wire.clone(), wire.clone(), wire.clone());
        response[2] |= 0x80;
        pointer[HEADER] = 0xc0;

        let room = |mut message: Vec<u8>, query: usize| {
            message.resize(512, 0);
            answer_in_place(&mut message, query)
        };
        assert_eq!(room(response, wire.len()), None);
        assert_eq!(room(pointer, wire.len()), None);
        assert_eq!(room(wire.clone(), 20), None, "cut off");
        assert_eq!(answer_in_place(&mut full, wire.len()), None, "no room");
    }
}
