//! A query in wire form goes in, the answer that somebody gave comes out.
//!
//! The seam between flights and what carries them: DoH in a server, a script where a test tells a
//! story of hours in milliseconds, and whatever else upstreams may one day be asked over.

use std::{pin::Pin, sync::Arc, time::Duration};

use doh_client::{Client, ServerStatus};

use super::Failure;

/// An exchange under way.
pub type Carriage<'a> = Pin<Box<dyn Future<Output = Result<Delivery, Failure>> + Send + 'a>>;

/// What carries queries to upstreams. It may be dropped on the way; whether it keeps
/// `upstream.timeout` by itself does not matter.
pub trait Carrier: Send + Sync {
    /// Brings back the best answer there is, whatever its response code; it is for the carrier to
    /// see that it answers this very question.
    fn carry<'a>(&'a self, query: &'a [u8]) -> Carriage<'a>;

    /// How each server does.
    fn status(&self) -> Vec<ServerStatus>;
}

/// An answer, and where it came from.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message.
    pub answer: Vec<u8>,
    /// How old it was when it arrived (RFC 8484 section 5.1).
    pub age: Duration,
    /// The URL of the server that gave it.
    pub server: Arc<str>,
}

/// DNS over HTTPS.
pub(super) struct Doh {
    client: Client,
    /// The servers' URLs, by the number that the client knows them by.
    servers: Vec<Arc<str>>,
}

impl Doh {
    pub(super) fn new(client: Client) -> Self {
        let servers = client.servers().map(|server| Arc::from(server.to_string())).collect();
        Self { client, servers }
    }
}

impl Carrier for Doh {
    fn carry<'a>(&'a self, query: &'a [u8]) -> Carriage<'a> {
        Box::pin(async move {
            let exchange = self.client.exchange(query).await.map_err(|error| {
                tracing::debug!(%error, "no upstream answered");
                Failure::from(&error)
            })?;
            let server = self.servers.get(exchange.server).cloned().unwrap_or_default();
            Ok(Delivery { answer: exchange.answer.into(), age: exchange.age, server })
        })
    }

    fn status(&self) -> Vec<ServerStatus> {
        self.client.status()
    }
}
