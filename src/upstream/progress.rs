//! What is heard from the servers of a route goes in, whether anybody is there comes out.
//!
//! A query cannot know whether its name is slow or its upstream is dead; those before it can. So
//! that nobody waits in vain for long, and still nobody gives up on a name that is only slow.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// How long a client waits while its upstream says nothing to anybody: as long as one that has a
/// stale answer, for an upstream that is back has answered by then. The flight goes on. So long
/// must those before it have waited in vain, too.
pub(super) const PATIENCE: Duration = Duration::from_millis(1800);

/// How it goes with all names of a route together. Only the upstream thread writes.
pub(super) struct Progress {
    begun: Instant,
    /// Good answers so far.
    good: AtomicU64,
    /// One more than there were at the last failure; zero before the first.
    good_at_last_failure: AtomicU64,
    /// Answers so far, good or not.
    heard: AtomicU64,
    /// Since when somebody waits and nobody is answered: milliseconds since `begun` and one more;
    /// zero where nobody does.
    owed_since: AtomicU64,
}

/// Whether others wait for the same servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    Wait,
    None,
}

impl Progress {
    /// Whether somebody has waited in vain for a while, and nobody has been answered meanwhile.
    pub(super) fn is_out(&self, now: Instant) -> bool {
        let since = self.owed_since.load(Ordering::Relaxed);
        let waited = Duration::from_millis(self.stamp(now).saturating_sub(since));
        since > 0 && waited >= PATIENCE
    }

    /// Answers so far, good or not.
    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Good answers so far.
    pub(super) fn good(&self) -> u64 {
        self.good.load(Ordering::Relaxed)
    }

    /// Notes that somebody begins to wait.
    pub(super) fn note_asked(&self, now: Instant) {
        if self.owed_since.load(Ordering::Relaxed) == 0 {
            self.owed_since.store(self.stamp(now), Ordering::Relaxed);
        }
    }

    /// Notes that somebody is there, whatever was said.
    pub(super) fn note_heard(&self, others: Others, now: Instant) {
        self.heard.fetch_add(1, Ordering::Relaxed);
        let owed = if others == Others::Wait { self.stamp(now) } else { 0 };
        self.owed_since.store(owed, Ordering::Relaxed);
    }

    /// Notes that a query has waited in vain since so many answers.
    pub(super) fn note_silence(&self, heard_before: u64, others: Others) {
        // Where others were answered meanwhile, it says nothing.
        if self.heard() != heard_before {
            self.note_nothing(others);
        }
    }

    /// Notes that a query has ended in a way that says nothing of the servers.
    pub(super) fn note_nothing(&self, others: Others) {
        if others == Others::None {
            self.owed_since.store(0, Ordering::Relaxed);
        }
    }

    /// Notes a good answer; it ends all failures that were the upstream's.
    pub(super) fn note_good(&self) {
        self.good.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a failure. Good answers so far, where there was none between the last failure and this
    /// one: two such are the upstream's.
    pub(super) fn note_failure(&self) -> Option<u64> {
        let good = self.good();
        let last = self.good_at_last_failure.swap(good + 1, Ordering::Relaxed);
        (last == good + 1).then_some(good)
    }

    fn stamp(&self, now: Instant) -> u64 {
        let milliseconds = now.saturating_duration_since(self.begun).as_millis();
        u64::try_from(milliseconds).unwrap_or(u64::MAX - 1) + 1
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            good: AtomicU64::new(0),
            good_at_last_failure: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            owed_since: AtomicU64::new(0),
        }
    }
}

/// What somebody suspects who asks while nobody is answered.
pub(super) struct Doubt {
    progress: Arc<Progress>,
    heard_before: u64,
    /// When it has waited long enough.
    pub(super) until: Instant,
}

impl Doubt {
    /// The doubt that there is, where there is any.
    pub(super) fn at(now: Instant, progress: &Arc<Progress>) -> Option<Self> {
        let (heard_before, until) = (progress.heard(), now + PATIENCE);
        progress.is_out(now).then(|| Self { progress: progress.clone(), heard_before, until })
    }

    /// Whether nobody has been answered since.
    pub(super) fn is_right(&self) -> bool {
        self.progress.heard() == self.heard_before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_a_while_in_which_somebody_waits_and_nobody_is_answered() {
        let progress = Progress::default();
        let later = |milliseconds| progress.begun + Duration::from_millis(milliseconds);
        assert!(!progress.is_out(later(60_000)), "nobody has asked");

        progress.note_asked(later(60_000));
        progress.note_asked(later(61_000));
        assert!(!progress.is_out(later(61_799)) && progress.is_out(later(61_800)));
        progress.note_silence(0, Others::None);
        assert!(progress.is_out(later(3_600_000)), "until somebody is answered");

        progress.note_heard(Others::Wait, later(3_600_000));
        assert!(!progress.is_out(later(3_601_799)) && progress.is_out(later(3_601_800)));
        progress.note_heard(Others::None, later(3_602_000));
        assert!(!progress.is_out(later(7_200_000)));
        progress.note_asked(later(7_200_000));
        progress.note_nothing(Others::None);
        assert!(!progress.is_out(later(9_000_000)), "it was not even sent");
    }

    #[test]
    fn a_name_that_is_slow_while_others_are_answered_says_nothing() {
        let progress = Progress::default();
        let later = |milliseconds| progress.begun + Duration::from_millis(milliseconds);
        progress.note_asked(later(0));
        let before = progress.heard();

        progress.note_heard(Others::Wait, later(100));
        progress.note_silence(before, Others::None);

        assert!(!progress.is_out(later(5_000)));
    }
}
