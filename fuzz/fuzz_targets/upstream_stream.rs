//! What an upstream sends over TLS or TCP goes in; the messages that come out are in it one behind
//! the other, and they are the same ones wherever it is cut.

#![no_main]

// A part of the client that nobody outside has to know: it is taken from where it stands.
#[path = "../../doh-client/src/transport/stream/frames.rs"]
mod frames;

/// What that part takes from others of the client.
mod message {
    pub(crate) const HEADER: usize = 12;
    pub(crate) const MAX_MESSAGE: usize = 65_535;
}

use frames::Frames;
use libfuzzer_sys::fuzz_target;
use message::HEADER;

fuzz_target!(|stream: &[u8]| {
    let (messages, is_broken) = read(stream, usize::MAX);
    let mut written = Vec::new();
    for message in &messages {
        assert!(message.len() >= HEADER, "{} octets", message.len());
        written.extend_from_slice(&u16::try_from(message.len()).unwrap_or_default().to_be_bytes());
        written.extend_from_slice(message);
    }
    assert!(stream.starts_with(&written), "not the stream");
    for piece in [1, 7, 333] {
        assert!(read(stream, piece) == (messages.clone(), is_broken), "pieces of {piece}");
    }
});

/// The messages of a stream that comes in pieces, and whether it cannot go on.
fn read(mut stream: &[u8], piece: usize) -> (Vec<Vec<u8>>, bool) {
    let (mut frames, mut messages) = (Frames::new(), Vec::new());
    while !stream.is_empty() {
        let room = frames.room();
        let (now, later) = stream.split_at(piece.min(room.len()).min(stream.len()));
        assert!(!now.is_empty(), "it waits for ever");
        room.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
        frames.fill(now.len());
        stream = later;
        loop {
            match frames.take() {
                Ok(Some(message)) => messages.push(message.to_vec()),
                Ok(None) => break,
                Err(_bad_length) => return (messages, true),
            }
        }
    }
    (messages, false)
}
