//! The one thing that the data plane reads: policy, settings and a generation, swapped as a whole.
//!
//! What was replaced is kept until nobody holds it any more, so that freeing a million rules never
//! happens on a thread that answers queries.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};

use crate::{config::Config, policy::Policy};

/// Everything an answer depends on beside the query and the cache.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts up with every change.
    pub generation: u64,
    /// What the server was told.
    pub config: Arc<Config>,
    /// What is done about each name.
    pub policy: Policy,
}

/// The snapshot in force, and those on their way out.
#[derive(Debug)]
pub struct Published {
    current: ArcSwap<Snapshot>,
    retired: Mutex<Vec<Arc<Snapshot>>>,
}

impl Published {
    /// Publishes the first snapshot.
    pub fn new(config: Arc<Config>, policy: Policy) -> Self {
        let first = Snapshot { generation: 1, config, policy };
        Self { current: ArcSwap::from_pointee(first), retired: Mutex::default() }
    }

    /// The snapshot in force; costs no lock, and holds it for as long as the guard lives.
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// The same for who keeps it a while.
    pub fn load_full(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Replaces the snapshot in force.
    pub fn replace(&self, config: Arc<Config>, policy: Policy) {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = self.current.load().generation + 1;
        let next = Arc::new(Snapshot { generation, config, policy });
        retired.push(self.current.swap(next));
    }

    /// The snapshots that nobody holds any more, to be dropped where that disturbs nobody.
    pub fn take_retired(&self) -> Vec<Arc<Snapshot>> {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.extract_if(.., |snapshot| Arc::strong_count(snapshot) == 1).collect()
    }
}
