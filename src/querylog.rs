//! Every answer goes in as one event of a fixed size; the last queries and a live tail come out.
//!
//! Whoever answers only writes an event into a ring of its own and never waits; a task of the
//! control plane collects them a few times a second. When a ring is full, events are dropped and
//! counted. They become text when somebody looks at them, not before.

mod event;
mod label;
mod ring;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use admin_ui::QueryRow;
use tokio::{sync::broadcast, time::Instant};

use crate::snapshot::Published;

pub(crate) use event::rcode_word;
pub use event::{Answered, Given, Outcome};
pub use label::Label;
pub use ring::Writer;

use event::Event;
use label::Labels;
use ring::Reader;

/// Queries that are remembered.
const REMEMBERED: usize = 1_000;

/// Rows that a slow watcher may be behind before it is told of a gap.
const TAIL: usize = 1_024;

/// Time between two collections: what a watcher of the live tail does not notice.
const COLLECT_EVERY: Duration = Duration::from_millis(200);

/// The same while more comes than is remembered: a little work often holds up nobody, and a ring does
/// not get full.
const COLLECT_SOON: Duration = Duration::from_millis(20);

/// Where answers are noted.
pub struct QueryLog {
    labels: Arc<Mutex<Labels>>,
    readers: Mutex<Vec<Reader>>,
    last: Mutex<VecDeque<Remembered>>,
    tail: broadcast::Sender<Arc<QueryRow>>,
    /// When events began to count their time.
    started: Instant,
}

/// An event that was collected.
struct Remembered {
    id: u64,
    time: SystemTime,
    event: Event,
    rest_of_name: Vec<u8>,
}

impl Default for QueryLog {
    fn default() -> Self {
        Self {
            labels: Arc::default(),
            readers: Mutex::default(),
            last: Mutex::new(VecDeque::with_capacity(REMEMBERED)),
            tail: broadcast::Sender::new(TAIL),
            started: Instant::now(),
        }
    }
}

impl QueryLog {
    /// The end at which one thread notes its answers.
    pub fn writer(&self) -> Writer {
        let (writer, reader) = ring::ring(&self.labels, self.started);
        lock(&self.readers).push(reader);
        writer
    }

    /// Moves what was noted to where it can be read, again and again.
    pub async fn collect(&self, published: &Published) {
        loop {
            let is_busy = self.collect_now() > REMEMBERED;
            let retired = published.take_retired();
            if !retired.is_empty() {
                // A million rules are freed where lists are compiled: after those who answer.
                tokio::task::spawn_blocking(move || drop(retired));
            }
            tokio::time::sleep(if is_busy { COLLECT_SOON } else { COLLECT_EVERY }).await;
        }
    }

    /// Moves what is there, at most one ring full so that a flood cannot hold the control plane;
    /// how many events that were.
    pub(crate) fn collect_now(&self) -> usize {
        let mut readers = lock(&self.readers);
        let mut last = lock(&self.last);
        let before = last.front().map_or(0, |newest| newest.id);
        let mut id = before;
        // By now the clock of the wall may have been set.
        let started = SystemTime::now() - self.started.elapsed();
        while id - before < ring::SLOTS as u64
            && let Some((event, rest_of_name)) = next(&mut readers)
        {
            id += 1;
            last.truncate(REMEMBERED - 1);
            let time = started + event.at();
            last.push_front(Remembered { id, time, event, rest_of_name });
        }
        drop(readers);
        let new = usize::try_from(id - before).unwrap_or(usize::MAX);
        if self.tail.receiver_count() > 0 {
            for remembered in last.iter().take(new).rev() {
                // Whoever has left meanwhile is no error.
                let _ = self.tail.send(Arc::new(self.row(remembered)));
            }
        }
        new
    }

    /// The last queries, newest first.
    pub fn last(&self, limit: usize) -> Vec<QueryRow> {
        lock(&self.last).iter().take(limit).map(|remembered| self.row(remembered)).collect()
    }

    /// Queries from now on, as they are collected; where they come faster than anybody reads, some
    /// are left out, and their ids with them.
    pub fn follow(&self) -> broadcast::Receiver<Arc<QueryRow>> {
        self.tail.subscribe()
    }

    /// The text behind a label.
    pub fn text(&self, label: Label) -> String {
        lock(&self.labels).text(label).to_owned()
    }

    /// Events that found a ring full.
    pub fn dropped(&self) -> u64 {
        lock(&self.readers).iter().map(Reader::dropped).sum()
    }

    fn row(&self, remembered: &Remembered) -> QueryRow {
        let Remembered { id, time, event, rest_of_name } = remembered;
        event.row(*id, *time, rest_of_name, &lock(&self.labels))
    }
}

/// The oldest event of all rings.
fn next(readers: &mut [Reader]) -> Option<(Event, Vec<u8>)> {
    let first = readers.iter_mut().filter_map(|reader| Some((reader.next_at()?, reader)));
    first.min_by_key(|(at, _)| *at)?.1.next()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since 1970, as JSON counts them.
pub fn unix_milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
