//! A query for one server goes in, what came back goes out: over a connection that is kept, or as
//! a datagram first.

use std::sync::Arc;
use std::time::Duration;

use crate::addresses::Addresses;
use crate::error::Failure;
use crate::message::Query;
use crate::observer::Witness;
use crate::pool::Pool;
use crate::server::{Protocol, Server};
use crate::transport::Received;
use crate::transport::datagram::Datagrams;

/// How the queries of one server travel.
pub(crate) enum Road {
    /// Over the connections of a pool.
    Pooled(Arc<Pool>),
    /// As datagrams, and over the connections of their pool where those are too small.
    Datagrams(Box<Datagrams>),
}

impl Road {
    pub(crate) fn of(
        server: &Arc<Server>,
        addresses: Arc<Addresses>,
        pool: Arc<Pool>,
        patience: Duration,
        witness: Witness,
    ) -> Self {
        match server.protocol() {
            Protocol::Udp => {
                let name = server.to_string().into();
                Self::Datagrams(Box::new(Datagrams::new(name, addresses, pool, patience, witness)))
            }
            Protocol::Https | Protocol::H2c | Protocol::Tls | Protocol::Tcp => Self::Pooled(pool),
        }
    }

    /// Asks; the time is that of the exchange without connecting.
    pub(crate) async fn exchange(&self, query: &Query) -> Result<(Received, Duration), Failure> {
        match self {
            Self::Pooled(pool) => pool.exchange(query).await,
            Self::Datagrams(datagrams) => datagrams.exchange(query).await,
        }
    }

    /// Goes on as if nothing had been learned of the ways to the server: they may be others now.
    pub(crate) fn network_changed(&self) {
        match self {
            Self::Pooled(pool) => pool.network_changed(),
            Self::Datagrams(datagrams) => datagrams.network_changed(),
        }
    }

    /// The connections, which a server that is asked with datagrams has too.
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        match self {
            Self::Pooled(pool) => pool,
            Self::Datagrams(datagrams) => datagrams.pool(),
        }
    }
}
