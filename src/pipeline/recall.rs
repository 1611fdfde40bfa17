//! A key goes in, what is known of it comes out: a fresh answer, a stale one, or a failure.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    cache::{Cache, Entry, Key},
    config::CacheSettings,
    querylog::Outcome,
    upstream::{Failure, Resolved, Upstream},
};

/// How long a client waits for an upstream while there is a stale answer for it (RFC 8767
/// section 5, client response timer). Where `upstream.timeout` is shorter, it gets it then.
pub(super) const STALE_AFTER: Duration = Duration::from_millis(1800);

/// What is known of a key.
pub(super) enum Known {
    /// An answer.
    Answer(Found),
    /// That there is none.
    Failure(Failure),
}

/// An answer, and how it was found.
pub(super) struct Found {
    pub(super) entry: Arc<Entry>,
    pub(super) outcome: Outcome,
}

impl Known {
    fn answer(entry: Arc<Entry>, outcome: Outcome) -> Self {
        Self::Answer(Found { entry, outcome })
    }
}

/// Where to look, by what settings, and what time it is.
pub(super) struct Recall<'p> {
    pub(super) cache: &'p Cache,
    pub(super) upstream: &'p Upstream,
    pub(super) settings: &'p CacheSettings,
    pub(super) now: Instant,
}

impl Recall<'_> {
    /// What is known without asking; nothing where an upstream has to be asked first.
    pub(super) fn known(&self, key: &Key) -> Option<Known> {
        let last = match self.cache.get(key) {
            Some(entry) if entry.is_fresh(self.now) => {
                if self.settings.prefetch && entry.note_hit(self.now) {
                    self.upstream.renew(key.clone(), entry.stored());
                }
                return Some(Known::answer(entry, Outcome::Cached));
            }
            last => last,
        };
        if let Some(entry) = self.cache.no_such_name(key, self.now) {
            return Some(Known::answer(entry, Outcome::Cached));
        }
        let failure = self.upstream.failed_lately(key, self.now)?;
        Some(self.fall_back(last, failure))
    }

    /// What came of asking; where that is nothing, the last answer there was.
    pub(super) fn settle(&self, key: &Key, resolved: Resolved) -> Known {
        match resolved {
            Ok(entry) => Known::answer(entry, Outcome::Forwarded),
            Err(failure) => self.fall_back(self.cache.get(key), failure),
        }
    }

    /// Whether there is an answer to fall back to.
    pub(super) fn has_stale(&self, key: &Key) -> bool {
        self.cache.get(key).is_some_and(|entry| entry.is_stale(self.now, self.settings.stale))
    }

    fn fall_back(&self, last: Option<Arc<Entry>>, failure: Failure) -> Known {
        match last {
            Some(entry) if entry.is_fresh(self.now) => Known::answer(entry, Outcome::Cached),
            Some(entry) if entry.is_stale(self.now, self.settings.stale) => {
                Known::answer(Arc::new(entry.gone_stale(self.now)), Outcome::Stale)
            }
            _ => Known::Failure(failure),
        }
    }
}
