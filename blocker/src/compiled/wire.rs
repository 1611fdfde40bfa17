//! The small change of the compiled form: numbers, sums, and what to say of damage.

use std::io;

/// The sum of some octets, by which damage is noticed.
pub(super) fn sum(octets: &[u8]) -> u32 {
    crc32fast::hash(octets)
}

/// Whether octets end in the sum of those before it.
pub(super) fn is_whole(octets: &[u8]) -> bool {
    octets
        .split_last_chunk::<SUM>()
        .is_some_and(|(octets, held)| sum(octets) == u32::from_le_bytes(*held))
}

/// So many octets from here on.
pub(super) fn array<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    octets.get(at..)?.first_chunk().copied()
}

/// A compiled list is not as it was written.
pub(super) fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the compiled list is damaged")
}

/// Octets of a sum.
pub(super) const SUM: usize = size_of::<u32>();
