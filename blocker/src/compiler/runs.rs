//! Rules for names go in in any order, come out sorted and each once; memory holds one run of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

use crate::compiled::{BlockWriter, Blocks, Cursor, Draft, Entry, FRONT, Packing, Written};
use crate::hash::{Octets, Seed};
use crate::report::ListReport;
use crate::rule::Kind;

/// The rules seen so far.
#[derive(Debug)]
pub(super) struct Runs {
    seed: Seed,
    open: Run,
    set_aside: BlockWriter,
    /// Behind which block each run that is set aside ends.
    ends: Vec<usize>,
    /// Rules that repeat one of their run, and were not set aside.
    duplicates: usize,
    fewest_labels: u8,
}

/// Rules in memory.
#[derive(Debug, Default)]
struct Run {
    rules: Vec<Held>,
    names: Vec<u8>,
}

/// A rule in memory, its name elsewhere.
#[derive(Clone, Copy, Debug)]
struct Held {
    hash: u64,
    line: u32,
    /// The kind in the uppermost bits, then where the name begins.
    packed: u32,
}

impl Runs {
    pub(super) fn new(seed: Seed, scratch: Draft) -> io::Result<Self> {
        let set_aside = BlockWriter::new(scratch, 0, Packing::Plain)?;
        let open = Run::default();
        Ok(Self { seed, open, set_aside, ends: Vec::new(), duplicates: 0, fewest_labels: u8::MAX })
    }

    /// Adds a rule for a name.
    pub(super) fn push(&mut self, kind: Kind, line: u32, name: &Octets) -> io::Result<()> {
        let (hash, labels) = self.seed.hash(name);
        self.fewest_labels = self.fewest_labels.min(labels);
        self.open.push(hash, kind, line, crate::name::first(name));
        if self.open.rules.len() == RUN {
            self.end_run()?;
        }
        Ok(())
    }

    /// Ends the open run.
    fn end_run(&mut self) -> io::Result<()> {
        self.duplicates += self.open.write(&mut self.set_aside)?;
        self.ends.push(self.set_aside.blocks());
        Ok(())
    }

    /// Writes all rules in order, each once, and tells the report of them.
    pub(super) fn merge(mut self, draft: Draft, report: &mut ListReport) -> io::Result<Written> {
        let is_long = !self.ends.is_empty() || self.open.rules.len() > SHORT;
        let packs = draft.is_in_memory() && is_long;
        let packing = if packs { Packing::Deflated } else { Packing::Plain };
        let writer = BlockWriter::new(draft, FRONT, packing)?;
        let mut merged = Merged { writer, last: None, rules: 0, report, name: Vec::new() };
        if self.ends.is_empty() {
            self.open.sort();
            self.open.entries().try_for_each(|entry| merged.push(&entry))?;
        } else {
            self.end_run()?;
            merged.report.duplicates += self.duplicates;
            self.open = Run::default();
            merge_runs(self.set_aside, &self.ends, &mut merged)?;
        }
        let (draft, end, places) = merged.writer.finish()?;
        Ok(Written {
            seed: self.seed,
            draft,
            end,
            places,
            packing,
            fewest_labels: self.fewest_labels,
            rules: merged.rules,
        })
    }
}

impl Run {
    fn push(&mut self, hash: u64, kind: Kind, line: u32, name: &[u8]) {
        // A run of the longest names stays far below these bits.
        let at = u32::try_from(self.names.len()).unwrap_or(0);
        self.rules.push(Held { hash, line, packed: u32::from(kind.octet()) << NAME_BITS | at });
        self.names.extend_from_slice(name);
    }

