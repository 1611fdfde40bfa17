//! Sorted rules for names, in blocks: written one after another, read a block at a time.
//!
//! ```text
//! block = columns: count x hash (8), count x kind (1), sum (4)
//!         payload: count x line (4), count x length (1), names in wire form, sum (4)
//! ```
//! The columns alone make an index; the payload is read to be sure of a name and to tell its line.

use std::borrow::Cow;
use std::io;

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use crate::rule::Kind;

use super::storage::{Draft, Storage};
use super::wire::{SUM, array, damaged, is_whole, sum};

/// A rule for a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Entry<'a> {
    pub(crate) hash: u64,
    pub(crate) kind: Kind,
    pub(crate) line: u32,
    /// In wire form.
    pub(crate) name: &'a [u8],
}

impl Entry<'_> {
    /// Whether both are the same rule, whatever their lines.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.hash, self.kind, self.name) == (other.hash, other.kind, other.name)
    }
}

/// Where a block lies, and the least hash in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) first: u64,
    /// The offset in the upper bits, the number of rules in the lower.
    packed: u64,
}

impl Place {
    fn new(first: u64, at: u64, count: usize) -> Self {
        Self { first, packed: at << COUNT_BITS | count as u64 }
    }

    pub(crate) const fn from_parts(first: u64, packed: u64) -> Self {
        Self { first, packed }
    }

    pub(crate) const fn packed(self) -> u64 {
        self.packed
    }

    const fn at(self) -> u64 {
        self.packed >> COUNT_BITS
    }

    pub(crate) fn count(self) -> usize {
        usize::try_from(self.packed & ((1 << COUNT_BITS) - 1)).unwrap_or(0)
    }
}

/// How the names of a block are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Packing {
    /// As they are, which is quick to read.
    Plain,
    /// Deflated: half as large, and ten times as slow to read.
    Deflated,
}

/// Writes rules that come in order.
#[derive(Debug)]
pub(crate) struct BlockWriter {
    packing: Packing,
    draft: Draft,
    at: u64,
    places: Vec<Place>,
    open: Open,
}

/// The block under construction.
#[derive(Debug, Default)]
struct Open {
    first: u64,
    count: usize,
    hashes: Vec<u8>,
    kinds: Vec<u8>,
    lines: Vec<u8>,
    lengths: Vec<u8>,
    names: Vec<u8>,
}

impl BlockWriter {
    /// Writes behind the first octets, which are to be filled in at the end.
    pub(crate) fn new(mut draft: Draft, front: usize, packing: Packing) -> io::Result<Self> {
        draft.write(&vec![0; front])?;
        Ok(Self { packing, draft, at: front as u64, places: Vec::new(), open: Open::default() })
    }

    /// Adds a rule; its hash is no less than the one before.
    pub(crate) fn push(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        let open = &mut self.open;
        if open.count == 0 {
            open.first = entry.hash;
        }
        open.count += 1;
        open.hashes.extend_from_slice(&entry.hash.to_le_bytes());
        open.kinds.push(entry.kind.octet());
        open.lines.extend_from_slice(&entry.line.to_le_bytes());
        // A name has at most 255 octets.
        open.lengths.push(u8::try_from(entry.name.len()).unwrap_or(u8::MAX));
        open.names.extend_from_slice(entry.name);
        if open.count == BLOCK { self.close() } else { Ok(()) }
    }

    /// How many blocks are closed.
    pub(crate) fn blocks(&self) -> usize {
        self.places.len()
    }

    /// Closes the last block; the draft, where its end is, and where the blocks are.
    pub(crate) fn finish(mut self) -> io::Result<(Draft, u64, Vec<Place>)> {
        self.close()?;
        self.places.shrink_to_fit();
        Ok((self.draft, self.at, self.places))
    }

