//! What a connection has read goes in, its next whole message comes out (RFC 1035 section 4.2.2).

use crate::{query::MAX_QUERY, wire};

/// Octets of length before each message.
pub const PREFIX: usize = 2;

/// What the octets at a place are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'u> {
    /// A whole message.
    Whole(&'u [u8]),
    /// The beginning of one.
    Begun,
    /// Nothing yet.
    Nothing,
    /// No DNS: a message of no octets, or longer than any query. Waiting for its end would fill
    /// memory, and where the next one begins cannot be believed.
    Broken,
}

impl<'u> Frame<'u> {
    /// What begins at an offset.
    pub fn at(unread: &'u [u8], at: usize) -> Self {
        let rest = unread.get(at..).unwrap_or_default();
        let Some(length) = wire::u16_at(rest, 0).map(usize::from) else {
            return if rest.is_empty() { Self::Nothing } else { Self::Begun };
        };
        if length == 0 || length > MAX_QUERY {
            return Self::Broken;
        }
        rest.get(PREFIX..PREFIX + length).map_or(Self::Begun, Self::Whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r10_a_frame_is_whole_when_its_last_octet_is_there() {
        let unread = b"\0\x03abc\0\x01d";
        for length in 0..=unread.len() {
            let first = Frame::at(&unread[..length], 0);
            let expected = match length {
                0 => Frame::Nothing,
                1..5 => Frame::Begun,
                _ => Frame::Whole(b"abc"),
            };
            assert_eq!(first, expected, "{length} octets");
        }
        assert_eq!(Frame::at(unread, 5), Frame::Whole(b"d"));
        assert_eq!(Frame::at(unread, 8), Frame::Nothing);
        assert_eq!(Frame::at(unread, 9), Frame::Nothing);
    }

    #[test]
    fn r10_a_frame_of_nothing_or_too_much_is_broken() {
        assert_eq!(Frame::at(b"\0\0", 0), Frame::Broken);
        assert_eq!(Frame::at(b"\x10\x01", 0), Frame::Broken);
        assert_eq!(Frame::at(b"\x10\0", 0), Frame::Begun);
    }
}
