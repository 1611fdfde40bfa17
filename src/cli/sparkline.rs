//! An hour of a server in slices goes in, one short line of blocks comes out, for a terminal.

use crate::upstream::Slice;

/// Slices that one character stands for: an hour takes 30 characters.
const SLICES: usize = 4;

/// Heights, the lowest first.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What stands where nothing was asked.
const NOTHING: char = '·';

/// What stands where more failed than was answered.
const FAILED: char = '×';

/// How much was sent, the oldest first and the highest block for the most.
pub(super) fn sparkline(slices: &[Slice]) -> String {
    let sums: Vec<[u64; 3]> = slices.rchunks(SLICES).rev().map(sums).collect();
    let most = sums.iter().map(|[sent, ..]| *sent).max().unwrap_or(0);
    sums.into_iter().map(|sums| block(sums, most)).collect()
}

/// Sent, answered, failed.
fn sums(slices: &[Slice]) -> [u64; 3] {
    let sum = |of: fn(&Slice) -> u32| slices.iter().map(|slice| u64::from(of(slice))).sum();
    [sum(|slice| slice.sent), sum(|slice| slice.answered), sum(|slice| slice.failed)]
}

fn block([sent, answered, failed]: [u64; 3], most: u64) -> char {
    if failed > answered {
        return FAILED;
    }
    let steps = HEIGHTS.len() as u64;
    // The least that was sent has the lowest block, the most the highest.
    let height = (sent * steps).div_ceil(most.max(1)).checked_sub(1);
    let height = height.and_then(|height| HEIGHTS.get(usize::try_from(height).ok()?));
    height.copied().unwrap_or(NOTHING)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(sent: u32, failed: u32) -> Slice {
        Slice { sent, failed, answered: sent - failed, ..Slice::default() }
    }

    #[test]
    fn two_minutes_are_a_block_as_high_as_what_was_sent() {
        let slices: Vec<Slice> = [0, 1, 4, 8, 8]
            .iter()
            .flat_map(|sent| std::iter::repeat_n(slice(*sent, 0), SLICES))
            .chain(std::iter::repeat_n(slice(8, 5), SLICES))
            .collect();

        assert_eq!(sparkline(&slices), "·▁▄██×");
        assert_eq!(sparkline(&slices[3..]).chars().count(), 6, "the newest slices stay together");
        assert_eq!(sparkline(&[]), "");
    }
}
