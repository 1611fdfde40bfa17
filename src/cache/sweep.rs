//! Time goes by, and answers that nobody may be given any more are gone.
//!
//! They are given to nobody: whoever looks one up sees that it is over. But they take room, from answers
//! that are still good where the cache is full, and a cache that is never full would grow until it is.

use std::time::Duration;

use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

use super::Cache;

/// Time between two sweeps. One looks at every answer, some 20 ms for a full cache of the usual size.
const INTERVAL: Duration = Duration::from_secs(3600);

impl Cache {
    /// Sweeps every hour; never returns.
    pub async fn keep_swept(self) {
        loop {
            sleep(INTERVAL).await;
            let (cache, now) = (self.clone(), Instant::now());
            if let Err(error) = spawn_blocking(move || cache.sweep(now)).await {
                tracing::error!(%error, "a sweep of the cache ended by a defect of ours");
            }
        }
    }

    fn sweep(&self, now: Instant) {
        for (key, entry) in self.entries.iter().filter(|(_, entry)| entry.is_useless(now)) {
            // Another may have come meanwhile.
            self.entries.remove_if(&key, |last| last.stored() == entry.stored());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ANSWER, entry, key};
    use super::*;

    #[test]
    fn an_answer_leaves_when_not_even_a_stale_one_may_be_made_of_it() {
        let cache = Cache::new(1 << 20);
        let stored = Instant::now();
        cache.insert(&key(1), entry(ANSWER, stored));
        cache.insert(&key(28), entry(ANSWER, stored + Duration::from_secs(1)));

        cache.sweep(stored + Duration::from_secs(659));
        assert_eq!(cache.entries(), 2);

        cache.sweep(stored + Duration::from_secs(660));
        assert!(cache.get(&key(1)).is_none() && cache.get(&key(28)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_swept_every_hour() {
        let cache = Cache::new(1 << 20);
        cache.insert(&key(1), entry(ANSWER, Instant::now()));
        let sweeping = tokio::spawn(cache.clone().keep_swept());

        sleep(INTERVAL + Duration::from_secs(1)).await;
        while cache.entries() > 0 {
            tokio::task::yield_now().await;
        }
        sweeping.abort();
    }
}
