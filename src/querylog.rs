//! Every answer goes in as one fixed-size event; the last queries and a live tail come out.
//!
//! Whoever answers only drops an event into a bounded queue and never waits; a task of the
//! control plane collects them a few times a second. When the queue is full, events are dropped
//! and counted.

mod event;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use admin_ui::QueryRow;
use crossbeam_queue::ArrayQueue;
use tokio::sync::broadcast;

use crate::{config::Privacy, query::Query, snapshot::Published};

pub(crate) use event::rcode_word;
pub use event::{Answered, Outcome};

use event::Event;

/// Events between two collections: at five collections a second, 80,000 queries a second.
const QUEUE: usize = 16_384;

/// Queries that are remembered.
const REMEMBERED: usize = 1_000;

/// Rows that a slow watcher may be behind before it is told of a gap.
const TAIL: usize = 1_024;

/// Time between two collections: what a watcher of the live tail does not notice.
const COLLECT_EVERY: Duration = Duration::from_millis(200);

/// Where answers are noted.
pub struct QueryLog {
    events: ArrayQueue<Event>,
    dropped: AtomicU64,
    last: Mutex<VecDeque<Arc<QueryRow>>>,
    tail: broadcast::Sender<Arc<QueryRow>>,
    next_id: AtomicU64,
}

impl Default for QueryLog {
    fn default() -> Self {
        Self {
            events: ArrayQueue::new(QUEUE),
            dropped: AtomicU64::new(0),
            last: Mutex::default(),
            tail: broadcast::Sender::new(TAIL),
            next_id: AtomicU64::new(1),
        }
    }
}

impl QueryLog {
    /// Notes an answer; what `privacy` hides never gets into the log.
    pub fn record(&self, query: &Query, answered: Answered, took: Duration, privacy: Privacy) {
        if privacy == Privacy::Off {
            return;
        }
        let event = Event::new(query, answered, took, privacy);
        if self.events.push(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Moves what was noted to where it can be read, again and again.
    pub async fn collect(&self, published: &Published) {
        let mut ticks = tokio::time::interval(COLLECT_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.collect_now();
            published.free_retired();
        }
    }

    fn collect_now(&self) {
        if self.events.is_empty() {
            return;
        }
        // At most one queue full a turn, so that a flood cannot hold the control plane.
        for event in (0..QUEUE).map_while(|_| self.events.pop()) {
            let id = self.next_id.fetch_add(1, Ordering::Relaxed);
            let row = Arc::new(event.into_row(id));
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.len() == REMEMBERED {
                last.pop_back();
            }
            last.push_front(row.clone());
            drop(last);
            // No watcher is no error.
            let _ = self.tail.send(row);
        }
    }

    /// The last queries, newest first.
    pub fn last(&self, limit: usize) -> Vec<Arc<QueryRow>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().take(limit).cloned().collect()
    }

    /// Queries from now on, as they are collected.
    pub fn follow(&self) -> broadcast::Receiver<Arc<QueryRow>> {
        self.tail.subscribe()
    }

    /// Events that found the queue full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Milliseconds since 1970, as JSON counts them.
pub fn unix_milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
