//! The first octets of a compiled list, and the table of its blocks.

use std::io;

use super::Identity;
use super::block::Place;
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
    pub(super) fn notes_at(&self) -> u64 {
        self.blocks_end + self.blocks * PLACE as u64 + SUM as u64
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
    Ok(places
        .iter()
        .map(|octets| Place::from_parts(number(octets, 0), number(octets, 8)))
        .collect())
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
