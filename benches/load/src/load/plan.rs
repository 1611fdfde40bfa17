//! What a run shall do, as plain values: where to, how fast, how long, what to ask.

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use super::doh::DohServer;
use crate::mix::Mix;

/// Most queries in flight: every one has an id of 16 bits, and an id rests a while before it is
/// used again, so that a late answer is not taken for another's.
pub const MAX_OUTSTANDING: u32 = 32_768;

/// Most sockets or connections of a run: below the ids, so that each can have a query in flight.
pub const MAX_LANES: u32 = 16_384;

/// One run.
#[derive(Debug)]
pub struct Plan {
    /// Who is asked, and how.
    pub target: Target,
    /// How fast.
    pub pace: Pace,
    /// How long.
    pub span: Span,
    /// What is asked.
    pub mix: Mix,
    /// Sockets for UDP, connections for TCP and DoH. With a connection for each query: how many at
    /// once when the pace is a rate.
    pub lanes: NonZeroU32,
}

/// Who is asked, and how.
#[derive(Clone, Debug)]
pub enum Target {
    /// Datagrams.
    Udp(SocketAddr),
    /// Kept connections with many queries in flight.
    Tcp(SocketAddr),
    /// A new connection for each query.
    PerConnection(SocketAddr),
    /// HTTP/2 POST requests (RFC 8484).
    Doh(DohServer),
}

/// How fast queries go out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Open loop: so many a second whatever the answers do. Latencies count from the moment a query
    /// was due, so that a stall is felt by all who would have come during it.
    Rate(NonZeroU32),
    /// Closed loop: so many in flight. Finds the capacity and the CPU time of a query.
    Outstanding(NonZeroU32),
}

/// How long a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Measures so long after a warm-up.
    Time {
        /// Before anything counts.
        warm_up: Duration,
        /// While it counts.
        measured: Duration,
    },
    /// So many queries, all of which count.
    Queries(u64),
}