    /// Ends the block at hand.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        let Open { first, count, hashes, kinds, lines, lengths, names } = &mut self.open;
        if *count == 0 {
            return Ok(());
        }
        self.places.push(Place::new(*first, self.at, *count));
        hashes.append(kinds);
        lengths.append(names);
        match self.packing {
            Packing::Plain => lines.append(lengths),
            Packing::Deflated => {
                lines.append(&mut compress_to_vec(lengths, QUICKEST));
                lengths.clear();
            }
        }
        for part in [hashes, lines] {
            part.extend_from_slice(&sum(part).to_le_bytes());
            self.draft.write(part)?;
            self.at += part.len() as u64;
            part.clear();
        }
        *count = 0;
        Ok(())
    }
}

/// The blocks of a storage.
#[derive(Debug)]
pub(crate) struct Blocks {
    pub(crate) storage: Storage,
    pub(crate) places: Box<[Place]>,
    /// Where the last block ends.
    pub(crate) end: u64,
    pub(crate) packing: Packing,
}

impl Blocks {
    /// The line of the rule for this name, where there is one.
    ///
    /// # Errors
    /// When the storage cannot be read, or is damaged there.
    pub(crate) fn find(&self, hash: u64, kind: Kind, name: &[u8]) -> io::Result<Option<u32>> {
        // Rules of one hash may begin in the block before the one that begins with it.
        let after = self.places.partition_point(|place| place.first < hash);
        for number in after.saturating_sub(1)..self.places.len() {
            if self.places.get(number).is_none_or(|place| place.first > hash) {
                break;
            }
            let block = self.read(number)?;
            if let Some(line) = block.find(hash, kind, name) {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// Reads a whole block, and checks its sums.
    pub(crate) fn read(&self, number: usize) -> io::Result<Block<'_>> {
        let place = self.places.get(number).ok_or_else(damaged)?;
        let end = self.places.get(number + 1).map_or(self.end, |next| next.at());
        let length = end.checked_sub(place.at()).and_then(|length| usize::try_from(length).ok());
        let length = length.filter(|length| *length <= MAX_BLOCK).ok_or_else(damaged)?;
        let octets = self.storage.read(place.at(), length)?;
        let parts = octets.split_at_checked(columns(place.count()));
        if !parts.is_some_and(|(columns, payload)| is_whole(columns) && is_whole(payload)) {
            return Err(damaged());
        }
        let octets = match self.packing {
            Packing::Plain => octets,
            Packing::Deflated => unpack(&octets, place.count()).ok_or_else(damaged)?.into(),
        };
        Ok(Block { octets, count: place.count() })
    }

    /// The hashes and kinds of all rules, in order.
    pub(crate) fn columns(&self) -> Columns<'_> {
        Columns { blocks: self, next: 0, rules: Vec::new(), at: 0 }
    }
}

/// A block in memory.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    octets: Cow<'a, [u8]>,
    count: usize,
}

impl Block<'_> {
    /// The line of the rule for this name.
    fn find(&self, hash: u64, kind: Kind, name: &[u8]) -> Option<u32> {
        let (hashes, _) = self.octets.get(..self.count * HASH)?.as_chunks();
        let first = hashes.iter().position(|held| u64::from_le_bytes(*held) == hash)?;
        let lengths = columns(self.count) + self.count * LINE;
        let before = self.octets.get(lengths..lengths + first)?;
        let mut at =
            self.names_start() + before.iter().map(|length| usize::from(*length)).sum::<usize>();
        for number in first..self.count {
            let entry = self.entry(number, at).filter(|entry| entry.hash == hash)?;
            if entry.kind == kind && entry.name == name {
                return Some(entry.line);
            }
            at += entry.name.len();
        }
        None
    }

    /// Where the first name lies.
    fn names_start(&self) -> usize {
        columns(self.count) + self.count * (LINE + 1)
    }

    /// A rule whose name is known to lie at this offset.
    fn entry(&self, number: usize, name: usize) -> Option<Entry<'_>> {
        let payload = columns(self.count);
        let length = *self.octets.get(payload + self.count * LINE + number)?;
        Some(Entry {
            hash: u64::from_le_bytes(array(&self.octets, number * HASH)?),
            kind: Kind::from_octet(*self.octets.get(self.count * HASH + number)?)?,
            line: u32::from_le_bytes(array(&self.octets, payload + number * LINE)?),
            name: self.octets.get(name..name + usize::from(length))?,
        })
    }
}

