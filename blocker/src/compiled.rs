//! One list, compiled: its rules for names sorted by hash where they take no room, the few others
//! ready to be asked, and what became of its lines.
//!
//! ```text
//! front | blocks of rules for names | table of blocks | notes: special lines, report
//! ```
//! The form is written once and never changed. Whatever is odd about one (another version, a sum
//! that does not fit, an end that is missing) makes it worthless; the list's text makes another.

use std::fs::File;
use std::io;

use crate::hash::Seed;
use crate::report::ListReport;
use crate::rule::Rule;

use block::Place;
use front::Front;

pub(crate) use block::{BlockWriter, Blocks, Columns, Cursor, Entry, Packing};
pub(crate) use front::LENGTH as FRONT;
pub(crate) use notes::Notes;
pub(crate) use storage::{Draft, Storage};

mod block;
mod front;
mod notes;
mod storage;
mod wire;

/// What a text is known by, so that its compiled form is never taken for another text's. Whoever
/// compiles a list chooses it: a digest, or all that a file system tells of a file.
pub type Identity = [u8; 32];

/// One list, compiled; shared by every matcher that it is a part of.
///
/// ```
/// use blocker::{Compiler, Home, Seed};
/// let mut compiler = Compiler::new(Seed::new(1), Home::Memory)?;
/// compiler.read(&b"||ads.example^\n"[..])?;
/// let list = compiler.finish([0; 32])?;
/// assert_eq!(list.report().rules, 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct CompiledList {
    pub(crate) seed: Seed,
    pub(crate) blocks: Blocks,
    pub(crate) specials: Box<[Special]>,
    pub(crate) fewest_labels: u8,
    identity: Identity,
    report: ListReport,
}

/// A rule that is more than a name: a pattern, or one with terms.
#[derive(Debug)]
pub(crate) struct Special {
    pub(crate) line: u32,
    /// It, in normal form.
    pub(crate) text: Box<str>,
    pub(crate) rule: Rule,
}

/// A list whose rules for names are all written.
pub(crate) struct Written {
    pub(crate) seed: Seed,
    pub(crate) draft: Draft,
    pub(crate) end: u64,
    pub(crate) places: Vec<Place>,
    pub(crate) packing: Packing,
    pub(crate) fewest_labels: u8,
    pub(crate) rules: u64,
}

impl CompiledList {
    /// Reads what another process, or this one before, has compiled into a file.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a whole compiled list of this version.
    pub fn open(file: File) -> io::Result<Self> {
        let storage = Storage::File(file);
        let front = Front::read(&storage)?;
        let table = storage.read(front.blocks_end, front.table_length()?)?;
        let places = front::places(&table)?;
        let notes = storage.read(front.notes_at(), front.notes_length(&storage)?)?;
        let notes = Notes::read(&notes)?;
        Ok(Self {
            seed: Seed::new(front.seed),
            blocks: Blocks { storage, places, end: front.blocks_end, packing: Packing::Plain },
            specials: notes.specials.into(),
            fewest_labels: front.fewest_labels,
            identity: front.identity,
            report: notes.report,
        })
    }

    /// Writes the rest behind the rules for names.
    pub(crate) fn close(written: Written, identity: Identity, notes: Notes) -> io::Result<Self> {
        let Written { seed, mut draft, end, places, packing, fewest_labels, rules } = written;
        let table = front::table(&places);
        draft.write(&table)?;
        draft.write(&notes.write())?;
        let front = Front {
            seed: seed.number(),
            identity,
            blocks_end: end,
            blocks: places.len() as u64,
            rules,
            fewest_labels,
        };
        let storage = draft.finish(&front.write())?;
        Ok(Self {
            seed,
            blocks: Blocks { storage, places: places.into(), end, packing },
            specials: notes.specials.into(),
            fewest_labels,
            identity,
            report: notes.report,
        })
    }

    /// What the list gave, and what was wrong with it.
    #[must_use]
    pub const fn report(&self) -> &ListReport {
        &self.report
    }

    /// What its text is known by.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The seed of its hashes; a matcher takes lists of one seed only.
    #[must_use]
    pub const fn seed(&self) -> Seed {
        self.seed
    }

    /// Bytes held in memory, what lies in a file left out.
    #[must_use]
    pub fn memory(&self) -> usize {
        size_of_val(&*self.blocks.places)
            + self.blocks.storage.memory()
            + self.specials.iter().map(Special::memory).sum::<usize>()
    }

    /// Rules for names, each counted once.
    pub(crate) fn names(&self) -> usize {
        self.blocks.places.iter().map(|place| place.count()).sum()
    }
}

impl Special {
    fn memory(&self) -> usize {
        Self::memory_of(&self.rule, self.text.len())
    }

    /// Bytes that a rule takes whose normal form has so many octets.
    pub(crate) fn memory_of(rule: &Rule, text: usize) -> usize {
        size_of::<Self>() + text + rule.memory()
    }
}
