//! A plan goes in, a tally comes out. The transports live below; what they share, the pace and the
//! book-keeping, is `Course`.

pub mod doh;
pub mod plan;
pub mod tally;

mod course;
mod flights;
mod per_connection;
mod tcp;
mod udp;

use std::{io, net::SocketAddr};

use plan::{Plan, Target};
use tally::Tally;

/// Is told when the measured part begins and ends, to read counters at the same moments.
pub trait Watch {
    /// The warm-up is over.
    fn begin(&mut self);
    /// The measured part is over; answers may still arrive.
    fn end(&mut self);
}

/// Watches nothing.
impl Watch for () {
    fn begin(&mut self) {}
    fn end(&mut self) {}
}

/// Why a run broke off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The server cannot be reached.
    #[error("cannot connect to {server}, does it listen there? {source}")]
    Connect {
        /// The server.
        server: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Something failed on our side.
    #[error("a system call failed: {0}")]
    System(#[from] io::Error),
    /// TLS or HTTP cannot be set up.
    #[error("the DoH connection cannot be set up: {0}")]
    Doh(String),
}

/// Sends as planned and waits for the answers.
///
/// Uses the calling thread alone, and all of its CPU when the pace is a rate.
///
/// # Errors
/// When the server cannot be reached at all. Lost queries are no error: they are counted.
pub fn run(plan: &Plan, watch: &mut dyn Watch) -> Result<Tally, LoadError> {
    match &plan.target {
        Target::Udp(server) => udp::run(plan, *server, watch),
        Target::Tcp(server) => tcp::run(plan, *server, watch),
        Target::PerConnection(server) => per_connection::run(plan, *server, watch),
        Target::Doh(server) => doh::run(plan, server, watch),
    }
}
