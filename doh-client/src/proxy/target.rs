//! What a connection is to lead to: an address, or a name that the proxy looks up.

use std::fmt;
use std::net::SocketAddr;

use crate::server::Server;

/// The far end of a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    Address(SocketAddr),
    Name(String, u16),
}

impl Target {
    /// What a proxy is told of a server: the addresses that are known without asking anybody, else
    /// its name.
    pub(crate) fn of(server: &Server) -> Vec<Self> {
        match server.addresses() {
            [] => vec![Self::Name(server.host().to_owned(), server.port())],
            pinned => pinned.iter().copied().map(Self::Address).collect(),
        }
    }

    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Address(address) => address.port(),
            Self::Name(_, port) => *port,
        }
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Name(..) => None,
        }
    }
}

/// As the authority of a URL.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}
