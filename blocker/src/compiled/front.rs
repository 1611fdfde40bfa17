//! The first octets of a compiled list, and the table of its blocks.

use std::io;

use super::Identity;
use super::block::{BLOCK, Place};
use super::storage::Storage;
use super::wire::{SUM, array, damaged, is_whole, sum};

/// What the rest cannot be read without.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Front {
    pub(super) seed: u64,
    pub(super) identity: Identity,
    pub(super) blocks_end: u64,
    pub(super) blocks: u64,
    pub(super) rules: u64,
    pub(super) fewest_labels: u8,
}

impl Front {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut octets = MAGIC.to_vec();
        octets.extend_from_slice(&VERSION.to_le_bytes());
        octets.extend_from_slice(&self.identity);
        for number in [self.seed, self.blocks_end, self.blocks, self.rules] {
            octets.extend_from_slice(&number.to_le_bytes());
        }
        octets.push(self.fewest_labels);
        octets.extend_from_slice(&sum(&octets).to_le_bytes());
        octets
    }

    pub(super) fn read(storage: &Storage) -> io::Result<Self> {
        let octets = storage.read(0, LENGTH)?;
        let is_ours = octets.starts_with(MAGIC) && array(&octets, 8) == Some(VERSION.to_le_bytes());
        if !is_ours || !is_whole(&octets) {
            return Err(damaged());
        }
        let number = |place: usize| {
            let at = NUMBERS + place * size_of::<u64>();
            array(&octets, at).map(u64::from_le_bytes).ok_or_else(damaged)
        };
        let front = Self {
            identity: array(&octets, IDENTITY).ok_or_else(damaged)?,
            seed: number(0)?,
            blocks_end: number(1)?,
            blocks: number(2)?,
            rules: number(3)?,
            fewest_labels: *octets.get(LENGTH - SUM - 1).ok_or_else(damaged)?,
        };
        // Nothing is made room for that the file does not have.
        front.notes_length(storage)?;
        Ok(front)
    }

    /// Octets of the table of blocks.
    pub(super) fn table_length(&self) -> io::Result<usize> {
        let blocks = usize::try_from(self.blocks).ok().filter(|blocks| *blocks <= MAX_BLOCKS);
        Ok(blocks.ok_or_else(damaged)? * PLACE + SUM)
    }

    /// Where the notes begin.
    pub(super) const fn notes_at(&self) -> u64 {
        // Numbers that lead beyond all files are noticed where the file turns out to be shorter.
        let table = self.blocks.saturating_mul(PLACE as u64).saturating_add(SUM as u64);
        self.blocks_end.saturating_add(table)
    }

    /// Octets from there to the end.
    pub(super) fn notes_length(&self, storage: &Storage) -> io::Result<usize> {
        let length = storage.length()?.checked_sub(self.notes_at());
        length.and_then(|length| usize::try_from(length).ok()).ok_or_else(damaged)
    }
}

/// The table of these blocks.
pub(super) fn table(places: &[Place]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(places.len() * PLACE + SUM);
    for place in places {
        octets.extend_from_slice(&place.first.to_le_bytes());
        octets.extend_from_slice(&place.packed().to_le_bytes());
    }
    octets.extend_from_slice(&sum(&octets).to_le_bytes());
    octets
}

/// The blocks of a table.
pub(super) fn places(table: &[u8]) -> io::Result<Box<[Place]>> {
    if !is_whole(table) {
        return Err(damaged());
    }
    let (places, _) = table.as_chunks::<PLACE>();
    let number = |octets: &[u8], at| array(octets, at).map_or(0, u64::from_le_bytes);
    let place = |octets: &[u8; PLACE]| Place::from_parts(number(octets, 0), number(octets, 8));
    let places: Box<[Place]> = places.iter().map(place).collect();
    // Room is made for as many rules as the blocks say they have.
    if places.iter().all(|place| (1..=BLOCK).contains(&place.count())) {
        Ok(places)
    } else {
        Err(damaged())
    }
}

/// How a compiled list begins.
const MAGIC: &[u8; 8] = b"dnsward\xB1";
/// Counted up with every change of the form, of the hashes, or of what a line means.
const VERSION: u32 = 1;
const IDENTITY: usize = MAGIC.len() + size_of::<u32>();
const NUMBERS: usize = IDENTITY + size_of::<Identity>();
/// Octets of the front.
pub(crate) const LENGTH: usize = NUMBERS + 4 * size_of::<u64>() + 1 + SUM;
/// Octets of a block in the table.
const PLACE: usize = 16;
/// Most blocks of a list: more rules than an index can number.
const MAX_BLOCKS: usize = 1 << 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_front_that_leads_beyond_the_file_is_refused() {
        let whole = Front {
            seed: 1,
            identity: [0; 32],
            blocks_end: LENGTH as u64,
            blocks: 0,
            rules: 0,
            fewest_labels: 1,
        };
        let read = |front: Front| {
            let octets = [front.write(), vec![0; SUM]].concat();
            Front::read(&Storage::Memory(octets.into()))
        };

        assert!(read(Front { ..whole }).is_ok());
        for far in [LENGTH as u64 + 1, 1 << 60, u64::MAX - 3, u64::MAX] {
            assert!(read(Front { blocks_end: far, ..whole }).is_err(), "{far}");
            assert!(read(Front { blocks: far, ..whole }).is_err(), "{far}");
        }
    }

    #[test]
    fn a_table_whose_blocks_have_none_or_too_many_rules_is_refused() {
        let read = |count: u64| {
            let packed = (LENGTH as u64) << 16 | count;
            places(&table(&[Place::from_parts(7, packed)])).is_ok()
        };

        assert_eq!([0, 1, 64, 65, 65_535].map(read), [false, true, true, false, false]);
    }
}
