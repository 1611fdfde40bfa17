//! Round trips of a server come in; how long a query to it is likely to take, and how long most of
//! them take, comes out. No clock in here, so that hours of it are one test.

use std::time::Duration;

use tokio::time::Instant;

/// What an untried server is taken for, and what all that is known fades to: quicker than nearly
/// every server beyond the local network, so that one is tried at once, and one that was slow
/// again after a minute or two.
const INITIAL: f64 = 0.001;

/// Within this time a peak has half faded, be it by quicker answers or by none at all. Long enough
/// to ride out a burst of trouble, short enough to notice its end.
const FADE: Duration = Duration::from_secs(10);

/// Halvings after which nothing is left to fade.
const MOST_HALVINGS: i32 = 20;

/// Part that an answer has in the smoothed round trip (RFC 6298 section 2).
const SMOOTHING: f64 = 1.0 / 8.0;

/// The percentile that hedges wait for.
const PERCENTILE: f64 = 0.95;

/// How far one answer moves the percentile, as a part of it: a change of ten times is followed
/// within fifty answers upwards, and within a thousand downwards.
const STEP: f64 = 0.05;

/// Part that an answer or a failure has in the share of bad outcomes.
const BADNESS: f64 = 1.0 / 16.0;

/// How much dearer a server is that does nothing but fail, such as one that says SERVFAIL to
/// everything, and says so faster than others answer.
const BAD_FACTOR: f64 = 9.0;

/// How fast a server is.
pub(super) struct Pace {
    /// The last peak, faded since.
    peak: f64,
    /// When that was.
    at: Option<Instant>,
    smoothed: Option<f64>,
    percentile: f64,
    /// Share of outcomes that helped nobody, when it was last taken.
    badness: f64,
    judged_at: Option<Instant>,
}

/// Whether an outcome helped who asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum IsGood {
    Yes,
    No,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            peak: INITIAL,
            at: None,
            smoothed: None,
            percentile: 0.0,
            badness: 0.0,
            judged_at: None,
        }
    }

    /// Notes an answer: a slow one counts at once, quick ones make up for it in time.
    pub(super) fn note_round_trip(&mut self, now: Instant, round_trip: Duration) {
        let (seconds, known) = (round_trip.as_secs_f64(), self.expected(now));
        self.peak = match self.at {
            Some(at) if seconds < known => {
                let age = now.saturating_duration_since(at).as_secs_f64();
                known + (seconds - known) * age / (age + FADE.as_secs_f64())
            }
            _ => seconds,
        };
        self.at = Some(now);
        let smoothed = self.smoothed.get_or_insert(seconds);
        *smoothed += (seconds - *smoothed) * SMOOTHING;
        self.move_percentile(seconds);
    }

    /// Notes that a query takes so long at least.
    pub(super) fn note_slow(&mut self, now: Instant, at_least: Duration) {
        let seconds = at_least.as_secs_f64();
        if seconds > self.expected(now) {
            (self.peak, self.at) = (seconds, Some(now));
        }
    }

    /// Notes whether an outcome helped.
    pub(super) fn note_outcome(&mut self, now: Instant, is_good: IsGood) {
        let (bad, known) = (if is_good == IsGood::Yes { 0.0 } else { 1.0 }, self.badness(now));
        self.badness = known + (bad - known) * BADNESS;
        self.judged_at = Some(now);
    }

    /// Forgets all that was bad, as it is over.
    pub(super) fn forgive(&mut self) {
        (self.peak, self.badness) = (self.smoothed.unwrap_or(INITIAL), 0.0);
    }

    /// What one more query costs in seconds, beside so many that are under way.
    pub(super) fn cost(&self, now: Instant, in_flight: usize) -> f64 {
        // Queries under way are far below 2^53, where f64 still counts by one.
        let queries = in_flight.saturating_add(1) as f64;
        self.expected(now) * queries * (1.0 + BAD_FACTOR * self.badness(now))
    }

    /// The smoothed round trip.
    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.smoothed.map(Duration::from_secs_f64)
    }

    /// How long 19 of 20 answers take at most.
    pub(super) fn percentile(&self) -> Option<Duration> {
        self.smoothed.map(|_| Duration::from_secs_f64(self.percentile))
    }

    fn expected(&self, now: Instant) -> f64 {
        let Some(at) = self.at else { return INITIAL };
        INITIAL + (self.peak - INITIAL) * left_after(now.saturating_duration_since(at))
    }

    fn badness(&self, now: Instant) -> f64 {
        let age = self.judged_at.map(|at| now.saturating_duration_since(at));
        self.badness * age.map_or(1.0, left_after)
    }

    /// Goes up by 19 steps at a slower answer and down by one at a quicker one: where one in twenty
    /// is slower, that keeps the balance.
    fn move_percentile(&mut self, seconds: f64) {
        if self.percentile == 0.0 {
            self.percentile = seconds;
        } else if seconds > self.percentile {
            self.percentile *= 1.0 + STEP * PERCENTILE;
        } else {
            self.percentile *= 1.0 - STEP * (1.0 - PERCENTILE);
        }
    }
}

