//! A list's text goes in, its compiled form comes out: the one in force, the one on disk, or a new
//! one, whichever is the first that was made of this very text.
//!
//! So a list that did not change costs nothing, and a start reads what the last run has compiled.
//! On disk a form is written aside and renamed, and named by the digest of where its text is from.
//! Where there is no disk, or none that can be written, forms live in memory.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use blocker::{CompiledList, Compiler, Home, Identity, Seed};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::text::Text;

/// Octets of a digest that name a file: enough that no two lists meet.
const DIGEST: usize = 16;

/// The file that holds the seed of the hashes of all forms in the directory.
const SEED_FILE: &str = "seed";

/// What the files of compiled lists end in.
const EXTENSION: &str = "compiled";

/// What the names of files end in that are still being written.
const UNFINISHED: &str = ".unfinished";

/// The compiled forms of all lists.
pub(super) struct CompiledLists {
    directory: Option<PathBuf>,
    seed: Seed,
    held: Mutex<HashMap<String, Held>>,
    /// Whether a form on disk has turned out to be damaged. Then what lies there counts no more: it
    /// may be that it cannot even be removed.
    is_distrusted: AtomicBool,
}

/// A form in force.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) list: Arc<CompiledList>,
    /// When its text was come by.
    pub(super) since: SystemTime,
}

/// A form that is not a list's yet.
pub(super) struct Candidate {
    pub(super) list: Arc<CompiledList>,
    /// Where it lies; none: in memory.
    file: Option<NamedTempFile>,
}

impl CompiledLists {
    /// Keeps forms below this directory, or in memory; removes what an earlier server left
    /// unfinished there.
    pub(super) fn new(data_dir: Option<&Path>) -> Self {
        let directory = data_dir.map(|directory| directory.join("compiled"));
        let seed = directory.as_deref().map(kept_seed).transpose().unwrap_or_else(|error| {
            tracing::warn!(%error, "compiled lists cannot be kept; is data_dir writable?");
            None
        });
        let seed = seed.unwrap_or_else(Seed::random);
        let is_distrusted = AtomicBool::new(false);
        let lists = Self { directory, seed, held: Mutex::default(), is_distrusted };
        lists.remove(|name| name.ends_with(UNFINISHED));
        lists
    }

    /// The seed that every form has.
    pub(super) fn seed(&self) -> Seed {
        self.seed
    }

    /// The form of a text, which is from this origin.
    ///
    /// # Errors
    /// Where the text cannot be read, or is larger than it may be.
    pub(super) fn of(&self, origin: &str, text: &Text) -> io::Result<Held> {
        let identity = text.identity()?;
        let is_it =
            |Held { list, .. }: &Held| *list.identity() == identity && list.seed() == self.seed;
        let held = self.lock().get(origin).cloned().filter(is_it);
        if let Some(Held { list, since }) = held.or_else(|| self.on_disk(origin).filter(is_it)) {
            text.check_length(list.report().bytes)?;
            let held = Held { list, since: text.loaded.unwrap_or(since) };
            self.lock().insert(origin.to_owned(), held.clone());
            return Ok(held);
        }
        let candidate = self.compile(text, identity)?;
        let since = text.loaded.unwrap_or_else(SystemTime::now);
        let held = Held { list: candidate.list.clone(), since };
        self.keep(origin, candidate);
        self.lock().insert(origin.to_owned(), held.clone());
        Ok(held)
    }

    /// The form in force of this origin, whatever its text is like now.
    pub(super) fn held(&self, origin: &str) -> Option<Held> {
        self.lock().get(origin).cloned()
    }

    /// Compiles a text, and leaves what is kept as it is.
    ///
    /// # Errors
    /// Where the text cannot be read.
    pub(super) fn try_out(&self, text: &Text) -> io::Result<Candidate> {
        self.compile(text, text.identity()?)
    }

    /// Makes a form the one of this origin.
    pub(super) fn keep(&self, origin: &str, candidate: Candidate) {
        let Candidate { list, file } = candidate;
        self.lock().insert(origin.to_owned(), Held { list, since: SystemTime::now() });
        if let (Some(file), Some(path)) = (file, self.path(origin))
            && let Err(error) = file.persist(path)
        {
            // It stays in force: its file is open, and gone with the process.
            tracing::warn!(%error, "a compiled list cannot be kept over a restart");
        }
    }

    /// Forgets every form, for one of them cannot be read any more.
    pub(super) fn distrust(&self) {
        self.is_distrusted.store(true, Ordering::Relaxed);
        self.lock().clear();
        self.remove(|name| name.ends_with(EXTENSION));
    }

