//! A list's text, wherever it lies: in a file or in memory, packed or not.
//!
//! It is read when it is needed and through a reader, so that a list need not be in memory twice.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Cursor, Read as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::unpack::{Reader, TooLarge, unpack};
use crate::fingerprint::Fingerprint;

/// A list's text and where it is from.
pub(super) struct Text {
    form: Form,
    max_bytes: u64,
    /// When it was come by, where its place tells.
    pub(super) loaded: Option<SystemTime>,
    /// The SHA-256 of its bytes as they came, where that is known.
    digest: Option<String>,
}

/// Where a text lies.
#[derive(Clone)]
pub(super) enum Form {
    /// In a file, as it came: it may be packed.
    File(PathBuf),
    /// In memory, as it came.
    Memory(Bytes),
}

impl Text {
    /// A text of which at most `max_bytes` are read.
    pub(super) fn new(form: Form, max_bytes: u64) -> Self {
        Self { form, max_bytes, loaded: None, digest: None }
    }

    /// The same text, come by at this time.
    pub(super) fn loaded(self, loaded: SystemTime) -> Self {
        Self { loaded: Some(loaded), ..self }
    }

    /// The same text, which is known to have this digest, wherever its file is moved to.
    pub(super) fn of_digest(self, digest: &str) -> Self {
        Self { digest: Some(digest.to_owned()), ..self }
    }

    /// Reads it from its beginning, unpacked.
    ///
    /// # Errors
    /// Where its file cannot be read. The reader fails where it turns out to be too large.
    pub(super) fn open(&self) -> io::Result<Reader> {
        match &self.form {
            Form::File(path) => unpack(open_file(path, self.max_bytes)?, self.max_bytes),
            Form::Memory(bytes) => unpack(Cursor::new(bytes.clone()), self.max_bytes),
        }
    }

    /// What tells it from any other text, for a price that does not grow with its file.
    ///
    /// # Errors
    /// Where its file is gone.
    pub(super) fn identity(&self) -> io::Result<[u8; 32]> {
        let digest = match (&self.form, &self.digest) {
            (Form::Memory(_), Some(digest)) => Sha256::digest(digest),
            (Form::Memory(bytes), None) => Sha256::digest(bytes),
            (Form::File(path), known) => {
                // Whoever cannot look at it cannot open it either, and is told why.
                open_file(path, self.max_bytes)?;
                if let Some(digest) = known {
                    return Ok(Sha256::digest(digest).into());
                }
                let file = Fingerprint::of(path).ok_or(io::ErrorKind::NotFound)?;
                Sha256::digest(file.to_bytes())
            }
        };
        Ok(digest.into())
    }

    /// Checks a length that was found out before, perhaps under another bound.
    ///
    /// # Errors
    /// Where it is more than may be read.
    pub(super) fn check_length(&self, bytes: u64) -> io::Result<()> {
        let is_too_large = bytes > self.max_bytes;
        if is_too_large { Err(io::Error::other(TooLarge(self.max_bytes))) } else { Ok(()) }
    }

    /// The same text in memory, as it came, and the SHA-256 of its bytes: what is known of them
    /// stays true, whatever becomes of its file.
    ///
    /// # Errors
    /// Where it cannot be read, or is too large.
    pub(super) fn held(&self) -> io::Result<(Self, String)> {
        let bytes = match &self.form {
            Form::Memory(bytes) => bytes.clone(),
            Form::File(path) => {
                let mut bytes = Vec::new();
                let file = open_file(path, self.max_bytes)?;
                file.take(self.max_bytes).read_to_end(&mut bytes)?;
                Bytes::from(bytes)
            }
        };
        let digest = hexadecimal(&Sha256::digest(&bytes));
        let (form, max_bytes, loaded) = (Form::Memory(bytes), self.max_bytes, self.loaded);
        Ok((Self { form, max_bytes, loaded, digest: None }, digest))
    }
}

/// Opens a file, unless it is too large: whoever reads it line by line would notice at its end.
fn open_file(path: &Path, max_bytes: u64) -> io::Result<File> {
    let file = File::open(path).map_err(|error| {
        io::Error::new(error.kind(), format!("`{}` cannot be read: {error}", path.display()))
    })?;
    if file.metadata()?.len() > max_bytes {
        return Err(io::Error::other(TooLarge(max_bytes)));
    }
    Ok(file)
}

/// Bytes as hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a `String` does not fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn file(path: &Path, text: &str) -> Text {
        fs::write(path, text).unwrap();
        Text::new(Form::File(path.to_owned()), 1000)
    }

    #[test]
    fn a_text_of_which_the_digest_is_known_is_the_same_wherever_it_lies() {
        let directory = tempfile::tempdir().unwrap();
        let (here, there) = (directory.path().join("here"), directory.path().join("there"));
        let known = |path: &Path, digest| {
            Text::new(Form::File(path.to_owned()), 1000).of_digest(digest).identity().unwrap()
        };
        fs::write(&here, "one.example").unwrap();
        let before = known(&here, "ab");

        fs::rename(&here, &there).unwrap();

        assert_eq!(known(&there, "ab"), before);
        let in_memory = Text::new(Form::Memory("one.example".into()), 1000).of_digest("ab");
        assert_eq!(in_memory.identity().unwrap(), before);
        assert_ne!(known(&there, "cd"), before);
    }

    #[test]
    fn a_text_is_known_again_and_told_from_another() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list.txt");
        let memory = |text: &'static str| Text::new(Form::Memory(text.into()), 1000);

        let before = file(&path, "one.example").identity().unwrap();
        assert_eq!(Text::new(Form::File(path.clone()), 2000).identity().unwrap(), before);
        assert_ne!(file(&path, "and.two.example").identity().unwrap(), before);
        assert_eq!(memory("a").identity().unwrap(), memory("a").identity().unwrap());
        assert_ne!(memory("a").identity().unwrap(), memory("b").identity().unwrap());
        fs::remove_file(&path).unwrap();
        assert!(Text::new(Form::File(path), 10).identity().is_err());
    }

    #[test]
    fn a_file_that_cannot_be_had_is_an_error_that_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list.txt");

        let missing = Text::new(Form::File(path.clone()), 10).open().err().unwrap().to_string();
        assert!(missing.contains(&format!("`{}` cannot be read", path.display())), "{missing}");
        file(&path, "eleven.long");
        let large = Text::new(Form::File(path), 10).open().err().unwrap().to_string();
        assert_eq!(large, "it is larger than max_bytes (10)");
    }
}
