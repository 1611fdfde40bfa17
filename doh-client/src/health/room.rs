//! Queries to a server come in and leave; whether there is room for one more comes out. A server
//! that wants fewer queries gets fewer, by the rule that also keeps TCP from clogging a line: less by
//! a third at each complaint, one more for each round trip without.

use std::time::Duration;

use tokio::time::Instant;

/// Tenths of the queries under way that a complaint leaves.
const TENTHS_LEFT: usize = 7;

/// Pause after a complaint that does not name one.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause that is believed: beyond that it is cheaper to ask again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The queries of one server.
pub(super) struct Room {
    /// What it may never exceed, those in line included.
    most: usize,
    /// How many may be under way now.
    limit: usize,
    /// Answers since the limit was last raised.
    answers: usize,
    in_flight: usize,
    in_line: usize,
    throttled_until: Option<Instant>,
    lowered_at: Option<Instant>,
}

/// What becomes of a query that comes in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Entry {
    /// It can be sent.
    In,
    /// It has to wait until another one is through.
    Wait,
    /// There is no room even to wait.
    Full,
}

impl Room {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            limit: most,
            answers: 0,
            in_flight: 0,
            in_line: 0,
            throttled_until: None,
            lowered_at: None,
        }
    }

    /// Takes a query in, or into the line.
    pub(super) fn enter(&mut self) -> Entry {
        if self.in_flight + self.in_line >= self.most {
            return Entry::Full;
        }
        if self.in_line > 0 || !self.is_free() {
            self.in_line += 1;
            return Entry::Wait;
        }
        self.in_flight += 1;
        Entry::In
    }

    /// Takes in a query that waits in line, if there is room now.
    pub(super) fn advance(&mut self) -> bool {
        let is_free = self.is_free();
        if is_free {
            self.in_line -= 1;
            self.in_flight += 1;
        }
        is_free
    }

    /// Whether the next one in line could go.
    pub(super) fn can_advance(&self) -> bool {
        self.in_line > 0 && self.is_free()
    }

    /// Notes that one has left the line without having been sent.
    pub(super) fn give_up(&mut self) {
        self.in_line -= 1;
    }

    /// Notes that one is through.
    pub(super) fn leave(&mut self) {
        self.in_flight -= 1;
    }

    /// Notes an answer: after as many of them as fit, which is one round trip, one more fits.
    pub(super) fn widen(&mut self) {
        if self.limit < self.most {
            self.answers += 1;
            if self.answers >= self.limit {
                (self.limit, self.answers) = (self.limit + 1, 0);
            }
        }
    }

    /// Notes a complaint and tells for how long others are preferred. Those that were under way
    /// together complain together, which counts once.
    pub(super) fn narrow(
        &mut self,
        now: Instant,
        asked_at: Instant,
        after: Option<Duration>,
    ) -> Duration {
        let pause = after.unwrap_or(DEFAULT_PAUSE).min(LONGEST_PAUSE);
        self.throttled_until = self.throttled_until.max(Some(now + pause));
        if self.lowered_at.is_none_or(|at| at <= asked_at) {
            self.lowered_at = Some(now);
            // The query that complained is still counted.
            let under_way = self.limit.min(self.in_flight);
            (self.limit, self.answers) = ((under_way * TENTHS_LEFT / 10).max(1), 0);
        }
        pause
    }

    /// Whether others should be asked first.
    pub(super) fn is_busy(&self, now: Instant) -> bool {
        self.throttled_until(now).is_some() || !self.is_free()
    }

    /// Until when it wants fewer queries.
    pub(super) fn throttled_until(&self, now: Instant) -> Option<Instant> {
        self.throttled_until.filter(|until| now < *until)
    }

    /// Queries sent and not through yet.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Queries that wait.
    pub(super) fn in_line(&self) -> usize {
        self.in_line
    }

    /// How many may be under way now, one at least.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    fn is_free(&self) -> bool {
        self.in_flight < self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fill(room: &mut Room, queries: usize) {
        (0..queries).for_each(|_| assert_eq!(room.enter(), Entry::In));
    }

    #[test]
    fn t54_complaints_of_one_burst_leave_room_for_seven_tenths() {
        let (mut room, asked_at) = (Room::new(1024), Instant::now());
        fill(&mut room, 100);

        for _ in 0..100 {
            assert_eq!(room.narrow(asked_at + SECOND, asked_at, None), DEFAULT_PAUSE);
            room.leave();
        }

        assert_eq!(room.limit(), 70);
    }

    #[test]
    fn t54_one_more_fits_after_each_round_trip_of_answers() {
        let (mut room, now) = (Room::new(1024), Instant::now());
        fill(&mut room, 100);
        room.narrow(now, now, None);

        for expected in 71..80 {
            (0..room.limit()).for_each(|_| room.widen());
            assert_eq!(room.limit(), expected);
        }
        (0..1_000_000).for_each(|_| room.widen());
        assert_eq!(room.limit(), 1024);
    }

    #[test]
    fn t54_one_query_always_fits_and_an_absurd_pause_is_cut() {
        let (mut room, mut now) = (Room::new(1024), Instant::now());
        for _ in 0..50 {
            fill(&mut room, 1);
            let pause = room.narrow(now, now, Some(Duration::from_secs(1 << 40)));
            assert_eq!(pause, LONGEST_PAUSE);
            room.leave();
            assert!(room.is_busy(now));
            now += LONGEST_PAUSE;
            assert!(!room.is_busy(now));
        }
        assert_eq!(room.limit(), 1);
    }

    #[test]
    fn who_finds_no_room_waits_and_who_finds_no_place_in_line_does_not() {
        let (mut room, now) = (Room::new(4), Instant::now());
        fill(&mut room, 2);
        room.narrow(now, now, None);
        assert_eq!(room.limit(), 1);

        assert_eq!([(); 3].map(|()| room.enter()), [Entry::Wait, Entry::Wait, Entry::Full]);
        assert!(!room.advance());
        room.leave();
        assert!(!room.advance());
        room.leave();
        assert!(room.advance());
        assert!(!room.advance());
        room.give_up();
        assert_eq!((room.in_flight(), room.in_line()), (1, 0));
    }
}