    /// Forgets the forms of lists from elsewhere than these origins.
    pub(super) fn forget_all_but(&self, origins: &[String]) {
        self.lock().retain(|origin, _| origins.contains(origin));
        let files: Vec<_> = origins.iter().map(|origin| file_name(origin)).collect();
        self.remove(|name| name.ends_with(EXTENSION) && !files.iter().any(|file| file == name));
    }

    fn remove(&self, is_unwanted: impl Fn(&str) -> bool) {
        let Some(Ok(files)) = self.directory.as_ref().map(fs::read_dir) else { return };
        for file in files.flatten() {
            let name = file.file_name();
            let name = name.to_str().unwrap_or_default();
            if is_unwanted(name)
                && let Err(error) = fs::remove_file(file.path())
            {
                tracing::warn!(name, %error, "a compiled list cannot be removed");
            }
        }
    }

    /// What an earlier run has compiled; when it did, its text was new.
    fn on_disk(&self, origin: &str) -> Option<Held> {
        if self.is_distrusted.load(Ordering::Relaxed) {
            return None;
        }
        let file = File::open(self.path(origin)?).ok()?;
        let since = file.metadata().and_then(|file| file.modified()).ok()?;
        match CompiledList::open(file) {
            Ok(list) => Some(Held { list: Arc::new(list), since }),
            Err(error) => {
                tracing::warn!(%error, "a list is compiled again");
                None
            }
        }
    }

    fn compile(&self, text: &Text, identity: Identity) -> io::Result<Candidate> {
        let Some(directory) = &self.directory else { return self.in_memory(text, identity) };
        let written = Draft::new(directory).and_then(|Draft { file, scratch }| {
            let home = Home::Files { list: file.reopen()?, scratch };
            let list = self.compile_at(home, identity, text)?;
            Ok(Candidate { list, file: Some(file) })
        });
        written.or_else(|error| {
            // Where it is the text that cannot be read, this says so.
            let candidate = self.in_memory(text, identity)?;
            tracing::warn!(%error, "a compiled list cannot be kept on disk; is data_dir full?");
            Ok(candidate)
        })
    }

    fn in_memory(&self, text: &Text, identity: Identity) -> io::Result<Candidate> {
        let list = self.compile_at(Home::Memory, identity, text)?;
        Ok(Candidate { list, file: None })
    }

    fn compile_at(
        &self,
        home: Home,
        identity: Identity,
        text: &Text,
    ) -> io::Result<Arc<CompiledList>> {
        let mut compiler = Compiler::new(self.seed, home)?;
        compiler.read(text.open()?)?;
        compiler.finish(identity).map(Arc::new)
    }

    fn path(&self, origin: &str) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(file_name(origin)))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files that a form is written to.
struct Draft {
    file: NamedTempFile,
    scratch: File,
}

impl Draft {
    fn new(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let file = unfinished(directory)?;
        Ok(Self { file, scratch: tempfile::tempfile_in(directory)? })
    }
}

/// A file that is removed unless it is kept, by the next server where this one comes to a sudden
/// end; it is for its owner alone.
fn unfinished(directory: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().suffix(UNFINISHED).tempfile_in(directory)
}

fn file_name(origin: &str) -> String {
    let digest = Sha256::digest(origin.as_bytes());
    let name: String = digest.iter().take(DIGEST).map(|octet| format!("{octet:02x}")).collect();
    format!("{name}.{EXTENSION}")
}

