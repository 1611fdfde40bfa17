//! How the last request for each URL went goes in, when the next is due comes out.
//!
//! Times are drawn a little apart, so that many servers with the same lists do not meet at one
//! host in the same second, and a host in trouble is asked less and less often.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

/// First wait after a failure: what a restart of a host or a lost packet takes.
const FIRST_RETRY: Duration = Duration::from_secs(30);

/// Longest wait between two tries of a host in trouble: an operator who has repaired something
/// should not have to wait for the next day.
const LAST_RETRY: Duration = Duration::from_secs(3600);

/// Longest wait that a host may ask for. One that asks for more is broken or wants us gone; a
/// request a day hurts nobody.
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_secs(86_400);

/// Parts of a thousand by which a time is drawn apart, earlier or later.
const JITTER: u32 = 100;

/// When each URL is asked next.
pub(super) struct Schedule {
    seed: u64,
    last: Mutex<HashMap<String, Attempt>>,
}

/// The last request for a URL.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    /// When it ended.
    pub(super) at: Instant,
    /// The same by the clock on the wall.
    pub(super) checked: SystemTime,
    /// How it went.
    pub(super) outcome: Outcome,
}

/// How a request went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The copy at hand is current.
    Current,
    /// What came is not to be trusted, and will be no other before the list is renewed.
    Refused(String),
    /// Nothing came.
    Failed {
        /// Why.
        error: String,
        /// The how manieth failure in a row.
        times: u32,
        /// How long the host wants to be left alone.
        retry_after: Option<Duration>,
    },
}

