//! Connections come in, a seat for each of them comes out, and whoever has to leave for it is told.
//!
//! There are so many seats in all, and so many for one client. When they are taken, the connection
//! that has been idle longest makes room: whoever is owed an answer never has to. A query only
//! stores the time into its own seat; the lock is for who comes and goes.

mod table;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::{
    sync::{Notify, futures::Notified},
    time::Instant,
};

use crate::{
    metrics::{Metrics, Room},
    query::Account,
};

use table::Table;

/// What a seat says in place of a time while its client is owed an answer.
const BUSY: u64 = u64::MAX;

/// How long a new connection is in use without a message, in nanoseconds: its first one is on the
/// way, and newcomers must not send each other off before it can arrive.
const GRACE: u64 = 1_000_000_000;

/// How many leave at once where the process has no file descriptor left: one for the new
/// connection and some for what else needs one.
const A_FEW: usize = 8;

/// All seats, shared by the threads that take connections.
pub struct Seats {
    table: Mutex<Table>,
    started: Instant,
    metrics: Arc<Metrics>,
}

/// A seat that is taken until this is dropped.
pub struct Seat {
    seats: Arc<Seats>,
    number: u64,
    place: Arc<Place>,
}

/// What a connection tells of itself, and is told.
#[derive(Default)]
pub(super) struct Place {
    /// When it was last in use, in nanoseconds since the seats are there, or `BUSY`.
    used: AtomicU64,
    must_leave: AtomicBool,
    leave: Notify,
}

impl Place {
    /// Ready when the connection has been told to leave since.
    pub(super) fn told(&self) -> Notified<'_> {
        self.leave.notified()
    }

    fn leave(&self) {
        self.must_leave.store(true, Ordering::Release);
        self.leave.notify_one();
    }
}

