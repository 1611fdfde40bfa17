//! Signals and a changing file go in, what they ask of a running server comes out.

use std::{io, path::Path, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Interval, MissedTickBehavior, interval},
};

use crate::fingerprint::Fingerprint;

/// Time between two looks at the configuration file.
const LOOK: Duration = Duration::from_secs(2);

/// What the world wants of a running server.
pub(super) struct Wishes<'o> {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    file: WatchedFile<'o>,
}

/// One of these wishes.
pub(super) enum Wish {
    /// SIGTERM or SIGINT.
    End,
    /// SIGHUP, or a change of the configuration file.
    Reload,
}

impl<'o> Wishes<'o> {
    /// Listens from now on.
    ///
    /// # Errors
    /// Where the system does not let signals be caught.
    pub(super) fn new(file: Option<&'o Path>) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            file: WatchedFile::new(file),
        })
    }

    /// Waits for the next wish.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::End,
            _ = self.interrupt.recv() => Wish::End,
            _ = self.hangup.recv() => {
                self.file.look();
                Wish::Reload
            }
            () = self.file.changed() => {
                tracing::info!("the configuration file has changed");
                Wish::Reload
            }
        }
    }
}

/// The configuration file, looked at again and again.
struct WatchedFile<'o> {
    path: Option<&'o Path>,
    seen: Option<Fingerprint>,
    looks: Interval,
}

impl<'o> WatchedFile<'o> {
    fn new(path: Option<&'o Path>) -> Self {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { path, seen: path.and_then(Fingerprint::of), looks }
    }

    /// Whether the file is another than at the last look; one that is gone is none.
    fn look(&mut self) -> bool {
        let now = self.path.and_then(Fingerprint::of);
        let is_other = now.is_some() && now != self.seen;
        self.seen = now.or(self.seen);
        is_other
    }

    async fn changed(&mut self) {
        loop {
            self.looks.tick().await;
            if self.look() {
                return;
            }
        }
    }
}
