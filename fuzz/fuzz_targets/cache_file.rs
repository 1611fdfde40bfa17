//! Any octets go in as the records of a cache's file whose sum is right; they are refused, or become
//! answers that are written and read again as the same.

#![no_main]

use std::{io::Cursor, time::Duration};

use dnsward::cache::{Bounds, Cache, Moment, Terms};
use libfuzzer_sys::fuzz_target;
use tokio::time::Instant;

/// Seconds since 1970 when every file was written, and is read.
const NOW: u64 = 1_800_000_000;

fuzz_target!(|records: &[u8]| {
    let now = Moment { here: Instant::now(), wall: Duration::from_secs(NOW) };
    let first = Cache::new(1 << 20);
    let Ok(restored) = first.restore(Cursor::new(framed(records)), now, &terms()) else { return };
    let saved = first.save(Vec::new(), now, || false);
    let (written, file) = saved.expect("it fits into memory");
    assert!(written <= restored, "of one key there may have been several");

    let second = Cache::new(1 << 20);
    let again = second.restore(Cursor::new(file.as_slice()), now, &terms());
    assert_eq!(again.expect("it is ours"), written);
    let (_, copy) = second.save(Vec::new(), now, || false).expect("it fits into memory");
    assert_eq!(copy.len(), file.len());
});

/// A whole file with these records.
fn framed(records: &[u8]) -> Vec<u8> {
    let mut file = [b"DNSWARDC".as_slice(), &[0, 1], &NOW.to_be_bytes(), records].concat();
    file.extend_from_slice(&crc32fast::hash(&file).to_be_bytes());
    file
}

fn terms() -> Terms {
    let day = Duration::from_secs(86_400);
    let bounds = Bounds { min: Duration::ZERO, max: day, max_negative: day, stale: day };
    Terms { bounds, upstreams: vec!["u".into()] }
}
