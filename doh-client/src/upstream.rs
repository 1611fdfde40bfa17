//! A query for one server goes in, its reply or its failure comes out. The one place that joins a
//! server's connections with what is written down of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::addresses::Addresses;
use crate::builder::BuildError;
use crate::choice::Dice;
use crate::dial::Dialer;
use crate::error::Failure;
use crate::ledger::{Errand, Ledger, Warmth};
use crate::message::{Merit, Query};
use crate::observer::Witness;
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::road::Road;
use crate::server::Server;
use crate::tls::Trust;

/// Queries one server may have under way unless the builder says otherwise: ten times the streams
/// that servers commonly allow at once (the others wait in line), and 4 s worth of queries at 250 a
/// second if it falls silent.
pub(crate) const IN_FLIGHT: usize = 1024;

/// One server and everything that is kept about it.
pub(crate) struct Upstream {
    server: Arc<Server>,
    road: Road,
    ledger: Ledger,
    check: Check,
}

/// What all servers of a client have in common.
pub(crate) struct Shared {
    pub(crate) trust: Trust,
    pub(crate) proxy: Option<Arc<Proxy>>,
    /// How long one attempt may take before another server is asked.
    pub(crate) patience: Duration,
    pub(crate) in_flight: usize,
    pub(crate) check: Check,
}

/// Whether an answer is one that the caller can use.
pub(crate) type Check = fn(&[u8]) -> bool;

/// An answer that belongs to its query.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) answer: Bytes,
    pub(crate) merit: Merit,
    pub(crate) age: Duration,
    pub(crate) round_trip: Duration,
}

impl Upstream {
    /// Prepares a server without dialling it.
    pub(crate) fn new(
        server: Server,
        addresses: Addresses,
        shared: &Shared,
        dice: Dice,
        witness: Witness,
    ) -> Result<Self, BuildError> {
        let (server, addresses) = (Arc::new(server), Arc::new(addresses));
        let tls = shared.trust.tls(&server)?;
        let dialer = Dialer::new(Arc::clone(&server), Arc::clone(&addresses), tls, witness.clone())
            .through(shared.proxy.clone());
        let pool = Arc::new(Pool::new(dialer, witness.clone()));
        let road = Road::of(&server, addresses, pool, shared.patience, witness.clone());
        let ledger = Ledger::new(server.to_string().into(), shared.in_flight, dice, witness)
            .metered(server.is_metered());
        Ok(Self { server, road, ledger, check: shared.check })
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    pub(crate) fn pool(&self) -> &Pool {
        self.road.pool()
    }

    pub(crate) fn network_changed(&self) {
        self.road.network_changed();
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn warmth(&self, now: Instant) -> Warmth {
        // A datagram needs no connection.
        let Road::Pooled(pool) = &self.road else { return Warmth::Warm };
        match pool.is_open() {
            true if pool.is_at_risk() => Warmth::Doubtful,
            true => Warmth::Warm,
            false if pool.next_connect().is_some_and(|at| now < at) => Warmth::Unreachable,
            false => Warmth::Cold,
        }
    }

    /// Asks the server.
    pub(crate) async fn ask(
        self: Arc<Self>,
        query: Query,
        errand: Errand,
    ) -> Result<Reply, Failure> {
        self.ledger.keep(errand, self.exchange(&query)).await
    }

    async fn exchange(&self, query: &Query) -> Result<Reply, Failure> {
        let (received, round_trip) = self.road.exchange(query).await?;
        let mut merit = query.judge(&received.body).map_err(Failure::BadAnswer)?;
        // No failure of the server: whoever owns the name may have filled in what is wrong.
        if !(self.check)(&received.body) {
            merit = Merit::Unhelpful;
        }
        Ok(Reply { answer: received.body, merit, age: received.age, round_trip })
    }
}
