//! One query and several servers come in, the best answer in time comes out. Kept apart from
//! sockets so that the order of attempts and all waiting can be tested with a paused clock.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::client::Exchange;
use crate::dial::SILENCE_LIMIT;
use crate::error::{Error, Failure, ServerFailure};
use crate::message::Merit;
use crate::upstream::Reply;

/// Attempts one query may cost: a first, one for a server that fails, and one for bad luck. More
/// would multiply the load just when servers are in trouble.
const MAX_ATTEMPTS: usize = 3;

/// How long an attempt is left to itself after its race at least, so that a dead connection is
/// noticed and replaced however short the time for an exchange is.
const LINGER: Duration = SILENCE_LIMIT.saturating_add(Duration::from_secs(1));

/// What a race has to know of its servers, which it calls by their numbers.
pub(crate) trait Servers {
    /// How many there are.
    fn count(&self) -> usize;
    /// What a person calls one.
    fn name(&self, server: usize) -> Arc<str>;
    /// Until when the other servers are preferred, if that is still to come.
    fn paused_until(&self, server: usize) -> Option<Instant>;
    /// Asks one; the future works without the race.
    fn ask(&self, server: usize) -> Asking;
    /// Notes that a server has used up its time without being heard.
    fn note_late(&self, server: usize, waited: Duration);
}

/// A server being asked.
pub(crate) type Asking = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>>;

/// How long a race waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// For the whole exchange.
    pub(crate) total: Duration,
    /// For one attempt, until another server is asked too.
    pub(crate) attempt: Duration,
}

/// The attempts of one query.
///
/// Dropping it, which the end of the race does too, leaves what is under way to end by itself in
/// the background: a stream that is merely cancelled hides a dead connection from the keep-alive.
pub(crate) struct Race<S> {
    servers: S,
    budget: Budget,
    started: Instant,
    attempts: Vec<Attempt>,
    second_best: Option<(usize, Reply)>,
}

struct Attempt {
    server: usize,
    at: Instant,
    /// It has had its time without being heard; only the last one may still be in time.
    is_late: bool,
    state: State,
}

enum State {
    Asking(Asking),
    Answered,
    Failed(Failure),
}

impl<S: Servers> Race<S> {
    pub(crate) fn new(servers: S, budget: Budget) -> Self {
        Self { servers, budget, started: Instant::now(), attempts: Vec::new(), second_best: None }
    }

    /// Asks until there is a good answer, nobody is left to ask, or the time is over.
    pub(crate) async fn run(mut self) -> Result<Exchange, Error> {
        self.ask_next();
        let mut alarm = pin!(sleep_until(self.alarm()));
        loop {
            tokio::select! {
                biased;
                (attempt, outcome) = next_outcome(&mut self.attempts) => match outcome {
                    Ok(reply) => if let Some(exchange) = self.weigh(attempt, reply) {
                        return Ok(exchange);
                    },
                    Err(failure) => self.set_state(attempt, State::Failed(failure)),
                },
                () = &mut alarm => {
                    if Instant::now() >= self.deadline() {
                        return self.settle();
                    }
                    self.mark_late();
                }
            }
            if !self.ask_next() && !self.is_worth_waiting() {
                return self.settle();
            }
            alarm.as_mut().reset(self.alarm());
        }
    }

    /// Takes a good reply at once, and keeps the best of the others. Two that were truncated show
    /// that the answer is like that.
    fn weigh(&mut self, attempt: usize, reply: Reply) -> Option<Exchange> {
        let server = self.attempts.get(attempt)?.server;
        let known = self.second_best.as_ref().map(|(_, known)| known.merit);
        let is_final = match reply.merit {
            Merit::Good => true,
            Merit::Truncated => known == Some(Merit::Truncated),
            Merit::Unhelpful => false,
        };
        self.set_state(attempt, State::Answered);
        if is_final {
            return Some(self.exchange(server, reply));
        }
        if known < Some(reply.merit) {
            self.second_best = Some((server, reply));
        }
        None
    }

    /// Asks the next server, if there is one and an attempt is left.
    fn ask_next(&mut self) -> bool {
        if self.attempts.len() >= MAX_ATTEMPTS {
            return false;
        }
        // Untried in this race before tried, fit before paused, and in the order they were given.
        let next = (0..self.servers.count())
            .filter(|server| self.may_ask(*server))
            .min_by_key(|server| (self.times_asked(*server), self.servers.paused_until(*server)));
        let Some(server) = next else {
            return false;
        };
        let state = State::Asking(self.servers.ask(server));
        self.attempts.push(Attempt { server, at: Instant::now(), is_late: false, state });
        true
    }

