//! Any bytes go in as a list's file, packed or not; what comes out is no more than was allowed, and
//! the same every time.

#![no_main]

use std::io::{self, Cursor, Read};

use dnsward::lists::unpack::{too_large, unpack};
use libfuzzer_sys::fuzz_target;

/// Bytes that the text may have: more than any input, so that what is packed shows the bound.
const MAX_BYTES: u64 = 16 << 10;

fuzz_target!(|file: &[u8]| {
    let text = read(file, MAX_BYTES);
    match &text {
        Ok(text) => {
            assert!(text.len() as u64 <= MAX_BYTES);
            let is_packed = matches!(file, [0x1f | 0x28 | 0x50..=0x5f, ..]);
            assert!(is_packed || text == file, "a plain text is left alone");
            let least = text.len().max(file.len()) as u64;
            assert_eq!(read(file, least).ok().as_ref(), Some(text));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(text) = &text
        && let Some(below) = (text.len() as u64).checked_sub(1)
    {
        let error = read(file, below).expect_err("it is larger");
        assert!(too_large(&error).is_some(), "{error}");
    }
});

fn read(file: &[u8], max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    unpack(Cursor::new(file.to_vec()), max_bytes)?.read_to_end(&mut text)?;
    Ok(text)
}
