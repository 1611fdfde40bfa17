//! Runs without a network: what leaves is answered, or not, by the test itself.

use super::*;
use crate::{
    load::plan::Target,
    mix::{Mix, generated_names},
    packet::Edns,
};

fn plan(pace: Pace, queries: u64, lanes: u32) -> Plan {
    Plan {
        target: Target::Udp(([127, 0, 0, 1], 53).into()),
        pace,
        span: Span::Queries(queries),
        mix: Mix::in_turn(&generated_names(3), 1, Edns::Plain).unwrap(),
        lanes: NonZeroU32::new(lanes).unwrap(),
    }
}

fn outstanding(most: u32) -> Pace {
    Pace::Outstanding(NonZeroU32::new(most).unwrap())
}

fn answer(departure: &Departure<'_>) -> Vec<u8> {
    let mut wire = Vec::new();
    departure.question.write(departure.id, &mut wire);
    wire[2] |= 0x80;
    wire
}

/// Counts how often it is told of either end.
#[derive(Default)]
struct Ends(u32, u32);

impl Watch for Ends {
    fn begin(&mut self) {
        self.0 += 1;
    }
    fn end(&mut self) {
        self.1 += 1;
    }
}

#[test]
fn as_many_as_allowed_are_in_flight_in_equal_shares() {
    let plan = plan(outstanding(4), 100, 2);
    let mut ends = ();
    let mut course = Course::new(&plan, Seats::Shared, &mut ends);
    let now = course.tick();

    let first: Vec<_> = std::iter::from_fn(|| course.depart(now)).collect();
    course.arrive(first[1].lane, &answer(&first[1]));
    let next = course.depart(now).unwrap();

    assert_eq!(first.iter().map(|departure| departure.lane).collect::<Vec<_>>(), [0, 1, 0, 1]);
    assert_eq!(next.lane, first[1].lane, "where there is room");
    assert!(course.depart(now).is_none());
}

#[test]
fn a_run_ends_when_all_have_an_answer() {
    let plan = plan(outstanding(10), 7, 1);
    let mut ends = Ends::default();
    let mut course = Course::new(&plan, Seats::Shared, &mut ends);
    while !course.is_over() {
        let now = course.tick();
        while let Some(departure) = course.depart(now) {
            course.arrive(departure.lane, &answer(&departure));
        }
    }
    let tally = course.finish();

    assert_eq!((tally.sent, tally.answered, tally.lost, tally.wrong), (7, 7, 0, 0));
    assert_eq!((ends.0, ends.1), (1, 1));
}

#[test]
fn what_was_due_long_ago_has_waited_since_then() {
    let plan = plan(Pace::Rate(NonZeroU32::new(1000).unwrap()), 3, 1);
    let mut ends = ();
    let mut course = Course::new(&plan, Seats::Shared, &mut ends);
    course.tick();
    // The third is due two milliseconds after the start, as the clock of this test has it.
    let late = 2_000_000;

    let departures: Vec<_> = std::iter::from_fn(|| course.depart(late)).collect();
    let dues: Vec<_> = departures
        .iter()
        .map(|departure| course.flights.arrive(departure.id, 0).unwrap().due)
        .collect();

    assert_eq!(dues, [0, 1_000_000, 2_000_000]);
}

#[test]
fn a_query_is_not_sent_before_it_is_due() {
    let plan = plan(Pace::Rate(NonZeroU32::new(1).unwrap()), 10, 1);
    let mut ends = ();
    let mut course = Course::new(&plan, Seats::Shared, &mut ends);
    course.tick();

    assert!(course.depart(0).is_some());
    assert!(course.depart(999_999_999).is_none());
    assert!(course.depart(1_000_000_000).is_some());
}

#[test]
fn wrong_lost_and_stray_answers_are_counted_apart() {
    let plan = plan(outstanding(3), 3, 3);
    let mut ends = ();
    let mut course = Course::new(&plan, Seats::Single, &mut ends);
    let now = course.tick();
    let all: Vec<_> = std::iter::from_fn(|| course.depart(now)).collect();
    let mut failed = answer(&all[0]);
    failed[3] = 2;

    course.arrive(0, &failed);
    course.arrive(0, &failed);
    course.give_up(1, all[1].id);
    course.ground(2);
    course.tick();

    assert!(course.is_over());
    let tally = course.finish();
    assert_eq!((tally.answered, tally.wrong, tally.lost, tally.stray), (0, 1, 2, 1));
}
