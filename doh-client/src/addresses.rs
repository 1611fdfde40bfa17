//! A server goes in, where it can be dialled comes out.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::server::Server;

/// The addresses of one server, most preferred first.
pub(crate) struct Addresses {
    pinned: Arc<[SocketAddr]>,
}

impl Addresses {
    pub(crate) fn new(server: &Server) -> Self {
        Self { pinned: server.addresses().into() }
    }

    /// Where to dial now; one address at least.
    pub(crate) fn list(&self) -> Arc<[SocketAddr]> {
        Arc::clone(&self.pinned)
    }
}
