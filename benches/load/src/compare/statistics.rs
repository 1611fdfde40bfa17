//! Numbers of all rounds go in, the middle and the spread come out. Medians, because a noisy
//! neighbour spoils single rounds, not all alike.

/// The middle of some numbers, and how far they lie from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    /// The median of the distances from the median.
    pub(super) deviation: f64,
}

/// Finds the middle; nothing where there is nothing.
pub(super) fn spread(numbers: &[f64]) -> Option<Spread> {
    let median = median(numbers)?;
    let distances: Vec<f64> = numbers.iter().map(|number| (number - median).abs()).collect();
    Some(Spread { median, deviation: self::median(&distances)? })
}

/// The middle number, or the mean of the two in the middle.
pub(super) fn median(numbers: &[f64]) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(middle.checked_sub(1)?)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wild_round_moves_neither_the_median_nor_the_deviation_much() {
        let spread = spread(&[1.1, 1.2, 9.0, 1.0, 1.3]).unwrap();

        assert!((spread.median - 1.2).abs() < 1e-9);
        assert!((spread.deviation - 0.1).abs() < 1e-9);
    }

    #[test]
    fn an_even_number_has_its_middle_between_two() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        assert_eq!(spread(&[2.0]), Some(Spread { median: 2.0, deviation: 0.0 }));
    }
}