/// The seed in this directory, or a new one that is kept there.
fn kept_seed(directory: &Path) -> io::Result<Seed> {
    fs::create_dir_all(directory)?;
    let path = directory.join(SEED_FILE);
    let kept = fs::read_to_string(&path).ok();
    if let Some(number) = kept.and_then(|text| u64::from_str_radix(text.trim(), 16).ok()) {
        return Ok(Seed::new(number));
    }
    let seed = Seed::random();
    let file = unfinished(directory)?;
    fs::write(file.path(), format!("{:016x}\n", seed.number()))?;
    file.persist(path)?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::text::Form;

    fn text(path: &Path, lines: &str) -> Text {
        fs::write(path, lines).unwrap();
        Text::new(Form::File(path.to_owned()), 1_000_000)
    }

    fn files(directory: &Path) -> usize {
        fs::read_dir(directory.join("compiled")).unwrap().count()
    }

    #[test]
    fn a_text_is_compiled_once_and_found_again_by_the_next_run() {
        let data = tempfile::tempdir().unwrap();
        let one = text(&data.path().join("one"), "ads.example");
        let lists = CompiledLists::new(Some(data.path()));

        let first = lists.of("one", &one).unwrap().list;
        assert!(Arc::ptr_eq(&first, &lists.of("one", &one).unwrap().list));
        let next_run = CompiledLists::new(Some(data.path()));
        assert_eq!(next_run.seed(), lists.seed());
        let again = next_run.on_disk("one").unwrap().list;
        assert_eq!((again.identity(), again.report()), (first.identity(), first.report()));
        let other = text(&data.path().join("one"), "ads.example\nmore.example");
        assert_eq!(next_run.of("one", &other).unwrap().list.report().rules, 2);
    }

    #[test]
    fn a_damaged_form_is_made_again_from_the_text() {
        let data = tempfile::tempdir().unwrap();
        let one = text(&data.path().join("one"), "ads.example");
        let lists = CompiledLists::new(Some(data.path()));
        lists.of("one", &one).unwrap();
        let path = lists.path("one").unwrap();
        let mut octets = fs::read(&path).unwrap();
        octets[20] ^= 1;
        fs::write(&path, octets).unwrap();

        let next_run = CompiledLists::new(Some(data.path()));

        assert_eq!(next_run.of("one", &one).unwrap().list.report().rules, 1);
        assert!(next_run.on_disk("one").is_some());
    }

    #[test]
    fn a_form_that_cannot_even_be_removed_does_not_come_back() {
        let data = tempfile::tempdir().unwrap();
        let one = text(&data.path().join("one"), "ads.example");
        let lists = CompiledLists::new(Some(data.path()));
        let damaged = lists.of("one", &one).unwrap();
        let path = lists.path("one").unwrap();
        let octets = fs::read(&path).unwrap();

        lists.distrust();
        fs::write(&path, octets).unwrap();

        assert!(!Arc::ptr_eq(&lists.of("one", &one).unwrap().list, &damaged.list));
        assert!(lists.on_disk("one").is_none());
    }

    #[test]
    fn a_candidate_changes_nothing_until_it_is_kept() {
        let data = tempfile::tempdir().unwrap();
        let one = text(&data.path().join("one"), "ads.example");
        let two = text(&data.path().join("two"), "a.example\nb.example");
        let lists = CompiledLists::new(Some(data.path()));
        let first = lists.of("list", &one).unwrap().list;

        let candidate = lists.try_out(&two).unwrap();
        assert!(Arc::ptr_eq(&first, &lists.of("list", &one).unwrap().list));
        lists.keep("list", candidate);

        assert_eq!(lists.of("list", &two).unwrap().list.report().rules, 2);
        // The seed and the one form: nothing unfinished stays.
        assert_eq!(files(data.path()), 2);
        lists.forget_all_but(&[]);
        assert_eq!(files(data.path()), 1);
    }

    #[test]
    fn what_a_server_that_was_killed_left_unfinished_is_removed_by_the_next() {
        let data = tempfile::tempdir().unwrap();
        let one = text(&data.path().join("one"), "ads.example");
        let lists = CompiledLists::new(Some(data.path()));
        lists.of("one", &one).unwrap();
        let (_, left_over) =
            Draft::new(lists.directory.as_ref().unwrap()).unwrap().file.keep().unwrap();
        assert!(left_over.exists());

        let next_run = CompiledLists::new(Some(data.path()));

        assert!(!left_over.exists());
        assert_eq!(files(data.path()), 2, "the seed and the form stay");
        assert!(next_run.on_disk("one").is_some());
    }

    #[test]
    fn where_nothing_can_be_written_forms_live_in_memory() {
        let data = tempfile::tempdir().unwrap();
        let one = text(&data.path().join("one"), "ads.example");
        // A file stands where the directory would be.
        fs::write(data.path().join("compiled"), "").unwrap();

        for lists in [CompiledLists::new(Some(data.path())), CompiledLists::new(None)] {
            assert_eq!(lists.of("one", &one).unwrap().list.report().rules, 1);
            assert!(lists.lock().contains_key("one"));
        }
    }

    #[test]
    fn a_text_that_cannot_be_read_is_an_error() {
        let data = tempfile::tempdir().unwrap();
        let gone = Text::new(Form::File(data.path().join("gone")), 10);

        assert!(CompiledLists::new(Some(data.path())).of("gone", &gone).is_err());
    }
}
