//! Every path through the states of a breaker.

use super::*;
use crate::choice::Dice;

const SECOND: Duration = Duration::from_secs(1);

fn fail(breaker: &mut Breaker, now: Instant) -> Option<Change> {
    breaker.note_failure(now, now, Weight::One, 0.0)
}

fn pause(breaker: &Breaker, now: Instant) -> u128 {
    (breaker.half_opens_at().expect("it is open") - now).as_millis()
}

#[test]
fn t52_five_failures_in_a_row_open_it_and_an_answer_in_between_does_not() {
    let (mut breaker, now) = (Breaker::new(), Instant::now());
    for _ in 0..4 {
        (0..4).for_each(|_| assert_eq!(fail(&mut breaker, now), None));
        // Enough answers that the share stays below one half.
        (0..10).for_each(|_| assert_eq!(breaker.note_answer(now, now), None));
    }
    (0..4).for_each(|_| assert_eq!(fail(&mut breaker, now), None));

    assert_eq!(fail(&mut breaker, now), Some(Change::Open));
    assert_eq!(pause(&breaker, now), 1000);
}

#[test]
fn t52_half_of_twenty_within_ten_seconds_open_it() {
    let (mut breaker, mut now) = (Breaker::new(), Instant::now());
    for _ in 0..9 {
        assert_eq!(fail(&mut breaker, now), None);
        assert_eq!(breaker.note_answer(now, now), None);
        now += SECOND / 4;
    }
    breaker.note_answer(now, now);
    assert_eq!(fail(&mut breaker, now), Some(Change::Open));

    let mut slow = Breaker::new();
    for _ in 0..100 {
        assert_eq!(fail(&mut slow, now), None);
        assert_eq!(slow.note_answer(now, now), None);
        now += SECOND * 2;
    }
}

#[test]
fn t52_it_stays_open_twice_as_long_each_time_up_to_a_minute() {
    let (mut breaker, mut now) = (Breaker::new(), Instant::now());
    for _ in 0..5 {
        fail(&mut breaker, now);
    }
    let mut pauses = Vec::new();
    for _ in 0..40 {
        pauses.push(pause(&breaker, now));
        now = breaker.half_opens_at().unwrap();
        assert!(breaker.is_due(now));
        assert_eq!(breaker.note_sent(now), Some(Change::HalfOpen));
        assert_eq!(breaker.note_sent(now), None);
        assert_eq!(fail(&mut breaker, now), Some(Change::Open));
    }

    assert_eq!(pauses[..7], [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000]);
    assert!(pauses[7..].iter().all(|pause| *pause == 60_000));
}

#[test]
fn t52_dice_take_a_fifth_off_at_most() {
    let now = Instant::now();
    for (jitter, expected) in [(0.0, 1000), (0.5, 900), (1.0, 800)] {
        let mut breaker = Breaker::new();
        for _ in 0..5 {
            breaker.note_failure(now, now, Weight::One, jitter);
        }
        assert_eq!(pause(&breaker, now), expected);
    }
}

#[test]
fn t52_an_answer_closes_it_and_what_was_asked_before_changes_nothing() {
    let (mut breaker, asked_at) = (Breaker::new(), Instant::now());
    let opened = asked_at + SECOND;
    for _ in 0..5 {
        breaker.note_failure(opened, asked_at, Weight::One, 0.0);
    }

    assert_eq!(breaker.note_answer(opened, asked_at), None);
    assert_eq!(breaker.state(), Change::Open);
    let closed = opened + SECOND * 2;
    assert_eq!(breaker.note_answer(closed, opened), Some(Change::Closed));
    for _ in 0..100 {
        assert_eq!(breaker.note_failure(closed, opened, Weight::One, 0.0), None);
    }
    assert_eq!(breaker.state(), Change::Closed);
}

#[test]
fn t52_who_has_to_be_changed_first_is_left_alone_for_a_minute_at_once() {
    let now = Instant::now();
    for status in [401, 403, 404, 421] {
        let (mut breaker, weight) = (Breaker::new(), Weight::of(&Failure::Status(status)));
        assert_eq!(breaker.note_failure(now, now, weight, 1.0), Some(Change::Open), "{status}");
        assert_eq!(pause(&breaker, now), 60_000);
    }
    assert_eq!(Weight::of(&Failure::UnknownIssuer), Weight::All);
    assert_eq!(Weight::of(&Failure::NoHttp2), Weight::All);
    assert_eq!(Weight::of(&Failure::Status(500)), Weight::One);
}

#[test]
fn t52_an_overload_of_ours_or_theirs_never_opens_it() {
    let (mut breaker, now) = (Breaker::new(), Instant::now());
    for failure in [Failure::Overloaded, Failure::Throttled { status: 503, after: None }] {
        for _ in 0..100 {
            assert_eq!(breaker.note_failure(now, now, Weight::of(&failure), 0.0), None);
        }
    }
}

/// Whatever happens in whatever order, the states follow each other as they should.
#[test]
fn t52_no_sequence_of_outcomes_breaks_the_rules() {
    let mut changes = 0;
    for seed in 0..300 {
        let (dice, mut now) = (Dice::new(seed), Instant::now());
        let (mut breaker, mut asked) = (Breaker::new(), Vec::new());
        for _ in 0..300 {
            now += Duration::from_millis(dice.roll() % 700);
            if asked.is_empty() || dice.roll().is_multiple_of(2) {
                send(&mut breaker, now);
                asked.push(now);
            } else {
                let nth = usize::try_from(dice.roll()).unwrap() % asked.len();
                let change = end(&mut breaker, now, asked.swap_remove(nth), &dice);
                changes += usize::from(change.is_some());
            }
        }
    }
    assert!(changes > 1000, "{changes}");
}

fn send(breaker: &mut Breaker, now: Instant) {
    let is_due = breaker.is_due(now);
    assert!(!is_due || breaker.state() == Change::Open);
    assert_eq!(breaker.note_sent(now), is_due.then_some(Change::HalfOpen));
}

/// Ends a query well or badly and compares the change with what the states allow.
fn end(breaker: &mut Breaker, now: Instant, asked_at: Instant, dice: &Dice) -> Option<Change> {
    let (before, was_in_row) = (breaker.state(), breaker.in_row);
    let is_current = breaker.since.is_none_or(|since| since <= asked_at);
    let is_answer = dice.roll().is_multiple_of(3);
    let change = if is_answer {
        breaker.note_answer(now, asked_at)
    } else {
        breaker.note_failure(now, asked_at, Weight::One, dice.fraction())
    };
    match (before, is_answer) {
        _ if !is_current => assert_eq!(change, None),
        (Change::Closed, true) | (Change::Open, false) => assert_eq!(change, None),
        (Change::Open | Change::HalfOpen, true) => assert_eq!(change, Some(Change::Closed)),
        (Change::HalfOpen, false) => assert_eq!(change, Some(Change::Open)),
        (Change::Closed, false) => assert!(change.is_some() || was_in_row < MOST_IN_ROW - 1),
    }
    if change == Some(Change::Open) {
        assert!((800..=60_000).contains(&pause(breaker, now)));
    }
    assert!(breaker.in_row < MOST_IN_ROW);
    change
}
