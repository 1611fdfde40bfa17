//! Queries that need a connection come in, all leave with the same one. Kept apart because who
//! connects, who waits and who gives up must not depend on each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::dial::{CONNECT_TIMEOUT, Dialer};
use crate::error::Failure;
use crate::message::Query;
use crate::observer::{Event, SendKind, Witness};
use crate::transport::{Link, Received};

/// The one connection to a server, opened when it is first needed.
///
/// Connecting is a task of its own that many queries wait for: none of them owns it, so that a
/// query that is given up takes nothing away from the others.
pub(crate) struct Pool {
    dialer: Dialer,
    witness: Witness,
    /// Nothing before the first query, and after a connection failed.
    state: Mutex<Option<State>>,
    opened: AtomicU64,
}

/// An open connection; clones share it.
#[derive(Clone)]
pub(crate) struct Connection {
    link: Link,
    /// Counts the connections of a pool, so that an old one is never taken for its successor.
    serial: u64,
}

#[derive(Clone)]
enum State {
    Opening(watch::Receiver<Option<Opened>>),
    Open(Connection),
}

type Opened = Result<Connection, Failure>;

impl Pool {
    pub(crate) fn new(dialer: Dialer, witness: Witness) -> Self {
        Self { dialer, witness, state: Mutex::new(None), opened: AtomicU64::new(0) }
    }

    /// Sends a query, and once more over a fresh connection if the one it was sent on was lost.
    ///
    /// Servers close idle connections at any time, also while a query is on its way; asking twice
    /// changes nothing for them. The time is that of the exchange without connecting.
    pub(crate) async fn exchange(
        self: &Arc<Self>,
        query: &Query,
    ) -> Result<(Received, Duration), Failure> {
        match self.exchange_once(query).await {
            Err(Failure::ConnectionLost(_)) => {
                self.witness.note(&Event::Sent(SendKind::FreeRetry));
                self.exchange_once(query).await
            }
            outcome => outcome,
        }
    }

    async fn exchange_once(
        self: &Arc<Self>,
        query: &Query,
    ) -> Result<(Received, Duration), Failure> {
        let connection = self.connection().await?;
        let sent = Instant::now();
        let received = connection.link.exchange(query).await;
        if matches!(received, Err(Failure::ConnectionLost(_))) {
            self.retire(&connection);
        }
        Ok((received?, sent.elapsed()))
    }

    /// The connection that is open, or the next one that will be.
    pub(crate) async fn connection(self: &Arc<Self>) -> Result<Connection, Failure> {
        let mut opening = match self.live_state() {
            State::Open(connection) => return Ok(connection),
            State::Opening(opening) => opening,
        };
        match opening.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(opened)) => opened.clone(),
            // The task ended without a word: its runtime is shutting down.
            Ok(None) | Err(_) => Err(Failure::ConnectTimeout(CONNECT_TIMEOUT)),
        }
    }

    /// Forgets a connection that was lost, unless it was replaced already.
    pub(crate) fn retire(&self, lost: &Connection) {
        let mut state = self.state();
        if matches!(&*state, Some(State::Open(current)) if current.serial == lost.serial) {
            *state = None;
        }
    }

    /// Whether a connection is open right now.
    pub(crate) fn is_open(&self) -> bool {
        matches!(&*self.state(), Some(State::Open(connection)) if connection.link.pulse().is_open)
    }

    /// How many connections are open right now.
    pub(crate) fn open_connections(&self) -> usize {
        usize::from(self.is_open())
    }

    /// Whether the connection was silent for so long that it may be dead.
    pub(crate) fn is_at_risk(&self) -> bool {
        false
    }

    /// How many connections were opened so far.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// What the pool holds, a new connect if that is of no use any more.
    fn live_state(self: &Arc<Self>) -> State {
        let mut state = self.state();
        let is_live = match &*state {
            Some(State::Open(connection)) => connection.link.pulse().is_open,
            // Who announces is gone without having said so: it died with its runtime.
            Some(State::Opening(opening)) => opening.has_changed().is_ok(),
            None => false,
        };
        if !is_live {
            *state = None;
        }
        state.get_or_insert_with(|| State::Opening(Arc::clone(self).open())).clone()
    }

    /// Starts the task that connects; it settles the state before it tells who waits.
    fn open(self: Arc<Self>) -> watch::Receiver<Option<Opened>> {
        let (announce, opening) = watch::channel(None);
        tokio::spawn(async move {
            let opened = self.dialer.dial().await.map(|link| {
                let serial = self.opened.fetch_add(1, Ordering::Relaxed);
                Connection { link, serial }
            });
            *self.state() = opened.as_ref().ok().cloned().map(State::Open);
            announce.send_replace(Some(opened));
        });
        opening
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
    use crate::tls;

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().expect("a runtime")
    }

    #[test]
    fn a_connect_that_died_with_its_runtime_is_started_anew() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        drop(listener);
        let server: Arc<Server> = Arc::new(url.parse().unwrap());
        let (addresses, witness) = (Arc::new(Addresses::new(&server)), Witness::new(None, 0));
        let tls = tls::connector(&[]).unwrap();
        let dialer = Dialer::new(server, addresses, tls, witness.clone());
        let pool = Arc::new(Pool::new(dialer, witness));

        let first = runtime().block_on(async { pool.connection().now_or_never() });
        let second = runtime().block_on(pool.connection());

        assert!(first.is_none());
        assert!(matches!(second, Err(Failure::Connect { .. })));
    }
}
