//! The kinds of load that are compared, each as a plan for the load generator.

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use super::settings::Settings;
use crate::{
    load::plan::{Pace, Plan, Span, Target},
    mix::{Mix, MixError, generated_names},
    packet::Edns,
    peers::floor::Kind,
};

/// One kind of load. All of them, in this order, make a whole report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// Cached names over UDP, listening on one address.
    Udp,
    /// The same, listening on all addresses: the server must answer from the one that was asked.
    UdpWildcard,
    /// Names that are blocked, among 600,000 rules.
    UdpBlocked,
    /// Eight connections, 200 queries in flight.
    Tcp,
    /// Eight connections, one query in flight on each.
    PingPong,
    /// A connection for each query, 50 at once.
    PerConnection,
    /// Latencies at half of what each server can do, UDP and TCP.
    Latency,
    /// Latencies of ours, and those while a list of 1,000,000 rules is compiled without a break.
    LatencySwap,
    /// Latencies of ours, and those while somebody watches the live query log.
    LatencyWatched,
    /// Memory after the start, and with 10,000 idle connections.
    Idle,
    /// Names that nobody has asked for, forwarded over HTTPS.
    Miss,
}

/// Type of all questions: A.
const A: u16 = 1;

/// Weight of the n-th name is 1 / n, as it is among the names people ask for.
const ZIPF: f64 = 1.0;

/// Every run asks in the same order.
const SEED: u64 = 1;

/// Source ports and connections: more than a thread per CPU could confuse, few enough to be busy.
const LANES: u32 = 8;

/// In flight over UDP: keeps the server busy, and fits into one socket's buffer.
const UDP_OUTSTANDING: u32 = 100;

/// In flight over pipelined TCP: 25 on each connection.
const TCP_OUTSTANDING: u32 = 200;

/// Connections at once where each has one query.
const CONNECTIONS: u32 = 50;

/// In flight while names are asked for the first time: few, for a forwarder must ask somebody else
/// first.
const PRIMING: u32 = 64;

impl Scenario {
    /// As the command line and the report call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::UdpWildcard => "udp-wildcard",
            Self::UdpBlocked => "udp-blocked",
            Self::Tcp => "tcp",
            Self::PingPong => "ping-pong",
            Self::PerConnection => "per-connection",
            Self::Latency => "latency",
            Self::LatencySwap => "latency-swap",
            Self::LatencyWatched => "latency-watched",
            Self::Idle => "idle",
            Self::Miss => "miss",
        }
    }

    /// What it measures, in a sentence for the report.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Udp => "UDP, cached names, 100 in flight from 8 ports",
            Self::UdpWildcard => "UDP, cached names, listening on all addresses",
            Self::UdpBlocked => "UDP, blocked names, 600,000 rules",
            Self::Tcp => "TCP, 8 connections, 200 queries in flight, cached names",
            Self::PingPong => "TCP, 8 connections, one query in flight on each, cached names",
            Self::PerConnection => "TCP, a connection for each query, 50 at once, cached names",
            Self::Latency => "Latency at half of each server's own capacity, cached names",
            Self::LatencySwap => "Latency while lists of 1,000,000 rules are swapped",
            Self::LatencyWatched => "Latency while somebody watches the live query log",
            Self::Idle => "Resident memory",
            Self::Miss => "Misses over HTTPS, every name asked once",
        }
    }

    /// Which floor it is compared to.
    pub(super) fn floor(self) -> Kind {
        match self {
            Self::Udp
            | Self::UdpWildcard
            | Self::UdpBlocked
            | Self::Latency
            | Self::LatencySwap
            | Self::LatencyWatched
            | Self::Miss => Kind::Udp,
            Self::Tcp | Self::PingPong | Self::Idle => Kind::Tcp,
            Self::PerConnection => Kind::PerConnection,
        }
    }

    /// The load of one round.
    pub(super) fn plan(self, server: SocketAddr, settings: &Settings) -> Result<Plan, MixError> {
        let (target, in_flight) = match self {
            Self::Udp
            | Self::UdpWildcard
            | Self::UdpBlocked
            | Self::Latency
            | Self::LatencySwap
            | Self::LatencyWatched
            | Self::Miss => (Target::Udp(server), UDP_OUTSTANDING),
            Self::Tcp | Self::Idle => (Target::Tcp(server), TCP_OUTSTANDING),
            Self::PingPong => (Target::Tcp(server), LANES),
            Self::PerConnection => (Target::PerConnection(server), CONNECTIONS),
        };
        let names = generated_names(settings.names);
        Ok(Plan {
            target,
            pace: Pace::Outstanding(number(in_flight)),
            span: Span::Time { warm_up: settings.warm_up, measured: settings.measured },
            mix: Mix::zipf(&names, (A, Edns::Plain), ZIPF, SEED)?,
            lanes: number(LANES),
        })
    }

    /// Asks for each name once.
    pub(super) fn priming(self, server: SocketAddr, settings: &Settings) -> Result<Plan, MixError> {
        let names = generated_names(settings.names);
        let queries = u64::try_from(names.len()).unwrap_or(u64::MAX);
        Ok(Plan {
            pace: Pace::Outstanding(number(PRIMING)),
            span: Span::Queries(queries),
            mix: Mix::in_turn(&names, A, Edns::Plain)?,
            ..self.plan(server, settings)?
        })
    }
}

/// The plan with another pace, and over another transport.
pub(super) fn at_rate(plan: Plan, target: Target, rate: f64) -> Plan {
    let whole = Duration::from_secs_f64(rate.clamp(1.0, MAX_RATE)).as_secs();
    let rate = u32::try_from(whole).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
    Plan { target, pace: Pace::Rate(rate), ..plan }
}

/// Highest rate that is asked for: far above what one thread can send.
const MAX_RATE: f64 = 10_000_000.0;

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}
