//! DNS over TLS and over TCP: queries share one stream of messages, each behind its length, and the
//! answers come in any order (RFC 7858, RFC 7766).
//!
//! One task drives a connection; queries reach it through a queue, and each waits for its own
//! answer. A query that is given up therefore leaves nothing half done behind.

mod driver;
pub(crate) mod frames;
mod ledger;
mod tolerance;

use std::error::Error as StdError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use self::driver::{Driver, End};
use self::ledger::MAX_IN_FLIGHT;
pub(crate) use self::tolerance::Tolerance;
use super::{Pulse, Received};
use crate::error::{Cause, Failure};
use crate::message::Query;
use crate::observer::{Closed, Witness};
use crate::tls;
use crate::wire::{Heard, Wire};

/// Queries that wait for being written: all that a server has room for unless the builder says
/// otherwise. Those beyond wait until it is their turn.
const QUEUE: usize = crate::upstream::IN_FLIGHT;

/// One connection.
#[derive(Clone)]
pub(crate) struct Link {
    asks: mpsc::Sender<Ask>,
    status: Arc<Status>,
    heard: Heard,
}

/// A query on its way to the task that sends it.
struct Ask {
    wire: Bytes,
    reply: oneshot::Sender<Received>,
    debt: Debt,
}

/// What can be seen of a connection from outside its task.
#[derive(Default)]
struct Status {
    tolerance: Arc<Tolerance>,
    /// Queries so far.
    queries: AtomicUsize,
    /// Answers so far, counted before their queries hear of them.
    answers: AtomicUsize,
    owed: Mutex<Owed>,
    /// Why no more queries are to be sent.
    leaving: OnceLock<Closed>,
    /// Why it is over, set before anybody can find out that it is.
    over: OnceLock<Over>,
}

struct Over {
    end: Arc<End>,
    /// How long nothing had been under way, if the server closed it then.
    idle: Option<Duration>,
}

#[derive(Clone, Copy, Default)]
struct Owed {
    answers: usize,
    /// Since when there was always one at least.
    since: Option<Instant>,
    /// When the last one was gone.
    until: Option<Instant>,
}

/// An answer that is owed, from asking until it came or nobody reckons with it any more.
struct Debt(Arc<Status>);

impl Link {
    /// Takes a fresh connection and starts the task that drives it until either side closes it.
    pub(crate) fn open(wire: Wire, tolerance: Arc<Tolerance>, witness: Witness) -> Self {
        let (asks, queue) = mpsc::channel(QUEUE);
        let status = Arc::new(Status { tolerance, ..Status::default() });
        let heard = wire.heard();
        let driver = Driver::new(wire, queue, Arc::clone(&status));
        tokio::spawn(driver.run(witness));
        Self { asks, status, heard }
    }

    /// Sends a query. Dropped before the answer is there, it loses that answer and nothing else.
    pub(crate) async fn exchange(&self, query: &Query) -> Result<Received, Failure> {
        let (reply, answer) = oneshot::channel();
        let debt = Debt::owe(Arc::clone(&self.status));
        let queries = self.status.queries.fetch_add(1, Ordering::Relaxed) + 1;
        if self.pulse().is_open && self.status.tolerance.is_used_up(queries) {
            self.leave(Closed::Age);
        }
        let ask = Ask { wire: query.wire(), reply, debt };
        if self.asks.send(ask).await.is_err() {
            return Err(self.status.failure());
        }
        answer.await.map_err(|_dropped| self.status.failure())
    }

    pub(crate) fn pulse(&self) -> Pulse {
        let owed = self.status.owed();
        Pulse {
            is_open: !self.asks.is_closed() && self.status.leaving.get().is_none(),
            heard_at: self.heard.at(),
            owed_since: owed.since,
            in_flight: owed.answers,
            capacity: MAX_IN_FLIGHT,
        }
    }

    /// Takes no more queries, and closes for this reason once all are answered.
    pub(crate) fn leave(&self, reason: Closed) {
        // The first reason is the one.
        let _ = self.status.leaving.set(reason);
    }

    /// Answers that have come over it so far.
    pub(crate) fn answers(&self) -> usize {
        self.status.answers.load(Ordering::Relaxed)
    }

    /// How long nothing had been under way when the server closed it, if it did so then.
    pub(crate) fn idle_at_end(&self) -> Option<Duration> {
        self.status.over.get()?.idle
    }
}

impl Status {
    fn owed(&self) -> Owed {
        *self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self) -> Failure {
        if let Some(Over { end, .. }) = self.over.get()
            && let End::Broken(error) = &**end
            && let Some(refusal) = tls::refusal(error)
        {
            return refusal;
        }
        let cause: Cause = match self.over.get() {
            Some(over) => Arc::<End>::clone(&over.end),
            // The task ended without a word: its runtime is shutting down.
            None => Arc::new(End::Released),
        };
        Failure::ConnectionLost(cause)
    }
}

impl Debt {
    fn owe(status: Arc<Status>) -> Self {
        let mut owed = status.owed.lock().unwrap_or_else(PoisonError::into_inner);
        owed.answers += 1;
        owed.since.get_or_insert_with(Instant::now);
        drop(owed);
        Self(status)
    }
}

