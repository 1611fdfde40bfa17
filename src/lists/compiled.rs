//! A list's text goes in, its compiled form comes out: the one in force, the one on disk, or a new
//! one, whichever is the first that was made of this very text.
//!
//! So a list that did not change costs nothing, and a start reads what the last run has compiled.
//! On disk a form is written aside and renamed, and named by the digest of where its text is from.
//! Where there is no disk, or none that can be written, forms live in memory.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use blocker::{CompiledList, Compiler, Home, Identity, Seed};
use sha2::{Digest as _, Sha256};

/// Octets of a digest that name a file: enough that no two lists meet.
const DIGEST: usize = 16;

/// The file that holds the seed of the hashes of all forms in the directory.
const SEED_FILE: &str = "seed";

/// What the files of compiled lists end in.
const EXTENSION: &str = "compiled";

/// The compiled forms of all lists.
pub(super) struct CompiledLists {
    directory: Option<PathBuf>,
    seed: Seed,
    held: Mutex<HashMap<String, Arc<CompiledList>>>,
}

impl CompiledLists {
    /// Keeps forms below this directory, or in memory.
    pub(super) fn new(data_dir: Option<&Path>) -> Self {
        let directory = data_dir.map(|directory| directory.join("compiled"));
        let seed = directory.as_deref().map(kept_seed);
        let seed = seed.unwrap_or_else(|| Ok(Seed::random())).unwrap_or_else(|error| {
            tracing::warn!(%error, "compiled lists cannot be kept; is data_dir writable?");
            Seed::random()
        });
        Self { directory, seed, held: Mutex::default() }
    }

    /// The seed that every form has.
    pub(super) fn seed(&self) -> Seed {
        self.seed
    }

    /// The form of the text that is known by `identity`; `origin` is where that text is from.
    ///
    /// # Errors
    /// Where the text cannot be read.
    pub(super) fn of<R: Read>(
        &self,
        origin: &str,
        identity: Identity,
        text: impl Fn() -> io::Result<R>,
    ) -> io::Result<Arc<CompiledList>> {
        let is_it = |list: &CompiledList| *list.identity() == identity && list.seed() == self.seed;
        let held = self.lock().get(origin).cloned();
        if let Some(list) = held.filter(|list| is_it(list)) {
            return Ok(list);
        }
        let list = match self.on_disk(origin).filter(is_it) {
            Some(list) => list,
            None => self.compile(origin, identity, text)?,
        };
        let list = Arc::new(list);
        self.lock().insert(origin.to_owned(), list.clone());
        Ok(list)
    }

    /// Forgets every form, for one of them cannot be read any more.
    pub(super) fn distrust(&self) {
        self.lock().clear();
        self.remove(|_| false);
    }

    /// Forgets the forms of lists from elsewhere than these origins.
    pub(super) fn forget_all_but(&self, origins: &[String]) {
        self.lock().retain(|origin, _| origins.contains(origin));
        let files: Vec<_> = origins.iter().map(|origin| file_name(origin)).collect();
        self.remove(|name| files.iter().any(|file| file == name));
    }

    fn remove(&self, is_kept: impl Fn(&str) -> bool) {
        let Some(Ok(files)) = self.directory.as_ref().map(fs::read_dir) else { return };
        for file in files.flatten() {
            let name = file.file_name();
            let name = name.to_str().unwrap_or_default();
            if name.ends_with(EXTENSION)
                && !is_kept(name)
                && let Err(error) = fs::remove_file(file.path())
            {
                tracing::warn!(name, %error, "a compiled list cannot be removed");
            }
        }
    }

    /// What an earlier run has compiled.
    fn on_disk(&self, origin: &str) -> Option<CompiledList> {
        let path = self.directory.as_ref()?.join(file_name(origin));
        let file = File::open(path).ok()?;
        CompiledList::open(file)
            .inspect_err(|error| tracing::warn!(%error, "a list is compiled again"))
            .ok()
    }

    fn compile<R: Read>(
        &self,
        origin: &str,
        identity: Identity,
        text: impl Fn() -> io::Result<R>,
    ) -> io::Result<CompiledList> {
        let in_memory = || compile_at(self.seed, Home::Memory, identity, text()?);
        let Some(directory) = &self.directory else { return in_memory() };
        let written = Draft::new(directory).and_then(|draft| {
            let home = Home::Files { list: draft.file.reopen()?, scratch: draft.scratch };
            let list = compile_at(self.seed, home, identity, text()?)?;
            draft.file.persist(directory.join(file_name(origin)))?;
            Ok(list)
        });
        written.or_else(|error| {
            // Where it is the text that cannot be read, this says so.
            let list = in_memory()?;
            tracing::warn!(%error, "a compiled list cannot be kept on disk; is data_dir full?");
            Ok(list)
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<CompiledList>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files that a form is written to.
struct Draft {
    file: tempfile::NamedTempFile,
    scratch: File,
}

impl Draft {
    fn new(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let file = tempfile::NamedTempFile::new_in(directory)?;
        Ok(Self { file, scratch: tempfile::tempfile_in(directory)? })
    }
}

fn compile_at(
    seed: Seed,
    home: Home,
    identity: Identity,
    text: impl Read,
) -> io::Result<CompiledList> {
    let mut compiler = Compiler::new(seed, home)?;
    compiler.read(text)?;
    compiler.finish(identity)
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
    // Files of this kind are for their owner alone.
    let file = tempfile::NamedTempFile::new_in(directory)?;
    fs::write(file.path(), format!("{:016x}\n", seed.number()))?;
    file.persist(path)?;
    Ok(seed)
}
