//! What happens to queries and connections goes in, whoever counts it is told. A trait, so that this
//! crate knows no metrics library and a program without one pays nothing.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::error::Failure;

/// Counts what happens. It is called from within exchanges, so it must not wait for anything.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use doh_client::{Event, Observer};
///
/// #[derive(Default)]
/// struct Connects(AtomicU64);
///
/// impl Observer for Connects {
///     fn note(&self, _server: usize, event: &Event<'_>) {
///         if let Event::Connected { .. } = event {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// Notes an event of a server, which is an index into [`Client::servers`](crate::Client::servers).
    fn note(&self, server: usize, event: &Event<'_>);
}

/// Something that happened to one server.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A query is about to be sent.
    Sent(SendKind),
    /// It was answered, well or not, so long after it was sent; connecting is not counted.
    Answered {
        /// From sending to the last byte of the answer.
        round_trip: Duration,
        /// Whether the answer is one that could be used: no SERVFAIL, REFUSED or the like.
        is_good: bool,
        /// How long the answer lay in HTTP caches.
        age: Duration,
    },
    /// It was not answered.
    Failed(&'a Failure),
    /// It was not sent: too many were under way, and none ended soon enough.
    TurnedAway,
    /// A hedge was answered before what it was to replace.
    HedgeWon,
    /// Something was not sent because a budget is used up.
    BudgetExhausted(Budget),
    /// It asked for fewer queries, and gets none for so long.
    Throttled(Duration),
    /// The breaker opened, is being probed, or closed.
    Breaker(Breaker),
    /// The addresses of its host were looked up, and others were found than were known. Servers
    /// of one host share a lookup, which counts for the first of them.
    LookedUp(&'a [IpAddr]),
    /// They were looked up in vain; those that are known stay.
    LookupFailed(&'a Failure),
    /// A connection was opened.
    Connected(&'a Connected),
    /// Greetings with post-quantum keys do not get through; for a day it is greeted without.
    Downgraded,
    /// No connection came about.
    ConnectFailed(&'a Failure),
    /// A connection is over.
    Closed(Closed),
}

/// Why a query is sent.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SendKind {
    /// It is the first time.
    First,
    /// The server asked before is slow.
    Hedge,
    /// The server asked before failed, or its answer is no good.
    Retry,
    /// The connection it was sent on turned out to be closed already.
    FreeRetry,
    /// No datagram came back, so that one may have been lost.
    Repeat,
    /// The breaker wants to know whether the server is back.
    Probe,
}

/// What limits extra queries.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Budget {
    /// Second queries because of delay.
    Hedge,
    /// Further queries because of failure.
    Retry,
}

/// States of a server's circuit breaker.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Breaker {
    /// It is asked.
    Closed,
    /// It is not asked, unless all are like that.
    Open,
    /// One query finds out whether it is back.
    HalfOpen,
}

/// How a connection was made.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Connected {
    /// Where to.
    pub address: SocketAddr,
    /// Until TCP was connected, through a proxy if there is one.
    pub tcp: Duration,
    /// The TLS handshake, where there was one.
    pub tls: Option<Tls>,
}

/// What TLS agreed on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Tls {
    /// The handshake.
    pub took: Duration,
    /// `TLSv1_3` or `TLSv1_2`, as rustls names it.
    pub version: &'static str,
    /// The key exchange group, such as `X25519MLKEM768`.
    pub group: &'static str,
    /// Whether an earlier session was taken up again.
    pub is_resumed: bool,
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Closed {
    /// The server said goodbye (GOAWAY).
    GoAway,
    /// The server closed it while nothing was under way.
    Idle,
    /// It was silent for too long while answers were owed.
    Silent,
    /// It broke while answers were owed.
    Broken,
    /// It was old, or had carried enough.
    Age,
    /// The network has changed.
    Network,
}

/// Tells an observer of one server.
#[derive(Clone)]
pub(crate) struct Witness {
    observer: Option<Arc<dyn Observer>>,
    server: usize,
}

impl Witness {
    pub(crate) fn new(observer: Option<Arc<dyn Observer>>, server: usize) -> Self {
        Self { observer, server }
    }

    pub(crate) fn note(&self, event: &Event<'_>) {
        if let Some(observer) = &self.observer {
            observer.note(self.server, event);
        }
    }
}
