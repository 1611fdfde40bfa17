//! Queries for a server come in, each leaves over a connection that works. Kept apart because who
//! connects, who waits and who gives up must not depend on each other.

mod backoff;
mod lifetime;
mod mercy;
mod plan;
mod seats;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use self::backoff::{Backoff, random};
use self::mercy::{Mercy, Proven, Refusals};
use self::plan::{Opening, Plan, is_at_risk};
use self::seats::{Seat, Seats};
use crate::dial::Dialer;
use crate::error::Failure;
use crate::message::Query;
use crate::observer::{Closed, Event, SendKind, Witness};
use crate::transport::{Link, Received};

/// How often a query waits for a connection: for the first, for a second because that is full, and
/// once for bad luck. Then it takes what was opened last.
const WAITS: usize = 3;

/// How often a query is sent again for free: once for bad luck, and up to four times where the connection
/// that was lost says nothing of the server. It was there before the query, and all that are so old
/// may have died together; or it has answered others, before or meanwhile, as some servers close each
/// after so many answers.
const FREE_RETRIES: usize = 1;
const FREE_RETRIES_OF_BLAMELESS: usize = 4;

/// Since a query was sent, how long a server counts as in use: then a connection that has to go is
/// replaced at once, otherwise by the next query.
const IN_USE: Duration = Duration::from_secs(60);

/// The connections to a server, two at most, opened when they are needed.
///
/// Connecting is a task of its own that many queries wait for: none of them owns it, so that a
/// query that is given up takes nothing away from the others.
pub(crate) struct Pool {
    dialer: Dialer,
    witness: Witness,
    state: Mutex<State>,
    /// Connects so far, and how many of them came about.
    connects: AtomicU64,
    opened: AtomicU64,
}

#[derive(Default)]
struct State {
    seats: Seats,
    connecting: Option<Connecting>,
    backoff: Backoff,
    refusals: Refusals,
    asked_at: Option<Instant>,
}

/// A connect under way.
struct Connecting {
    number: u64,
    outcome: watch::Receiver<Option<Opened>>,
    task: AbortHandle,
}

/// What became of a connect; the failure itself is with the [`Backoff`].
#[derive(Clone)]
enum Opened {
    Seat(Arc<Seat>),
    Failed,
}

/// What a query has to do.
enum Choice {
    Send(Arc<Seat>),
    Wait(watch::Receiver<Option<Opened>>),
    Fail(Failure),
}

impl Pool {
    pub(crate) fn new(dialer: Dialer, witness: Witness) -> Self {
        Self {
            dialer,
            witness,
            state: Mutex::default(),
            connects: AtomicU64::new(0),
            opened: AtomicU64::new(0),
        }
    }

    /// Sends a query, and again for free if what failed may have been the connection.
    ///
    /// The time is that of the exchange without connecting.
    pub(crate) async fn exchange(
        self: &Arc<Self>,
        query: &Query,
    ) -> Result<(Received, Duration), Failure> {
        let (mut retries, started) = (0, Instant::now());
        loop {
            let seat = self.seat().await?;
            let (proven, sent, answers) = (seat.proven(), Instant::now(), seat.link().answers());
            let failure = match seat.link().exchange(query).await {
                Ok(received) => {
                    seat.prove();
                    return Ok((received, sent.elapsed()));
                }
                Err(failure) => failure,
            };
            let mercy = {
                let mut state = self.state();
                let mercy = state.refusals.mercy(Instant::now(), &failure, proven);
                state.seats.clear_for(mercy, &seat);
                mercy
            };
            let has_answered = proven == Proven::Yes || seat.link().answers() > answers;
            let is_blameless =
                mercy == Mercy::Elsewhere && (seat.opened_at() < started || has_answered);
            let most = if is_blameless { FREE_RETRIES_OF_BLAMELESS } else { FREE_RETRIES };
            if retries >= most || mercy == Mercy::None {
                return Err(failure);
            }
            retries += 1;
            self.witness.note(&Event::Sent(SendKind::FreeRetry));
        }
    }

    /// A connection that takes a query, opened first where need be.
    async fn seat(self: &Arc<Self>) -> Result<Arc<Seat>, Failure> {
        let mut latest = None;
        for _ in 0..WAITS {
            let mut opening = match self.choose() {
                Choice::Send(seat) => return Ok(seat),
                Choice::Fail(failure) => return Err(failure),
                Choice::Wait(opening) => opening,
            };
            // Without a word from its task, which ends with its runtime or with the network, the next
            // look starts anew.
            if let Ok(opened) = opening.wait_for(Option::is_some).await
                && let Some(Opened::Seat(seat)) = &*opened
            {
                latest = Some(Arc::clone(seat));
            }
        }
        latest.ok_or_else(|| self.state().backoff.failure())
    }

