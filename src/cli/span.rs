//! A span of time goes in, the two largest of its units come out, for people to read.

use std::{fmt, time::Duration};

/// A span of time for people.
pub(super) struct Span(pub(super) Duration);

/// Units and their seconds, the largest first.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let largest =
            UNITS.iter().position(|(_, unit)| seconds >= *unit).unwrap_or(UNITS.len() - 1);
        let mut rest = seconds;
        let mut is_first = true;
        for (word, unit) in UNITS.iter().skip(largest).take(2) {
            let count = rest / unit;
            rest %= unit;
            if is_first {
                write!(f, "{count} {word}")?;
            } else if count > 0 {
                write!(f, " {count} {word}")?;
            }
            is_first = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_units_say_enough() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 m"),
            (3661, "1 h 1 m"),
            (86_400, "1 d"),
            (90_061, "1 d 1 h"),
            (100 * 86_400, "100 d"),
        ] {
            assert_eq!(Span(Duration::from_secs(seconds)).to_string(), text);
        }
    }
}
