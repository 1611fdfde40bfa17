//! Commands of this machine come in over a Unix socket, answers go out as JSON: what the running
//! server knows and nobody else can say.
//!
//! HTTP/1 over a socket that only root and the server's own user may use. Without it the server
//! serves all the same, so a place that cannot be had is a warning.

mod access;
mod cache;
mod routes;
mod socket;
mod status;

use std::sync::Arc;

use crate::{
    lists::ListStore,
    metrics::Health,
    pipeline::Pipeline,
    server::{KeptCache, Publisher},
};

pub use cache::{CacheStats, Flushed};
pub use socket::SocketError;
pub use status::{Lists, Queries, Status, Upstream};

pub(crate) use socket::ControlSocket;

/// The parts of a running server that commands ask about.
pub(crate) struct Control {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) lists: Arc<ListStore>,
    pub(crate) health: Arc<Health>,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) kept: Arc<KeptCache>,
}
