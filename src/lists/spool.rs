//! A download goes in byte by byte, a text that is nobody's copy yet comes out.
//!
//! It lies in a temporary file beside the copies, so that it costs no memory and becomes a copy by
//! a new name. Where there is no directory, or the disk is full, it lies in memory.

use std::{
    fs::Permissions,
    io::{self, Read as _, Seek as _, Write},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::text::{Form, hexadecimal};

/// How the names of files end that are not yet copies.
pub(super) const UNFINISHED: &str = "new";

/// A place for a download.
pub(super) struct Spool {
    place: Place,
    written: u64,
    digest: Sha256,
}

/// Where the bytes are.
enum Place {
    /// In a file that is removed unless it is kept.
    File(NamedTempFile),
    Memory(Vec<u8>),
}

/// A text that has arrived whole.
pub(super) struct Arrived {
    /// Where it is.
    pub(super) form: Form,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub(super) digest: String,
    /// How many there are.
    pub(super) length: u64,
    /// Its file, where it has one; removed unless it is kept.
    pub(super) file: Option<NamedTempFile>,
}

impl Spool {
    /// An empty one, in a directory where that can be written; `stem` is how its name begins.
    pub(super) fn new(directory: Option<&Path>, stem: &str) -> Self {
        let place = match directory.map(|directory| create(directory, stem)) {
            Some(Ok(file)) => Place::File(file),
            Some(Err(error)) => {
                warn(&error);
                Place::Memory(Vec::new())
            }
            None => Place::Memory(Vec::new()),
        };
        Self { place, written: 0, digest: Sha256::new() }
    }

    /// What has been written, whole and on the disk.
    ///
    /// # Errors
    /// Where the disk cannot hold it, and it cannot be read back either.
    pub(super) fn finish(mut self) -> io::Result<Arrived> {
        if let Place::File(file) = &self.place
            && let Err(error) = file.as_file().sync_all()
        {
            self.retreat(&error)?;
        }
        let (form, file) = match self.place {
            Place::File(file) => (Form::File(file.path().to_owned()), Some(file)),
            Place::Memory(mut bytes) => {
                // Growing has doubled it.
                bytes.shrink_to_fit();
                (Form::Memory(bytes.into()), None)
            }
        };
        let digest = hexadecimal(&self.digest.finalize());
        Ok(Arrived { form, digest, length: self.written, file })
    }

    /// Goes on in memory: a full disk is no reason to be without a list.
    fn retreat(&mut self, error: &io::Error) -> io::Result<()> {
        let Place::File(file) = &mut self.place else { return Ok(()) };
        warn(error);
        let mut written = Vec::new();
        file.rewind()?;
        // A write that failed may have left a part behind.
        file.take(self.written).read_to_end(&mut written)?;
        self.place = Place::Memory(written);
        Ok(())
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Place::File(file) = &mut self.place
            && let Err(error) = file.write_all(bytes)
        {
            self.retreat(&error)?;
        }
        if let Place::Memory(memory) = &mut self.place {
            memory.extend_from_slice(bytes);
        }
        self.digest.update(bytes);
        self.written += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn create(directory: &Path, stem: &str) -> io::Result<NamedTempFile> {
    std::fs::create_dir_all(directory)?;
    let (prefix, suffix) = (format!("{stem}."), format!(".{UNFINISHED}"));
    // As the umask says, like any other file: operators look at their lists.
    let permissions = Permissions::from_mode(0o666);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(&suffix).permissions(permissions).tempfile_in(directory)
}

fn warn(error: &io::Error) {
    tracing::warn!(%error, "a list cannot be kept on disk; is data_dir writable, and not full?");
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Read as _};

    use super::*;
    use crate::lists::text::Text;

    fn text(form: Form) -> Vec<u8> {
        let mut text = Vec::new();
        Text::new(form, 1 << 20).open().unwrap().read_to_end(&mut text).unwrap();
        text
    }

    #[test]
    fn a_download_lies_in_a_file_that_goes_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(Some(&directory.path().join("lists")), "x");
        spool.write_all(b"ads.example\n").unwrap();
        let arrived = spool.finish().unwrap();
        let Form::File(path) = &arrived.form else { panic!("it is in memory") };
        let path = path.clone();

        assert_eq!(text(arrived.form.clone()), b"ads.example\n");
        assert_eq!((arrived.length, arrived.digest.len()), (12, 64));
        assert!(path.exists());
        drop(arrived);
        assert!(!path.exists());
    }

    #[test]
    fn without_a_directory_that_can_be_written_it_lies_in_memory() {
        let file = NamedTempFile::new().unwrap();

        let mut spool = Spool::new(Some(file.path()), "x");
        spool.write_all(b"ads.example\n").unwrap();
        let arrived = spool.finish().unwrap();

        assert!(arrived.file.is_none());
        assert_eq!(text(arrived.form), b"ads.example\n");
    }

    #[test]
    fn what_was_written_before_the_disk_was_full_is_not_lost() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(Some(directory.path()), "x");
        spool.write_all(b"one.example\n").unwrap();

        spool.retreat(&io::ErrorKind::StorageFull.into()).unwrap();
        spool.write_all(b"two.example\n").unwrap();
        let arrived = spool.finish().unwrap();

        assert_eq!(text(arrived.form), b"one.example\ntwo.example\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
