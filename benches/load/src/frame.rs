//! Pieces of a TCP stream go in, whole messages come out (RFC 1035 section 4.2.2). Kept apart
//! because the floor and the load generator both cut streams, and must cut them alike.

/// Octets of the length before each message.
pub const LENGTH: usize = 2;

/// What a stream has brought so far.
///
/// Holds at most one unfinished message besides the piece that is being cut: 64 KiB.
#[derive(Debug, Default)]
pub struct Frames {
    rest: Vec<u8>,
}

impl Frames {
    /// Cuts one more piece of the stream; `each` sees every message that is whole now.
    pub fn cut(&mut self, piece: &[u8], mut each: impl FnMut(&[u8])) {
        if self.rest.is_empty() {
            // The common case copies nothing.
            let rest = cut_whole(piece, &mut each);
            self.rest.extend_from_slice(rest);
            return;
        }
        self.rest.extend_from_slice(piece);
        let unfinished = cut_whole(&self.rest, &mut each).len();
        self.rest.drain(..self.rest.len() - unfinished);
    }

    /// Whether the stream stands in the middle of a message.
    pub fn is_unfinished(&self) -> bool {
        !self.rest.is_empty()
    }
}

/// Takes the first message off a piece.
pub fn split_first(piece: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = piece.split_first_chunk::<LENGTH>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

fn cut_whole<'piece>(mut piece: &'piece [u8], each: &mut impl FnMut(&[u8])) -> &'piece [u8] {
    while let Some((message, rest)) = split_first(piece) {
        each(message);
        piece = rest;
    }
    piece
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts a stream that arrives in pieces of this size.
    fn cut(stream: &[u8], size: usize) -> (Vec<Vec<u8>>, bool) {
        let (mut frames, mut messages) = (Frames::default(), Vec::new());
        for piece in stream.chunks(size) {
            frames.cut(piece, |message| messages.push(message.to_vec()));
        }
        (messages, frames.is_unfinished())
    }

    #[test]
    fn pieces_of_any_size_give_the_same_messages() {
        let stream = b"\x00\x03abc\x00\x00\x00\x01d\x00\x05efghi";

        for size in 1..=stream.len() {
            let (messages, is_unfinished) = cut(stream, size);
            assert_eq!(messages, [&b"abc"[..], b"", b"d", b"efghi"], "pieces of {size}");
            assert!(!is_unfinished);
        }
    }

    #[test]
    fn a_message_that_has_not_ended_is_kept() {
        assert_eq!(cut(b"\x00\x02ab\x00\x05ef", 3), (vec![b"ab".to_vec()], true));
        assert_eq!(cut(b"\x00", 1), (vec![], true));
    }
}
