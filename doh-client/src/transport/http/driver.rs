//! A fresh HTTP/2 connection goes in, and is driven to its end: what queries send is written, what
//! comes in is handed out, silence is noticed, and answers that nobody wants are heard out.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use h2::client::Connection;
use h2::{Ping, PingPong};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep};
use tracing::debug;

use super::Shared;
use super::gauge::Gauge;
use super::owed::Owed;
use super::vigil::{Vigil, Watch};
use crate::dial::PING_AFTER;
use crate::observer::{Closed, Event, Witness};
use crate::upstream::IN_FLIGHT;
use crate::wire::Wire;

/// How long answers are heard out that nobody waits for, once or twice: longer than it takes to
/// notice a dead path and than a resolver tries for, shorter than streams could fill up with them.
const HEAR_OUT: Duration = Duration::from_secs(5);

/// Answers heard out at once; more queries than a server has room for have been given up then, and
/// again as many.
const MAX_UNWANTED: usize = 2 * IN_FLIGHT;

/// The task of one connection. It ends with the connection.
pub(super) struct Driver {
    connection: Connection<Wire, Bytes>,
    pings: Option<PingPong>,
    /// Does not hold the connection open.
    shared: Weak<Shared>,
    gauge: Arc<Gauge>,
    unwanted: Unwanted,
    vigil: Vigil,
    alarm: Pin<Box<Sleep>>,
    is_armed: bool,
    /// When something had come in that was looked at last.
    looked_at: Option<Instant>,
    witness: Witness,
}

impl Driver {
    pub(super) fn new(
        mut connection: Connection<Wire, Bytes>,
        shared: Weak<Shared>,
        gauge: Arc<Gauge>,
        unwanted: mpsc::Receiver<Owed>,
        witness: Witness,
    ) -> Self {
        Self {
            pings: connection.ping_pong(),
            connection,
            shared,
            gauge,
            unwanted: Unwanted::new(unwanted),
            vigil: Vigil::default(),
            alarm: Box::pin(sleep(PING_AFTER)),
            is_armed: false,
            looked_at: None,
            witness,
        }
    }

    /// Notes what the connection says of itself, if something came in.
    fn look(&mut self, context: &mut Context<'_>) {
        let heard_at = Some(self.gauge.heard_at());
        if self.looked_at == heard_at {
            return;
        }
        self.looked_at = heard_at;
        self.gauge.note_capacity(self.connection.max_concurrent_send_streams());
        if let Some(reason) = self.refuses(context) {
            self.gauge.end(reason);
        }
    }

    /// Why the connection takes no more queries, if it does not.
    fn refuses(&self, context: &mut Context<'_>) -> Option<Closed> {
        let mut sender = self.shared.upgrade()?.sender.clone();
        match sender.poll_ready(context) {
            Poll::Ready(Err(error)) if error.is_go_away() && error.is_remote() => {
                Some(Closed::GoAway)
            }
            Poll::Ready(Err(_)) => Some(Closed::Broken),
            Poll::Ready(Ok(())) | Poll::Pending => None,
        }
    }

    /// Watches for silence; ready when it has lasted too long.
    fn watch(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.is_armed {
                ready!(self.alarm.as_mut().poll(context));
            } else if self.gauge.in_flight() == 0 {
                return Poll::Pending;
            }
            let now = Instant::now();
            self.gauge.note_resets(self.unwanted.forget_old(now));
            let (heard_at, owed_since) = (self.gauge.heard_at(), self.gauge.owed_since());
            let next = match self.vigil.look(now, heard_at, owed_since) {
                Watch::GiveUp => return Poll::Ready(()),
                Watch::Rest => {
                    self.is_armed = false;
                    return Poll::Pending;
                }
                Watch::Ping(next) => {
                    // One that is still under way serves as well.
                    let _ = self.pings.as_mut().map(|pings| pings.send_ping(Ping::opaque()));
                    next
                }
                Watch::Until(next) => next,
            };
            self.alarm.as_mut().reset(next);
            self.is_armed = true;
        }
    }

    /// Takes note of the end of the connection.
    fn end(&self, context: &mut Context<'_>, was_busy: bool, outcome: Result<(), h2::Error>) {
        if self.shared.strong_count() == 0 {
            self.gauge.end_unwanted();
        }
        // A goodbye may have come together with the end.
        self.gauge.end(match self.refuses(context) {
            Some(Closed::GoAway) => Closed::GoAway,
            _ if was_busy => Closed::Broken,
            _ => Closed::Idle,
        });
        match outcome {
            Ok(()) => debug!(reason = ?self.gauge.reason(), "connection closed"),
            Err(error) => debug!(reason = ?self.gauge.reason(), %error, "connection broke"),
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let refused = this.unwanted.hear_out(context);
        this.gauge.note_resets(refused);
        let was_busy = this.gauge.in_flight() > 0;
        if let Poll::Ready(outcome) = Pin::new(&mut this.connection).poll(context) {
            this.end(context, was_busy, outcome);
            return Poll::Ready(());
        }
        this.look(context);
        if let Some(pings) = &mut this.pings {
            // Makes room for the next one; that something came in is known already.
            let _ = pings.poll_pong(context);
        }
        ready!(this.watch(context));
        debug!("connection is silent");
        this.gauge.end(Closed::Silent);
        Poll::Ready(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // A runtime that shuts down drops its tasks.
        self.gauge.end_unwanted();
        if let Some(reason) = self.gauge.reason() {
            self.witness.note(&Event::Closed(reason));
        }
    }
}

/// Answers that nobody waits for any more, each for once or twice the time they are heard out.
struct Unwanted {
    /// Nothing once all who could send are gone.
    arriving: Option<mpsc::Receiver<Owed>>,
    young: FuturesUnordered<Owed>,
    old: FuturesUnordered<Owed>,
    aged_at: Instant,
}

impl Unwanted {
    fn new(arriving: mpsc::Receiver<Owed>) -> Self {
        Self {
            arriving: Some(arriving),
            young: FuturesUnordered::new(),
            old: FuturesUnordered::new(),
            aged_at: Instant::now(),
        }
    }

    /// Reads what has come, and says how many streams were reset for want of room.
    fn hear_out(&mut self, context: &mut Context<'_>) -> usize {
        let mut refused = 0;
        while let Some(arriving) = &mut self.arriving {
            match arriving.poll_recv(context) {
                Poll::Ready(Some(_)) if self.young.len() + self.old.len() >= MAX_UNWANTED => {
                    refused += 1;
                }
                Poll::Ready(Some(owed)) => self.young.push(owed),
                Poll::Ready(None) => self.arriving = None,
                Poll::Pending => break,
            }
        }
        for group in [&mut self.young, &mut self.old] {
            if !group.is_empty() {
                while let Poll::Ready(Some(())) = group.poll_next_unpin(context) {}
            }
        }
        refused
    }

    /// Gives up those that took too long, which resets their streams, and says how many.
    fn forget_old(&mut self, now: Instant) -> usize {
        if now < self.aged_at + HEAR_OUT {
            return 0;
        }
        self.aged_at = now;
        let forgotten = self.old.len();
        self.old = std::mem::take(&mut self.young);
        forgotten
    }
}
