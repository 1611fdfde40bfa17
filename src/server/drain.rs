//! The end of a server, told to all who have to know.

use tokio::sync::watch;

/// Starts the drain.
#[derive(Debug)]
pub(crate) struct DrainTrigger(watch::Sender<bool>);

/// Learns of the drain.
#[derive(Clone, Debug)]
pub struct Drain(watch::Receiver<bool>);

/// A trigger and what it triggers.
pub(crate) fn channel() -> (DrainTrigger, Drain) {
    let (trigger, drain) = watch::channel(false);
    (DrainTrigger(trigger), Drain(drain))
}

impl DrainTrigger {
    pub(super) fn start(&self) {
        self.0.send_replace(true);
    }
}

impl Drain {
    /// Whether the drain has started, or its trigger is gone.
    pub fn has_started(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns when the drain has started, or its trigger is gone.
    pub async fn started(&mut self) {
        // An error means that the trigger is gone, and with it the server.
        let _ = self.0.wait_for(|has_started| *has_started).await;
    }
}
