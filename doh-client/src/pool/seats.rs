//! Open connections come in and stay until they are closed, old, or of no use any more. The one
//! place that lets go of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::backoff::{random, scaled};
use super::lifetime::Lifetime;
use super::mercy::{Mercy, Proven};
use super::plan::{Mood, View};
use crate::observer::Closed;
use crate::transport::{Link, Pulse};

/// Shortest and longest time a connection is used: 10 minutes give or take a fifth, so that those
/// of many clients do not end together. Servers move, and balance load by new connections only.
const SHORTEST_USE: Duration = Duration::from_secs(8 * 60);
const LONGEST_USE: Duration = Duration::from_secs(12 * 60);

/// The connections of one server.
#[derive(Default)]
pub(super) struct Seats {
    seats: Vec<Taken>,
    lifetime: Lifetime,
}

/// A connection and what only the pool has to know of it.
struct Taken {
    seat: Arc<Seat>,
    expires_at: Instant,
    is_leaving: bool,
}

/// An open connection.
pub(super) struct Seat {
    link: Link,
    opened_at: Instant,
    is_proven: AtomicBool,
}

impl Seat {
    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    pub(super) fn opened_at(&self) -> Instant {
        self.opened_at
    }

    /// Notes that an answer has come over it.
    pub(super) fn prove(&self) {
        self.is_proven.store(true, Ordering::Relaxed);
    }

    pub(super) fn proven(&self) -> Proven {
        if self.is_proven.load(Ordering::Relaxed) { Proven::Yes } else { Proven::No }
    }
}

impl Seats {
    /// Takes a new connection, which replaces those that have to go.
    pub(super) fn add(&mut self, link: Link, now: Instant) -> Arc<Seat> {
        self.seats.retain(|taken| {
            let stays = taken.mood(now) == Mood::Staying;
            if !stays {
                let reason = if taken.is_leaving { Closed::Network } else { Closed::Age };
                taken.seat.link.leave(reason);
            }
            stays
        });
        let seat = Arc::new(Seat { link, opened_at: now, is_proven: AtomicBool::new(false) });
        let expires_at = now + SHORTEST_USE + scaled(LONGEST_USE - SHORTEST_USE, random());
        self.seats.push(Taken { seat: Arc::clone(&seat), expires_at, is_leaving: false });
        seat
    }

    /// Lets go of those that are closed, or are about to be.
    pub(super) fn prune(&mut self, now: Instant) {
        let Self { seats, lifetime } = self;
        seats.retain(|taken| {
            let (link, pulse) = (&taken.seat.link, taken.seat.link.pulse());
            if !pulse.is_open {
                if let Some(idle) = link.idle_at_end() {
                    lifetime.note_close(idle);
                }
                return false;
            }
            let limit = lifetime.limit();
            let is_expired = pulse.in_flight == 0
                && limit.is_some_and(|limit| now.duration_since(pulse.heard_at) >= limit);
            if is_expired {
                lifetime.note_expiry();
                link.leave(Closed::Age);
            }
            !is_expired
        });
    }

    /// Makes room for a free retry.
    pub(super) fn clear_for(&mut self, mercy: Mercy, failed: &Arc<Seat>) {
        match mercy {
            Mercy::None | Mercy::Anywhere => {}
            Mercy::Elsewhere => self.remove(failed),
            Mercy::Fresh => self.clear_proven(),
        }
    }

    /// Lets go of one that is lost; the first query to find that out tells how long it was idle.
    fn remove(&mut self, lost: &Arc<Seat>) {
        let before = self.seats.len();
        self.seats.retain(|taken| !Arc::ptr_eq(&taken.seat, lost));
        if self.seats.len() < before
            && let Some(idle) = lost.link.idle_at_end()
        {
            self.lifetime.note_close(idle);
        }
    }

    /// Lets go of those that have been used; what is under way there goes on.
    fn clear_proven(&mut self) {
        self.seats.retain(|taken| {
            let is_fresh = taken.seat.proven() == Proven::No;
            if !is_fresh {
                taken.seat.link.leave(Closed::Age);
            }
            is_fresh
        });
    }

    /// Lets go of all; what is under way there goes on.
    pub(super) fn clear(&mut self, reason: Closed) {
        for taken in self.seats.drain(..) {
            taken.seat.link.leave(reason);
        }
    }

    /// Marks all as such that have to go once there is a new one.
    pub(super) fn note_network_changed(&mut self) {
        for taken in &mut self.seats {
            taken.is_leaving = true;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    pub(super) fn nth(&self, number: usize) -> Option<Arc<Seat>> {
        self.seats.get(number).map(|taken| Arc::clone(&taken.seat))
    }

    /// All of them, in the order of [`nth`](Self::nth).
    pub(super) fn views(&self, now: Instant) -> impl Iterator<Item = View> {
        let view =
            move |taken: &Taken| View { pulse: taken.seat.link.pulse(), mood: taken.mood(now) };
        self.seats.iter().map(view)
    }

    /// Those that are open.
    pub(super) fn pulses(&self) -> impl Iterator<Item = Pulse> {
        self.seats.iter().map(|taken| taken.seat.link.pulse()).filter(|pulse| pulse.is_open)
    }
}

impl Taken {
    fn mood(&self, now: Instant) -> Mood {
        if self.is_leaving {
            Mood::Leaving
        } else if now >= self.expires_at {
            Mood::Aged
        } else {
            Mood::Staying
        }
    }
}

#[cfg(test)]
mod tests;
