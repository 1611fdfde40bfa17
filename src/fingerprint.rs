//! A path goes in, what tells its file from the one that was there before comes out.
//!
//! Files are looked at again and again instead of being watched: that works over any file system,
//! and follows the links that Kubernetes swaps.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

/// What changes when a file, or the link that leads to it, is written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    device: u64,
    inode: u64,
    /// When it was written, as it says itself: seconds since 1970 and nanoseconds.
    written: (i64, i64),
    /// When anything about it changed, its name too: nobody can set that back.
    changed: (i64, i64),
    length: u64,
}

impl Fingerprint {
    /// The fingerprint of the file that a path leads to; nothing where there is none.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self {
            device: file.dev(),
            inode: file.ino(),
            written: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
            length: file.len(),
        })
    }

    /// All of it, in an order that stays the same.
    pub(crate) fn to_bytes(self) -> [u8; 56] {
        let mut bytes = [0; 56];
        let parts = [
            self.device.to_be_bytes(),
            self.inode.to_be_bytes(),
            self.written.0.to_be_bytes(),
            self.written.1.to_be_bytes(),
            self.changed.0.to_be_bytes(),
            self.changed.1.to_be_bytes(),
            self.length.to_be_bytes(),
        ];
        for (place, part) in bytes.chunks_exact_mut(8).zip(parts) {
            place.copy_from_slice(&part);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};

    use super::*;

    #[test]
    fn a_file_that_is_written_anew_in_place_is_another_whatever_its_times_say() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list.txt");
        fs::write(&path, "one.example").unwrap();
        let before = Fingerprint::of(&path).unwrap();
        let times = FileTimes::new().set_modified(fs::metadata(&path).unwrap().modified().unwrap());

        // The clock of a file system goes by steps of some milliseconds.
        loop {
            fs::write(&path, "two.example").unwrap();
            File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
            let file = fs::metadata(&path).unwrap();
            if (file.ctime(), file.ctime_nsec()) != before.changed {
                break;
            }
        }

        let after = Fingerprint::of(&path).unwrap();
        assert_eq!((after.written, after.length), (before.written, before.length));
        assert_ne!(after.to_bytes(), before.to_bytes());
        assert_eq!(Fingerprint::of(&path), Some(after));
    }
}
