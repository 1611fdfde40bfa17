//! What was seen of a server's datagrams goes in, how to send the next one comes out. No clock in
//! here, so that time is a value in its tests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::order::Order;

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
    /// Which address to ask first.
    order: Order,
    /// Who answered last, and when.
    heard: Option<(SocketAddr, Instant)>,
}

impl Habits {
    pub(super) fn new() -> Self {
        let order = Order::default();
        Self { round_trip: None, other_case: 0, is_mixing: true, order, heard: None }
    }

    /// The order to ask these addresses in: as they were given while all of them answer.
    pub(super) fn sort(&self, given: Arc<[SocketAddr]>, now: Instant) -> Arc<[SocketAddr]> {
        if self.order.is_empty() { given } else { self.order.sort(&given, now).into() }
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
    pub(super) fn note_echo(&mut self, address: SocketAddr, now: Instant) {
        self.other_case = 0;
        self.heard = Some((address, now));
        self.order.note_success(address);
    }

    /// Notes that a query is still unanswered. An address that has answered others meanwhile is
    /// slow with this one, and not silent.
    pub(super) fn note_silence(&mut self, address: SocketAddr, asked: Instant, now: Instant) {
        let was_heard = self.heard.is_some_and(|(heard, at)| heard == address && at >= asked);
        if !was_heard {
            self.order.note_failure(address, now);
        }
    }

    /// Notes that nobody can be reached at an address.
    pub(super) fn note_failure(&mut self, address: SocketAddr, now: Instant) {
        self.order.note_failure(address, now);
    }

    /// Forgets which addresses were silent.
    pub(super) fn forget_paths(&mut self) {
        (self.order, self.heard) = (Order::default(), None);
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
        habits.note_echo(([192, 0, 2, 1], 53).into(), Instant::now());
        assert!(!habits.note_other_case() && !habits.note_other_case() && habits.is_mixing());

        assert!(habits.note_other_case());

        assert!(!habits.is_mixing());
        assert!(!habits.note_other_case(), "it is told once");
    }

    /// Failure story 11, for datagrams: an address that leads nowhere costs one query its time.
    #[test]
    fn t31_a_silent_address_is_asked_last_until_it_answers_or_the_network_changes() {
        let (mut habits, asked) = (Habits::new(), Instant::now());
        let [a, b] = [1, 2].map(|last| SocketAddr::from(([192, 0, 2, last], 53)));
        let now = asked + MIN_PAUSE;
        let order = |habits: &Habits| habits.sort([a, b].into(), now).to_vec();
        assert_eq!(order(&habits), [a, b]);

        habits.note_silence(a, asked, now);
        assert_eq!(order(&habits), [b, a]);
        habits.note_echo(a, now);
        assert_eq!(order(&habits), [a, b]);

        habits.note_failure(a, now);
        assert_eq!(order(&habits), [b, a]);
        habits.forget_paths();
        assert_eq!(order(&habits), [a, b]);
    }

    #[test]
    fn an_address_that_answers_others_is_not_silent() {
        let (mut habits, asked) = (Habits::new(), Instant::now());
        let [a, b] = [1, 2].map(|last| SocketAddr::from(([192, 0, 2, last], 53)));
        let now = asked + MIN_PAUSE;

        habits.note_echo(a, asked + FAST);
        habits.note_silence(a, asked, now);
        assert_eq!(*habits.sort([a, b].into(), now), [a, b]);

        habits.note_silence(a, now, now + MIN_PAUSE);
        assert_eq!(*habits.sort([a, b].into(), now), [b, a]);
    }
}
