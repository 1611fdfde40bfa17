//! A query for one server goes in with what is to be done about it; it is done when there is room,
//! and what comes of it is written down and told. The one place that joins a server's record with a
//! clock, a lock, the log and whoever counts.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, error, info, warn};

use crate::choice::{Dice, Look, Standing};
use crate::error::{Chain, Failure};
use crate::health::{Entry, IsGood, Record, Verdict};
use crate::message::Merit;
use crate::observer::{Breaker, Budget, Event, SendKind, Witness};
use crate::upstream::Reply;

/// Bounds of the time after which another server is asked too: sooner would be in vain, as answers
/// that are not in a cache take as long, later would be felt.
const SOONEST_HEDGE: Duration = Duration::from_millis(50);
pub(crate) const LATEST_HEDGE: Duration = Duration::from_millis(400);

/// The same where the connection may be dead: nothing came in over it for a while.
pub(crate) const SOONEST_HEDGE_AT_RISK: Duration = Duration::from_millis(30);

/// What opening a connection takes: one round trip for TCP and one for TLS 1.3.
const ROUND_TRIPS_OF_CONNECT: u32 = 2;

/// What is written down of one server.
pub(crate) struct Ledger {
    name: Arc<str>,
    is_metered: bool,
    record: Mutex<Record>,
    /// Told when there may be room for one who waits in line.
    freed: Notify,
    dice: Dice,
    witness: Witness,
}

/// Why a query is sent, and when its answer is of no use any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errand {
    pub(crate) kind: SendKind,
    pub(crate) deadline: Instant,
}

/// What can be seen of the connections to a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Warmth {
    /// One is open.
    Warm,
    /// They were silent for so long that they may be dead.
    Doubtful,
    /// None is open.
    Cold,
    /// None is open, and the last attempt to open one has failed only just.
    Unreachable,
}

impl Ledger {
    /// Of a server that may have so many queries under way.
    pub(crate) fn new(name: Arc<str>, most: usize, dice: Dice, witness: Witness) -> Self {
        Self {
            name,
            is_metered: false,
            record: Mutex::new(Record::new(most)),
            freed: Notify::new(),
            dice,
            witness,
        }
    }

