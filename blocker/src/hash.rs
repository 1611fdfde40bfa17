//! A name goes in, the keyed hash of it and of each of its parents comes out, in one pass.
//!
//! Labels are folded in from the right, so that every parent's hash is a step on the way to the
//! name's own. The key keeps a list's author from choosing names that collide. The same name has
//! the same hash in every list of one seed, and compiled lists keep them: a change here is a new
//! version of their form.

use std::hash::{BuildHasher, RandomState};

use crate::name::MAX_NAME;

/// The key of the hashes of a matcher and its lists, drawn at random once and then kept.
///
/// ```
/// assert_eq!(blocker::Seed::new(7), blocker::Seed::new(7));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seed {
    number: u64,
    start: u64,
    key: u64,
}

impl Default for Seed {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Seed {
    /// The seed made of a number that outsiders do not know.
    #[must_use]
    pub fn new(number: u64) -> Self {
        let start = fold(number ^ FIRST, SECOND);
        // An even factor would lose the lowest bits.
        Self { number, start, key: fold(number ^ SECOND, FIRST) | 1 }
    }

    /// A seed that nobody knows, good for as long as the process lives or somebody keeps it.
    #[must_use]
    pub fn random() -> Self {
        // The standard library's hash maps are keyed at random for the same reason.
        Self::new(RandomState::new().hash_one(()))
    }

    /// The number it was made of.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.number
    }

    /// Calls `visit` with the hash and the offset of each parent of a name, shortest first, and then
    /// of the name itself; the root is left out.
    #[inline]
    pub(crate) fn walk(self, name: &Octets, mut visit: impl FnMut(u64, usize)) {
        let mut starts = [0; MAX_LABELS];
        let (mut at, mut count) = (0_u8, 0);
        while let Some(&length @ 1..) = name.get(usize::from(at)) {
            if let Some(start) = starts.get_mut(count) {
                *start = at;
            }
            // A name has at most 255 octets.
            at = at.wrapping_add(length).wrapping_add(1);
            count += 1;
        }
        let mut hash = self.start;
        let mut end = usize::from(at);
        for start in starts.get(..count).unwrap_or_default().iter().rev() {
            let start = usize::from(*start);
            // The label's length octet is folded in with it.
            let mut at = start;
            while at < end {
                hash = fold(hash ^ word(name, at, end - at), self.key);
                at += WORD;
            }
            end = start;
            visit(hash, start);
        }
    }

    /// The hash of a whole name, and how many labels it has.
    pub(crate) fn hash(self, name: &Octets) -> (u64, u8) {
        let mut found = (self.start, 0);
        self.walk(name, |hash, _| found = (hash, found.1 + 1));
        found
    }
}

/// The eight octets from here on, those behind so many being zero.
#[inline]
fn word(name: &Octets, at: usize, length: usize) -> u64 {
    let word = match name.get(at..).and_then(<[u8]>::first_chunk) {
        Some(octets) => u64::from_le_bytes(*octets),
        None => last_word(name, at),
    };
    match length {
        1..WORD => word & (u64::MAX >> (u64::BITS as usize - 8 * length)),
        _ => word,
    }
}

/// The word at the end of the longest names.
#[cold]
fn last_word(name: &Octets, at: usize) -> u64 {
    let octets = name.get(at..).unwrap_or_default().iter().rev();
    octets.fold(0, |word, octet| word << 8 | u64::from(*octet))
}

/// Multiplies to 128 bits and folds the halves, so that every bit of both has a say.
fn fold(a: u64, b: u64) -> u64 {
    let (low, high) = a.carrying_mul(b, 0);
    low ^ high
}

/// Room for a name in wire form.
pub(crate) type Octets = [u8; MAX_NAME];

/// Octets folded in at a time.
const WORD: usize = 8;
/// Most labels of a name: 255 octets hold 127 of one character, and the root's zero.
const MAX_LABELS: usize = 128;
/// Digits of pi, which nobody chose for a purpose.
const FIRST: u64 = 0x243F_6A88_85A3_08D3;
const SECOND: u64 = 0x1319_8A2E_0370_7344;

#[cfg(test)]
mod tests {
    use super::*;

    use crate::name::Name;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn hash(seed: Seed, text: &str) -> u64 {
        seed.hash(name(text).as_octets()).0
    }

    #[test]
    fn a_parents_hash_is_a_step_on_the_way() {
        let seed = Seed::new(1);
        let deep = name("a-label-of-some-length.b.ads.example");
        let mut steps = Vec::new();

        seed.walk(deep.as_octets(), |hash, start| steps.push((hash, start)));

        let parents = ["example", "ads.example", "b.ads.example"];
        let whole = parents.map(|text| hash(seed, text));
        assert_eq!(steps.iter().map(|step| step.0).collect::<Vec<_>>()[..3], whole);
        assert_eq!(seed.hash(deep.as_octets()), (steps[3].0, 4));
        assert_eq!(steps.iter().map(|step| step.1).collect::<Vec<_>>(), [29, 25, 23, 0]);
    }

    #[test]
    fn names_that_look_alike_have_hashes_of_their_own() {
        let seed = Seed::new(7);
        let names =
            ["ab.c", "a.bc", "abc", "a.b.c", "b.a.c", "ba.c", "aaaaaaaa", "aaaaaaa", "\\000a"];

        let mut hashes: Vec<_> = names.iter().map(|text| hash(seed, text)).collect();
        hashes.push(hash(Seed::new(8), "ab.c"));
        hashes.sort_unstable();
        hashes.dedup();

        assert_eq!(hashes.len(), names.len() + 1);
    }

    #[test]
    fn the_last_octets_of_the_longest_name_count() {
        let seed = Seed::new(3);
        let front = ["a".repeat(63), "a".repeat(63), "a".repeat(63)].join(".");
        let ends = ["bbbbbbbbb.c.d", "bbbbbbbbb.c.e", "bbbbbbbbb.cd", "bbbbbbbbbb.d"];
        let longest = |end: &str| format!("{front}.{}{end}", "a".repeat(48));

        let mut hashes: Vec<_> = ends.iter().map(|end| hash(seed, &longest(end))).collect();
        hashes.sort_unstable();
        hashes.dedup();

        assert_eq!(name(&longest(ends[0])).as_wire().len(), 255);
        assert_eq!(hashes.len(), ends.len());
        assert_eq!(seed.hash(name(&longest("x.ads.example")).as_octets()).1, 6);
    }

    #[test]
    fn the_longest_name_has_all_its_suffixes() {
        let longest = name(&["a"; 127].join("."));

        assert_eq!(Seed::new(3).hash(longest.as_octets()).1, 127);
        assert_eq!(Seed::new(3).hash(Name::ROOT.as_octets()).1, 0);
    }
}