/// What is left of a peak after a time without news, which goes in steps.
fn left_after(age: Duration) -> f64 {
    let halvings = age.as_secs() / FADE.as_secs();
    let halvings = i32::try_from(halvings).unwrap_or(MOST_HALVINGS).min(MOST_HALVINGS);
    if halvings == 0 { 1.0 } else { 0.5_f64.powi(halvings) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::Dice;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn cost_ms(pace: &Pace, now: Instant) -> u128 {
        let cost = Duration::from_secs_f64(pace.cost(now, 0));
        (cost + Duration::from_micros(500)).as_millis()
    }

    #[test]
    fn a_slow_answer_counts_at_once_and_quick_ones_make_up_for_it() {
        let (mut pace, mut now) = (Pace::new(), Instant::now());
        pace.note_round_trip(now, ms(10));
        pace.note_round_trip(now, ms(500));
        assert_eq!(cost_ms(&pace, now), 500);

        for _ in 0..300 {
            now += ms(100);
            pace.note_round_trip(now, ms(10));
        }

        assert!((20..60).contains(&cost_ms(&pace, now)), "{}", cost_ms(&pace, now));
    }

    #[test]
    fn t57_a_spike_that_nothing_followed_is_forgotten_within_two_minutes() {
        let (mut pace, now) = (Pace::new(), Instant::now());
        pace.note_round_trip(now, ms(2000));

        let after = |seconds| cost_ms(&pace, now + Duration::from_secs(seconds));

        assert_eq!((after(9), after(10), after(20)), (2000, 1001, 501));
        assert!(after(110) <= 2);
        assert_eq!(after(1_000_000), 1);
    }

    #[test]
    fn queries_under_way_and_bad_outcomes_make_a_server_dearer() {
        let (mut pace, now) = (Pace::new(), Instant::now());
        pace.note_round_trip(now, ms(10));
        assert!((pace.cost(now, 4) - 0.05).abs() < 1e-9);

        (0..200).for_each(|_| pace.note_outcome(now, IsGood::No));
        assert_eq!(cost_ms(&pace, now), 100);
        (0..200).for_each(|_| pace.note_outcome(now, IsGood::Yes));
        assert_eq!(cost_ms(&pace, now), 10);
    }

    #[test]
    fn the_percentile_is_where_one_in_twenty_is_slower() {
        let (mut pace, now, dice) = (Pace::new(), Instant::now(), Dice::new(3));
        let mut slower = 0;
        for number in 0..20_000 {
            let round_trip = Duration::from_secs_f64(0.01 + 0.09 * dice.fraction());
            let percentile = pace.percentile().unwrap_or_default();
            if number >= 10_000 && round_trip > percentile {
                slower += 1;
            }
            pace.note_round_trip(now, round_trip);
        }

        assert!((400..600).contains(&slower), "{slower} of 10000");
        let percentile = pace.percentile().unwrap();
        assert!(percentile > ms(85) && percentile < ms(105), "{percentile:?}");
    }

    #[test]
    fn the_smoothed_round_trip_follows_slowly() {
        let (mut pace, now) = (Pace::new(), Instant::now());
        assert_eq!((pace.smoothed(), pace.percentile()), (None, None));

        pace.note_round_trip(now, ms(8));
        pace.note_round_trip(now, ms(16));

        assert_eq!(pace.smoothed(), Some(ms(9)));
    }
}