/// Walks the rules of all blocks.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    blocks: &'a Blocks,
    block: Option<Block<'a>>,
    left: std::ops::Range<usize>,
    number: usize,
    name: usize,
}

impl<'a> Cursor<'a> {
    /// Stands at the first rule of these blocks.
    pub(crate) fn new(blocks: &'a Blocks, left: std::ops::Range<usize>) -> io::Result<Self> {
        let mut cursor = Self { blocks, block: None, left, number: 0, name: 0 };
        cursor.open_next()?;
        Ok(cursor)
    }

    /// The rule it stands at; nothing behind the last.
    pub(crate) fn entry(&self) -> Option<Entry<'_>> {
        self.block.as_ref()?.entry(self.number, self.name)
    }

    /// Steps to the next rule.
    pub(crate) fn step(&mut self) -> io::Result<()> {
        let Some(entry) = self.entry() else { return Ok(()) };
        self.name += entry.name.len();
        self.number += 1;
        if self.block.as_ref().is_some_and(|block| self.number < block.count) {
            return Ok(());
        }
        self.open_next()
    }

    fn open_next(&mut self) -> io::Result<()> {
        self.block = self.left.next().map(|number| self.blocks.read(number)).transpose()?;
        self.name = self.block.as_ref().map_or(0, Block::names_start);
        self.number = 0;
        Ok(())
    }
}

/// Walks the hashes and kinds of all blocks, without reading the rest.
#[derive(Debug)]
pub(crate) struct Columns<'a> {
    blocks: &'a Blocks,
    next: usize,
    rules: Vec<(u64, Kind)>,
    at: usize,
}

impl Columns<'_> {
    /// The next rule's hash and kind.
    ///
    /// # Errors
    /// When the storage cannot be read, or is damaged there.
    #[inline]
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Kind)>> {
        if self.at == self.rules.len() && !self.read_block()? {
            return Ok(None);
        }
        self.at += 1;
        Ok(self.rules.get(self.at - 1).copied())
    }

    /// Reads the columns of the next block; false behind the last.
    fn read_block(&mut self) -> io::Result<bool> {
        let Some(place) = self.blocks.places.get(self.next) else { return Ok(false) };
        let octets = self.blocks.storage.read(place.at(), columns(place.count()))?;
        if place.count() == 0 || !is_whole(&octets) {
            return Err(damaged());
        }
        let (hashes, kinds) = octets.split_at_checked(place.count() * HASH).ok_or_else(damaged)?;
        let hashes = hashes.as_chunks().0.iter().map(|hash| u64::from_le_bytes(*hash));
        let kinds = kinds.iter().map_while(|octet| Kind::from_octet(*octet));
        self.rules.clear();
        self.rules.extend(hashes.zip(kinds));
        (self.at, self.next) = (0, self.next + 1);
        if self.rules.len() == place.count() { Ok(true) } else { Err(damaged()) }
    }
}

/// A block whose names were deflated, as if they had not been.
fn unpack(octets: &[u8], count: usize) -> Option<Vec<u8>> {
    let (front, packed) = octets.split_at_checked(columns(count) + count * LINE)?;
    let packed = packed.get(..packed.len().checked_sub(SUM)?)?;
    let names = decompress_to_vec_with_limit(packed, MAX_BLOCK).ok()?;
    Some([front, &names].concat())
}

