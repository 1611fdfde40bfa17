//! How long connections lay idle when the server closed them goes in, how long one may lie idle to
//! be used again comes out: a query is better sent over a new one than over one about to be closed.

use std::time::Duration;

/// Shorter times are those of a server that restarts, not that grows tired of a client.
const SHORTEST: Duration = Duration::from_secs(3);

/// Longer times are not worth the handshake: few connections lie idle for so long.
const LONGEST: Duration = Duration::from_secs(60);

/// How much earlier than the server we let go of a connection.
const MARGIN: Duration = Duration::from_secs(1);

/// A new observation counts for one part in this many.
const WEIGHT: u32 = 4;

/// What we let go ourselves tells nothing, so the estimate grows by one part in this many with
/// each: it goes wrong by little, and a server that has grown patient is found out.
const GROWTH: u32 = 8;

/// How long a server keeps idle connections.
#[derive(Default)]
pub(super) struct Lifetime {
    learned: Option<Duration>,
}

impl Lifetime {
    /// Notes that the server closed a connection after it had been idle so long.
    pub(super) fn note_close(&mut self, idle: Duration) {
        if idle >= SHORTEST {
            self.learned = Some(match self.learned {
                Some(learned) => (learned * (WEIGHT - 1) + idle) / WEIGHT,
                None => idle,
            });
        }
    }

    /// Notes that a connection was let go because of [`limit`](Self::limit).
    pub(super) fn note_expiry(&mut self) {
        self.learned = self.learned.map(|learned| learned + learned / GROWTH);
    }

    /// How long a connection may have been idle to be used again, where that is known to matter.
    pub(super) fn limit(&self) -> Option<Duration> {
        self.learned.filter(|learned| *learned < LONGEST).map(|learned| learned - MARGIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Failure story 3: servers close idle connections after 4 to 90 s, under the next query.
    #[test]
    fn t13_a_connection_is_let_go_a_second_before_the_server_closes_it() {
        let mut lifetime = Lifetime::default();
        assert_eq!(lifetime.limit(), None);

        lifetime.note_close(seconds(30));
        assert_eq!(lifetime.limit(), Some(seconds(29)));

        lifetime.note_close(seconds(10));
        assert_eq!(lifetime.limit(), Some(seconds(24)));
    }

    #[test]
    fn a_server_that_restarts_teaches_nothing() {
        let mut lifetime = Lifetime::default();

        for _ in 0..200 {
            lifetime.note_close(Duration::from_millis(2_999));
        }

        assert_eq!(lifetime.limit(), None);
    }

    #[test]
    fn a_server_that_has_grown_patient_is_found_out() {
        let mut lifetime = Lifetime::default();
        lifetime.note_close(seconds(3));

        for _ in 0..26 {
            lifetime.note_expiry();
        }

        assert_eq!(lifetime.limit(), None);
    }
}
