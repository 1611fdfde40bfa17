//! Connects that failed and random numbers come in, when the next one is due comes out: servers
//! that are back must not be overrun by all who waited for them.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use crate::dial::CONNECT_TIMEOUT;
use crate::error::Failure;

/// The first wait is up to this long, and each that follows up to twice as long.
const FIRST: Duration = Duration::from_millis(100);

/// No wait is longer: how long a server that is back may go unnoticed.
const LONGEST: Duration = Duration::from_secs(30);

/// A connect begins so long after the last one failed at the earliest, whoever asks for it; until
/// then its failure stands. Ten a second are no storm, and no person notices the wait.
const GAP: Duration = Duration::from_millis(100);

/// The connects of one server that failed in a row.
#[derive(Default)]
pub(super) struct Backoff {
    failures: u32,
    last: Option<Last>,
}

struct Last {
    at: Instant,
    next: Instant,
    failure: Failure,
}

impl Backoff {
    /// Notes a failed connect; the share, of 2^64, of the longest wait possible is chosen at random
    /// (full jitter), so that many clients do not come back together.
    pub(super) fn note_failure(&mut self, now: Instant, failure: Failure, share: u64) {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let longest = FIRST.saturating_mul(factor).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let next = now + scaled(longest, share);
        self.last = Some(Last { at: now, next, failure });
    }

    pub(super) fn note_success(&mut self) {
        *self = Self::default();
    }

    /// Why no connection is to be opened right now, if so.
    pub(super) fn refusal(&self, now: Instant) -> Option<&Failure> {
        self.last.as_ref().filter(|last| now < last.at + GAP).map(|last| &last.failure)
    }

    /// Why no connection could be opened, when none could.
    pub(super) fn failure(&self) -> Failure {
        let last = self.last.as_ref().map(|last| last.failure.clone());
        last.unwrap_or(Failure::ConnectTimeout(CONNECT_TIMEOUT))
    }

    /// Until when it is better to ask another server.
    pub(super) fn until(&self) -> Option<Instant> {
        self.last.as_ref().map(|last| last.next)
    }
}

/// A share, of 2^64, of a duration.
pub(super) fn scaled(whole: Duration, share: u64) -> Duration {
    let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
    let part = (u128::from(nanos) * u128::from(share)) >> 64;
    Duration::from_nanos(u64::try_from(part).unwrap_or(nanos))
}

/// A number nobody can foresee, which the standard library has for its hash maps.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(share: u64) -> Vec<u128> {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        let mut wait = || {
            backoff.note_failure(now, Failure::TooLarge, share);
            (backoff.until().expect("a failure makes a wait") - now).as_millis()
        };
        (0..40).map(|_| wait()).collect()
    }

    #[test]
    fn waits_double_up_to_30_s() {
        let longest = waits(u64::MAX);

        assert_eq!(longest[..4], [99, 199, 399, 799]);
        assert_eq!(longest[9..], [29_999; 31]);
    }

    /// Failure story 4: everybody comes back at the same moment.
    #[test]
    fn waits_are_spread_over_all_of_their_length() {
        assert_eq!(waits(0), [0; 40]);
        assert_eq!(waits(1 << 63)[..4], [50, 100, 200, 400]);
    }

    #[test]
    fn a_failure_stands_for_a_moment_and_is_forgotten_with_a_success() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        assert!(backoff.refusal(now).is_none());

        backoff.note_failure(now, Failure::TooLarge, 0);

        assert!(backoff.refusal(now).is_some());
        assert!(backoff.refusal(now + GAP).is_none());
        backoff.note_success();
        assert!(backoff.refusal(now).is_none() && backoff.until().is_none());
    }
}
