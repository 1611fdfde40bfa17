//! The server's own log: to standard error, pretty for people and JSON for machines.

use std::io::{self, IsTerminal as _};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Registry, fmt, layer::SubscriberExt as _, reload, util::SubscriberInitExt as _,
};

use crate::config::{Log, LogFormat};

/// The running log, whose level can change.
pub(super) struct Logging {
    level: reload::Handle<LevelFilter, Registry>,
}

impl Logging {
    pub(super) fn start(log: &Log) -> Self {
        let (filter, level) = reload::Layer::new(level_of(log));
        let is_pretty = match log.format {
            LogFormat::Pretty => true,
            LogFormat::Json => false,
            LogFormat::Auto => io::stderr().is_terminal(),
        };
        let registry = tracing_subscriber::registry().with(filter);
        let started = if is_pretty {
            let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let layer = fmt::layer().with_writer(io::stderr).with_ansi(colours).with_target(false);
            registry.with(layer).try_init()
        } else {
            let layer = fmt::layer().json().flatten_event(true).with_writer(io::stderr);
            registry.with(layer).try_init()
        };
        // Another log may have been started before ours, in tests; then that one stays.
        let _ = started;
        Self { level }
    }

    pub(super) fn set_level(&self, log: &Log) {
        if let Err(error) = self.level.reload(level_of(log)) {
            tracing::warn!(%error, "the log's level cannot be changed");
        }
    }
}

/// The level, which the configuration's check has read already.
fn level_of(log: &Log) -> LevelFilter {
    log.level.parse().unwrap_or(LevelFilter::INFO)
}
