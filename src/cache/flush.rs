//! A name goes in, and what is remembered of it and of all names below it is gone.

use std::sync::atomic::Ordering;

use blocker::Name;

use super::{Cache, Entry, Key};

impl Cache {
    /// Forgets the answers to a name and to all below it, and those that lead there by an alias; how
    /// many. The root's are all answers. Looks at every answer: for who has time.
    ///
    /// Threads that answer may still give what they have finished, until another generation is
    /// published.
    pub fn forget(&self, name: &Name) -> u64 {
        // Comes first: what is being restored meanwhile may be what is to be forgotten.
        self.counts.flushed.fetch_add(1, Ordering::SeqCst);
        let mut forgotten = 0;
        for (kept, entry) in self.entries.iter() {
            let Some(key) = kept.key().filter(|key| is_of(name, key, &entry)) else { continue };
            self.entries.remove(&kept);
            forgotten += u64::from(key.is_of_answer());
        }
        forgotten
    }

    /// How often something was forgotten on wish.
    pub(crate) fn flushed(&self) -> u64 {
        self.counts.flushed.load(Ordering::SeqCst)
    }
}

fn is_of(name: &Name, key: &Key, entry: &Entry) -> bool {
    let mut aliases = entry.targets().aliases().iter();
    key.name.is_within(name) || aliases.any(|alias| alias.is_within(name))
}
