//! What was seen of a server's datagrams goes in, how to send the next one comes out. No clock in
//! here, so that time is a value in its tests.

use std::time::Duration;

/// Least time before a datagram is sent again: an answer that a resolver has to look for takes so
/// long now and then, and asking twice does not hasten it.
const MIN_PAUSE: Duration = Duration::from_millis(400);

/// Answers in a row with the letters in another case, until a server counts as one that changes
/// them. For a forger each is a lucky guess of port and id.
const MAX_OTHER_CASE: u32 = 3;

/// What is known of one server.
pub(super) struct Habits {
    /// Smoothed as TCP does it (RFC 6298 section 2.3); nothing before the first answer.
    round_trip: Option<Duration>,
    other_case: u32,
    is_mixing: bool,
}

impl Habits {
    pub(super) fn new() -> Self {
        Self { round_trip: None, other_case: 0, is_mixing: true }
    }

    /// Whether letters are sent in random case.
    pub(super) fn is_mixing(&self) -> bool {
        self.is_mixing
    }

    /// How long to wait before a datagram is sent again.
    pub(super) fn pause(&self) -> Duration {
        self.round_trip.map_or(MIN_PAUSE, |round_trip| MIN_PAUSE.max(round_trip * 2))
    }

    /// Notes how long the answer to a datagram took that was sent only once.
    pub(super) fn note_round_trip(&mut self, round_trip: Duration) {
        let smoothed = self.round_trip.map_or(round_trip, |known| (known * 7 + round_trip) / 8);
        self.round_trip = Some(smoothed);
    }

    /// Notes an answer with the letters as they were sent.
    pub(super) fn note_echo(&mut self) {
        self.other_case = 0;
    }

    /// Notes an answer with other letters; whether this was the one too many.
    pub(super) fn note_other_case(&mut self) -> bool {
        self.other_case = self.other_case.saturating_add(1);
        let has_given_in = self.is_mixing && self.other_case >= MAX_OTHER_CASE;
        self.is_mixing &= !has_given_in;
        has_given_in
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Duration = Duration::from_millis(10);
    const SLOW: Duration = Duration::from_millis(900);

    #[test]
    fn the_pause_is_twice_the_usual_round_trip_and_400_ms_at_least() {
        let mut habits = Habits::new();
        assert_eq!(habits.pause(), MIN_PAUSE);

        habits.note_round_trip(FAST);
        assert_eq!(habits.pause(), MIN_PAUSE);

        for _ in 0..100 {
            habits.note_round_trip(SLOW);
        }
        assert!(habits.pause() > SLOW * 19 / 10 && habits.pause() <= SLOW * 2);
    }

    #[test]
    fn one_slow_answer_changes_little() {
        let mut habits = Habits::new();
        habits.note_round_trip(FAST);

        habits.note_round_trip(SLOW);

        assert_eq!(habits.pause(), MIN_PAUSE);
    }

    #[test]
    fn letters_are_given_up_once_after_three_others_in_a_row() {
        let mut habits = Habits::new();
        assert!(!habits.note_other_case() && !habits.note_other_case());
        habits.note_echo();
        assert!(!habits.note_other_case() && !habits.note_other_case() && habits.is_mixing());

        assert!(habits.note_other_case());

        assert!(!habits.is_mixing());
        assert!(!habits.note_other_case(), "it is told once");
    }
}
