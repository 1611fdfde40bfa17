//! A query goes in, what only its server can know of it goes out: its bytes with a random id and
//! letters in random case. What comes back is held against them.

use std::io;

use bytes::Bytes;

use crate::message::Query;
use crate::random::random;

/// Bits for the letters of the longest name.
const CASE_BYTES: usize = 32;

/// The bit that tells a small letter from a capital one.
const CASE: u8 = b'a' ^ b'A';

/// A query as it is sent.
pub(super) struct Disguise<'a> {
    query: &'a Query,
    wire: Vec<u8>,
    id: [u8; 2],
    is_mixed: bool,
}

/// How much of a query a datagram has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Likeness {
    /// It answers the query.
    Same,
    /// It would, but its letters are not as they were sent.
    OtherCase,
    /// It answers something else, or nothing.
    Other,
}

impl<'a> Disguise<'a> {
    /// Puts it on.
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    pub(super) fn new(query: &'a Query, is_mixed: bool) -> io::Result<Self> {
        let id = random()?;
        let mut wire = query.wire().to_vec();
        set_id(&mut wire, id);
        if is_mixed {
            let bits = random::<CASE_BYTES>()?;
            mix(wire.get_mut(query.name()).unwrap_or_default(), bits);
        }
        Ok(Self { query, wire, id, is_mixed })
    }

    pub(super) fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// Leaves the letters as they are from now on, and accepts them in any case.
    pub(super) fn drop_case(&mut self) {
        self.is_mixed = false;
        copy_name(self.query, &self.query.wire(), &mut self.wire);
    }

    pub(super) fn compare(&self, datagram: &[u8]) -> Likeness {
        if !datagram.starts_with(&self.id) {
            return Likeness::Other;
        }
        let mut answer = datagram.to_vec();
        set_id(&mut answer, [0, 0]);
        if self.query.judge(&answer).is_err() {
            return Likeness::Other;
        }
        let name = self.query.name();
        if self.is_mixed && answer.get(name.clone()) != self.wire.get(name) {
            return Likeness::OtherCase;
        }
        Likeness::Same
    }

    /// Makes an answer one to the query as it was asked.
    pub(super) fn take_off(&self, datagram: &[u8]) -> Bytes {
        let mut answer = datagram.to_vec();
        set_id(&mut answer, [0, 0]);
        copy_name(self.query, &self.query.wire(), &mut answer);
        answer.into()
    }
}

fn set_id(message: &mut [u8], id: [u8; 2]) {
    if let Some(first) = message.first_chunk_mut() {
        *first = id;
    }
}

fn copy_name(query: &Query, from: &[u8], to: &mut [u8]) {
    if let (Some(from), Some(to)) = (from.get(query.name()), to.get_mut(query.name())) {
        to.copy_from_slice(from);
    }
}

/// Turns the letters whose bit is set. Length bytes are never letters: the largest lies below `A`.
fn mix(name: &mut [u8], bits: [u8; CASE_BYTES]) {
    for (at, byte) in name.iter_mut().enumerate() {
        let is_set = bits.get(at / 8).is_some_and(|bits| bits >> (at % 8) & 1 == 1);
        if is_set && byte.is_ascii_alphabetic() {
            *byte ^= CASE;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn query(name: &str) -> Query {
        let mut message = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00".to_vec();
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend_from_slice(label.as_bytes());
        }
        message.extend_from_slice(&[0, 0, 1, 0, 1]);
        Query::parse(&message).unwrap()
    }

    fn answer_to(disguise: &Disguise<'_>) -> Vec<u8> {
        let mut answer = disguise.wire().to_vec();
        answer[2..4].copy_from_slice(&[0x81, 0x80]);
        answer
    }

    #[test]
    fn every_disguise_is_another_and_hides_the_same_query() {
        let query = query("many-Letters.0123.example");
        let mut seen = HashSet::new();
        for _ in 0..1000 {
            let disguise = Disguise::new(&query, true).unwrap();
            let plain = disguise.take_off(disguise.wire());

            assert_eq!(plain, query.wire());
            seen.insert(disguise.wire()[2..].to_vec());
        }

        assert!(seen.len() > 990, "{} different ones", seen.len());
    }

    #[test]
    fn ids_are_all_different_numbers() {
        let query = query("a.test");
        let ids: HashSet<_> = (0..1000).map(|_| Disguise::new(&query, false).unwrap().id).collect();

        assert!(ids.len() > 900, "{} different ones", ids.len());
    }

    #[test]
    fn only_letters_are_turned() {
        let name = b"\x04ab-1\x3f@[`{\x00".to_vec();
        let mut mixed = name.clone();

        mix(&mut mixed, [0xff; CASE_BYTES]);

        assert_eq!(mixed, b"\x04AB-1\x3f@[`{\x00");
        mix(&mut mixed, [0xff; CASE_BYTES]);
        assert_eq!(mixed, name);
    }

    #[test]
    fn t07_an_answer_in_another_case_is_told_from_one_to_something_else() {
        let query = query("some-long-name.test");
        let disguise = Disguise::new(&query, true).unwrap();
        let good = answer_to(&disguise);
        assert_eq!(disguise.compare(&good), Likeness::Same);
        assert_eq!(disguise.take_off(&good)[12..], query.wire()[12..]);

        let mut turned = good.clone();
        turned[13] ^= CASE;
        assert_eq!(disguise.compare(&turned), Likeness::OtherCase);

        for (at, bits) in [(0, 1), (1, 1), (2, 0x80), (2, 0x08), (5, 1), (12, 1), (13, 1)] {
            let mut other = good.clone();
            other[at] ^= bits;
            assert_eq!(disguise.compare(&other), Likeness::Other, "byte {at}");
        }
        for length in 0..good.len() {
            assert_eq!(disguise.compare(&good[..length]), Likeness::Other, "{length} bytes");
        }
    }

    #[test]
    fn without_case_any_letters_will_do() {
        let query = query("some-long-name.test");
        let mut disguise = Disguise::new(&query, true).unwrap();
        disguise.drop_case();
        assert_eq!(disguise.wire()[2..], query.wire()[2..]);

        let mut turned = answer_to(&disguise);
        turned[13] ^= CASE;

        assert_eq!(disguise.compare(&turned), Likeness::Same);
    }
}
