//! A list's text goes in, read from front to back in bounded memory; a compiled list comes out.
//!
//! Rules for names are gathered in runs that fit into memory, each run is sorted and set aside, and
//! the runs are merged at the end. So a list of any length takes a few megabytes to compile.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};

use crate::budget::Budget;
use crate::compiled::{CompiledList, Draft, Identity, Notes, Special};
use crate::format::{self, Reader};
use crate::hash::Seed;
use crate::report::{ListReport, MAX_LINE, Reason, Rejection};
use crate::rule::{Kind, Rule};
use crate::source::Action;

use lines::Lines;
use runs::Runs;

mod lines;
mod runs;

/// Where a compiled list is to lie.
#[derive(Debug)]
pub enum Home {
    /// In memory, names included: for short lists, and where there is no disk.
    Memory,
    /// In a file; the scratch file is written in between and of no use afterwards. Both are empty,
    /// and open for reading and writing.
    Files {
        /// What becomes the compiled list.
        list: File,
        /// Room for the runs.
        scratch: File,
    },
}

/// A list that is being compiled.
#[derive(Debug)]
pub struct Compiler {
    runs: Runs,
    draft: Draft,
    specials: Specials,
    notes: Notes,
    /// Room for the rules of one line, kept between lines.
    scratch: Vec<Rule>,
    /// Room for the name of a common line.
    name: format::WireName,
}

/// The special rules so far.
#[derive(Debug)]
struct Specials {
    held: Vec<Special>,
    known: HashSet<Box<str>>,
    left: Budget,
}

impl Compiler {
    /// Starts an empty list.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn new(seed: Seed, home: Home) -> io::Result<Self> {
        let (draft, scratch) = match home {
            Home::Memory => (Draft::memory(), Draft::memory()),
            Home::Files { list, scratch } => (Draft::file(list), Draft::file(scratch)),
        };
        Ok(Self {
            runs: Runs::new(seed, scratch)?,
            draft,
            specials: Specials::default(),
            notes: Notes::default(),
            scratch: Vec::new(),
            name: format::WireName::default(),
        })
    }

    /// Adds a whole text, whatever octets it has. Lines are judged one by one; what cannot be used
    /// is counted and skipped. A web page gives no rules at all.
    ///
    /// # Errors
    /// When the text cannot be read or the files cannot be written; the list is of no use then.
    pub fn read(&mut self, text: impl Read) -> io::Result<()> {
        let mut lines = Lines::new(text);
        if format::is_html(lines.beginning()?) {
            self.notes.report.looks_like_html = true;
            return Ok(());
        }
        let mut number = 0_u32;
        let mut reader = Reader::default();
        while let Some(line) = lines.next()? {
            number = number.saturating_add(1);
            if let Some(reach) = reader.read_common(line, &mut self.name) {
                let kind = Kind::new(Action::Block, reach);
                self.runs.push(kind, number, self.name.as_octets())?;
                continue;
            }
            let read = |text: &str, rules: &mut Vec<Rule>| reader.read(text, rules);
            if let Err(reason) = self.add(number, line, read)? {
                self.notes.report.reject(number, line, reason);
            }
        }
        self.notes.report.bytes += lines.octets();
        Ok(())
    }

    /// Adds one line of any list format, and says how many rules it holds. A blank line or a comment
    /// holds none. Either all rules of a line are taken or none.
    ///
    /// # Errors
    /// The outer one when the files cannot be written, the inner one when the line cannot be used.
    pub fn add_line(&mut self, line: u32, text: &str) -> io::Result<Result<usize, Rejection>> {
        let added = self.add(line, text.as_bytes(), format::parse)?;
        Ok(added.map_err(|reason| Rejection::new(line, text.as_bytes(), reason)))
    }

    /// Compiles what was added; the identity is what the text is to be known by.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn finish(self, identity: Identity) -> io::Result<CompiledList> {
        let Self { runs, draft, mut notes, specials, .. } = self;
        notes.specials = specials.held;
        let written = runs.merge(draft, &mut notes.report)?;
        CompiledList::close(written, identity, notes)
    }

    /// Adds the rules of a line that `read` finds in it, and says how many there are.
    fn add(
        &mut self,
        line: u32,
        octets: &[u8],
        read: impl FnOnce(&str, &mut Vec<Rule>) -> Result<(), Reason>,
    ) -> io::Result<Result<usize, Reason>> {
        if octets.len() > MAX_LINE {
            return Ok(Err(Reason::LineTooLong));
        }
        let Ok(text) = std::str::from_utf8(octets) else { return Ok(Err(Reason::NotUtf8)) };
        let mut rules = std::mem::take(&mut self.scratch);
        rules.clear();
        let read = read(text, &mut rules).and_then(|()| self.specials.make_room(&rules));
        let count = rules.len();
        if read.is_ok() {
            for rule in rules.drain(..) {
                self.add_rule(line, rule)?;
            }
        }
        self.scratch = rules;
        Ok(read.map(|()| count))
    }

    fn add_rule(&mut self, line: u32, rule: Rule) -> io::Result<()> {
        if let (Some(kind), Some(name)) = (rule.kind(), rule.target.name()) {
            return self.runs.push(kind, line, name.as_octets());
        }
        self.specials.add(line, rule, &mut self.notes.report);
        Ok(())
    }
}

impl Default for Specials {
    fn default() -> Self {
        Self { held: Vec::new(), known: HashSet::new(), left: Budget::MOST }
    }
}

impl Specials {
    /// Whether there is room for the special ones of these rules.
    fn make_room(&mut self, rules: &[Rule]) -> Result<(), Reason> {
        let mut specials = rules.iter().filter(|rule| rule.kind().is_none());
        let left = specials
            .try_fold(self.left, |left, rule| left.less(Budget::of(rule, rule.to_string().len())));
        self.left = left.ok_or(Reason::TooManyPatterns)?;
        Ok(())
    }

    /// Keeps a rule, unless the same is there already.
    fn add(&mut self, line: u32, rule: Rule, report: &mut ListReport) {
        let text: Box<str> = rule.to_string().into();
        if !self.known.insert(text.clone()) {
            report.duplicates += 1;
            self.left = self.left.and(Budget::of(&rule, text.len()));
            return;
        }
        report.rules += 1;
        report.kinds.count(&rule);
        self.held.push(Special { line, text, rule });
    }
}
