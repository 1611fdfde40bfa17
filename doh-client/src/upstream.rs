//! A query for one server goes in, its reply or its failure comes out. The one place that joins a
//! server's connection, its limit and its record.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tracing::{debug, info, warn};

use crate::addresses::Addresses;
use crate::dial::Dialer;
use crate::error::{Chain, Failure};
use crate::health::{Health, Record, WasInTime};
use crate::message::{Merit, Query};
use crate::observer::{Event, Witness};
use crate::pool::Pool;
use crate::server::Server;

/// Queries one server may have under way unless the builder says otherwise: ten times the streams
/// that servers commonly allow at once (the others wait in line), and 4 s worth of queries at 250 a
/// second if it falls silent.
pub(crate) const IN_FLIGHT: usize = 1024;

/// One server and everything that is kept about it.
pub(crate) struct Upstream {
    server: Arc<Server>,
    name: Arc<str>,
    pool: Arc<Pool>,
    room: Semaphore,
    record: Mutex<Record>,
    patience: Duration,
    check: Check,
    witness: Witness,
}

/// What all servers of a client have in common.
pub(crate) struct Shared {
    pub(crate) tls: TlsConnector,
    /// An answer counts as late after this time.
    pub(crate) patience: Duration,
    pub(crate) in_flight: usize,
    pub(crate) check: Check,
}

/// Whether an answer is one that the caller can use.
pub(crate) type Check = fn(&[u8]) -> bool;

/// An answer that belongs to its query.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) answer: Bytes,
    pub(crate) merit: Merit,
    pub(crate) age: Duration,
    pub(crate) round_trip: Duration,
}

impl Upstream {
    /// Prepares a server without dialling it.
    pub(crate) fn new(server: Server, shared: &Shared, witness: Witness) -> Self {
        let server = Arc::new(server);
        let addresses = Arc::new(Addresses::new(&server));
        let dialer =
            Dialer::new(Arc::clone(&server), addresses, shared.tls.clone(), witness.clone());
        Self {
            name: server.to_string().into(),
            pool: Arc::new(Pool::new(dialer, witness.clone())),
            room: Semaphore::new(shared.in_flight.min(Semaphore::MAX_PERMITS)),
            record: Mutex::new(Record::new()),
            server,
            patience: shared.patience,
            check: shared.check,
            witness,
        }
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the server.
    pub(crate) async fn ask(self: Arc<Self>, query: Query) -> Result<Reply, Failure> {
        let Ok(_room) = self.room.try_acquire() else {
            return Err(Failure::Overloaded);
        };
        let account = Account::open(&self);
        let outcome = self.exchange(&query).await;
        account.close(&outcome);
        outcome
    }

    async fn exchange(&self, query: &Query) -> Result<Reply, Failure> {
        let (received, round_trip) = self.pool.exchange(query).await?;
        let mut merit = query.judge(&received.body).map_err(Failure::BadAnswer)?;
        // No failure of the server: whoever owns the name may have filled in what is wrong.
        if !(self.check)(&received.body) {
            merit = Merit::Unhelpful;
        }
        Ok(Reply { answer: received.body, merit, age: received.age, round_trip })
    }

    fn note(&self, spent: Duration, outcome: Result<&Reply, Failure>) {
        let mut record = self.record();
        let (server, was_down) = (&self.name, record.health == Health::Down);
        match outcome {
            Ok(Reply { round_trip, age, merit, .. }) => {
                let (round_trip, age, is_good) = (*round_trip, *age, *merit == Merit::Good);
                self.witness.note(&Event::Answered { round_trip, is_good, age });
                let was_in_time =
                    if spent < self.patience { WasInTime::Yes } else { WasInTime::No };
                record.note_answer(round_trip, was_in_time);
                if was_down {
                    info!(%server, "server answers again");
                }
            }
            Err(failure) => {
                self.witness.note(&Event::Failed(&failure));
                let error = Chain(&failure);
                if was_down {
                    debug!(%server, %error, "server failed again");
                } else {
                    warn!(%server, %error, "server failed, preferring the others");
                }
                record.note_failure(Instant::now(), spent, failure);
            }
        }
    }
}

/// Sees to it that a query counts once, as answered or as failed, also when it is given up.
struct Account<'a> {
    upstream: &'a Upstream,
    opened: Instant,
    is_open: bool,
}

impl<'a> Account<'a> {
    fn open(upstream: &'a Upstream) -> Self {
        Self { upstream, opened: Instant::now(), is_open: true }
    }

    fn close(mut self, outcome: &Result<Reply, Failure>) {
        self.is_open = false;
        self.upstream.note(self.opened.elapsed(), outcome.as_ref().map_err(Failure::clone));
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        if self.is_open {
            let spent = self.opened.elapsed();
            self.upstream.note(spent, Err(Failure::NoAnswer(spent)));
        }
    }
}
