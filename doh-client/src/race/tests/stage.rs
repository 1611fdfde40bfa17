//! Servers made of scripts, and a tape of all that happened to them.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::budget::Purse;
use crate::choice::Dice;
use crate::client::Exchange;
use crate::error::{Error, Failure};
use crate::health::IsGood;
use crate::ledger::{Errand, Ledger, Warmth};
use crate::message::Merit;
use crate::observer::{Breaker, Event, Observer, SendKind, Witness};
use crate::race::{Asking, Hedge, Race, Servers, Terms};
use crate::upstream::{IN_FLIGHT, Reply};

/// What a scripted server does with one query, after so many milliseconds.
pub(super) enum Act {
    Reply(u64, Merit),
    Fail(u64, Failure),
    Hang,
    Tell(u64, oneshot::Sender<()>),
}

pub(super) fn good(after: u64) -> Act {
    Act::Reply(after, Merit::Good)
}

pub(super) fn servfail(after: u64) -> Act {
    Act::Reply(after, Merit::Unhelpful)
}

pub(super) fn truncated(after: u64) -> Act {
    Act::Reply(after, Merit::Truncated)
}

pub(super) fn broken(after: u64) -> Act {
    Act::Fail(after, Failure::TooLarge)
}

pub(super) fn reset(after: u64) -> Act {
    Act::Fail(after, Failure::Reset(2))
}

/// Where the acts of a server come from.
enum Script {
    Acts(Mutex<VecDeque<Act>>),
    /// By the time since the start and the number of the query.
    Rule(Box<dyn Fn(Duration, u64) -> Act + Send + Sync>),
}

/// Scripted servers, and what happened to them.
pub(super) struct Stage {
    scripts: Vec<Script>,
    ledgers: Vec<Arc<Ledger>>,
    pub(super) purse: Purse,
    dice: Dice,
    terms: Terms,
    warmth: Vec<Warmth>,
    /// From when on all connections are in doubt.
    doubtful_at: Option<Instant>,
    pub(super) started: Instant,
    /// Who was asked when, in milliseconds.
    asked: Mutex<Vec<(usize, u128)>>,
    tape: Arc<Tape>,
}

/// What was told of servers.
#[derive(Default)]
pub(super) struct Tape(Mutex<Vec<(usize, Note)>>);

/// The part of events that tests look at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Note {
    Sent(SendKind),
    Answered,
    Failed,
    TurnedAway,
    HedgeWon,
    Exhausted,
    Throttled(Duration),
    Breaker(Breaker),
}

impl Observer for Tape {
    fn note(&self, server: usize, event: &Event<'_>) {
        let note = match event {
            Event::Sent(kind) => Note::Sent(*kind),
            Event::Answered { .. } => Note::Answered,
            Event::Failed(_) => Note::Failed,
            Event::TurnedAway => Note::TurnedAway,
            Event::HedgeWon => Note::HedgeWon,
            Event::BudgetExhausted(_) => Note::Exhausted,
            Event::Throttled(pause) => Note::Throttled(*pause),
            Event::Breaker(breaker) => Note::Breaker(*breaker),
            _ => return,
        };
        self.0.lock().unwrap().push((server, note));
    }
}

impl Stage {
    /// Servers that do these acts in their order.
    pub(super) fn new<const N: usize>(scripts: impl IntoIterator<Item = [Act; N]>) -> Self {
        Self::of(scripts.into_iter().map(VecDeque::from))
    }

    pub(super) fn of(scripts: impl IntoIterator<Item = VecDeque<Act>>) -> Self {
        let scripts = scripts.into_iter().map(|acts| Script::Acts(Mutex::new(acts)));
        Self::with_scripts(scripts.collect())
    }

    /// Servers of which each does what its rule says.
    pub(super) fn ruled<const N: usize>(
        rules: [Box<dyn Fn(Duration, u64) -> Act + Send + Sync>; N],
    ) -> Self {
        Self::with_scripts(rules.into_iter().map(Script::Rule).collect())
    }

    fn with_scripts(scripts: Vec<Script>) -> Self {
        let tape = Arc::new(Tape::default());
        let ledger = |server: usize| {
            let witness = Witness::new(Some(tape.clone()), server);
            let dice = Dice::new(server as u64);
            Arc::new(Ledger::new(server.to_string().into(), IN_FLIGHT, dice, witness))
        };
        Self {
            ledgers: (0..scripts.len()).map(ledger).collect(),
            purse: Purse::new(),
            dice: Dice::new(1),
            terms: Terms {
                total: Duration::from_millis(4500),
                attempt: Duration::from_millis(1500),
                hedge: Hedge::Adaptive,
            },
            warmth: vec![Warmth::Warm; scripts.len()],
            doubtful_at: None,
            scripts,
            started: Instant::now(),
            asked: Mutex::default(),
            tape,
        }
    }

    pub(super) fn without_hedges(mut self) -> Self {
        self.terms.hedge = Hedge::Off;
        self
    }

