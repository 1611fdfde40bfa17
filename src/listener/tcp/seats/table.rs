//! Who sits where, in the order of last use.
//!
//! Seats are filed under the time at which they were last known to be in use, which is never later
//! than the truth. So when the first seat in order is still as it was filed, no other has been idle
//! longer; when it is not, it is filed anew, and the next one is looked at.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, atomic::Ordering},
};

use foldhash::quality::RandomState;

use super::Place;
use crate::query::Account;

/// Most seats that are looked at for one that can make room, which is well below a millisecond.
/// Those in use are filed behind all others, so who comes next looks on where this one stopped.
const LOOKS: usize = 1024;

/// Nanoseconds that nobody is looked for after nobody was found: a flood of connections must not
/// keep the table to itself.
const PAUSE: u64 = 10_000_000;

/// Nanoseconds within which two things happen at once: a client that goes away on one thread while
/// another looks for a seat was in use until now, and not later.
const AT_ONCE: u64 = 100_000_000;

/// Seats by the time they are filed under and their number.
type Order = BTreeSet<(u64, u64)>;

/// All seats that are taken.
#[derive(Default)]
pub(super) struct Table {
    seats: HashMap<u64, Filed, RandomState>,
    all: Order,
    of_clients: HashMap<Account, Order, RandomState>,
    next_number: u64,
    /// Until when nobody is looked for, because nobody was found a moment ago.
    fruitless_until: u64,
}

struct Filed {
    time: u64,
    client: Option<Account>,
    place: Arc<Place>,
}

impl Table {
    pub(super) fn taken(&self) -> usize {
        self.seats.len()
    }

    pub(super) fn taken_by(&self, client: &Account) -> usize {
        self.of_clients.get(client).map_or(0, Order::len)
    }

    pub(super) fn client_of(&self, number: u64) -> Option<&Account> {
        self.seats.get(&number)?.client.as_ref()
    }

    /// Gives somebody a seat from now on; its number.
    pub(super) fn seat(&mut self, place: &Arc<Place>, now: u64) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.all.insert((now, number));
        self.seats.insert(number, Filed { time: now, client: None, place: place.clone() });
        number
    }

    /// Files a seat under its client too.
    pub(super) fn assign(&mut self, number: u64, client: &Account) {
        if let Some(filed) = self.seats.get_mut(&number) {
            filed.client = Some(client.clone());
            self.of_clients.entry(client.clone()).or_default().insert((filed.time, number));
        }
    }

    /// Takes a seat off the table; whoever has left already is not there.
    pub(super) fn leave(&mut self, number: u64) {
        let Some(filed) = self.seats.remove(&number) else { return };
        self.all.remove(&(filed.time, number));
        if let Some(client) = filed.client
            && let Some(order) = self.of_clients.get_mut(&client)
        {
            order.remove(&(filed.time, number));
            if order.is_empty() {
                self.of_clients.remove(&client);
            }
        }
    }

    /// Has the longest idle of all leave; whether there is one.
    pub(super) fn free_idlest(&mut self, now: u64) -> bool {
        if now < self.fruitless_until {
            return false;
        }
        let is_freed = self.free_first(now, |table| table.all.first().copied());
        if !is_freed {
            self.fruitless_until = now + PAUSE;
        }
        is_freed
    }

    /// Has the longest idle of a client leave; whether there is one.
    pub(super) fn free_idlest_of(&mut self, client: &Account, now: u64) -> bool {
        self.free_first(now, |table| table.of_clients.get(client)?.first().copied())
    }

    fn free_first(&mut self, now: u64, first: impl Fn(&Self) -> Option<(u64, u64)>) -> bool {
        for _ in 0..LOOKS {
            let Some((time, number)) = first(self) else { return false };
            if time > now {
                // All the others have been looked at: they are busy, or have only just come.
                return false;
            }
            let Some(filed) = self.seats.get(&number) else { return false };
            let used = filed.place.used.load(Ordering::Relaxed);
            let is_in_use = used > now.saturating_add(AT_ONCE);
            let used = if is_in_use { now + 1 } else { used.min(now) };
            if used <= time {
                filed.place.leave();
                self.leave(number);
                return true;
            }
            // Whoever is busy will have been in use after now.
            self.file_under(number, used);
        }
        false
    }

    fn file_under(&mut self, number: u64, time: u64) {
        let Some(filed) = self.seats.get_mut(&number) else { return };
        let (old, new) = ((filed.time, number), (time, number));
        filed.time = time;
        self.all.remove(&old);
        self.all.insert(new);
        if let Some(order) = filed.client.as_ref().and_then(|who| self.of_clients.get_mut(who)) {
            order.remove(&old);
            order.insert(new);
        }
    }
}
