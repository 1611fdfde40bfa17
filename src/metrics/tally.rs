//! Answers are counted here by the thread that gives them, and read by whoever scrapes.
//!
//! Each thread has a tally of its own: only it writes, so that counting needs no exclusive access
//! to memory that other threads write too.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::shadow::ShadowBlocks;
use crate::{
    query::Transport,
    querylog::{Given, Label, Outcome},
};

/// Transports, in the order of their counters.
pub(super) const TRANSPORTS: [Transport; 2] = [Transport::Udp, Transport::Tcp];

/// Response codes that are counted by number; the rest together.
const RCODES: usize = 6;

/// The words for them, in the order of their counters.
pub(super) const RCODE_WORDS: [&str; RCODES + 1] =
    ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "other"];

/// The answers of one thread.
#[derive(Debug, Default)]
struct Counters {
    queries: [[AtomicU64; Outcome::ALL.len()]; TRANSPORTS.len()],
    responses: [AtomicU64; RCODES + 1],
    shadow_blocks: ShadowBlocks,
}

/// The end at which one thread counts.
#[derive(Debug)]
pub struct Tally {
    counters: Arc<Counters>,
    /// Keeps this end on one thread.
    _one_thread: std::marker::PhantomData<std::cell::Cell<()>>,
}

/// All of them, to be read.
#[derive(Debug, Default)]
pub(super) struct Tallies(Mutex<Vec<Arc<Counters>>>);

impl Tally {
    /// Counts an answer.
    pub fn count(&self, transport: Transport, given: Given) {
        let row = self.counters.queries.get(transport as usize);
        add_one(row.and_then(|row| row.get(given.outcome as usize)));
        if let Some(label) = given.shadow {
            self.counters.shadow_blocks.count(label);
        }
        if !given.is_silent() {
            add_one(self.counters.responses.get(usize::from(given.rcode).min(RCODES)));
        }
    }
}

impl Tallies {
    /// A tally for one more thread.
    pub(super) fn start(&self) -> Tally {
        let counters = Arc::<Counters>::default();
        self.lock().push(counters.clone());
        Tally { counters, _one_thread: std::marker::PhantomData }
    }

    /// Answers by transport and outcome.
    pub(super) fn answers(&self, transport: Transport, outcome: Outcome) -> u64 {
        self.sum(|counters| counters.queries.get(transport as usize)?.get(outcome as usize))
    }

    /// Answers by response code, in the order of `RCODE_WORDS`.
    pub(super) fn responses(&self) -> [u64; RCODES + 1] {
        std::array::from_fn(|rcode| self.sum(|counters| counters.responses.get(rcode)))
    }

    /// What would have been blocked, by the list or rule in shadow mode; each once a thread.
    pub(super) fn shadow_blocks(&self) -> Vec<(Label, u64)> {
        self.lock().iter().flat_map(|counters| counters.shadow_blocks.counts()).collect()
    }

    fn sum(&self, counter: impl Fn(&Counters) -> Option<&AtomicU64>) -> u64 {
        let load = |counters: &Arc<Counters>| counter(counters).map(|c| c.load(Ordering::Relaxed));
        self.lock().iter().filter_map(load).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Counters>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds without a lock: nobody else writes here.
fn add_one(counter: Option<&AtomicU64>) {
    if let Some(counter) = counter {
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}
