//! A query for an open connection goes in, what came back goes out, whatever the protocol.

pub(crate) mod datagram;
pub(crate) mod http;
pub(crate) mod stream;

use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::error::Failure;
use crate::message::Query;
use crate::observer::Closed;

/// An open connection; clones share it, and the last one to go closes it.
#[derive(Clone)]
pub(crate) enum Link {
    /// HTTP/2 (RFC 8484).
    Http(http::Link),
    /// Messages behind their lengths, over TLS (RFC 7858) or TCP (RFC 7766).
    Stream(stream::Link),
}

/// A body of the right type and size, not yet looked into; its id is 0 whatever it was on the way.
pub(crate) struct Received {
    pub(crate) body: Bytes,
    /// How long it lay in HTTP caches.
    pub(crate) age: Duration,
}

/// What can be seen of a connection at a moment; the pool decides by it and by nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pulse {
    /// Whether further queries can be sent: it is neither closed nor has the server said goodbye.
    pub(crate) is_open: bool,
    /// When something came in last, at the latest when it was opened.
    pub(crate) heard_at: Instant,
    /// Since when answers are owed without a break, if any are.
    pub(crate) owed_since: Option<Instant>,
    /// Queries under way.
    pub(crate) in_flight: usize,
    /// Queries that the server takes at once.
    pub(crate) capacity: usize,
}

/// Whether a connection was lost because nothing came in any more, rather than closed or broken.
pub(crate) fn is_silence(cause: &(dyn StdError + Send + Sync + 'static)) -> bool {
    http::is_silence(cause) || stream::is_silence(cause)
}

impl Link {
    /// Sends a query beside all others that are under way.
    pub(crate) async fn exchange(&self, query: &Query) -> Result<Received, Failure> {
        match self {
            Self::Http(link) => link.exchange(query).await,
            Self::Stream(link) => link.exchange(query).await,
        }
    }

    pub(crate) fn pulse(&self) -> Pulse {
        match self {
            Self::Http(link) => link.pulse(),
            Self::Stream(link) => link.pulse(),
        }
    }

    /// Takes no more queries, and closes for this reason once all are answered.
    pub(crate) fn leave(&self, reason: Closed) {
        match self {
            Self::Http(link) => link.leave(reason),
            Self::Stream(link) => link.leave(reason),
        }
    }

    /// Answers that have come over it so far.
    pub(crate) fn answers(&self) -> usize {
        match self {
            Self::Http(link) => link.answers(),
            Self::Stream(link) => link.answers(),
        }
    }

    /// How long nothing had been under way when the server closed it, if it did so then.
    pub(crate) fn idle_at_end(&self) -> Option<Duration> {
        match self {
            Self::Http(link) => link.idle_at_end(),
            Self::Stream(link) => link.idle_at_end(),
        }
    }
}
