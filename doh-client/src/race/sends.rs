//! The sends of one query are kept here, in place, and what becomes of them comes out. Kept apart
//! because a race that remembers them in one glance is one that can be read.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::{Asking, MAX_SENDS};
use crate::error::Failure;
use crate::observer::SendKind;
use crate::upstream::Reply;

/// What a send ends with.
pub(super) type Outcome = Result<Reply, Failure>;

/// The sends of one query in their order.
#[derive(Default)]
pub(super) struct Sends {
    sent: [Option<Sent>; MAX_SENDS],
}

/// One of them.
pub(super) struct Sent {
    pub(super) server: usize,
    pub(super) kind: SendKind,
    pub(super) at: Instant,
    /// It has had its time without being heard; only the last one may still be in time.
    pub(super) is_late: bool,
    pub(super) state: State,
}

pub(super) enum State {
    Asking(Asking),
    Answered,
    Failed(Failure),
}

impl Sends {
    /// Adds one, if there is room for it.
    pub(super) fn add(&mut self, server: usize, kind: SendKind, asking: Asking) {
        if let Some(free) = self.sent.iter_mut().find(|sent| sent.is_none()) {
            let (at, state) = (Instant::now(), State::Asking(asking));
            *free = Some(Sent { server, kind, at, is_late: false, state });
        }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Sent> {
        self.sent.iter().flatten()
    }

    pub(super) fn get(&self, number: usize) -> Option<&Sent> {
        self.sent.get(number)?.as_ref()
    }

    pub(super) fn set_state(&mut self, number: usize, state: State) {
        if let Some(Some(sent)) = self.sent.get_mut(number) {
            sent.state = state;
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.sent.iter().all(Option::is_some)
    }

    /// The last one to a server.
    pub(super) fn last_to(&self, server: usize) -> Option<&Sent> {
        self.iter().rfind(|sent| sent.server == server)
    }

    /// Whether an answer may still come.
    pub(super) fn has_open(&self) -> bool {
        self.iter().any(|sent| matches!(sent.state, State::Asking(_)))
    }

    /// Whether an answer is likely to come.
    pub(super) fn has_hopeful(&self) -> bool {
        self.iter().any(Sent::is_hopeful)
    }

    /// The server of the last send that is likely to be answered.
    pub(super) fn last_hopeful(&self) -> Option<usize> {
        self.iter().rfind(|sent| sent.is_hopeful()).map(|sent| sent.server)
    }

    pub(super) fn has_hedge(&self) -> bool {
        self.iter().any(|sent| sent.kind == SendKind::Hedge)
    }

    /// When the last send that still may be in time will have had its time.
    pub(super) fn late_at(&self, patience: Duration) -> Option<Instant> {
        self.iter().rfind(|sent| sent.is_hopeful()).map(|sent| sent.at + patience)
    }

    /// Notes who has had its time, and tells the server of the last send if it has.
    pub(super) fn mark_late(&mut self, now: Instant, patience: Duration) -> Option<usize> {
        let mut late = None;
        for sent in self.sent.iter_mut().flatten() {
            if sent.is_hopeful() && sent.at + patience <= now {
                sent.is_late = true;
                late = Some(sent.server);
            }
        }
        late.filter(|_| !self.has_hopeful())
    }

    /// Takes out all that are still asking.
    pub(super) fn take_open(&mut self) -> impl Iterator<Item = Asking> {
        self.sent.iter_mut().filter_map(|sent| match sent.take()?.state {
            State::Asking(asking) => Some(asking),
            State::Answered | State::Failed(_) => None,
        })
    }

    /// Waits for the first one to end; with at most three of them, looking at all is cheapest.
    pub(super) async fn next_outcome(&mut self) -> (usize, Outcome) {
        poll_fn(|context| {
            for (number, sent) in self.sent.iter_mut().enumerate() {
                if let Some(Sent { state: State::Asking(asking), .. }) = sent
                    && let Poll::Ready(outcome) = asking.as_mut().poll(context)
                {
                    return Poll::Ready((number, outcome));
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl Sent {
    /// A probe is sent to find out, not to be answered.
    fn is_hopeful(&self) -> bool {
        !self.is_late && self.kind != SendKind::Probe && matches!(self.state, State::Asking(_))
    }
}