/// Octets of the columns of so many rules, their sum included.
const fn columns(count: usize) -> usize {
    count * (HASH + 1) + SUM
}

/// Rules of a block: few enough that reading one to be sure of a name takes about a microsecond,
/// enough that the table of blocks takes a quarter of an octet a rule.
pub(super) const BLOCK: usize = 64;
/// Octets of a block of the longest names.
const MAX_BLOCK: usize = columns(BLOCK) + BLOCK * (LINE + 1 + 255) + SUM;
/// How hard the names are pressed: more takes several times as long for a twentieth less.
const QUICKEST: u8 = 1;
/// Bits of a place that hold a count.
const COUNT_BITS: u32 = 16;
const HASH: usize = size_of::<u64>();
const LINE: usize = size_of::<u32>();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Reach;
    use crate::source::Action;

    fn blocks(entries: &[Entry<'_>], packing: Packing) -> Blocks {
        let mut writer = BlockWriter::new(Draft::memory(), 16, packing).unwrap();
        entries.iter().for_each(|entry| writer.push(entry).unwrap());
        let (draft, end, places) = writer.finish().unwrap();
        Blocks { storage: draft.finish(&[7; 16]).unwrap(), places: places.into(), end, packing }
    }

    fn names(count: u32) -> Vec<Vec<u8>> {
        (0..count).map(|number| format!("\x07n{number:06}\0").into_bytes()).collect()
    }

    fn entries(names: &[Vec<u8>]) -> Vec<Entry<'_>> {
        let kind = Kind::new(Action::Block, Reach::Subtree);
        // Three rules of each hash, so that some lie across the end of a block.
        names
            .iter()
            .zip(0..)
            .map(|(name, line)| Entry { hash: u64::from(line / 3), kind, line, name })
            .collect()
    }

    #[test]
    fn what_was_written_is_read_again_in_order() {
        let names = names(1_000);
        let entries = entries(&names);
        let blocks = blocks(&entries, Packing::Plain);

        let mut cursor = Cursor::new(&blocks, 0..blocks.places.len()).unwrap();
        let mut columns = blocks.columns();
        for entry in &entries {
            assert_eq!(cursor.entry().as_ref(), Some(entry));
            cursor.step().unwrap();
            assert_eq!(columns.next().unwrap(), Some((entry.hash, entry.kind)));
        }
        assert_eq!(cursor.entry(), None);
        assert_eq!(columns.next().unwrap(), None);
    }

    #[test]
    fn a_name_is_found_by_its_octets_and_not_by_its_hash_alone() {
        let names = names(1_000);
        let entries = entries(&names);
        let plain = blocks(&entries, Packing::Plain);
        let blocks = blocks(&entries, Packing::Deflated);

        assert!(blocks.end < plain.end);
        for entry in &entries {
            assert_eq!(plain.find(entry.hash, entry.kind, entry.name).unwrap(), Some(entry.line));
            let found = blocks.find(entry.hash, entry.kind, entry.name).unwrap();
            assert_eq!(found, Some(entry.line));
        }
        let kind = entries[0].kind;
        assert_eq!(blocks.find(5, kind, b"\x07n999999\0").unwrap(), None);
        assert_eq!(blocks.find(u64::MAX, kind, &names[0]).unwrap(), None);
    }

    #[test]
    fn any_damage_is_noticed() {
        let names = names(300);
        let whole = blocks(&entries(&names), Packing::Plain);
        let Storage::Memory(octets) = &whole.storage else { panic!("it is in memory") };
        let end = whole.end;
        for at in (16..octets.len()).step_by(7) {
            let mut octets = octets.clone();
            octets[at] ^= 0x40;
            let storage = Storage::Memory(octets);
            let damaged =
                Blocks { storage, places: whole.places.clone(), end, packing: Packing::Plain };

            assert!((0..damaged.places.len()).any(|number| damaged.read(number).is_err()), "{at}");
        }
    }
}
