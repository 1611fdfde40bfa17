//! A stream goes in, messages come out; together with their lengths they must be the stream, and
//! the same ones must come out wherever it is cut.

#![no_main]

use dnsward::{
    listener::tcp::frame::{Frame, PREFIX},
    query::MAX_QUERY,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    let (messages, end) = read(stream);
    let mut written = Vec::new();
    for message in &messages {
        assert!((1..=MAX_QUERY).contains(&message.len()), "{} octets", message.len());
        let length = u16::try_from(message.len()).unwrap_or_default();
        written.extend_from_slice(&length.to_be_bytes());
        written.extend_from_slice(message);
    }
    assert!(stream.starts_with(&written), "not the stream");
    let rest = stream.len() - written.len();
    match end {
        Frame::Nothing => assert_eq!(rest, 0),
        Frame::Begun => assert!((1..PREFIX + MAX_QUERY).contains(&rest), "it waits for ever"),
        Frame::Broken => assert!(rest >= PREFIX),
        Frame::Whole(_) => panic!("a message was left behind"),
    }
    for cut in [stream.len() / 2, stream.len().saturating_sub(1)] {
        let (first, _) = read(stream.get(..cut).unwrap_or_default());
        assert!(messages.starts_with(&first), "a cut changes what came before it");
    }
});

/// The messages of a stream, and what stands behind them.
fn read(stream: &[u8]) -> (Vec<&[u8]>, Frame<'_>) {
    let mut messages = Vec::new();
    let mut at = 0;
    loop {
        match Frame::at(stream, at) {
            Frame::Whole(message) => {
                at += PREFIX + message.len();
                messages.push(message);
            }
            end => return (messages, end),
        }
    }
}
