//! A path goes in, what tells its file from the one that was there before comes out.
//!
//! Files are looked at again and again instead of being watched: that works over any file system,
//! and follows the links that Kubernetes swaps.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

/// What changes when a file, or the link that leads to it, is written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    inode: u64,
    /// When it was written: seconds since 1970 and nanoseconds.
    written: (i64, i64),
    length: u64,
}

impl Fingerprint {
    /// The fingerprint of the file that a path leads to; nothing where there is none.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        let written = (file.mtime(), file.mtime_nsec());
        Some(Self { inode: file.ino(), written, length: file.len() })
    }

    /// All of it, in an order that stays the same.
    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let (seconds, nanoseconds) = self.written;
        let mut bytes = [0; 32];
        let parts = [self.inode.to_be_bytes(), seconds.to_be_bytes(), nanoseconds.to_be_bytes()];
        let parts = parts.into_iter().chain([self.length.to_be_bytes()]);
        for (place, part) in bytes.chunks_exact_mut(8).zip(parts) {
            place.copy_from_slice(&part);
        }
        bytes
    }
}
