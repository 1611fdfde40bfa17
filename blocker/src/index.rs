//! The hash of a name goes in, the numbers of the rule sets that may be for it come out.
//!
//! Six octets for each name and the beginnings of buckets: 32 bits of the hash, and the number of
//! the set of rules that lists have for it. The bits that choose the bucket are not kept again. Two
//! names may look the same here, so whoever acts on what is found looks the name up in its list.

/// Names by their hashes.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// What is left of a hash when all but the bucket's bits are shifted out.
    shift: u32,
    /// Where each bucket begins, and where the last one ends.
    starts: Box<[u32]>,
    prints: Box<[u32]>,
    classes: Box<[u16]>,
}

impl Index {
    /// The sets that names with this hash have; nearly always none or one.
    #[inline]
    pub(crate) fn find(&self, hash: u64) -> impl Iterator<Item = u16> {
        let bucket = self.bucket(hash);
        let print = print(hash);
        let prints = self.prints.get(bucket.clone()).unwrap_or_default();
        let classes = self.classes.get(bucket).unwrap_or_default();
        let same = prints.iter().zip(classes).filter(move |(other, _)| **other == print);
        same.map(|(_, class)| *class)
    }

    /// Bytes held on the heap.
    pub(crate) fn memory(&self) -> usize {
        size_of_val(&*self.starts) + size_of_val(&*self.prints) + size_of_val(&*self.classes)
    }

    fn bucket(&self, hash: u64) -> std::ops::Range<usize> {
        let bucket = usize::try_from(hash >> self.shift).unwrap_or(usize::MAX);
        match self.starts.get(bucket..).unwrap_or_default() {
            [start, end, ..] => position(*start)..position(*end),
            _ => 0..0,
        }
    }
}

/// An index that is filled in the order of hashes.
pub(crate) struct IndexBuilder {
    shift: u32,
    starts: Vec<u32>,
    prints: Vec<u32>,
    classes: Vec<u16>,
    buckets: usize,
}

impl IndexBuilder {
    /// Makes room for so many names at most.
    pub(crate) fn new(names: usize) -> Self {
        let bits = (names / NAMES_IN_A_BUCKET).max(2).next_power_of_two().trailing_zeros();
        let buckets = 1 << bits;
        Self {
            shift: u64::BITS - bits,
            starts: Vec::with_capacity(buckets + 1),
            prints: Vec::with_capacity(names),
            classes: Vec::with_capacity(names),
            buckets,
        }
    }

    /// Adds a name; no hash may be less than the one before. False when there are no numbers left.
    pub(crate) fn push(&mut self, hash: u64, class: u16) -> bool {
        let Ok(position) = u32::try_from(self.prints.len()) else { return false };
        let bucket = usize::try_from(hash >> self.shift).unwrap_or(usize::MAX);
        while self.starts.len() <= bucket.min(self.buckets) {
            self.starts.push(position);
        }
        self.prints.push(print(hash));
        self.classes.push(class);
        true
    }

    /// Closes the last buckets.
    pub(crate) fn finish(mut self) -> Index {
        if self.prints.is_empty() {
            return Index { shift: u64::BITS - 1, ..Index::default() };
        }
        let end = u32::try_from(self.prints.len()).unwrap_or(u32::MAX);
        self.starts.resize(self.buckets + 1, end);
        Index {
            shift: self.shift,
            starts: self.starts.into(),
            prints: self.prints.into(),
            classes: self.classes.into(),
        }
    }
}

/// What is kept of a hash: its lower half, as the upper bits choose the bucket.
fn print(hash: u64) -> u32 {
    let [a, b, c, d, ..] = hash.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn position(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Names of a bucket on average, when there are as many as room was made for: a bucket then lies in
/// one or two lines of the processor's cache, and its beginning costs half an octet a name.
const NAMES_IN_A_BUCKET: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_again_and_nothing_else() {
        let hash = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut hashes: Vec<(u64, u16)> = (0..5_000).map(|n| (hash(n), (n % 7) as u16)).collect();
        hashes.sort_unstable();
        let mut builder = IndexBuilder::new(9_000);
        for (hash, class) in &hashes {
            assert!(builder.push(*hash, *class));
        }
        let index = builder.finish();

        assert!(hashes.iter().all(|(hash, class)| index.find(*hash).eq([*class])));
        assert!((5_000..20_000).all(|number| index.find(hash(number)).next().is_none()));
        assert!(index.memory() < 8 * hashes.len());
    }

    #[test]
    fn the_last_bucket_and_an_empty_index_are_no_exceptions() {
        let mut builder = IndexBuilder::new(3);
        for (hash, class) in [(0, 1), (u64::MAX, 2), (u64::MAX, 3)] {
            assert!(builder.push(hash, class));
        }
        let index = builder.finish();

        assert!(index.find(u64::MAX).eq([2, 3]));
        assert!(index.find(0).eq([1]));
        assert_eq!(Index::default().find(0).count(), 0);
        assert_eq!(IndexBuilder::new(0).finish().find(u64::MAX).count(), 0);
    }
}
