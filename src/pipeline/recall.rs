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

/// How long after its time a popular answer is given at once, while it is asked for again. What was
/// asked for twice in its life will likely be asked for again, and nobody should wait for that; an
/// hour is what Pi-hole's cache optimizer allows, and after it the world may well have moved on.
const STALE_AT_ONCE: Duration = Duration::from_secs(3600);

/// What is known of a key.
pub(super) enum Known {
    /// An answer.
    Answer(Found),
    /// That there is none.
    Failure(Failure),
}

/// That an upstream has to be asked.
pub(super) struct Unknown {
    /// Whether there is an expired answer to fall back to.
    pub(super) has_stale: bool,
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
    /// What is known without asking.
    pub(super) fn known(&self, key: &Key) -> Result<Known, Unknown> {
        let last = match self.cache.get(key) {
            Some(entry) if entry.is_fresh(self.now) => {
                if entry.note_hit(self.now) && self.settings.prefetch {
                    self.upstream.renew(key.clone(), entry.stored());
                }
                return Ok(Known::answer(entry, Outcome::Cached));
            }
            last => last,
        };
        if let Some(entry) = self.cache.no_such_name(key, self.now) {
            return Ok(Known::answer(entry, Outcome::Cached));
        }
        if let Some(failure) = self.upstream.failed_lately(key, self.now) {
            return Ok(self.fall_back(last, failure));
        }
        let stale = last.filter(|entry| entry.is_stale(self.now, self.settings.stale));
        let at_once = stale.as_deref().and_then(|entry| self.stale_at_once(key, entry));
        at_once.ok_or_else(|| Unknown { has_stale: stale.is_some() })
    }

    /// Notes that a thread has given the answer to a key again without looking here.
    pub(super) fn note_demand(&self, key: &Key) {
        if let Some(entry) = self.cache.get(key) {
            entry.note_demand();
        }
    }

    /// A popular answer that has expired lately; it is asked for again, and nobody waits for that.
    fn stale_at_once(&self, key: &Key, entry: &Entry) -> Option<Known> {
        let most = self.settings.stale.min(STALE_AT_ONCE);
        if !entry.is_popular() || !entry.is_stale(self.now, most) {
            return None;
        }
        if entry.wants_refresh(self.now) {
            self.upstream.refresh(key.clone());
        }
        Some(Known::answer(Arc::new(entry.gone_stale(self.now)), Outcome::Stale))
    }

    /// What came of asking; where that is nothing, the last answer there was.
    pub(super) fn settle(&self, key: &Key, resolved: Resolved) -> Known {
        match resolved {
            Ok(entry) => Known::answer(entry, Outcome::Forwarded),
            Err(failure) => self.fall_back(self.cache.get(key), failure),
        }
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
