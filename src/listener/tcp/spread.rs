//! Connections that stay go in on the thread that took them, and come out on the one that has
//! fewest.
//!
//! The kernel spreads connections by their addresses, which is even for many short ones. A mesh
//! brings few that last for days, and most of them may meet on one thread.

use std::{
    iter,
    net::{IpAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::mpsc::{self, Receiver, Sender};

use super::seats::Seat;
use crate::query::Client;

/// Connections on their way to one thread; where there are more, their own thread keeps them.
const ON_THE_WAY: usize = 64;

/// So many more than another thread every thread may have: below that, moving one costs more than
/// it brings.
const ALLOWANCE: usize = 2;

/// What one thread has to do with the spreading of an address's connections.
pub struct Share {
    number: usize,
    pub(super) threads: Arc<[Thread]>,
    arrivals: Receiver<Moved>,
}

/// What all threads know of one.
pub(super) struct Thread {
    connections: AtomicUsize,
    way: Sender<Moved>,
}

/// A connection that stays, and is owed nothing.
pub(super) struct Newcomer {
    pub(super) stream: TcpStream,
    pub(super) seat: Seat,
    pub(super) who: Who,
}

/// Whose connection it is.
pub(super) enum Who {
    Known(Client),
    /// Whoever this proxy says.
    Behind(IpAddr),
}

/// A connection and its place on the thread to which it goes.
pub(super) type Moved = (Newcomer, Place);

/// Counts a connection for a thread until it is dropped.
pub(super) struct Place {
    threads: Arc<[Thread]>,
    number: usize,
}

impl Share {
    /// The shares of so many threads.
    pub fn among(threads: usize) -> Vec<Self> {
        let (ways, arrivals): (Vec<_>, Vec<_>) =
            iter::repeat_with(|| mpsc::channel(ON_THE_WAY)).take(threads).unzip();
        let thread = |way| Thread { connections: AtomicUsize::new(0), way };
        let threads: Arc<[Thread]> = ways.into_iter().map(thread).collect();
        let share = |(number, arrivals)| Self { number, threads: threads.clone(), arrivals };
        arrivals.into_iter().enumerate().map(share).collect()
    }

    /// A place on this thread.
    pub(super) fn place_here(&self) -> Place {
        Place::on(&self.threads, self.number)
    }

    /// Gives a connection to the thread that has clearly fewer; where there is none, or it has no
    /// time for it, this thread serves it.
    pub(super) fn hand_over(&self, newcomer: Newcomer) -> Option<Moved> {
        let Some((number, thread)) = self.idler() else {
            return Some((newcomer, self.place_here()));
        };
        match thread.way.try_send((newcomer, Place::on(&self.threads, number))) {
            Ok(()) => None,
            Err(refused) => Some((refused.into_inner().0, self.place_here())),
        }
    }

    /// The next connection from another thread.
    pub(super) async fn arrival(&mut self) -> Option<Moved> {
        self.arrivals.recv().await
    }

    /// The same without waiting.
    pub(super) fn arrived(&mut self) -> Option<Moved> {
        self.arrivals.try_recv().ok()
    }

    /// Takes no more from other threads; what is on its way arrives.
    pub(super) fn close(&mut self) {
        self.arrivals.close();
    }

    /// The thread with the fewest connections, where that is not as good as this one.
    fn idler(&self) -> Option<(usize, &Thread)> {
        let ours = self.threads.get(self.number)?.connections();
        let (number, fewest) =
            self.threads.iter().enumerate().min_by_key(|(_, thread)| thread.connections())?;
        let allowed = fewest.connections() * 5 / 4 + ALLOWANCE;
        (ours >= allowed).then_some((number, fewest))
    }
}

impl Thread {
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Place {
    fn on(threads: &Arc<[Thread]>, number: usize) -> Self {
        let place = Self { threads: threads.clone(), number };
        place.count(|connections| connections.fetch_add(1, Ordering::Relaxed));
        place
    }

    fn count(&self, change: impl FnOnce(&AtomicUsize) -> usize) {
        self.threads.get(self.number).map(|thread| change(&thread.connections));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.count(|connections| connections.fetch_sub(1, Ordering::Relaxed));
    }
}
