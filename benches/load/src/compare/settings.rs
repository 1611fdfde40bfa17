//! What a comparison shall do, as plain values.

use std::{path::PathBuf, time::Duration};

use super::Scenario;

/// One comparison.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is measured, in this order.
    pub scenarios: Vec<Scenario>,
    /// The bare server.
    pub floor: PathBuf,
    /// Our server, if it takes part.
    pub dnsward: Option<PathBuf>,
    /// Whether ours also takes part with all but answering turned off.
    pub bare: Attendance,
    /// The peers that take part, by name; all that are installed when empty.
    pub peers: Vec<String>,
    /// Where hickory-dns is, if not installed.
    pub hickory: Option<PathBuf>,
    /// Rounds of each scenario.
    pub rounds: u32,
    /// How long each server is measured in a round.
    pub measured: Duration,
    /// How long it is asked before.
    pub warm_up: Duration,
    /// How many names are asked for.
    pub names: usize,
    /// The CPU of the servers.
    pub server_cpu: usize,
    /// The CPU of what our server does besides answering, where that is measured; the servers' CPU
    /// without it.
    pub control_cpu: Option<usize>,
    /// The CPU of the load.
    pub load_cpu: usize,
    /// Queries a second where latency is measured; half of each server's own capacity without it.
    pub rate: Option<u32>,
}

/// Whether somebody takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attendance {
    /// Yes.
    Present,
    /// No.
    Absent,
}