    /// Notes whether each query to it is paid for, so that none is sent twice without need.
    pub(crate) fn metered(mut self, is_metered: bool) -> Self {
        self.is_metered = is_metered;
        self
    }

    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    pub(crate) fn is_metered(&self) -> bool {
        self.is_metered
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What counts when somebody is to be asked: a connect makes a server so much dearer, and one
    /// that has failed has others asked first.
    pub(crate) fn look(&self, now: Instant, warmth: Warmth) -> Look {
        let record = self.record();
        let mut look = record.look(now);
        look.hedge_after = hedge_after(&record, warmth);
        if matches!(warmth, Warmth::Cold | Warmth::Unreachable) {
            look.cost *= f64::from(1 + ROUND_TRIPS_OF_CONNECT);
        }
        if warmth == Warmth::Unreachable {
            look.standing = look.standing.max(Standing::Busy);
        }
        look
    }

    /// Whether an answer can be expected in this time.
    pub(crate) fn can_answer_within(&self, time: Duration) -> bool {
        self.record().round_trip().is_none_or(|round_trip| round_trip <= time)
    }

    /// Runs an exchange when there is room for it, and writes down what comes of it.
    pub(crate) async fn keep(
        &self,
        errand: Errand,
        exchange: impl Future<Output = Result<Reply, Failure>>,
    ) -> Result<Reply, Failure> {
        let entry = self.record().enter();
        match entry {
            Entry::In => {}
            Entry::Wait => self.wait_in_line(errand.deadline).await?,
            Entry::Full => return Err(self.turn_away()),
        }
        let account = Account::open(self, errand.kind);
        let outcome = exchange.await;
        account.close(&outcome);
        outcome
    }

    /// Notes that an answer is late, or was not waited for to the end.
    pub(crate) fn note_slow(&self, at_least: Duration) {
        self.record().note_slow(Instant::now(), at_least);
    }

    /// Notes that its answer to a hedge was the first.
    pub(crate) fn note_hedge_won(&self) {
        self.witness.note(&Event::HedgeWon);
    }

    /// Notes that its silence or failure was left at that, for want of tokens.
    pub(crate) fn note_exhausted(&self, budget: Budget) {
        self.witness.note(&Event::BudgetExhausted(budget));
    }

    /// Waits for room as long as an answer can still be in time.
    async fn wait_in_line(&self, deadline: Instant) -> Result<(), Failure> {
        let place = Place { ledger: self, is_taken: true };
        let round_trip = self.record().round_trip().unwrap_or_default();
        let latest = deadline.checked_sub(round_trip).unwrap_or(deadline);
        while timeout_at(latest, self.freed.notified()).await.is_ok() {
            let (is_in, can_advance) = {
                let mut record = self.record();
                (record.advance(), record.can_advance())
            };
            // One answer may make room for two.
            self.call(can_advance);
            if is_in {
                place.leave();
                return Ok(());
            }
        }
        Err(self.turn_away())
    }

    fn turn_away(&self) -> Failure {
        self.witness.note(&Event::TurnedAway);
        Failure::Overloaded
    }

    /// Lets the first in line know that there may be room.
    fn call(&self, can_advance: bool) {
        if can_advance {
            self.freed.notify_one();
        }
    }

    fn note_sent(&self, kind: SendKind, now: Instant) {
        let change = {
            let mut record = self.record();
            record.hedges += u64::from(kind == SendKind::Hedge);
            record.note_sent(now)
        };
        self.witness.note(&Event::Sent(kind));
        if let Some(change) = change {
            debug!(server = %self.name, "trying whether it is back");
            self.witness.note(&Event::Breaker(change));
        }
    }

    fn note_reply(&self, asked_at: Instant, reply: &Reply) {
        let &Reply { round_trip, age, merit, .. } = reply;
        let is_good = if merit == Merit::Unhelpful { IsGood::No } else { IsGood::Yes };
        let (change, can_advance) = {
            let mut record = self.record();
            let change = record.note_answer(Instant::now(), asked_at, round_trip, is_good);
            (change, record.can_advance())
        };
        self.call(can_advance);
        let is_good = is_good == IsGood::Yes;
        self.witness.note(&Event::Answered { round_trip, is_good, age });
        self.note_closed(change);
    }

    fn note_failure(&self, asked_at: Instant, failure: &Failure) {
        let jitter = self.dice.fraction();
        let (verdict, can_advance) = {
            let mut record = self.record();
            let now = Instant::now();
            (record.note_failure(now, asked_at, failure.clone(), jitter), record.can_advance())
        };
        self.call(can_advance);
        self.witness.note(&Event::Failed(failure));
        if let Some(pause) = verdict.throttled {
            self.witness.note(&Event::Throttled(pause));
        }
        self.log_failure(verdict, failure);
        match verdict.breaker {
            Some(Breaker::Closed) => self.note_closed(verdict.breaker),
            Some(change) => self.witness.note(&Event::Breaker(change)),
            None => {}
        }
    }

    fn note_closed(&self, change: Option<Breaker>) {
        if let Some(change) = change {
            info!(server = %self.name, "server answers again");
            self.witness.note(&Event::Breaker(change));
        }
    }

    /// One line when a server is left alone, and none when it still fails after that.
    fn log_failure(&self, verdict: Verdict, failure: &Failure) {
        let (server, error) = (&self.name, Chain(failure));
        if verdict.breaker != Some(Breaker::Open) || !verdict.is_news {
            debug!(%server, %error, "server failed");
        } else if verdict.is_hopeless {
            let next = failure.next_step();
            error!(%server, %error, next, "server cannot be used, asking it once a minute");
        } else {
            warn!(%server, %error, "server fails, preferring the others");
        }
    }
}

/// How long to wait for an answer before somebody else is asked too.
fn hedge_after(record: &Record, warmth: Warmth) -> Duration {
    let (Some(percentile), Some(round_trip)) = (record.percentile(), record.round_trip()) else {
        return LATEST_HEDGE;
    };
    let usual = percentile.clamp(SOONEST_HEDGE, LATEST_HEDGE);
    match warmth {
        Warmth::Warm => usual,
        Warmth::Doubtful => usual.min(round_trip.mul_f64(1.5).max(SOONEST_HEDGE_AT_RISK)),
        Warmth::Cold | Warmth::Unreachable => {
            (usual + round_trip * ROUND_TRIPS_OF_CONNECT).min(LATEST_HEDGE)
        }
    }
}

/// A place in the line of a server, free again when its query is given up.
struct Place<'a> {
    ledger: &'a Ledger,
    is_taken: bool,
}

impl Place<'_> {
    fn leave(mut self) {
        self.is_taken = false;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.is_taken {
            self.ledger.record().give_up();
        }
    }
}

/// Sees to it that a query counts once, as answered or as failed, also when it is given up.
struct Account<'a> {
    ledger: &'a Ledger,
    asked_at: Instant,
    is_open: bool,
}

impl<'a> Account<'a> {
    fn open(ledger: &'a Ledger, kind: SendKind) -> Self {
        let asked_at = Instant::now();
        ledger.note_sent(kind, asked_at);
        Self { ledger, asked_at, is_open: true }
    }

    fn close(mut self, outcome: &Result<Reply, Failure>) {
        self.is_open = false;
        match outcome {
            Ok(reply) => self.ledger.note_reply(self.asked_at, reply),
            Err(failure) => self.ledger.note_failure(self.asked_at, failure),
        }
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        if self.is_open {
            let silence = Failure::NoAnswer(self.asked_at.elapsed());
            self.ledger.note_failure(self.asked_at, &silence);
        }
    }
}
