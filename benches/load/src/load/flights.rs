//! Queries in flight go in under an id, and come out with their answer or when nobody waits any
//! more. Ids are 16 bits for the whole run, and the longest-unused is taken next.

use std::{collections::VecDeque, time::Duration};

/// An answer that takes longer is lost: whoever asked has lost patience, or soon will.
pub(crate) const LOST_AFTER: Duration = Duration::from_secs(2);

/// Ids there are.
const IDS: usize = 1 << 16;

/// Slots looked at in one sweep: few enough not to be felt by the queries that wait meanwhile.
const STRIPE: usize = 256;

/// One query on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flight {
    /// Which question it asks.
    pub(crate) question: u32,
    /// The socket or connection it took.
    pub(crate) lane: usize,
    /// When it was due, in nanoseconds of the run.
    pub(crate) due: u64,
    /// When it was sent.
    pub(crate) sent: u64,
    /// Whether it belongs to the measured part.
    pub(crate) is_measured: bool,
}

/// All queries on their way.
#[derive(Debug)]
pub(crate) struct Flights {
    slots: Vec<Option<Flight>>,
    free: VecDeque<u16>,
    swept: usize,
}

impl Flights {
    pub(crate) fn new() -> Self {
        Self { slots: vec![None; IDS], free: (0..=u16::MAX).collect(), swept: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives a query its id; none when all are taken.
    pub(crate) fn depart(&mut self, flight: Flight) -> Option<u16> {
        let id = self.free.pop_front()?;
        *self.slots.get_mut(usize::from(id))? = Some(flight);
        Some(id)
    }

    /// Takes out the query with this id, if it left by this lane.
    pub(crate) fn arrive(&mut self, id: u16, lane: usize) -> Option<Flight> {
        let slot = self.slots.get_mut(usize::from(id))?;
        let flight = slot.take_if(|flight| flight.lane == lane)?;
        self.free.push_back(id);
        Some(flight)
    }

    /// Takes out those among some slots that were sent too long ago. Called every millisecond, it
    /// has seen every slot within a quarter of a second.
    pub(crate) fn sweep(&mut self, now: u64, mut lost: impl FnMut(Flight)) {
        let start = self.swept;
        self.swept = (start + STRIPE) % IDS;
        let patience = u64::try_from(LOST_AFTER.as_nanos()).unwrap_or(u64::MAX);
        self.take_out(start..start + STRIPE, |f| f.sent.saturating_add(patience) <= now, &mut lost);
    }

    /// Takes out all that left by a lane, because it is closed.
    pub(crate) fn ground(&mut self, lane: usize, mut lost: impl FnMut(Flight)) {
        self.take_out(0..IDS, |flight| flight.lane == lane, &mut lost);
    }

    fn take_out(
        &mut self,
        places: std::ops::Range<usize>,
        is_lost: impl Fn(&Flight) -> bool,
        lost: &mut impl FnMut(Flight),
    ) {
        let first = places.start;
        for (offset, slot) in self.slots.get_mut(places).unwrap_or_default().iter_mut().enumerate()
        {
            let Some(flight) = slot.take_if(|flight| is_lost(flight)) else { continue };
            self.free.extend(u16::try_from(first + offset));
            lost(flight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flight(lane: usize, sent: u64) -> Flight {
        Flight { question: 0, lane, due: sent, sent, is_measured: true }
    }

    #[test]
    fn an_answer_finds_its_query_once_and_by_its_own_lane_only() {
        let mut flights = Flights::new();
        let id = flights.depart(flight(3, 0)).unwrap();

        assert_eq!(flights.arrive(id, 4), None);
        assert_eq!(flights.arrive(id, 3), Some(flight(3, 0)));
        assert_eq!(flights.arrive(id, 3), None);
        assert!(flights.is_empty());
    }

    #[test]
    fn an_id_that_has_landed_rests_until_all_others_were_used() {
        let mut flights = Flights::new();
        let first = flights.depart(flight(0, 0)).unwrap();
        flights.arrive(first, 0).unwrap();

        let next: Vec<u16> = (0..IDS).filter_map(|_| flights.depart(flight(0, 0))).collect();

        assert_eq!(next.len(), IDS);
        assert_eq!(next.last(), Some(&first));
        assert_eq!(flights.depart(flight(0, 0)), None, "all ids are taken");
    }

    #[test]
    fn sweeping_finds_those_sent_too_long_ago() {
        let mut flights = Flights::new();
        flights.depart(flight(0, 0)).unwrap();
        flights.depart(flight(0, 5)).unwrap();
        let mut lost = Vec::new();

        let patience = u64::try_from(LOST_AFTER.as_nanos()).unwrap();
        (0..IDS / STRIPE).for_each(|_| flights.sweep(patience + 4, |flight| lost.push(flight)));

        assert_eq!(lost, [flight(0, 0)]);
        assert_eq!(flights.len(), 1);
    }

    #[test]
    fn a_closed_lane_loses_its_own_only() {
        let mut flights = Flights::new();
        flights.depart(flight(1, 0)).unwrap();
        flights.depart(flight(2, 0)).unwrap();
        let mut lost = Vec::new();

        flights.ground(2, |flight| lost.push(flight));

        assert_eq!(lost, [flight(2, 0)]);
        assert_eq!(flights.len(), 1);
    }
}
