//! A query for one server goes in, its reply or its failure comes out. The one place that joins a
//! server's connection, its limit and its record.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tracing::{debug, info, warn};

use crate::connection::Slot;
use crate::dial::Dialer;
use crate::error::{Chain, Failure};
use crate::health::{Health, Record, WasInTime};
use crate::message::{Merit, Query};
use crate::request::Template;
use crate::response::receive;
use crate::server::Server;

/// Queries one server may have under way unless the builder says otherwise: ten times the streams
/// that servers commonly allow at once (the others wait in line), and 4 s worth of queries at 250 a
/// second if it falls silent.
pub(crate) const IN_FLIGHT: usize = 1024;

/// One server and everything that is kept about it.
pub(crate) struct Upstream {
    server: Arc<Server>,
    name: Arc<str>,
    template: Template,
    slot: Arc<Slot>,
    room: Semaphore,
    record: Mutex<Record>,
    patience: Duration,
    check: Check,
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
    /// Prepares a server without dialling it; an answer counts as late after `patience`.
    pub(crate) fn new(
        server: Server,
        tls: TlsConnector,
        patience: Duration,
        in_flight: usize,
        check: Check,
    ) -> Self {
        let server = Arc::new(server);
        Self {
            name: server.to_string().into(),
            template: Template::new(&server),
            slot: Arc::new(Slot::new(Dialer::new(Arc::clone(&server), tls))),
            room: Semaphore::new(in_flight.min(Semaphore::MAX_PERMITS)),
            record: Mutex::new(Record::new()),
            server,
            patience,
            check,
        }
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the server, and once more over a fresh connection if the connection was lost.
    ///
    /// Servers close idle connections at any time, also while a query is on its way; asking twice
    /// changes nothing for them.
    pub(crate) async fn ask(self: Arc<Self>, query: Query) -> Result<Reply, Failure> {
        let Ok(_room) = self.room.try_acquire() else {
            return Err(Failure::Overloaded);
        };
        let account = Account::open(&self);
        let mut outcome = self.exchange(&query).await;
        if let Err(lost @ Failure::ConnectionLost(_)) = &outcome {
            debug!(server = %self.name, error = %Chain(lost), "asking again");
            outcome = self.exchange(&query).await;
        }
        account.close(&outcome);
        outcome
    }

    async fn exchange(&self, query: &Query) -> Result<Reply, Failure> {
        let connection = self.slot.connection().await?;
        let sent = Instant::now();
        let request = self.template.post(query.wire());
        let received = match connection.send(request).await {
            Ok(response) => receive(response).await,
            Err(failure) => Err(failure),
        };
        if matches!(received, Err(Failure::ConnectionLost(_))) {
            self.slot.retire(&connection);
        }
        let received = received?;
        let mut merit = query.judge(&received.body).map_err(Failure::BadAnswer)?;
        // No failure of the server: whoever owns the name may have filled in what is wrong.
        if !(self.check)(&received.body) {
            merit = Merit::Unhelpful;
        }
        let round_trip = sent.elapsed();
        Ok(Reply { answer: received.body, merit, age: received.age, round_trip })
    }

    fn note(&self, spent: Duration, outcome: Result<&Reply, Failure>) {
        let mut record = self.record();
        let (server, was_down) = (&self.name, record.health == Health::Down);
        match outcome {
            Ok(reply) => {
                let was_in_time =
                    if spent < self.patience { WasInTime::Yes } else { WasInTime::No };
                record.note_answer(reply.round_trip, was_in_time);
                if was_down {
                    info!(%server, "server answers again");
                }
            }
            Err(failure) => {
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
