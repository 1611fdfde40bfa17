//! One query and several servers come in, the best answer in time comes out. Kept apart from
//! sockets so that the order of sends and all waiting can be tested with a paused clock.

mod sends;

use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::budget::Purse;
use crate::choice::{Choice, Dice, Look, Standing, choose};
use crate::client::Exchange;
use crate::dial::SILENCE_LIMIT;
use crate::error::{Error, Failure, ServerFailure};
use crate::ledger::{Errand, LATEST_HEDGE, Ledger, Warmth};
use crate::message::Merit;
use crate::observer::{Budget, SendKind};
use crate::upstream::Reply;

use sends::{Outcome, Sends, Sent, State};

/// Sends one query may cost: a first, one for a server that fails or is slow, and one for bad luck.
/// More would multiply the load just when servers are in trouble.
const MAX_SENDS: usize = 3;

/// How long a send is left to itself after its race at least, so that a dead connection is noticed
/// and replaced however short the time for an exchange is.
const LINGER: Duration = SILENCE_LIMIT.saturating_add(Duration::from_secs(1));

/// Time for an exchange when every server is known to be down: enough to find that one is back, and
/// less than the 2 s in which those who wait should hear that none is.
const LAST_RESORT: Duration = Duration::from_millis(1800);

/// What the sender of a hedge that lost adds to the time of who won: it would have been slower.
const LOST_BY: Duration = Duration::from_millis(5);

/// Whether a second server is asked before the first one has failed.
///
/// ```
/// let client = doh_client::Client::builder()
///     .server("https://1.1.1.1/dns-query".parse()?)
///     .hedge(doh_client::Hedge::Off)
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Hedge {
    /// When it takes longer than nearly all of its answers do, from 50 to 400 ms; for one query in
    /// twenty at most.
    #[default]
    Adaptive,
    /// Only when it has had all of its time for an attempt.
    Off,
}

/// What a race has to know of its servers, which it calls by their numbers.
pub(crate) trait Servers {
    /// How many there are.
    fn count(&self) -> usize;
    /// What is written down of one.
    fn ledger(&self, server: usize) -> &Ledger;
    /// What they may be sent on top.
    fn purse(&self) -> &Purse;
    /// What decides where nothing else does.
    fn dice(&self) -> &Dice;
    /// What can be seen of the connections to one.
    fn warmth(&self, server: usize, now: Instant) -> Warmth;
    /// Asks one; the future works without the race.
    fn ask(&self, server: usize, errand: Errand) -> Asking;
}

/// A server being asked.
pub(crate) type Asking = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>>;

/// How long a race waits, and for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// For the whole exchange.
    pub(crate) total: Duration,
    /// For one send, until another server is asked too.
    pub(crate) attempt: Duration,
    pub(crate) hedge: Hedge,
}

/// The sends of one query.
///
/// Dropping it, which the end of the race does too, leaves what is under way to end by itself in
/// the background: a stream that is merely cancelled hides a dead connection from the keep-alive.
pub(crate) struct Race<S> {
    servers: S,
    terms: Terms,
    started: Instant,
    deadline: Instant,
    /// When to hedge; nothing once that is done, or where it is not to be.
    hedge_at: Option<Instant>,
    sends: Sends,
    second_best: Option<(usize, Reply)>,
}

impl<S: Servers> Race<S> {
    pub(crate) fn new(servers: S, terms: Terms) -> Self {
        let started = Instant::now();
        Self {
            servers,
            terms,
            started,
            deadline: started + terms.total,
            hedge_at: None,
            sends: Sends::default(),
            second_best: None,
        }
    }

    /// When it began.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Asks until there is a good answer, nobody is left to ask, or the time is over.
    ///
    /// By reference, as a future that owns what it runs on holds it twice.
    pub(crate) async fn run(&mut self) -> Result<Exchange, Error> {
        self.start();
        let mut alarm = pin!(sleep_until(self.alarm()));
        loop {
            tokio::select! {
                biased;
                (number, outcome) = self.sends.next_outcome() => {
                    if let Some(exchange) = self.hear(number, outcome) {
                        return Ok(exchange);
                    }
                }
                () = &mut alarm => {
                    if Instant::now() >= self.deadline {
                        return self.settle();
                    }
                    self.look_again();
                }
            }
            if !self.is_worth_waiting() {
                return self.settle();
            }
            alarm.as_mut().reset(self.alarm());
        }
    }

