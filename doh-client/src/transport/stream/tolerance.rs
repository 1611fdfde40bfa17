//! After how many answers a server closed a connection goes in, how many queries to send over the
//! next one comes out: dnsmasq takes a hundred, and what is under way then would be lost.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A server that closed a connection earlier was restarted, or in trouble; it did not count.
const LEAST: usize = 10;

/// What we let go ourselves tells nothing, so the number grows by one part in this many with each
/// connection, and by one: few queries are lost while it is right, and it goes when it was wrong.
const GROWTH: usize = 16;

/// How many queries a server takes over one connection; zero where nothing is known.
#[derive(Default)]
pub(crate) struct Tolerance(AtomicUsize);

impl Tolerance {
    /// Notes that a connection was closed under queries after so many answers.
    pub(super) fn note_close(&self, answers: usize) {
        if answers >= LEAST {
            self.0.store(answers, Ordering::Relaxed);
        }
    }

    /// Whether this many queries are as many as a connection should carry; if so, the next one may
    /// carry some more.
    pub(super) fn is_used_up(&self, queries: usize) -> bool {
        let known = self.0.load(Ordering::Relaxed);
        let is_used_up = known > 0 && queries >= known;
        if is_used_up {
            self.0.store(known.saturating_add(known / GROWTH + 1), Ordering::Relaxed);
        }
        is_used_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_carries_as_many_as_the_one_that_was_closed_and_later_ones_more() {
        let tolerance = Tolerance::default();
        assert!(!tolerance.is_used_up(usize::MAX));

        tolerance.note_close(100);

        assert!(!tolerance.is_used_up(99) && tolerance.is_used_up(100));
        assert!(!tolerance.is_used_up(106) && tolerance.is_used_up(107));
    }

    #[test]
    fn a_server_that_restarts_teaches_nothing() {
        let tolerance = Tolerance::default();

        tolerance.note_close(9);

        assert!(!tolerance.is_used_up(1000));
    }
}
