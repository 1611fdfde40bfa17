//! The sections about looking at the server: `[query_log]`, `[metrics]`, `[egress]`,
//! `[telemetry]` and `[log]`.

use std::{net::SocketAddr, time::Duration};

use super::{admin::Listen, section::Section, setting::Choice};

/// What is remembered of queries.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryLogSettings {
    /// How long.
    pub retention: Duration,
    /// How much.
    pub privacy: Privacy,
}

impl QueryLogSettings {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Duration::from_secs(30 * 86_400);
        Self {
            retention: section.value("retention", default),
            privacy: section.value("privacy", Privacy::Full),
        }
    }
}

/// How much of a query is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    /// All of it.
    Full,
    /// All but who asked.
    HideClients,
    /// Neither who asked nor for what.
    HideNames,
    /// Nothing.
    Off,
}

impl Choice for Privacy {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("full", Self::Full),
        ("hide-clients", Self::HideClients),
        ("hide-names", Self::HideNames),
        ("off", Self::Off),
    ];
}

/// The listener that monitoring and probes use.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// Where it listens.
    pub listen: Listen,
}

impl Metrics {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Listen::Address(SocketAddr::from(([127, 0, 0, 1], 9090)));
        Self { listen: section.value("listen", default) }
    }
}

/// How far egress discovery goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EgressMode {
    /// Nothing is learned.
    Off,
    /// What would be needed is shown.
    Observe,
    /// Objects are made, to be read.
    DryRun,
    /// Objects are made in the cluster.
    Learn,
    /// Nothing is made, and what is not approved is reported.
    Enforce,
}

impl Choice for EgressMode {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("off", Self::Off),
        ("observe", Self::Observe),
        ("dry-run", Self::DryRun),
        ("learn", Self::Learn),
        ("enforce", Self::Enforce),
    ];
}

/// The `[egress]` section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Egress {
    /// How far discovery goes.
    pub mode: EgressMode,
}

impl Egress {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self { mode: section.value("mode", EgressMode::Off) }
    }
}

/// The `[telemetry]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// Where traces go; empty: nowhere.
    pub otlp_endpoint: String,
}

impl Telemetry {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self { otlp_endpoint: section.value("otlp_endpoint", String::new()) }
    }
}

/// The server's own log.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// The form of its lines.
    pub format: LogFormat,
    /// What is worth a line.
    pub level: String,
}

impl Log {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            format: section.value("format", LogFormat::Auto),
            level: section.checked(
                "level",
                "info".to_owned(),
                "off, error, warn, info, debug or trace",
                |level| level.parse::<tracing::level_filters::LevelFilter>().is_ok(),
            ),
        }
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, else JSON.
    Auto,
    /// For people.
    Pretty,
    /// For machines.
    Json,
}

impl Choice for LogFormat {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("pretty", Self::Pretty), ("json", Self::Json)];
}