    fn start(&mut self) {
        self.servers.purse().note_query();
        let Some(Choice { server, look, due }) = self.choose(|_, _| true) else { return };
        if let Standing::Open(_) = look.standing {
            self.deadline = self.deadline.min(self.started + LAST_RESORT);
            self.send(server, SendKind::First);
            return;
        }
        self.send(server, SendKind::First);
        self.plan_hedge(server, look);
        // With a query that is answered elsewhere, nobody has to wait for the outcome.
        if let Some(due) = due {
            self.send(due, SendKind::Probe);
        }
    }

    /// Takes note of an outcome, and returns the answer if this is it.
    fn hear(&mut self, number: usize, outcome: Outcome) -> Option<Exchange> {
        let sent = self.sends.get(number)?;
        let (server, kind) = (sent.server, sent.kind);
        match outcome {
            Ok(reply) => {
                self.sends.set_state(number, State::Answered);
                self.servers.purse().note_answer();
                return self.weigh(server, kind, reply);
            }
            Err(failure) => {
                let was_sent = !matches!(failure, Failure::Overloaded);
                self.sends.set_state(number, State::Failed(failure));
                if kind != SendKind::Probe {
                    self.ask_elsewhere(server, was_sent.then_some(Budget::Retry));
                }
            }
        }
        None
    }

    /// Takes a good reply at once, and keeps the best of the others. Two that were truncated show
    /// that the answer is like that; a server that could not or would not is believed when another
    /// one says so too, or nobody else can be asked.
    fn weigh(&mut self, server: usize, kind: SendKind, reply: Reply) -> Option<Exchange> {
        let known = self.second_best.as_ref().map(|(_, known)| known.merit);
        let is_final = match reply.merit {
            Merit::Good => true,
            Merit::Truncated => known == Some(Merit::Truncated),
            Merit::Unhelpful => false,
        };
        if is_final {
            self.note_lost(kind, server, reply.round_trip);
            return Some(self.exchange(server, reply));
        }
        if known < Some(reply.merit) {
            self.second_best = Some((server, reply));
        }
        if known.is_none() && kind != SendKind::Probe && !self.sends.has_hopeful() {
            self.ask_elsewhere(server, Some(Budget::Retry));
        }
        None
    }

    /// The time has come for a hedge, or the last send has had its time.
    fn look_again(&mut self) {
        let now = Instant::now();
        if self.hedge_at.is_some_and(|at| at <= now) {
            self.hedge_at = None;
            self.hedge(now);
        }
        if let Some(server) = self.sends.mark_late(now, self.terms.attempt) {
            self.servers.ledger(server).note_slow(self.terms.attempt);
            self.ask_elsewhere(server, Some(Budget::Retry));
        }
    }

    /// Asks a second server beside a slow one; the slow one itself, over another connection, where
    /// there is nobody else and its connection may be dead. That shows by and by.
    fn hedge(&mut self, now: Instant) {
        let Some(slow) = self.sends.last_hopeful() else { return };
        let is_fit = |look: &Look| look.standing == Standing::Fit;
        let other = self.choose(|server, look| {
            !look.was_asked && is_fit(look) && !self.servers.ledger(server).is_metered()
        });
        let left = self.deadline.saturating_duration_since(now);
        let same = || {
            let warmth = self.servers.warmth(slow, now);
            let is_fit = is_fit(&self.servers.ledger(slow).look(now, warmth));
            (warmth == Warmth::Doubtful && is_fit).then_some(slow)
        };
        let Some(server) = other.map(|choice| choice.server).or_else(same) else {
            self.hedge_at = Some(now + LATEST_HEDGE);
            return;
        };
        if self.sends.is_full() || !self.servers.ledger(server).can_answer_within(left) {
            return;
        }
        if self.servers.purse().take(Budget::Hedge, now) {
            self.send(server, SendKind::Hedge);
        } else {
            self.servers.ledger(slow).note_exhausted(Budget::Hedge);
        }
    }

    /// Asks one more, at the expense of a budget if it was of use to ask the last one.
    fn ask_elsewhere(&mut self, failed: usize, budget: Option<Budget>) {
        if self.sends.is_full() {
            return;
        }
        let Some(choice) = self.choose(|server, look| self.may_ask(server, look)) else { return };
        let now = Instant::now();
        let left = self.deadline.saturating_duration_since(now);
        if !self.servers.ledger(choice.server).can_answer_within(left) {
            return;
        }
        if let Some(budget) = budget
            && !self.servers.purse().take(budget, now)
        {
            self.servers.ledger(failed).note_exhausted(budget);
            return;
        }
        self.send(choice.server, SendKind::Retry);
        self.plan_hedge(choice.server, choice.look);
    }

