//! Queries and answers are counted in, leave to send something extra comes out. Kept apart because
//! this alone bounds what servers in trouble get on top: without it, everybody's retries keep down
//! what has just come back.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::observer::Budget;

/// Hedges for each query: as many queries are slower than the 95th percentile, by its definition.
const HEDGES_PER_QUERY: f64 = 0.05;

/// Hedges that may be saved up: enough for the handful of queries that one lost packet holds up.
const MOST_HEDGES: f64 = 5.0;

/// Retries for each answer: a server that fails one query in ten costs nobody anything.
const RETRIES_PER_ANSWER: f64 = 0.1;

/// Retries for each second: a household asks so rarely that a share of its answers would be none,
/// and no server minds so few.
const RETRIES_PER_SECOND: f64 = 10.0;

/// Retries that may be saved up: enough for all that a busy connection carries when it breaks.
const MOST_RETRIES: f64 = 100.0;

/// What a client may send on top of one query each.
pub(crate) struct Purse(Mutex<Tokens>);

struct Tokens {
    hedges: f64,
    retries: f64,
    /// Up to when the share of time was paid out.
    paid_until: Option<Instant>,
}

impl Purse {
    /// A small stock of both, so that the first queries need not be the only ones without help.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Tokens {
            hedges: MOST_HEDGES,
            retries: RETRIES_PER_SECOND,
            paid_until: None,
        }))
    }

    /// Notes that a query has come in.
    pub(crate) fn note_query(&self) {
        let mut tokens = self.tokens();
        tokens.hedges = (tokens.hedges + HEDGES_PER_QUERY).min(MOST_HEDGES);
    }

    /// Notes that a query was answered.
    pub(crate) fn note_answer(&self) {
        let mut tokens = self.tokens();
        tokens.retries = (tokens.retries + RETRIES_PER_ANSWER).min(MOST_RETRIES);
    }

    /// Takes leave to send one more, if there is any left.
    pub(crate) fn take(&self, budget: Budget, now: Instant) -> bool {
        let mut tokens = self.tokens();
        let held = match budget {
            Budget::Hedge => &mut tokens.hedges,
            Budget::Retry => {
                tokens.pay_out(now);
                &mut tokens.retries
            }
        };
        if *held < 1.0 {
            return false;
        }
        *held -= 1.0;
        true
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tokens {
    /// Time alone fills up to one second's worth; more than that takes answers.
    fn pay_out(&mut self, now: Instant) {
        let since = self.paid_until.replace(now).map_or(0.0, |last| {
            now.saturating_duration_since(last).as_secs_f64() * RETRIES_PER_SECOND
        });
        if self.retries < RETRIES_PER_SECOND {
            self.retries = (self.retries + since).min(RETRIES_PER_SECOND);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn take_all(purse: &Purse, budget: Budget, now: Instant) -> usize {
        (0..1000).take_while(|_| purse.take(budget, now)).count()
    }

    #[test]
    fn one_query_in_twenty_may_be_hedged() {
        let (purse, now) = (Purse::new(), Instant::now());
        assert_eq!(take_all(&purse, Budget::Hedge, now), 5);

        let hedges = (0..10_000).filter(|_| {
            purse.note_query();
            purse.take(Budget::Hedge, now)
        });

        assert!((499..=500).contains(&hedges.count()));
    }

    #[test]
    fn ten_retries_a_second_are_left_when_nothing_is_answered() {
        let (purse, mut now) = (Purse::new(), Instant::now());
        assert_eq!(take_all(&purse, Budget::Retry, now), 10);

        for _ in 0..5 {
            now += Duration::from_secs(1);
            assert_eq!(take_all(&purse, Budget::Retry, now), 10);
        }
        now += Duration::from_secs(3600);
        assert_eq!(take_all(&purse, Budget::Retry, now), 10);
    }

    #[test]
    fn ten_answers_buy_one_retry_up_to_a_hundred() {
        let (purse, now) = (Purse::new(), Instant::now());
        take_all(&purse, Budget::Retry, now);

        (0..505).for_each(|_| purse.note_answer());
        assert_eq!(take_all(&purse, Budget::Retry, now), 50);

        (0..50_000).for_each(|_| purse.note_answer());
        assert_eq!(take_all(&purse, Budget::Retry, now), 100);
    }
}
