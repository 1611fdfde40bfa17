//! A query in wire form goes in, the answer that somebody gave comes out.
//!
//! The seam between flights and what carries them: DoH in a server, a script where a test tells a
//! story of hours in milliseconds, and whatever else upstreams may one day be asked over.

use std::{pin::Pin, sync::Arc, time::Duration};

use doh_client::{Client, ServerStatus};

use super::Failure;
use crate::wire::flag;

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

/// A client and its servers.
pub(super) struct Doh {
    client: Client,
    /// By the number that the client knows them by.
    servers: Vec<Source>,
}

/// A server that answers come from.
struct Source {
    url: Arc<str>,
    is_authenticated: bool,
}

impl Doh {
    /// A carrier over a client.
    pub(super) fn start(client: Client) -> Arc<dyn Carrier> {
        let servers = client.servers().map(|server| Source::at(&server.to_string())).collect();
        Arc::new(Self { client, servers })
    }
}

impl Carrier for Doh {
    fn carry<'a>(&'a self, query: &'a [u8]) -> Carriage<'a> {
        Box::pin(async move {
            let exchange = self.client.exchange(query).await.map_err(|error| {
                tracing::debug!(%error, "no upstream answered");
                Failure::from(&error)
            })?;
            let source = self.servers.get(exchange.server).ok_or_else(Failure::default)?;
            let mut answer = Vec::from(exchange.answer);
            source.judge(&mut answer);
            Ok(Delivery { answer, age: exchange.age, server: source.url.clone() })
        })
    }

    fn status(&self) -> Vec<ServerStatus> {
        self.client.status()
    }
}

impl Source {
    fn at(url: &str) -> Self {
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        let is_open = ["udp", "tcp"].iter().any(|open| scheme.eq_ignore_ascii_case(open));
        Self { url: url.into(), is_authenticated: !is_open }
    }

    /// Believes that data are validated only where nobody on the way can say so (RFC 6840 section
    /// 5.8): AD is taken out of what came in the open.
    fn judge(&self, answer: &mut [u8]) {
        // The second octet of the flags (RFC 4035 section 3.2.3).
        if let Some(flags) = answer.get_mut(3).filter(|_| !self.is_authenticated) {
            let [_, authentic] = flag::AD.to_be_bytes();
            *flags &= !authentic;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_asked_in_the_open_is_not_believed_to_have_validated() {
        for (url, kept) in [
            ("https://dns.example/dns-query", 0xb0),
            ("tls://192.0.2.1", 0xb0),
            ("h2c://127.0.0.1:8080/dns-query", 0xb0),
            ("udp://192.0.2.1:53", 0x90),
            ("TCP://192.0.2.1:53", 0x90),
        ] {
            let mut answer = [0, 0, 0x81, 0xb0, 0, 1];
            Source::at(url).judge(&mut answer);
            assert_eq!(answer, [0, 0, 0x81, kept, 0, 1], "{url}");
        }
    }
}
