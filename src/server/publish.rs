//! Configurations and lists go in, snapshots come out, one at a time and in order.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, Notify},
    time::{Instant, sleep_until},
};

use crate::{
    config::{Config, keys_that_need_a_restart},
    lists::{ListStore, Which},
    pipeline::Pipeline,
    policy::{Lists, Policy},
    upstream::UpstreamError,
};

/// How soon a list of a new configuration is noticed, when no other is due before.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Makes every snapshot after the first.
pub(super) struct Publisher {
    pipeline: Arc<Pipeline>,
    lists: Arc<ListStore>,
    /// Held while a change is made, so that a slow one never overwrites a later one.
    turn: Mutex<()>,
    loaded: Notify,
}

impl Publisher {
    pub(super) fn new(pipeline: Arc<Pipeline>, lists: Arc<ListStore>) -> Self {
        Self { pipeline, lists, turn: Mutex::new(()), loaded: Notify::new() }
    }

    /// Takes over a configuration: at once with what is at hand, then with every list as it
    /// arrives. Returns after the first attempt of each; dropping it only ends these attempts.
    pub(super) async fn apply(&self, config: Arc<Config>) -> Result<(), UpstreamError> {
        let running = self.running();
        self.pipeline.upstream.reconfigure(&config).inspect_err(|_| self.note_refused())?;
        for key in keys_that_need_a_restart(&running, &config) {
            tracing::warn!(key, "this change takes effect at the next start");
        }
        {
            let _turn = self.turn.lock().await;
            self.publish(&config, self.lists.load(&config).await);
        }
        self.pipeline.metrics.count_reload(true);
        self.download(&config, Which::All).await;
        Ok(())
    }

    pub(super) fn note_refused(&self) {
        self.pipeline.metrics.count_reload(false);
    }

    /// Loads the lists, then downloads each again when its time has come.
    pub(super) async fn keep_lists_current(&self) {
        self.publish_running().await;
        self.download(&self.running(), Which::All).await;
        loop {
            let latest = Instant::now() + LOOK_AGAIN;
            let due = self.lists.next_download(&self.running()).unwrap_or(latest);
            sleep_until(due.min(latest)).await;
            self.download(&self.running(), Which::Due).await;
        }
    }

    /// Downloads lists; each that changes something counts at once, whatever the others do.
    async fn download(&self, config: &Config, which: Which) {
        let mut downloads = self.lists.download(config, which);
        while downloads.next_change().await {
            self.publish_running().await;
        }
    }

    /// Returns when every list has been loaded or has failed once.
    pub(super) async fn lists_loaded(&self) {
        loop {
            let loaded = self.loaded.notified();
            if self.pipeline.published.load().policy.lists().are_loaded {
                return;
            }
            loaded.await;
        }
    }

    async fn publish_running(&self) {
        let _turn = self.turn.lock().await;
        let config = self.running();
        self.publish(&config, self.lists.load(&config).await);
    }

    fn running(&self) -> Arc<Config> {
        self.pipeline.published.load().config.clone()
    }

    fn publish(&self, config: &Arc<Config>, mut lists: Lists) {
        // A list that is added later is no reason to stop answering, or to take traffic away.
        lists.are_loaded |= self.pipeline.published.load().policy.lists().are_loaded;
        let policy = Policy::new(config.clone(), lists);
        self.pipeline.published.replace(config.clone(), policy);
        self.loaded.notify_waiters();
    }
}
