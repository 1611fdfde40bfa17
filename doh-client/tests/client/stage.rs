//! A script goes in, what to do next comes out, and what was seen meanwhile: the bookkeeping that
//! all scripted servers have in common, whatever they speak.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;

/// What the tasks of one server share.
pub(crate) struct Stage<A, S> {
    script: Mutex<VecDeque<A>>,
    seen: Mutex<Vec<S>>,
    connections: AtomicUsize,
    /// Closes those connections that were accepted since the last time.
    close: Mutex<watch::Sender<()>>,
}

impl<A: Copy, S: Clone> Stage<A, S> {
    /// One act a query; the last one goes for all that follow.
    pub(crate) fn of(script: impl IntoIterator<Item = A>) -> Self {
        Self {
            script: Mutex::new(script.into_iter().collect()),
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            close: Mutex::default(),
        }
    }

    /// What to do with the next query.
    pub(crate) fn next_act(&self) -> A {
        let mut script = self.script.lock().expect("no test panics with it");
        if script.len() > 1 { script.pop_front() } else { script.front().copied() }
            .expect("a script has one act or more")
    }

    /// Takes down a query.
    pub(crate) fn see(&self, query: S) {
        self.seen.lock().expect("no test panics with it").push(query);
    }

    /// The queries so far.
    pub(crate) fn seen(&self) -> Vec<S> {
        self.seen.lock().expect("no test panics with it").clone()
    }

    /// Counts a connection.
    pub(crate) fn note_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// The connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// What tells a connection that is accepted now to close.
    pub(crate) fn closing(&self) -> watch::Receiver<()> {
        self.close().subscribe()
    }

    /// Closes every connection and waits until that is done. One that is accepted meanwhile stays:
    /// to wait for that, too, would be to wait for ever.
    pub(crate) async fn close_connections(&self) {
        let close = mem::take(&mut *self.close());
        close.send_replace(());
        close.closed().await;
    }

    /// Waits until no connection is left.
    pub(crate) async fn connections_closed(&self) {
        let close = self.close().clone();
        close.closed().await;
    }

    fn close(&self) -> MutexGuard<'_, watch::Sender<()>> {
        self.close.lock().expect("no test panics with it")
    }
}
