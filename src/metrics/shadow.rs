//! What is in shadow mode would have blocked an answer: counted here by the thread that gave it.
//!
//! A small table without a lock: one thread writes it, whoever scrapes reads it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::querylog::Label;

/// Lists and rules that are told apart, so many that nobody oversees more in trial at a time; 4 KiB
/// of each thread.
const PLACES: usize = 256;

/// One thread's counts.
#[derive(Debug)]
pub(super) struct ShadowBlocks(Box<[Place]>);

/// The count of one list or rule; 0 is nobody's label.
#[derive(Debug, Default)]
struct Place {
    label: AtomicU32,
    blocks: AtomicU64,
}

impl Default for ShadowBlocks {
    fn default() -> Self {
        Self((0..PLACES).map(|_| Place::default()).collect())
    }
}

impl ShadowBlocks {
    /// Counts one for a label; only ever called by one thread. Those for whom there is no place left
    /// are not counted.
    pub(super) fn count(&self, label: Label) {
        let number = label.number();
        let first = usize::try_from(number).map_or(0, |number| number % PLACES);
        let (before, after) = self.0.split_at(first);
        for place in after.iter().chain(before) {
            let held = place.label.load(Ordering::Relaxed);
            if held == 0 || held == number {
                place.blocks.store(place.blocks.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                place.label.store(number, Ordering::Release);
                return;
            }
        }
    }

    /// Counts so far of those that have any.
    pub(super) fn counts(&self) -> impl Iterator<Item = (Label, u64)> {
        self.0.iter().filter_map(|place| {
            let label = Label::from_number(place.label.load(Ordering::Acquire))?;
            Some((label, place.blocks.load(Ordering::Relaxed)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_meet_in_a_place_are_told_apart_and_those_without_one_hurt_nobody() {
        let blocks = ShadowBlocks::default();
        let label = |number| Label::from_number(number).unwrap();
        let places = u32::try_from(PLACES).unwrap();

        for number in [7, 7 + places, 7, u32::MAX] {
            blocks.count(label(number));
        }
        (1000..1000 + places).for_each(|number| blocks.count(label(number)));
        blocks.count(label(7));

        let counted = |number| blocks.counts().find(|(held, _)| *held == label(number));
        assert_eq!(counted(7), Some((label(7), 3)));
        assert_eq!(counted(7 + places), Some((label(7 + places), 1)));
        assert_eq!(blocks.counts().count(), PLACES);
    }
}