    pub(super) fn with_metered(mut self, server: usize) -> Self {
        let witness = Witness::new(Some(self.tape.clone()), server);
        let ledger = Ledger::new("metered".into(), IN_FLIGHT, Dice::new(0), witness);
        self.ledgers[server] = Arc::new(ledger.metered(true));
        self
    }

    pub(super) fn with_warmth(mut self, server: usize, warmth: Warmth) -> Self {
        self.warmth[server] = warmth;
        self
    }

    /// Has all connections come into doubt some time.
    pub(super) fn with_doubt_after(mut self, ms: u64) -> Self {
        self.doubtful_at = Some(self.started + Duration::from_millis(ms));
        self
    }

    /// Has a server known for its round trips.
    pub(super) fn with_pace(self, server: usize, ms: u64) -> Self {
        for _ in 0..20 {
            let (now, mut record) = (Instant::now(), self.ledgers[server].record());
            record.enter();
            record.note_answer(now, now, Duration::from_millis(ms), IsGood::Yes);
        }
        self
    }

    /// Has a server that has failed so often that it is left alone.
    pub(super) fn with_open(self, server: usize) -> Self {
        for _ in 0..5 {
            let (now, mut record) = (Instant::now(), self.ledgers[server].record());
            record.enter();
            record.note_failure(now, now, Failure::TooLarge, 0.0);
        }
        assert_eq!(self.ledger_of(server).record().breaker(), Breaker::Open);
        self
    }

    pub(super) fn ledger_of(&self, server: usize) -> &Ledger {
        &self.ledgers[server]
    }

    pub(super) async fn race(self: &Arc<Self>) -> Result<Exchange, Error> {
        let mut race = Race::new(Arc::clone(self), self.terms);
        race.run().await
    }

    /// Asks so many times, one query each interval, and returns how long each took if it was
    /// answered.
    pub(super) async fn load(
        self: &Arc<Self>,
        queries: u64,
        interval: Duration,
    ) -> Vec<Option<u128>> {
        let mut races = Vec::new();
        for _ in 0..queries {
            let stage = Arc::clone(self);
            races.push(tokio::spawn(async move {
                let started = Instant::now();
                stage.race().await.ok().map(|_| started.elapsed().as_millis())
            }));
            sleep(interval).await;
        }
        let mut times = Vec::new();
        for race in races {
            times.push(race.await.unwrap());
        }
        times
    }

    pub(super) fn asked(&self) -> Vec<(usize, u128)> {
        self.asked.lock().unwrap().clone()
    }

    /// How often each server was asked since this was last looked at.
    pub(super) fn take_shares(&self) -> Vec<usize> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        let share = |server| asked.iter().filter(|(asked, _)| *asked == server).count();
        (0..self.scripts.len()).map(share).collect()
    }

    pub(super) fn times(&self, note: Note) -> usize {
        self.tape.0.lock().unwrap().iter().filter(|(_, noted)| *noted == note).count()
    }

    pub(super) fn has_noted(&self, server: usize, note: Note) -> bool {
        self.tape.0.lock().unwrap().contains(&(server, note))
    }

    fn act(&self, server: usize) -> Act {
        let mut asked = self.asked.lock().unwrap();
        let number = asked.len() as u64;
        asked.push((server, self.started.elapsed().as_millis()));
        match &self.scripts[server] {
            Script::Acts(acts) => acts.lock().unwrap().pop_front(),
            Script::Rule(rule) => Some(rule(self.started.elapsed(), number)),
        }
        .expect("a server is asked no more often than its script says")
    }
}

impl Servers for Arc<Stage> {
    fn count(&self) -> usize {
        self.scripts.len()
    }

    fn ledger(&self, server: usize) -> &Ledger {
        &self.ledgers[server]
    }

    fn purse(&self) -> &Purse {
        &self.purse
    }

    fn dice(&self) -> &Dice {
        &self.dice
    }

    fn warmth(&self, server: usize, now: Instant) -> Warmth {
        let is_doubtful = self.doubtful_at.is_some_and(|at| at <= now);
        if is_doubtful { Warmth::Doubtful } else { self.warmth[server] }
    }

    fn ask(&self, server: usize, errand: Errand) -> Asking {
        let stage = Self::clone(self);
        Box::pin(async move {
            let exchange = async { perform(stage.act(server), server).await };
            stage.ledgers[server].keep(errand, exchange).await
        })
    }
}

async fn perform(act: Act, server: usize) -> Result<Reply, Failure> {
    let after = |ms| sleep(Duration::from_millis(ms));
    match act {
        Act::Reply(ms, merit) => {
            after(ms).await;
            let answer = Bytes::from(vec![u8::try_from(server).unwrap()]);
            let round_trip = Duration::from_millis(ms);
            Ok(Reply { answer, merit, age: Duration::ZERO, round_trip })
        }
        Act::Fail(ms, failure) => {
            after(ms).await;
            Err(failure)
        }
        Act::Hang => pending().await,
        Act::Tell(ms, tell) => {
            after(ms).await;
            tell.send(()).expect("the test waits");
            Err(Failure::TooLarge)
        }
    }
}