impl Schedule {
    /// An empty one; the seed is what differs between servers.
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, last: Mutex::default() }
    }

    /// Notes that the copy of a URL is current.
    pub(super) fn note_current(&self, url: &str) {
        self.note(url, Outcome::Current);
    }

    /// Notes that what came from a URL was refused.
    pub(super) fn note_refused(&self, url: &str, error: String) {
        self.note(url, Outcome::Refused(error));
    }

    /// Notes that nothing came from a URL.
    pub(super) fn note_failed(&self, url: &str, error: String, retry_after: Option<Duration>) {
        let before = match self.last(url).map(|attempt| attempt.outcome) {
            Some(Outcome::Failed { times, .. }) => times,
            Some(Outcome::Current | Outcome::Refused(_)) | None => 0,
        };
        let times = before.saturating_add(1);
        self.note(url, Outcome::Failed { error, times, retry_after });
    }

    /// Notes what an earlier server did; nothing where it lies in the future, or too far back.
    pub(super) fn recall(&self, url: &str, checked: SystemTime, outcome: Outcome) {
        let age = SystemTime::now().duration_since(checked).ok();
        if let Some(at) = age.and_then(|age| Instant::now().checked_sub(age)) {
            self.lock().entry(url.to_owned()).or_insert(Attempt { at, checked, outcome });
        }
    }

    /// The last request for a URL.
    pub(super) fn last(&self, url: &str) -> Option<Attempt> {
        self.lock().get(url).cloned()
    }

    /// When a URL is due that is renewed so often; nothing where it has not been asked yet.
    pub(super) fn due(&self, url: &str, refresh: Duration) -> Option<Instant> {
        let attempt = self.last(url)?;
        Some(attempt.at + self.wait(url, refresh, &attempt.outcome))
    }

    /// Forgets URLs that are no longer configured.
    pub(super) fn forget_all_but(&self, urls: &[&str]) {
        self.lock().retain(|url, _| urls.contains(&url.as_str()));
    }

    fn wait(&self, url: &str, refresh: Duration, outcome: &Outcome) -> Duration {
        let Outcome::Failed { times, retry_after, .. } = outcome else {
            return self.jittered(url, refresh);
        };
        let doubled = 2_u32.saturating_pow(times.saturating_sub(1));
        let wait = FIRST_RETRY.saturating_mul(doubled).min(LAST_RETRY).min(refresh);
        let asked_for = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
        self.jittered(url, wait).max(asked_for)
    }

    /// A time a little earlier or later, always the same for one URL and one seed.
    fn jittered(&self, url: &str, time: Duration) -> Duration {
        let digest = Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(url);
        let drawn = digest.finalize().iter().take(4).fold(0, |n, b| n << 8 | u32::from(*b));
        time / 1000 * (1000 - JITTER + drawn % (2 * JITTER + 1))
    }

    fn note(&self, url: &str, outcome: Outcome) {
        let attempt = Attempt { at: Instant::now(), checked: SystemTime::now(), outcome };
        self.lock().insert(url.to_owned(), attempt);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Attempt>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outcome {
    /// What is wrong.
    pub(super) fn error(&self) -> Option<&str> {
        match self {
            Self::Current => None,
            Self::Refused(error) | Self::Failed { error, .. } => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://lists.example/ads.txt";
    const DAY: Duration = Duration::from_secs(86_400);

    fn wait(schedule: &Schedule, url: &str, refresh: Duration) -> Duration {
        schedule.due(url, refresh).unwrap() - schedule.last(url).unwrap().at
    }

    fn is_about(wait: Duration, seconds: u32) -> bool {
        let times = wait.as_secs_f64() / f64::from(seconds);
        (0.9..=1.1).contains(&times)
    }

    #[test]
    fn lists_are_renewed_a_little_apart_and_always_at_their_own_time() {
        let schedule = Schedule::new(1);
        let urls: Vec<String> = (0..50).map(|n| format!("https://lists.example/{n}")).collect();

        let waits: Vec<Duration> = urls
            .iter()
            .map(|url| {
                schedule.note_current(url);
                wait(&schedule, url, DAY)
            })
            .collect();

        assert!(waits.iter().all(|wait| is_about(*wait, 86_400)));
        assert!(waits.iter().min().unwrap() < &(DAY * 95 / 100));
        assert!(waits.iter().max().unwrap() > &(DAY * 105 / 100));
        assert_eq!(wait(&schedule, &urls[0], DAY), waits[0]);
        let elsewhere = Schedule::new(2);
        elsewhere.note_current(&urls[0]);
        assert_ne!(wait(&elsewhere, &urls[0], DAY), waits[0]);
    }

    #[test]
    fn a_host_in_trouble_is_asked_less_and_less_often() {
        let schedule = Schedule::new(1);
        let mut waits = Vec::new();
        for _ in 0..100 {
            schedule.note_failed(URL, "no".into(), None);
            waits.push(wait(&schedule, URL, DAY));
        }

        for (wait, seconds) in waits.iter().zip([30, 60, 120, 240, 480, 960, 1920, 3600, 3600]) {
            assert!(is_about(*wait, seconds), "{wait:?} {seconds}");
        }
        assert!(is_about(waits[99], 3600));
        assert!(is_about(wait(&schedule, URL, Duration::from_secs(300)), 300), "its own refresh");
    }

    #[test]
    fn a_success_ends_the_row_of_failures() {
        let schedule = Schedule::new(1);
        for _ in 0..5 {
            schedule.note_failed(URL, "no".into(), None);
        }
        schedule.note_current(URL);
        schedule.note_failed(URL, "no".into(), None);

        assert!(is_about(wait(&schedule, URL, DAY), 30));
    }

    #[test]
    fn a_host_is_left_alone_as_long_as_it_asks_but_no_longer_than_a_day() {
        let schedule = Schedule::new(1);
        for (asked_for, seconds) in [(5, 30), (7200, 7200), (1 << 40, 86_400)] {
            schedule.note_current(URL);
            schedule.note_failed(URL, "busy".into(), Some(Duration::from_secs(asked_for)));
            assert!(is_about(wait(&schedule, URL, DAY), seconds), "{asked_for}");
        }
        schedule.note_failed(URL, "busy".into(), Some(Duration::from_secs(7200)));
        assert!(wait(&schedule, URL, DAY) >= Duration::from_secs(7200), "never earlier");
    }

    #[test]
    fn a_refused_text_waits_for_the_next_refresh() {
        let schedule = Schedule::new(1);
        schedule.note_refused(URL, "it shrank".into());

        assert!(is_about(wait(&schedule, URL, DAY), 86_400));
    }

    #[test]
    fn what_an_earlier_server_did_counts_unless_its_clock_was_ahead() {
        let schedule = Schedule::new(1);
        let minute = Duration::from_secs(60);
        schedule.recall(URL, SystemTime::now() - minute, Outcome::Current);
        schedule.recall("ahead", SystemTime::now() + minute, Outcome::Current);
        schedule.recall("ages ago", SystemTime::UNIX_EPOCH, Outcome::Current);

        let left = schedule.due(URL, DAY).unwrap() - Instant::now();
        assert!(left < DAY * 11 / 10 - minute + minute / 2, "{left:?}");
        assert!(schedule.due("ahead", DAY).is_none());
        assert!(schedule.due("ages ago", DAY).is_none_or(|due| due <= Instant::now()));
    }
}
