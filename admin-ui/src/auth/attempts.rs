//! Passwords come in, verdicts go out no faster than guessing may be and hashing can be.
//!
//! Nobody is locked out, because a stranger's guesses, or a home automation that tries a wrong
//! password on purpose at every start, must not shut the door for its owner. Instead every attempt
//! after a few failures waits, all in one small waiting room, since behind a mesh's sidecar
//! every caller has the same address. Dropping the future leaves the room.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    task,
    time::{Instant, sleep},
};
use tracing::{error, warn};

use super::password;

/// Checks that may run at once: each takes a core and 19 MiB for tens of milliseconds.
const MAX_CHECKS: usize = 2;
/// Attempts that may wait at once. With the longest delay this is also the number of guesses per
/// [`LONGEST_DELAY`], so one a second.
const WAITING_ROOM: usize = 8;
/// Failures that cost nothing: people mistype, and probes try once.
const FREE_FAILURES: u32 = 3;
/// The first delay; it doubles with each further failure.
const FIRST_DELAY: Duration = Duration::from_millis(250);
/// The longest delay: as long as a person bears to wait.
const LONGEST_DELAY: Duration = Duration::from_secs(8);
/// Quiet time after which failures are forgotten.
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);

/// What became of an attempt.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// It is the password.
    Right,
    /// It is not.
    Wrong,
    /// There is no usable hash to compare with.
    NoPassword,
    /// Too many attempts are waiting already.
    Full { retry_after: Duration },
}

/// The door that all attempts pass.
#[derive(Debug)]
pub(crate) struct Attempts {
    room: Semaphore,
    checks: Arc<Semaphore>,
    failures: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    count: u32,
    last: Option<Instant>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            room: Semaphore::new(WAITING_ROOM),
            checks: Arc::new(Semaphore::new(MAX_CHECKS)),
            failures: Mutex::default(),
        }
    }
}

impl Attempts {
    /// Compares a password with the hash in force.
    pub(crate) async fn check(&self, hash: String, password: String) -> Verdict {
        let Ok(_place) = self.room.try_acquire() else {
            return Verdict::Full { retry_after: LONGEST_DELAY };
        };
        sleep(self.delay()).await;
        let Ok(permit) = Arc::clone(&self.checks).acquire_owned().await else {
            return Verdict::NoPassword;
        };
        // The permit goes along: a check runs on when its caller has gone, and still counts.
        let check = task::spawn_blocking(move || {
            let answer = password::is_right(&password, &hash);
            drop(permit);
            answer
        });
        match check.await {
            Ok(Ok(true)) => self.forget_failures(),
            Ok(Ok(false)) => self.note_failure(),
            Ok(Err(error)) => {
                warn!(%error, "nobody can log in, see `admin.password_hash`");
                Verdict::NoPassword
            }
            Err(error) => {
                error!(%error, "the password check did not finish");
                Verdict::NoPassword
            }
        }
    }

    fn delay(&self) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.last.is_some_and(|last| last.elapsed() >= FORGIVEN_AFTER) {
            *failures = Failures::default();
        }
        match failures.count.checked_sub(FREE_FAILURES) {
            None => Duration::ZERO,
            Some(doublings) => {
                FIRST_DELAY.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_DELAY)
            }
        }
    }

    fn forget_failures(&self) -> Verdict {
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner) = Failures::default();
        Verdict::Right
    }

    fn note_failure(&self) -> Verdict {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.count = failures.count.saturating_add(1);
        failures.last = Some(Instant::now());
        warn!(failures = failures.count, "wrong admin password");
        Verdict::Wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Argon2id with the least work there is, of the password `right`.
    fn cheap_hash() -> String {
        use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version, password_hash::phc};
        let argon2 = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(Params::MIN_M_COST, 1, 1, None).unwrap(),
        );
        let hash: phc::PasswordHash = argon2.hash_password(b"right").unwrap();
        hash.to_string()
    }

    async fn fail(attempts: &Attempts, hash: &str, times: u32) {
        for _ in 0..times {
            assert_eq!(attempts.check(hash.to_owned(), "wrong".to_owned()).await, Verdict::Wrong);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_failures_cost_no_time() {
        let (attempts, hash, start) = (Attempts::default(), cheap_hash(), Instant::now());

        fail(&attempts, &hash, FREE_FAILURES).await;

        assert!(start.elapsed() < FIRST_DELAY);
        assert_eq!(attempts.delay(), FIRST_DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn the_delay_doubles_up_to_its_limit() {
        let (attempts, hash) = (Attempts::default(), cheap_hash());

        fail(&attempts, &hash, FREE_FAILURES + 2).await;
        assert_eq!(attempts.delay(), 4 * FIRST_DELAY);

        fail(&attempts, &hash, 40).await;
        assert_eq!(attempts.delay(), LONGEST_DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn the_right_password_is_never_locked_out() {
        let (attempts, hash) = (Attempts::default(), cheap_hash());
        fail(&attempts, &hash, 20).await;

        assert_eq!(attempts.check(hash, "right".to_owned()).await, Verdict::Right);
        assert_eq!(attempts.delay(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_forgotten_after_a_quiet_time() {
        let (attempts, hash) = (Attempts::default(), cheap_hash());
        fail(&attempts, &hash, 10).await;

        tokio::time::advance(FORGIVEN_AFTER).await;

        assert_eq!(attempts.delay(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_waiting_room_turns_people_away() {
        let (attempts, hash) = (Arc::new(Attempts::default()), cheap_hash());
        fail(&attempts, &hash, 20).await;
        let mut waiting = task::JoinSet::new();
        for _ in 0..WAITING_ROOM {
            let (attempts, hash) = (Arc::clone(&attempts), hash.clone());
            waiting.spawn(async move { attempts.check(hash, "wrong".to_owned()).await });
        }
        task::yield_now().await;

        let verdict = attempts.check(hash, "right".to_owned()).await;

        assert_eq!(verdict, Verdict::Full { retry_after: LONGEST_DELAY });
    }

    #[tokio::test]
    async fn without_a_hash_there_is_no_password() {
        let attempts = Attempts::default();

        assert_eq!(attempts.check(String::new(), String::new()).await, Verdict::NoPassword);
    }
}