    fn sort(&mut self) {
        self.rules.sort_unstable_by_key(|rule| (rule.hash, rule.packed >> NAME_BITS, rule.line));
    }

    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.rules.iter().filter_map(|rule| {
            let at = usize::try_from(rule.packed & ((1 << NAME_BITS) - 1)).ok()?;
            let kind = u8::try_from(rule.packed >> NAME_BITS).ok().and_then(Kind::from_octet)?;
            let name = crate::name::first(self.names.get(at..)?);
            Some(Entry { hash: rule.hash, kind, line: rule.line, name })
        })
    }

    /// Sets the rules aside in order, and is empty again; how many repeated the one before them,
    /// so that a list of one line over and over takes no room.
    fn write(&mut self, writer: &mut BlockWriter) -> io::Result<usize> {
        self.sort();
        let mut duplicates = 0;
        let mut last: Option<Entry<'_>> = None;
        for entry in self.entries() {
            if last.is_some_and(|last| last.is_same(&entry)) {
                duplicates += 1;
                continue;
            }
            writer.push(&entry)?;
            last = Some(entry);
        }
        self.rules.clear();
        self.names.clear();
        writer.close()?;
        Ok(duplicates)
    }
}

/// Where merged rules go; one that repeats the last is only counted.
struct Merged<'r> {
    writer: BlockWriter,
    report: &'r mut ListReport,
    last: Option<(u64, Kind)>,
    name: Vec<u8>,
    rules: u64,
}

impl Merged<'_> {
    fn push(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        if self.last == Some((entry.hash, entry.kind)) && self.name == entry.name {
            self.report.duplicates += 1;
            return Ok(());
        }
        self.last = Some((entry.hash, entry.kind));
        self.name.clear();
        self.name.extend_from_slice(entry.name);
        self.rules += 1;
        self.report.rules += 1;
        self.report.kinds.count_kind(entry.kind);
        self.writer.push(entry)
    }
}

fn merge_runs(set_aside: BlockWriter, ends: &[usize], merged: &mut Merged<'_>) -> io::Result<()> {
    let (draft, end, places) = set_aside.finish()?;
    let blocks =
        Blocks { storage: draft.finish(&[])?, places: places.into(), end, packing: Packing::Plain };
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let mut cursors = Vec::with_capacity(ends.len());
    for (start, end) in starts.zip(ends) {
        cursors.push(Cursor::new(&blocks, start..*end)?);
    }
    let key = |number: usize, cursor: &Cursor<'_>| {
        let Entry { hash, kind, line, .. } = cursor.entry()?;
        Some(Reverse((hash, kind, line, number)))
    };
    let mut next: BinaryHeap<_> =
        cursors.iter().enumerate().filter_map(|(number, cursor)| key(number, cursor)).collect();
    while let Some(mut first) = next.peek_mut() {
        let Reverse((.., number)) = *first;
        let Some(cursor) = cursors.get_mut(number) else { break };
        if let Some(entry) = cursor.entry() {
            merged.push(&entry)?;
        }
        cursor.step()?;
        match key(number, cursor) {
            Some(key) => *first = key,
            None => {
                std::collections::binary_heap::PeekMut::pop(first);
            }
        }
    }
    Ok(())
}

/// Rules of a run: some 5 MiB with their names.
const RUN: usize = 1 << 17;
/// Most rules of a list that is not worth packing in memory: it takes a quarter of a megabyte.
const SHORT: usize = 1 << 13;
/// Bits of a held rule that tell where its name begins.
const NAME_BITS: u32 = 27;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;
    use crate::rule::Reach;
    use crate::source::Action;

    #[test]
    fn one_line_over_and_over_takes_no_room_and_is_counted() {
        let mut runs = Runs::new(Seed::new(1), Draft::memory()).unwrap();
        let names = ["ads.example", "b.example"].map(|name| Name::parse(name).unwrap());
        let kind = Kind::new(Action::Block, Reach::Exact);
        for line in 1..=u32::try_from(2 * RUN + 10).unwrap() {
            let name = if line % 1_000 == 999 { &names[1] } else { &names[0] };
            runs.push(kind, line, name.as_octets()).unwrap();
        }
        assert_eq!(runs.set_aside.blocks(), 2);

        let mut report = ListReport::default();
        let written = runs.merge(Draft::memory(), &mut report).unwrap();

        assert_eq!((written.rules, report.rules), (2, 2));
        assert_eq!(report.duplicates, 2 * RUN + 8);
    }
}
