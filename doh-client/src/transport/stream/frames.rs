//! Bytes of a stream go in as they come, whole messages go out (RFC 1035 section 4.2.2). Nothing of
//! DNS is known here but that each message stands behind its length and has a header.

use crate::message::{HEADER, MAX_MESSAGE};

/// Size of the length in front of a message.
const PREFIX: usize = 2;

/// Room to begin with: what one TLS record holds, and the answers to a few dozen queries.
const ROOM: usize = 16 * 1024;

/// Most room: the largest message and its length.
const MAX_ROOM: usize = PREFIX + MAX_MESSAGE;

/// What of a stream was read and not yet taken out.
pub(crate) struct Frames {
    /// Grows to [`MAX_ROOM`] when a message needs it.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// A length that no message has. What follows it has no meaning.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a message of {0} bytes, expected the 12 of a header at least")]
pub(crate) struct BadLength(usize);

impl Frames {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; ROOM], start: 0, end: 0 }
    }

    /// Where the next bytes are to be put; never empty as long as all messages were taken out.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(MAX_ROOM, 0);
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// Says how much of the room was filled.
    pub(crate) fn fill(&mut self, count: usize) {
        self.end = self.buffer.len().min(self.end + count);
    }

    /// Takes out the next message, if it is there as a whole.
    ///
    /// # Errors
    ///
    /// When the length in front of it is less than any message has.
    pub(crate) fn take(&mut self) -> Result<Option<&[u8]>, BadLength> {
        let waiting = self.buffer.get(self.start..self.end).unwrap_or_default();
        let Some((length, rest)) = waiting.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*length));
        if length < HEADER {
            return Err(BadLength(length));
        }
        let message = rest.get(..length);
        if message.is_some() {
            self.start += PREFIX + length;
        }
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All messages of a stream that arrives in pieces of these sizes, over and over.
    fn read(mut stream: &[u8], pieces: &[usize]) -> (Vec<Vec<u8>>, Result<(), BadLength>) {
        let (mut frames, mut messages) = (Frames::new(), Vec::new());
        for piece in pieces.iter().cycle() {
            let room = frames.room();
            let count = stream.len().min(*piece).min(room.len());
            assert!(!room.is_empty(), "it would wait for ever");
            room[..count].copy_from_slice(&stream[..count]);
            frames.fill(count);
            stream = &stream[count..];
            loop {
                match frames.take() {
                    Ok(Some(message)) => messages.push(message.to_vec()),
                    Ok(None) => break,
                    Err(error) => return (messages, Err(error)),
                }
            }
            if stream.is_empty() {
                break;
            }
        }
        (messages, Ok(()))
    }

    fn stream_of(messages: &[Vec<u8>]) -> Vec<u8> {
        let framed = |message: &Vec<u8>| {
            let length = u16::try_from(message.len()).unwrap();
            [&length.to_be_bytes(), message.as_slice()].concat()
        };
        messages.iter().flat_map(framed).collect()
    }

    /// A generator of noise that is the same in every run.
    fn noise(seed: u64) -> impl FnMut() -> usize {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap()
        }
    }

    #[test]
    fn the_same_messages_come_out_wherever_the_stream_is_cut() {
        for seed in 1..300 {
            let mut noise = noise(seed);
            let sizes = [12, 13, 60, 512, 1232, ROOM - 2, ROOM - 1, ROOM, MAX_MESSAGE];
            let mut message = || {
                let size = sizes[noise() % sizes.len()];
                vec![u8::try_from(noise() % 256).unwrap(); size]
            };
            let messages: Vec<_> = (0..5).map(|_| message()).collect();
            let pieces: Vec<_> = (0..7).map(|_| 1 + noise() % 5000).collect();

            let (found, outcome) = read(&stream_of(&messages), &pieces);

            assert_eq!(outcome, Ok(()));
            assert!(found == messages, "seed {seed}");
        }
    }

    #[test]
    fn t06_a_message_may_have_65535_bytes() {
        let messages = vec![vec![7; MAX_MESSAGE], vec![8; 12]];

        let (found, outcome) = read(&stream_of(&messages), &[MAX_ROOM]);

        assert!(found == messages && outcome.is_ok());
    }

    #[test]
    fn t07_a_length_that_no_message_has_ends_the_stream_after_what_was_good() {
        for length in 0..12_u8 {
            let stream = [stream_of(&[vec![1; 12]]), vec![0, length], vec![0; 40]].concat();

            let (found, outcome) = read(&stream, &[1, 2, 3]);

            assert_eq!((found.len(), outcome), (1, Err(BadLength(length.into()))));
        }
    }

    #[test]
    fn noise_never_makes_it_panic_or_stand_still() {
        for seed in 1..2000 {
            let mut noise = noise(seed);
            let stream: Vec<u8> =
                (0..noise() % 3000).map(|_| u8::try_from(noise() % 256).unwrap()).collect();
            let _ = read(&stream, &[1 + noise() % 700]);
        }
    }
}
