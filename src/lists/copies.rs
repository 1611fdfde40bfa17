//! Downloaded texts are kept here, so that a list outlives the server it came from.
//!
//! On disk a copy is written aside and renamed, so that a crash leaves the old one; its file is
//! named by the digest of its URL, so that no byte of a URL reaches a path. Without a data
//! directory copies stay in memory, where they live as long as the process.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::Text;
use crate::config::{Config, ListSource};

/// Octets of a URL's digest that name its file: enough that no two URLs meet.
const DIGEST: usize = 16;

/// The last good text of each URL, and what went wrong since.
pub(super) struct Copies {
    directory: Option<PathBuf>,
    in_memory: Mutex<HashMap<String, Kept>>,
    attempts: Mutex<HashMap<String, Attempt>>,
}

/// A text and when it was downloaded.
type Kept = (Arc<[u8]>, SystemTime);

/// The last download of a URL.
struct Attempt {
    at: Instant,
    error: Option<String>,
}

impl Copies {
    pub(super) fn new(data_dir: Option<&Path>) -> Self {
        Self {
            directory: data_dir.map(|directory| directory.join("lists")),
            in_memory: Mutex::default(),
            attempts: Mutex::default(),
        }
    }

    /// Keeps a text; whether it differs from the one before, or ends a failure.
    pub(super) fn keep(&self, url: &str, text: Vec<u8>) -> bool {
        let had_failed = self.note(url, None).is_some();
        let has_changed = self.read(url).is_none_or(|(old, _)| *old != *text);
        match self.path(url).map(|path| write_aside(&path, &text)) {
            Some(Ok(())) => {
                lock(&self.in_memory).remove(url);
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "a list cannot be kept on disk; is data_dir writable?");
                lock(&self.in_memory).insert(url.to_owned(), (text.into(), SystemTime::now()));
            }
            None => {
                lock(&self.in_memory).insert(url.to_owned(), (text.into(), SystemTime::now()));
            }
        }
        has_changed || had_failed
    }

    /// Notes that a download failed; whether that is news.
    pub(super) fn note_failure(&self, url: &str, error: String) -> bool {
        self.note(url, Some(error.clone())) != Some(error)
    }

    /// When a URL was last tried, and whether that failed.
    pub(super) fn last_attempt(&self, url: &str) -> Option<(Instant, bool)> {
        lock(&self.attempts).get(url).map(|attempt| (attempt.at, attempt.error.is_some()))
    }

    /// The last good text with the failure since, a failure alone, or nothing.
    pub(super) fn find(&self, url: &str) -> Option<Result<Text, String>> {
        let failure = lock(&self.attempts).get(url).and_then(|attempt| attempt.error.clone());
        match (self.read(url), failure) {
            (Some((bytes, loaded)), error) => Some(Ok(Text { bytes, loaded, error })),
            (None, Some(error)) => Some(Err(error)),
            (None, None) => None,
        }
    }

    /// Removes the copies of URLs that are no longer configured.
    pub(super) fn forget_all_but(&self, config: &Config) {
        let urls: Vec<&str> = config
            .lists
            .iter()
            .filter_map(|list| match &list.source {
                ListSource::Url(url) => Some(url.as_str()),
                ListSource::Path(_) | ListSource::Inline(_) => None,
            })
            .collect();
        lock(&self.in_memory).retain(|url, _| urls.contains(&url.as_str()));
        lock(&self.attempts).retain(|url, _| urls.contains(&url.as_str()));
        let kept: Vec<PathBuf> = urls.iter().filter_map(|url| self.path(url)).collect();
        let Some(directory) = &self.directory else { return };
        let Ok(files) = fs::read_dir(directory) else { return };
        for file in files.flatten().map(|file| file.path()).filter(|file| is_ours(file)) {
            if !kept.contains(&file)
                && let Err(error) = fs::remove_file(&file)
            {
                tracing::warn!(file = %file.display(), %error, "an old list cannot be removed");
            }
        }
    }

    /// Notes an attempt; the error of the one before, where it had one.
    fn note(&self, url: &str, error: Option<String>) -> Option<String> {
        let attempt = Attempt { at: Instant::now(), error };
        lock(&self.attempts).insert(url.to_owned(), attempt)?.error
    }

    fn read(&self, url: &str) -> Option<Kept> {
        if let Some(copy) = lock(&self.in_memory).get(url) {
            return Some(copy.clone());
        }
        let path = self.path(url)?;
        let bytes = fs::read(&path).ok()?;
        let written = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok()?;
        Some((bytes.into(), written))
    }

    fn path(&self, url: &str) -> Option<PathBuf> {
        let directory = self.directory.as_ref()?;
        let digest = Sha256::digest(url.as_bytes());
        let name: String = digest.iter().take(DIGEST).map(|byte| format!("{byte:02x}")).collect();
        Some(directory.join(format!("{name}.txt")))
    }
}

/// Whether a file can be a copy of ours: the directory may hold lists of the operator's own.
fn is_ours(file: &Path) -> bool {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let is_digest = stem.len() == 2 * DIGEST && stem.bytes().all(|b| b.is_ascii_hexdigit());
    let extension = file.extension().and_then(|extension| extension.to_str());
    is_digest && matches!(extension, Some("txt" | "new"))
}

fn write_aside(path: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let aside = path.with_extension("new");
    fs::write(&aside, text)?;
    fs::rename(&aside, path)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