    /// A server is asked again only if it may say something else.
    fn may_ask(&self, server: usize) -> bool {
        match self.last_attempt(server) {
            None => true,
            // A second best answer is worth a look elsewhere, not a wait for who was slow already.
            Some(_) if self.second_best.is_some() => false,
            Some(attempt) => match &attempt.state {
                State::Asking(_) => attempt.is_late,
                State::Answered => false,
                State::Failed(failure) => failure.is_passing(),
            },
        }
    }

    fn last_attempt(&self, server: usize) -> Option<&Attempt> {
        self.attempts.iter().rfind(|attempt| attempt.server == server)
    }

    fn times_asked(&self, server: usize) -> usize {
        self.attempts.iter().filter(|attempt| attempt.server == server).count()
    }

    /// When to look again: the last attempt has had its time, or all time is over.
    fn alarm(&self) -> Instant {
        match self.attempts.last() {
            Some(last) if last.is_in_time() => self.deadline().min(last.at + self.budget.attempt),
            _ => self.deadline(),
        }
    }

    fn deadline(&self) -> Instant {
        self.started + self.budget.total
    }

    fn mark_late(&mut self) {
        if let Some(last) = self.attempts.last_mut()
            && last.is_in_time()
        {
            last.is_late = true;
            self.servers.note_late(last.server, last.at.elapsed());
        }
    }

    /// With a second best answer in hand, only who is still in time is waited for.
    fn is_worth_waiting(&self) -> bool {
        self.attempts.iter().any(|attempt| match attempt.state {
            State::Asking(_) => !attempt.is_late || self.second_best.is_none(),
            State::Answered | State::Failed(_) => false,
        })
    }

    /// Makes the best of what there is.
    fn settle(&mut self) -> Result<Exchange, Error> {
        if let Some((server, reply)) = self.second_best.take() {
            return Ok(self.exchange(server, reply));
        }
        let failures = self.failures();
        if Instant::now() >= self.deadline() {
            return Err(Error::Timeout { budget: self.budget.total, failures });
        }
        if failures.iter().all(|each| matches!(each.failure, Failure::Overloaded)) {
            return Err(Error::Overloaded);
        }
        Err(Error::AllFailed(failures))
    }

    /// The last failure of each server; one that is still silent fails by that.
    fn failures(&self) -> Vec<ServerFailure> {
        (0..self.servers.count())
            .filter_map(|server| self.last_attempt(server))
            .map(|attempt| ServerFailure {
                server: self.servers.name(attempt.server),
                failure: match &attempt.state {
                    State::Failed(failure) => failure.clone(),
                    _ => Failure::NoAnswer(attempt.at.elapsed()),
                },
            })
            .collect()
    }

    fn exchange(&self, server: usize, reply: Reply) -> Exchange {
        Exchange { answer: reply.answer, server, age: reply.age, elapsed: self.started.elapsed() }
    }

    fn set_state(&mut self, attempt: usize, state: State) {
        if let Some(attempt) = self.attempts.get_mut(attempt) {
            attempt.state = state;
        }
    }
}

impl Attempt {
    fn is_in_time(&self) -> bool {
        !self.is_late && matches!(self.state, State::Asking(_))
    }
}

impl<S> Drop for Race<S> {
    fn drop(&mut self) {
        let until = self.started + self.budget.total.max(LINGER);
        for attempt in self.attempts.drain(..) {
            if let State::Asking(asking) = attempt.state
                && let Ok(runtime) = Handle::try_current()
            {
                runtime.spawn(timeout_at(until, asking));
            }
        }
    }
}

/// Waits for the first attempt to end; with at most three of them, looking at all is cheapest.
async fn next_outcome(attempts: &mut [Attempt]) -> (usize, Result<Reply, Failure>) {
    poll_fn(|context| {
        for (number, attempt) in attempts.iter_mut().enumerate() {
            if let State::Asking(asking) = &mut attempt.state
                && let Poll::Ready(outcome) = asking.as_mut().poll(context)
            {
                return Poll::Ready((number, outcome));
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests;