impl Seats {
    /// Seats that nobody has taken.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { table: Mutex::default(), started: Instant::now(), metrics }
    }

    /// Takes one of so many seats; nothing where all are taken and nobody is idle. A client that is
    /// known already makes room among its own connections first.
    pub fn take(self: &Arc<Self>, limit: usize, client: Option<(&Account, usize)>) -> Option<Seat> {
        let mut table = self.lock();
        // The time under the lock is not before that of any seat in the table.
        let now = self.now();
        if !self.has_room_for(&mut table, client, now) {
            return None;
        }
        let is_full = table.taken() >= limit;
        if is_full && !table.free_idlest(now) {
            self.metrics.count_room(Room::Refused);
            return None;
        }
        let used = AtomicU64::new(now.saturating_add(GRACE));
        let place = Arc::new(Place { used, ..Place::default() });
        let number = table.seat(&place, now);
        if let Some((client, _)) = client {
            table.assign(number, client);
        }
        drop(table);
        if is_full {
            self.metrics.count_room(Room::ClosedForAll);
        }
        Some(Seat { seats: self.clone(), number, place })
    }

    /// Whether a client may have one more, where need be in place of its own longest idle.
    fn has_room_for(&self, table: &mut Table, client: Option<(&Account, usize)>, now: u64) -> bool {
        let Some((client, limit)) = client else { return true };
        if table.taken_by(client) < limit {
            return true;
        }
        let is_freed = table.free_idlest_of(client, now);
        self.metrics.count_room(if is_freed { Room::ClosedForClient } else { Room::Refused });
        is_freed
    }

    /// Has those who have been idle longest leave, a few at a time; whether anybody is idle.
    pub fn make_room(&self) -> bool {
        let freed = (0..A_FEW).take_while(|_| self.lock().free_idlest(self.now())).count();
        (0..freed).for_each(|_| self.metrics.count_room(Room::ClosedForAll));
        freed > 0
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(BUSY - 1)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Says whose seat it is, where that was not known; whether this client may have one more, of
    /// so many.
    pub fn is_granted_to(&self, client: &Account, limit: usize) -> bool {
        let mut table = self.seats.lock();
        let now = self.seats.now();
        if table.client_of(self.number) == Some(client) {
            return true;
        }
        let has_room = self.seats.has_room_for(&mut table, Some((client, limit)), now);
        if has_room {
            table.assign(self.number, client);
        }
        has_room
    }

    /// Notes that the client has just been here, and whether it is owed an answer.
    pub fn note_use(&self, is_owed_an_answer: bool) {
        let used = if is_owed_an_answer { BUSY } else { self.seats.now() };
        self.place.used.store(used, Ordering::Relaxed);
    }

    /// Whether somebody else needs the seat.
    pub fn is_needed(&self) -> bool {
        self.place.must_leave.load(Ordering::Acquire)
    }

    /// Returns when somebody else needs the seat, and from then on at once.
    pub async fn is_claimed(&self) {
        let told = self.place.told();
        if !self.is_needed() {
            told.await;
        }
    }

    /// What the seat is told, for whoever listens to it for long.
    pub(super) fn place(&self) -> Arc<Place> {
        self.place.clone()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().leave(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, time::Duration};

    use futures_util::FutureExt as _;
    use tokio::time::advance;

    use super::*;

    fn seats() -> Arc<Seats> {
        Arc::new(Seats::new(Arc::default()))
    }

    fn client(last: u8) -> Account {
        Account::Address(IpAddr::from([192, 0, 2, last]))
    }

    fn has_to_leave(seat: &Seat) -> bool {
        seat.is_claimed().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn r16_whoever_was_idle_longest_leaves_for_a_new_one() {
        let seats = seats();
        let taken: Vec<Seat> = (0..3).map_while(|_| seats.take(3, None)).collect();
        advance(Duration::from_secs(5)).await;
        taken[0].note_use(false);
        advance(Duration::from_secs(1)).await;
        taken[1].note_use(false);

        let next = seats.take(3, None);

        assert!(next.is_some());
        let leaving: Vec<bool> = taken.iter().map(has_to_leave).collect();
        assert_eq!(leaving, [false, false, true]);
        assert!(seats.take(3, None).is_some());
        assert!(has_to_leave(&taken[0]), "the next one");
    }

    #[tokio::test(start_paused = true)]
    async fn r16_whoever_is_owed_an_answer_never_leaves() {
        let seats = seats();
        let first = seats.take(2, None).unwrap();
        let second = seats.take(2, None).unwrap();
        first.note_use(true);
        second.note_use(true);

        assert!(seats.take(2, None).is_none());
        advance(Duration::from_secs(9)).await;
        second.note_use(false);
        assert!(seats.take(2, None).is_some());
        assert_eq!((has_to_leave(&first), has_to_leave(&second)), (false, true));
    }

    #[tokio::test(start_paused = true)]
    async fn r16_newcomers_do_not_send_each_other_off_before_their_first_message() {
        let seats = seats();
        let taken = [(); 2].map(|()| seats.take(2, None).unwrap());

        assert!(seats.take(2, None).is_none(), "both have only just come");
        advance(Duration::from_millis(20)).await;
        taken[1].note_use(false);
        let _next = seats.take(2, None).expect("one of them has had its answer");
        assert_eq!(taken.each_ref().map(has_to_leave), [false, true]);
        advance(Duration::from_secs(1)).await;
        assert!(seats.take(2, None).is_some());
        assert!(has_to_leave(&taken[0]), "who still says nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_while_a_seat_is_looked_for_makes_room() {
        let seats = seats();
        let going = seats.take(1, None).unwrap();
        let a_moment_later = seats.now() + 1000;
        going.place.used.store(a_moment_later, Ordering::Relaxed);

        assert!(seats.take(1, None).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_at_its_limit_sends_no_stranger_off() {
        let seats = seats();
        let stranger = seats.take(2, Some((&client(2), 1))).unwrap();
        let own = seats.take(2, Some((&client(1), 1))).unwrap();
        advance(Duration::from_secs(5)).await;

        assert!(seats.take(2, Some((&client(1), 1))).is_some());

        assert_eq!([&stranger, &own].map(has_to_leave), [false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_seat_that_is_left_is_free() {
        let seats = seats();
        for _ in 0..10 {
            let seat = seats.take(1, None).expect("a free seat");
            assert!(seat.is_granted_to(&client(1), 1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn r16_a_client_over_its_limit_loses_its_own_idlest() {
        let seats = seats();
        let other = seats.take(10, None).unwrap();
        assert!(other.is_granted_to(&client(2), 2));
        advance(Duration::from_secs(5)).await;
        let first = seats.take(10, None).unwrap();
        assert!(first.is_granted_to(&client(1), 2));
        let second = seats.take(10, None).unwrap();
        assert!(second.is_granted_to(&client(1), 2));
        advance(Duration::from_secs(5)).await;
        first.note_use(false);

        let third = seats.take(10, None).unwrap();
        assert!(third.is_granted_to(&client(1), 2));

        let leaving = [&other, &first, &second, &third].map(has_to_leave);
        assert_eq!(leaving, [false, false, true, false]);
        for seat in [&first, &third] {
            seat.note_use(true);
        }
        assert!(!seats.take(10, None).unwrap().is_granted_to(&client(1), 2), "nobody is idle");
    }

    #[tokio::test(start_paused = true)]
    async fn the_work_of_finding_room_is_bounded() {
        let seats = seats();
        let taken: Vec<Seat> = (0..3000).map_while(|_| seats.take(3000, None)).collect();
        for seat in &taken[..2500] {
            seat.note_use(true);
        }
        advance(Duration::from_secs(1)).await;

        let mut found = Vec::new();
        for _ in 0..4 {
            found.push(seats.take(3000, None).is_some());
            assert!(found.last() == Some(&true) || seats.take(3000, None).is_none(), "a pause");
            advance(Duration::from_millis(10)).await;
        }

        assert_eq!(found, [false, false, true, true], "a thousand looks each");
    }
}