    /// A server is asked again only if it may say something else.
    fn may_ask(&self, server: usize, look: &Look) -> bool {
        match self.sends.last_to(server) {
            None => true,
            // It is left alone, or has this very query in its line.
            Some(_) if look.standing != Standing::Fit => false,
            // A second best answer is worth a look elsewhere, not a wait for who was slow already.
            Some(_) if self.second_best.is_some() => false,
            Some(sent) => match &sent.state {
                State::Asking(_) => sent.is_late,
                State::Answered => false,
                State::Failed(failure) => failure.is_passing(),
            },
        }
    }

    fn choose(&self, may_ask: impl Fn(usize, &Look) -> bool) -> Option<Choice> {
        let now = Instant::now();
        let look = |server| {
            let was_asked = self.sends.last_to(server).is_some();
            let look = Look {
                was_asked,
                ..self.servers.ledger(server).look(now, self.servers.warmth(server, now))
            };
            may_ask(server, &look).then_some(look)
        };
        choose(self.servers.count(), look, self.servers.dice())
    }

    fn send(&mut self, server: usize, kind: SendKind) {
        let errand = Errand { kind, deadline: self.deadline };
        self.sends.add(server, kind, self.servers.ask(server, errand));
    }

    /// Who pays for each query does not want it sent twice, and one hedge is enough.
    fn plan_hedge(&mut self, server: usize, look: Look) {
        let is_wanted = self.terms.hedge == Hedge::Adaptive
            && look.standing == Standing::Fit
            && !self.sends.has_hedge()
            && !self.servers.ledger(server).is_metered();
        if is_wanted {
            self.hedge_at = Some(Instant::now() + look.hedge_after);
        }
    }

    /// When to look again: it is time for a hedge, the last send has had its time, or all time is
    /// over.
    fn alarm(&self) -> Instant {
        let late_at = self.sends.late_at(self.terms.attempt);
        let next = [self.hedge_at, late_at].into_iter().flatten().min();
        next.map_or(self.deadline, |next| next.min(self.deadline))
    }

    /// Who was not waited for would have been slower than who was.
    fn note_lost(&self, kind: SendKind, winner: usize, round_trip: Duration) {
        for lost in self.sends.iter() {
            if let State::Asking(_) = lost.state
                && lost.kind != SendKind::Probe
                && lost.server != winner
            {
                let at_least = lost.at.elapsed().max(round_trip) + LOST_BY;
                self.servers.ledger(lost.server).note_slow(at_least);
            }
        }
        if kind == SendKind::Hedge {
            self.servers.ledger(winner).note_hedge_won();
        }
    }

    /// With a second best answer in hand, only who is still in time is waited for.
    fn is_worth_waiting(&self) -> bool {
        match self.second_best {
            Some(_) => self.sends.has_hopeful(),
            None => self.sends.has_open(),
        }
    }

    /// Makes the best of what there is.
    fn settle(&mut self) -> Result<Exchange, Error> {
        if let Some((server, reply)) = self.second_best.take() {
            return Ok(self.exchange(server, reply));
        }
        let failures = self.failures();
        if failures.iter().all(|each| matches!(each.failure, Failure::Overloaded)) {
            return Err(Error::Overloaded);
        }
        if Instant::now() >= self.deadline {
            return Err(Error::Timeout { budget: self.deadline - self.started, failures });
        }
        Err(Error::AllFailed(failures))
    }

    /// The last failure of each server; one that is still silent fails by that.
    fn failures(&self) -> Vec<ServerFailure> {
        let last = |server| self.sends.last_to(server);
        let failure = |sent: &Sent| ServerFailure {
            server: self.servers.ledger(sent.server).name(),
            failure: match &sent.state {
                State::Failed(failure) => failure.clone(),
                _ => Failure::NoAnswer(sent.at.elapsed()),
            },
        };
        (0..self.servers.count()).filter_map(last).map(failure).collect()
    }

    fn exchange(&self, server: usize, reply: Reply) -> Exchange {
        Exchange { answer: reply.answer, server, age: reply.age, elapsed: self.started.elapsed() }
    }
}

impl<S> Drop for Race<S> {
    fn drop(&mut self) {
        let until = self.started + self.terms.total.max(LINGER);
        for asking in self.sends.take_open() {
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(timeout_at(until, asking));
            }
        }
    }
}

#[cfg(test)]
mod tests;
