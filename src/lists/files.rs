//! The files of lists go in, those that are others than when they were read come out.
//!
//! They are looked at again and again. A change counts when two looks in a row see the same, so
//! that half a file is not taken for the whole while somebody writes it.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::fingerprint::Fingerprint;

/// What the files of lists were like.
#[derive(Default)]
pub(super) struct Files(Mutex<HashMap<PathBuf, Looks>>);

/// What one file was like; nothing where there was none.
#[derive(Clone, Copy)]
struct Looks {
    when_read: Option<Fingerprint>,
    at_last_look: Option<Fingerprint>,
    /// What two looks in a row have seen.
    at_rest: Option<Fingerprint>,
}

impl Files {
    /// Notes what a file is like; comes before it is read, so that no change is missed.
    pub(super) fn note_read(&self, path: &Path) {
        let now = Fingerprint::of(path);
        let looks = Looks { when_read: now, at_last_look: now, at_rest: now };
        self.lock().insert(path.to_owned(), looks);
    }

    /// Looks at files: those that have come to be others than were read. One that is gone is not:
    /// somebody may be about to put another in its place.
    pub(super) fn changed<'p>(&self, paths: impl Iterator<Item = &'p Path>) -> HashSet<&'p Path> {
        // Several lists may have one file: it is looked at once.
        let paths: HashSet<&Path> = paths.collect();
        paths.into_iter().filter(|path| self.has_changed(path)).collect()
    }

    fn has_changed(&self, path: &Path) -> bool {
        let now = Fingerprint::of(path);
        let mut files = self.lock();
        let Some(looks) = files.get_mut(path) else { return false };
        let is_settled = looks.at_last_look == now;
        looks.at_last_look = now;
        if is_settled && now.is_some() {
            looks.at_rest = now;
        }
        is_settled && now.is_some() && now != looks.when_read
    }

    /// Whether a file that was read is another now, and not at rest yet; or gone, perhaps for a
    /// moment.
    pub(super) fn is_under_way(&self, path: &Path) -> bool {
        let now = Fingerprint::of(path);
        let files = self.lock();
        files.get(path).is_some_and(|looks| now != looks.when_read && now != looks.at_rest)
    }

    /// Forgets files that are no longer configured.
    pub(super) fn forget_all_but(&self, paths: &[&Path]) {
        self.lock().retain(|path, _| paths.contains(&path.as_path()));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, Looks>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_counts_when_the_file_is_at_rest() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list.txt");
        fs::write(&path, "one.example\n").unwrap();
        let files = Files::default();
        files.note_read(&path);

        assert!(!files.has_changed(&path) && !files.is_under_way(&path));
        fs::write(&path, "two.example\nand.more.example\n").unwrap();
        assert!(files.is_under_way(&path));
        assert!(!files.has_changed(&path), "it may be under way");
        assert!(files.is_under_way(&path));
        fs::write(&path, "two.example\nand.more.example\nand.more.example\n").unwrap();
        assert!(!files.has_changed(&path), "it was under way");
        assert!(files.has_changed(&path) && !files.is_under_way(&path));
        files.note_read(&path);
        assert!(!files.has_changed(&path));
        fs::remove_file(&path).unwrap();
        assert!([files.has_changed(&path), files.has_changed(&path)] == [false, false]);
        assert!(files.is_under_way(&path), "another may come in its place");
    }

    #[test]
    fn a_file_of_two_lists_is_looked_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list.txt");
        fs::write(&path, "one.example\n").unwrap();
        let files = Files::default();
        files.note_read(&path);

        fs::write(&path, "two.example\nand.more.example\n").unwrap();

        let twice = || [path.as_path(); 2].into_iter();
        assert_eq!(files.changed(twice()), HashSet::new());
        assert_eq!(files.changed(twice()), HashSet::from([path.as_path()]));
    }

    #[test]
    fn a_file_that_is_gone_is_no_change_and_one_that_comes_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list.txt");
        let files = Files::default();
        files.note_read(&path);

        assert!(!files.has_changed(&path));
        fs::write(&path, "one.example\n").unwrap();
        assert_eq!([files.has_changed(&path), files.has_changed(&path)], [false, true]);
        files.note_read(&path);
        fs::remove_file(&path).unwrap();
        assert_eq!([files.has_changed(&path), files.has_changed(&path)], [false, false]);
    }
}
