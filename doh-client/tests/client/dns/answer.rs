//! An act and a query go in, the bytes of the answer come out, right or wrong.

use std::ops::Range;

use super::Act;

/// The flags of a NOERROR answer.
const NOERROR: [u8; 2] = [0x81, 0x80];

/// Where the name of a query with one question stands.
pub(crate) fn name_of(message: &[u8]) -> Range<usize> {
    12..message.len() - 4
}

/// The bytes of an act that writes.
pub(super) fn answers(act: Act, query: &[u8]) -> Vec<u8> {
    let answer = reply(act, query);
    match act {
        Act::Strays(count) => {
            let strays = strays(&answer, count).map(|stray| framed(&stray));
            strays.chain([framed(&answer)]).collect::<Vec<_>>().concat()
        }
        Act::Part(size) => framed(&answer)[..size].to_vec(),
        Act::Length(length) => [&length.to_be_bytes(), answer.as_slice()].concat(),
        _ => framed(&answer),
    }
}

pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("no longer than a message may be");
    [&length.to_be_bytes(), message].concat()
}

/// The answer of an act to a query.
pub(crate) fn reply(act: Act, query: &[u8]) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[2..4].copy_from_slice(&NOERROR);
    match act {
        Act::Flags(flags) => answer[2..4].copy_from_slice(&flags),
        Act::Turn(at, bits) => answer[at] ^= bits,
        Act::SmallLetters => answer[name_of(query)].make_ascii_lowercase(),
        Act::Size(size) => answer.resize(size, 0),
        _ => {}
    }
    answer
}

/// Answers under other ids.
pub(super) fn strays(answer: &[u8], count: usize) -> impl Iterator<Item = Vec<u8>> {
    (1..=count).map(|number| {
        let mut stray = answer.to_vec();
        stray[1] ^= u8::try_from(number).expect("the floods of these tests are small");
        stray
    })
}