    fn choose(self: &Arc<Self>) -> Choice {
        let now = Instant::now();
        let mut guard = self.state();
        let state = &mut *guard;
        state.asked_at = Some(now);
        state.seats.prune(now);
        let can_open = state.can_open(now);
        let plan = Plan::new(now, state.seats.views(now), can_open);
        if plan.opens {
            state.connecting = Some(Arc::clone(self).open());
        }
        if let Some(seat) = plan.send.and_then(|number| state.seats.nth(number)) {
            return Choice::Send(seat);
        }
        if let Some(connecting) = &state.connecting {
            return Choice::Wait(connecting.outcome.clone());
        }
        Choice::Fail(state.backoff.failure())
    }

    /// Starts the task that connects; it settles the state before it tells who waits.
    fn open(self: Arc<Self>) -> Connecting {
        let (announce, outcome) = watch::channel(None);
        let number = self.connects.fetch_add(1, Ordering::Relaxed);
        let task = tokio::spawn(async move {
            let dialled = self.dialer.dial().await;
            announce.send_replace(Some(self.settle(number, dialled)));
        });
        Connecting { number, outcome, task: task.abort_handle() }
    }

    fn settle(&self, number: u64, dialled: Result<Link, Failure>) -> Opened {
        let (mut state, now) = (self.state(), Instant::now());
        if state.connecting.take_if(|connecting| connecting.number == number).is_none() {
            // It was too late to end this one when the network changed.
            return Opened::Failed;
        }
        match dialled {
            Ok(link) => {
                self.opened.fetch_add(1, Ordering::Relaxed);
                state.backoff.note_success();
                Opened::Seat(state.seats.add(link, now))
            }
            Err(failure) => {
                state.backoff.note_failure(now, failure, random());
                Opened::Failed
            }
        }
    }

    /// Replaces all connections: at once and before they go if the server is in use, otherwise with
    /// the next query. Connects begin anew.
    pub(crate) fn network_changed(self: &Arc<Self>) {
        self.dialer.forget_paths();
        let now = Instant::now();
        let mut state = self.state();
        let is_in_use = state.asked_at.is_some_and(|at| now < at + IN_USE);
        state.seats.prune(now);
        let connecting = state.connecting.take();
        if let Some(connecting) = &connecting {
            connecting.task.abort();
        }
        if state.seats.is_empty() && connecting.is_none() {
            return;
        }
        if !is_in_use || Handle::try_current().is_err() {
            state.seats.clear(Closed::Network);
            return;
        }
        state.seats.note_network_changed();
        if state.can_open(now) == Opening::Possible {
            state.connecting = Some(Arc::clone(self).open());
        }
    }

    /// Whether all connections that are open may have died without anybody noticing.
    pub(crate) fn is_at_risk(&self) -> bool {
        let (state, now) = (self.state(), Instant::now());
        let mut pulses = state.seats.pulses().peekable();
        pulses.peek().is_some() && pulses.all(|pulse| is_at_risk(&pulse, now))
    }

    /// Until when it is better to ask another server, because connects have failed. A query that
    /// comes sooner is served all the same.
    pub(crate) fn next_connect(&self) -> Option<Instant> {
        self.state().backoff.until()
    }

    /// Whether a connection is open right now.
    pub(crate) fn is_open(&self) -> bool {
        self.state().seats.pulses().next().is_some()
    }

    /// How many connections are open right now.
    pub(crate) fn open_connections(&self) -> usize {
        self.state().seats.pulses().count()
    }

    /// How many connections were opened so far.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn can_open(&mut self, now: Instant) -> Opening {
        // Who announces is gone without having said so: it died with its runtime.
        self.connecting.take_if(|connecting| connecting.outcome.has_changed().is_err());
        if self.connecting.is_some() {
            Opening::UnderWay
        } else if self.backoff.refusal(now).is_some() {
            Opening::Impossible
        } else {
            Opening::Possible
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use futures_util::FutureExt;
    use tokio::runtime::{Builder, Runtime};

    use super::*;
    use crate::addresses::Addresses;
    use crate::server::Server;
    use crate::tls::Trust;

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().expect("a runtime")
    }

    #[test]
    fn a_connect_that_died_with_its_runtime_is_started_anew() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        drop(listener);
        let server: Arc<Server> = Arc::new(url.parse().unwrap());
        let (addresses, witness) = (Arc::new(Addresses::pinned(&server)), Witness::new(None, 0));
        let tls = Trust::new(&[], None).unwrap().tls(&server).unwrap();
        let dialer = Dialer::new(server, addresses, tls, witness.clone());
        let pool = Arc::new(Pool::new(dialer, witness));

        let first = runtime().block_on(async { pool.seat().now_or_never() });
        let second = runtime().block_on(pool.seat());

        assert!(first.is_none());
        assert!(matches!(second, Err(Failure::Connect { .. })));
        assert!(pool.next_connect().is_some());
    }
}