impl Drop for Debt {
    fn drop(&mut self) {
        let mut owed = self.0.owed.lock().unwrap_or_else(PoisonError::into_inner);
        owed.answers = owed.answers.saturating_sub(1);
        if owed.answers == 0 {
            (owed.since, owed.until) = (None, Some(Instant::now()));
        }
    }
}

/// Whether this is how a silent connection ends.
pub(super) fn is_silence(cause: &(dyn StdError + Send + Sync + 'static)) -> bool {
    matches!(cause.downcast_ref(), Some(End::Silent))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// `a.` A IN.
    const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01";

    fn query() -> Query {
        Query::parse(QUERY).expect("the query of these tests is one")
    }

    async fn link() -> (Link, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        let wire = Wire::plain(ours.expect("the listener is there"));
        (
            Link::open(wire, Arc::default(), Witness::new(None, 0)),
            theirs.expect("somebody connects").0,
        )
    }

    async fn receive(server: &mut TcpStream) -> Vec<u8> {
        let mut message = vec![0; server.read_u16().await.unwrap().into()];
        server.read_exact(&mut message).await.unwrap();
        message
    }

    async fn send(server: &mut TcpStream, mut message: Vec<u8>) {
        message[2] |= 0x80;
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        server.write_all(&[&length, message.as_slice()].concat()).await.unwrap();
    }

    async fn until(mut is_so: impl FnMut() -> bool) {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn its_pulse_tells_what_is_under_way() {
        let (link, mut server) = link().await;
        let (opened, asked) = (link.pulse(), Instant::now());
        assert!(opened.is_open && opened.in_flight == 0 && opened.owed_since.is_none());

        let exchange = tokio::spawn({
            let link = link.clone();
            async move { link.exchange(&query()).await }
        });
        let message = receive(&mut server).await;
        let owing = link.pulse();
        send(&mut server, message).await;
        let received = exchange.await.unwrap().unwrap();
        let rested = link.pulse();

        assert_eq!(received.body[..2], [0, 0]);
        assert!(owing.in_flight == 1 && owing.owed_since.is_some_and(|since| since >= asked));
        assert!(owing.heard_at <= asked && rested.heard_at >= asked);
        assert!(rested.is_open && rested.in_flight == 0 && rested.owed_since.is_none());
    }

    #[tokio::test]
    async fn a_query_that_was_given_up_is_owed_until_it_is_answered() {
        let (link, mut server) = link().await;
        let exchange = tokio::spawn({
            let link = link.clone();
            async move { link.exchange(&query()).await }
        });
        let message = receive(&mut server).await;
        exchange.abort();
        assert!(exchange.await.is_err());
        assert_eq!(link.pulse().in_flight, 1);

        send(&mut server, message).await;

        until(|| link.pulse().in_flight == 0).await;
        assert!(link.pulse().is_open);
    }

    #[tokio::test]
    async fn one_that_leaves_still_hears_what_is_owed() {
        let (link, mut server) = link().await;
        let exchange = tokio::spawn({
            let link = link.clone();
            async move { link.exchange(&query()).await }
        });
        let message = receive(&mut server).await;

        link.leave(Closed::Age);
        assert!(!link.pulse().is_open);
        drop(link);
        send(&mut server, message).await;

        assert!(exchange.await.unwrap().is_ok());
        assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0, "it is closed now");
    }

    #[tokio::test]
    async fn how_long_it_was_idle_is_known_if_the_server_closed_it_then() {
        let (link, mut server) = link().await;
        let query = query();
        let (answered, ()) = tokio::join!(link.exchange(&query), async {
            let message = receive(&mut server).await;
            send(&mut server, message).await;
        });
        assert!(answered.is_ok() && link.idle_at_end().is_none());

        drop(server);
        until(|| !link.pulse().is_open).await;

        assert!(link.idle_at_end().is_some());
    }

    #[tokio::test]
    async fn a_connection_that_broke_under_a_query_tells_nothing_of_idle_times() {
        let (link, mut server) = link().await;
        let query = query();
        let (lost, ()) = tokio::join!(link.exchange(&query), async move {
            receive(&mut server).await;
        });

        assert!(matches!(lost, Err(Failure::ConnectionLost(_))));
        assert!(link.idle_at_end().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_lost_to_silence_is_told_from_one_that_was_closed() {
        let (link, mut server) = link().await;
        let query = query();
        let (lost, _) = tokio::join!(link.exchange(&query), receive(&mut server));

        assert!(matches!(lost, Err(Failure::ConnectionLost(cause)) if is_silence(cause.as_ref())));
        assert!(!is_silence(&End::Closed));
    }

    #[tokio::test]
    async fn a_connection_that_is_over_takes_nothing() {
        let (link, server) = link().await;
        drop(server);
        until(|| !link.pulse().is_open).await;

        let failure = link.exchange(&query()).await.err().unwrap();

        assert!(
            matches!(failure, Failure::ConnectionLost(cause) if cause.to_string() == "the server closed it")
        );
    }
}
