//! A running dnsward goes in, what it was kept busy with comes out: the work that a server has
//! besides answering, done again and again while its answers are timed.

mod http;
mod swaps;
mod watcher;

use std::{
    fmt, io,
    ops::AddAssign,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use super::{CompareError, tried};

pub(super) use swaps::{Swaps, Versions};
pub(super) use watcher::{Watcher, hash_password};

/// What goes on besides.
pub(super) enum Disturbance {
    /// Its lists are swapped.
    Swap(Swaps),
    /// Somebody watches the live query log.
    Watch(Watcher),
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Lists that came into force.
    pub(super) swaps: u64,
    /// Queries that were shown.
    pub(super) rows: u64,
    /// Times that queries were left out because the watcher was slow.
    pub(super) gaps: u64,
    /// Queries left out.
    pub(super) missed: u64,
}

impl Disturbance {
    /// Keeps the server busy from the start of a measurement to its end, and a little longer: what
    /// has been begun is waited for, so that it disturbs nothing else.
    pub(super) fn during<T>(
        &self,
        measure: impl FnOnce() -> Result<T, CompareError>,
    ) -> Result<(T, Done), CompareError> {
        let is_over = AtomicBool::new(false);
        let (measured, done) = thread::scope(|scope| {
            let work = scope.spawn(|| match self {
                Self::Swap(swaps) => swaps.go_on_until(&is_over),
                Self::Watch(watcher) => watcher.go_on_until(&is_over),
            });
            let measured = measure();
            is_over.store(true, Ordering::Relaxed);
            (measured, work.join())
        });
        let done = done.unwrap_or_else(|_| Err(io::Error::other("a thread panicked")));
        Ok((measured?, done.map_err(tried("cannot keep dnsward busy"))?))
    }
}

impl AddAssign for Done {
    fn add_assign(&mut self, more: Self) {
        self.swaps += more.swaps;
        self.rows += more.rows;
        self.gaps += more.gaps;
        self.missed += more.missed;
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { swaps, rows, gaps, missed } = self;
        if *swaps > 0 {
            return write!(f, "{swaps} swaps");
        }
        write!(f, "{rows} rows, {missed} more in {gaps} gaps")
    }
}

fn is_over(flag: &AtomicBool) -> bool {
    flag.load(Ordering::Relaxed)
}
