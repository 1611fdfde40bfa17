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

    /// Takes over a configuration: at once with what is at hand, then with fresh downloads.
    pub(super) async fn apply(&self, config: Arc<Config>) -> Result<(), UpstreamError> {
        let _turn = self.turn.lock().await;
        let running = self.running();
        self.pipeline.upstream.reconfigure(&config).inspect_err(|_| self.note_refused())?;
        for key in keys_that_need_a_restart(&running, &config) {
            tracing::warn!(key, "this change takes effect at the next start");
        }
        self.read_lists(&config).await;
        self.pipeline.metrics.count_reload(true);
        Ok(())
    }

    pub(super) fn note_refused(&self) {
        self.pipeline.metrics.count_reload(false);
    }

    /// Loads the lists, then downloads each again when its time has come.
    pub(super) async fn keep_lists_current(&self) {
        let turn = self.turn.lock().await;
        self.read_lists(&self.running()).await;
        drop(turn);
        loop {
            let latest = Instant::now() + LOOK_AGAIN;
            let due = self.lists.next_download(&self.running()).unwrap_or(latest);
            sleep_until(due.min(latest)).await;
            let _turn = self.turn.lock().await;
            let config = self.running();
            if self.lists.download(&config, Which::Due).await {
                self.publish(&config, self.lists.load(&config).await);
            }
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

    async fn read_lists(&self, config: &Arc<Config>) {
        self.publish(config, self.lists.load(config).await);
        if self.lists.download(config, Which::All).await {
            self.publish(config, self.lists.load(config).await);
        }
    }

    fn running(&self) -> Arc<Config> {
        self.pipeline.published.load().config.clone()
    }

    fn publish(&self, config: &Arc<Config>, lists: Lists) {
        let policy = Policy::new(config.clone(), lists);
        self.pipeline.published.replace(config.clone(), policy);
        self.loaded.notify_waiters();
    }
}
