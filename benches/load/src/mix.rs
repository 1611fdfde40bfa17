//! Names go in, an endless order of questions comes out. Everything is worked out beforehand, so
//! that choosing the next question costs the load generator one look-up.

use crate::packet::{Edns, Question, QuestionError};

/// Questions drawn beforehand: so many that even a million names come in a fair mix, and a power of
/// two so that going round is a mask.
const DRAWN: usize = 1 << 20;

/// The questions of a run and their order.
#[derive(Clone, Debug)]
pub struct Mix {
    questions: Vec<Question>,
    order: Vec<u32>,
}

/// Why there is no mix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MixError {
    /// There is nothing to ask.
    #[error("there are no names to ask; give a file with one name a line, or a number above 0")]
    Empty,
    /// One of the names cannot be asked.
    #[error("one of the names cannot be asked: {0}")]
    Question(#[from] QuestionError),
}

impl Mix {
    /// Asks each name once, in the order given, then again.
    ///
    /// # Errors
    /// When there are no names or one of them is none.
    pub fn in_turn(names: &[String], qtype: u16, edns: Edns) -> Result<Self, MixError> {
        let questions = build(names, qtype, edns)?;
        let order = (0..).take(questions.len()).collect();
        Ok(Self { questions, order })
    }

    /// Asks the first name most: the n-th has the weight 1 / n^exponent. The same seed gives the
    /// same order.
    ///
    /// # Errors
    /// When there are no names or one of them is none.
    pub fn zipf(
        names: &[String],
        (qtype, edns): (u16, Edns),
        exponent: f64,
        seed: u64,
    ) -> Result<Self, MixError> {
        let questions = build(names, qtype, edns)?;
        let shares = cumulative_shares(questions.len(), exponent);
        let mut random = SplitMix(seed);
        let order = (0..DRAWN).map(|_| draw(&shares, random.fraction())).collect();
        Ok(Self { questions, order })
    }

    /// The question number `n` of the run.
    pub fn question(&self, n: u64) -> Option<(u32, &Question)> {
        let place = usize::try_from(n).ok()?.checked_rem(self.order.len())?;
        let index = *self.order.get(place)?;
        Some((index, self.at(index)?))
    }

    /// The question with this index.
    pub fn at(&self, index: u32) -> Option<&Question> {
        self.questions.get(usize::try_from(index).ok()?)
    }

    /// How many different questions there are.
    pub fn questions(&self) -> usize {
        self.questions.len()
    }
}

/// Names below `bench.example.`, as many as asked for.
pub fn generated_names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("n{n}.bench.example.")).collect()
}

/// A small random generator (SplitMix64), so that a seed means the same in every version.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, but not, 1.
    fn fraction(&mut self) -> f64 {
        // A double holds 53 bits exactly.
        let (bits, scale) = (self.next() >> 11, 1_u64 << 53);
        bits as f64 / scale as f64
    }
}

fn build(names: &[String], qtype: u16, edns: Edns) -> Result<Vec<Question>, MixError> {
    if names.is_empty() {
        return Err(MixError::Empty);
    }
    let questions = names.iter().map(|name| Question::new(name, qtype, edns));
    Ok(questions.collect::<Result<_, _>>()?)
}

fn cumulative_shares(count: usize, exponent: f64) -> Vec<f64> {
    let weights = (1..=count).map(|rank| (rank as f64).powf(-exponent));
    let mut shares: Vec<f64> = weights
        .scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        })
        .collect();
    let total = shares.last().copied().unwrap_or(1.0);
    shares.iter_mut().for_each(|share| *share /= total);
    shares
}

fn draw(shares: &[f64], fraction: f64) -> u32 {
    let index = shares.partition_point(|share| *share <= fraction);
    // Rounding may leave the last share a hair below 1.
    u32::try_from(index.min(shares.len().saturating_sub(1))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(mix: &Mix) -> Vec<usize> {
        let mut counts = vec![0; mix.questions()];
        mix.order.iter().for_each(|index| counts[*index as usize] += 1);
        counts
    }

    #[test]
    fn the_first_name_is_asked_as_much_more_as_zipf_says() {
        let names = generated_names(1000);
        let mix = Mix::zipf(&names, (1, Edns::Plain), 1.0, 42).unwrap();

        let counts = counts(&mix);

        let (first, tenth) = (counts[0] as f64, counts[9] as f64);
        assert!((first / tenth - 10.0).abs() < 0.5, "{first} and {tenth}");
        // The harmonic number of 1000 is 7.485.
        assert!((first / DRAWN as f64 - 1.0 / 7.485).abs() < 0.005, "{first}");
        assert!(counts.iter().all(|count| *count > 0));
    }

    #[test]
    fn an_exponent_of_nought_asks_all_alike() {
        let mix = Mix::zipf(&generated_names(16), (1, Edns::Plain), 0.0, 1).unwrap();

        let counts = counts(&mix);

        assert!(counts.iter().all(|count| count.abs_diff(DRAWN / 16) < DRAWN / 100), "{counts:?}");
    }

    #[test]
    fn a_seed_gives_one_order() {
        let drawn =
            |seed| Mix::zipf(&generated_names(100), (1, Edns::Absent), 1.0, seed).unwrap().order;

        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    #[test]
    fn in_turn_asks_each_once_before_any_twice() {
        let mix = Mix::in_turn(&generated_names(3), 1, Edns::Absent).unwrap();

        let asked: Vec<u32> = (0..6).map(|n| mix.question(n).unwrap().0).collect();

        assert_eq!(asked, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn no_names_are_an_error() {
        assert!(matches!(Mix::in_turn(&[], 1, Edns::Plain), Err(MixError::Empty)));
    }
}
