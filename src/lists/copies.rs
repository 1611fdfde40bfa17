//! Downloaded texts are kept here, so that a list outlives the server it came from.
//!
//! On disk a copy is written aside and renamed, so that a crash leaves the old one; its file is
//! named by the digest of its URL, so that no byte of a URL reaches a path, and beside it lies
//! what is known of it. Without a data directory copies stay in memory, where they live as long
//! as the process.

use std::{
    collections::HashMap,
    fs,
    io::{self, BufRead as _},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{
    record::Record,
    spool::{Arrived, Spool, UNFINISHED},
    text::{Form, Text, hexadecimal},
};
use crate::fingerprint::Fingerprint;

/// Octets of a URL's digest that name its file: enough that no two URLs meet.
const DIGEST: usize = 16;

/// How the names of copies end, and of what is known of them.
const COPY: &str = "txt";
const RECORD: &str = "meta";

/// The last good text of each URL.
pub(super) struct Copies {
    directory: Option<PathBuf>,
    in_memory: Mutex<HashMap<String, Kept>>,
    /// Which file of a URL has which digest, so that each is read for that but once.
    digests: Mutex<HashMap<String, (Fingerprint, String)>>,
    /// Held while files change, so that a copy and its record belong together.
    turn: Mutex<()>,
    /// Whether what an earlier server left unfinished is gone.
    is_swept: AtomicBool,
}

/// A text in memory, and what is known of it.
#[derive(Clone)]
struct Kept {
    text: Bytes,
    loaded: SystemTime,
    record: Record,
}

impl Copies {
    pub(super) fn new(data_dir: Option<&Path>) -> Self {
        Self {
            directory: data_dir.map(|directory| directory.join("lists")),
            in_memory: Mutex::default(),
            digests: Mutex::default(),
            turn: Mutex::default(),
            is_swept: AtomicBool::new(false),
        }
    }

    /// A place for a download of a URL.
    pub(super) fn spool(&self, url: &str) -> Spool {
        Spool::new(self.directory.as_deref(), &stem(url))
    }

    /// Makes what has arrived the copy of a URL. Where the disk will not have it, it stays in
    /// memory.
    ///
    /// # Errors
    /// Where it cannot even be read back.
    pub(super) fn keep(&self, url: &str, arrived: Arrived, record: Record) -> io::Result<()> {
        let _turn = lock(&self.turn);
        let text = match (arrived.file, self.path(url, COPY)) {
            (Some(file), Some(path)) => match file.persist(&path) {
                Ok(_) => {
                    lock(&self.in_memory).remove(url);
                    if let Some(file) = Fingerprint::of(&path) {
                        let digest = record.digest.clone();
                        lock(&self.digests).insert(url.to_owned(), (file, digest));
                    }
                    self.write(url, &record);
                    return Ok(());
                }
                Err(refused) => {
                    warn(&refused.error);
                    fs::read(refused.file.path())?.into()
                }
            },
            _ => match arrived.form {
                Form::Memory(text) => text,
                Form::File(path) => fs::read(path)?.into(),
            },
        };
        lock(&self.in_memory)
            .insert(url.to_owned(), Kept { text, loaded: SystemTime::now(), record });
        Ok(())
    }

    /// The copy of a URL, of which at most `max_bytes` are read.
    pub(super) fn find(&self, url: &str, max_bytes: u64) -> Option<Text> {
        if let Some(kept) = lock(&self.in_memory).get(url) {
            let text = Text::new(Form::Memory(kept.text.clone()), max_bytes);
            return Some(text.loaded(kept.loaded));
        }
        let path = self.path(url, COPY)?;
        let written = fs::metadata(&path).and_then(|file| file.modified()).ok()?;
        Some(Text::new(Form::File(path), max_bytes).loaded(written))
    }

    /// What is known of the copy of a URL; nothing where there is doubt.
    pub(super) fn record(&self, url: &str) -> Option<Record> {
        if let Some(kept) = lock(&self.in_memory).get(url) {
            return Some(kept.record.clone());
        }
        let record = Record::read(&self.path(url, RECORD)?)?;
        (self.digest(url)? == record.digest).then_some(record)
    }

    /// The digest of the file of a URL, which is read where it is another than before.
    fn digest(&self, url: &str) -> Option<String> {
        let path = self.path(url, COPY)?;
        let file = Fingerprint::of(&path)?;
        if let Some((known, digest)) = lock(&self.digests).get(url)
            && *known == file
        {
            return Some(digest.clone());
        }
        let digest = digest_of(&path).ok()?;
        lock(&self.digests).insert(url.to_owned(), (file, digest.clone()));
        Some(digest)
    }

    /// Notes what has become known of the copy of a URL.
    pub(super) fn note(&self, url: &str, record: Record) {
        let _turn = lock(&self.turn);
        match lock(&self.in_memory).get_mut(url) {
            Some(kept) => kept.record = record,
            None => self.write(url, &record),
        }
    }

    /// The file whose absence makes us forget what a copy was like.
    pub(super) fn record_file(&self, url: &str) -> Option<PathBuf> {
        if lock(&self.in_memory).contains_key(url) {
            return None;
        }
        self.path(url, RECORD)
    }

    /// Removes the copies of URLs that are no longer configured, and the first time also what an
    /// earlier server left unfinished: later it is our own.
    pub(super) fn forget_all_but(&self, urls: &[&str]) {
        lock(&self.in_memory).retain(|url, _| urls.contains(&url.as_str()));
        lock(&self.digests).retain(|url, _| urls.contains(&url.as_str()));
        let kept: Vec<String> = urls.iter().map(|url| stem(url)).collect();
        let is_first = !self.is_swept.swap(true, Ordering::Relaxed);
        self.remove(|file, stem| match file.extension().and_then(|last| last.to_str()) {
            Some(COPY | RECORD) => !kept.iter().any(|kept| kept == stem),
            Some(UNFINISHED) => is_first,
            _ => false,
        });
    }

    /// Removes files of ours: the directory may hold lists of the operator's own.
    fn remove(&self, is_unwanted: impl Fn(&Path, &str) -> bool) {
        let Some(directory) = &self.directory else { return };
        let Ok(files) = fs::read_dir(directory) else { return };
        let files = files.flatten().map(|file| file.path());
        let is_unwanted =
            |file: &PathBuf| stem_of(file).is_some_and(|stem| is_unwanted(file, stem));
        for file in files.filter(is_unwanted) {
            if let Err(error) = fs::remove_file(&file) {
                tracing::warn!(file = %file.display(), %error, "an old list cannot be removed");
            }
        }
    }

    fn write(&self, url: &str, record: &Record) {
        if let Some(path) = self.path(url, RECORD)
            && let Err(error) = record.write(&path)
        {
            warn(&error);
        }
    }

    fn path(&self, url: &str, extension: &str) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(format!("{}.{extension}", stem(url))))
    }
}

/// The SHA-256 of a file's bytes, in hexadecimal digits.
fn digest_of(path: &Path) -> io::Result<String> {
    let mut file = io::BufReader::new(fs::File::open(path)?);
    let mut digest = Sha256::new();
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(hexadecimal(&digest.finalize()));
        }
        digest.update(bytes);
        let length = bytes.len();
        file.consume(length);
    }
}

/// How the names of all files of a URL begin.
fn stem(url: &str) -> String {
    let digest = Sha256::digest(url.as_bytes());
    hexadecimal(digest.get(..DIGEST).unwrap_or(&digest))
}

/// How the name of a file of ours begins, nothing where it is not one of ours.
fn stem_of(file: &Path) -> Option<&str> {
    let (stem, _) = file.file_name()?.to_str()?.split_once('.')?;
    let is_digest = stem.len() == 2 * DIGEST && stem.bytes().all(|b| b.is_ascii_hexdigit());
    is_digest.then_some(stem)
}

fn warn(error: &io::Error) {
    tracing::warn!(%error, "a list cannot be kept on disk; is data_dir writable, and not full?");
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
