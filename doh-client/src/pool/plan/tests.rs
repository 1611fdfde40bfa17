//! Each case of [`Plan`] and the failure story behind it.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A minute after everything began, so that there is a past.
fn now() -> Instant {
    Instant::now() + 60 * SECOND
}

/// A connection that works and was heard just now.
fn busy(now: Instant, in_flight: usize) -> View {
    let owed_since = (in_flight > 0).then_some(now);
    let pulse = Pulse { is_open: true, heard_at: now, owed_since, in_flight, capacity: 100 };
    View { pulse, mood: Mood::Staying }
}

/// A connection that owes answers and says nothing.
fn silent(now: Instant) -> View {
    let mut view = busy(now, 1);
    view.pulse.heard_at = now - SECOND;
    view.pulse.owed_since = Some(now - SECOND);
    view
}

fn closed(now: Instant) -> View {
    let mut view = busy(now, 0);
    view.pulse.is_open = false;
    view
}

fn in_mood(mood: Mood, view: View) -> View {
    View { mood, ..view }
}

fn plan(now: Instant, views: &[View], opening: Opening) -> (Option<usize>, bool) {
    let plan = Plan::new(now, views.iter().copied(), opening);
    (plan.send, plan.opens)
}

/// Failure story 4: as many handshakes as there are queries when nothing is open yet.
#[test]
fn t21_cold_queries_open_one_connection_and_wait_for_it() {
    let now = now();

    assert_eq!(plan(now, &[], Opening::Possible), (None, true));
    assert_eq!(plan(now, &[], Opening::UnderWay), (None, false));
    assert_eq!(plan(now, &[closed(now)], Opening::Possible), (None, true));
}

/// Failure story 5: one connection stalls when the server's streams are used up.
#[test]
fn a_second_connection_is_opened_before_the_first_is_full() {
    let now = now();
    for (in_flight, expected) in [
        (0, (Some(0), false)),
        (69, (Some(0), false)),
        (70, (Some(0), true)),
        (99, (Some(0), true)),
        (100, (None, true)),
        (1000, (None, true)),
    ] {
        let found = plan(now, &[busy(now, in_flight)], Opening::Possible);
        assert_eq!(found, expected, "{in_flight}");
    }
}

#[test]
fn there_are_never_more_than_two() {
    let now = now();

    let full = [busy(now, 200), busy(now, 100)];
    assert_eq!(plan(now, &full, Opening::Possible), (Some(1), false));
    let doubtful = [silent(now), silent(now)];
    assert_eq!(plan(now, &doubtful, Opening::Possible), (Some(0), false));
}

#[test]
fn the_less_busy_one_takes_the_query() {
    let now = now();

    assert_eq!(plan(now, &[busy(now, 5), busy(now, 3)], Opening::Possible), (Some(1), false));
}

/// Failure story 1: queries go on to be sent over a connection that says nothing any more.
#[test]
fn t33_a_silent_connection_gets_no_query_while_there_is_or_may_be_another() {
    let now = now();

    let pair = [silent(now), busy(now, 60)];
    assert_eq!(plan(now, &pair, Opening::Possible), (Some(1), false));
    assert_eq!(plan(now, &[silent(now)], Opening::Possible), (None, true));
    assert_eq!(plan(now, &[silent(now)], Opening::UnderWay), (None, false));
    assert_eq!(plan(now, &[silent(now)], Opening::Impossible), (Some(0), false));
}

/// Failure story 1 again: after a pause a connection may be dead, and the first query shows it.
#[test]
fn a_connection_that_was_idle_and_does_not_answer_is_in_doubt_before_the_earliest_hedge() {
    let now = now();
    let mut idle = busy(now, 1);
    idle.pulse.heard_at = now - 11 * SECOND;
    let after = |millis| now + Duration::from_millis(millis);

    assert_eq!(plan(after(20), &[idle], Opening::Possible), (Some(0), false));
    assert_eq!(plan(after(29), &[idle], Opening::Possible), (None, true));

    idle.pulse.heard_at = now - 9 * SECOND;
    assert_eq!(plan(after(249), &[idle], Opening::Possible), (Some(0), false));
    assert_eq!(plan(after(251), &[idle], Opening::Possible), (None, true));
}

#[test]
fn one_slow_answer_among_others_casts_no_doubt() {
    let now = now();
    let mut view = busy(now, 3);
    view.pulse.owed_since = Some(now - 30 * SECOND);

    assert_eq!(plan(now, &[view], Opening::Possible), (Some(0), false));
}

#[test]
fn t35_a_connection_of_another_network_is_used_only_when_there_is_no_other_way() {
    let now = now();
    let left = in_mood(Mood::Leaving, busy(now, 0));

    assert_eq!(plan(now, &[left, left], Opening::Possible), (None, true));
    assert_eq!(plan(now, &[left, busy(now, 9)], Opening::Possible), (Some(1), false));
    assert_eq!(plan(now, &[left], Opening::Impossible), (Some(0), false));
}

#[test]
fn an_old_connection_is_used_until_its_successor_is_open() {
    let now = now();
    let old = in_mood(Mood::Aged, busy(now, 0));

    assert_eq!(plan(now, &[old], Opening::Possible), (Some(0), true));
    assert_eq!(plan(now, &[old], Opening::UnderWay), (Some(0), false));
    assert_eq!(plan(now, &[old, busy(now, 9)], Opening::Possible), (Some(1), false));
}

#[test]
fn t16_a_server_that_takes_no_streams_gets_its_queries_in_line() {
    let now = now();
    let mut none = busy(now, 0);
    none.pulse.capacity = 0;

    assert_eq!(plan(now, &[none], Opening::Possible), (None, true));
    assert_eq!(plan(now, &[none], Opening::Impossible), (Some(0), false));
    assert_eq!(plan(now, &[none, none], Opening::Possible), (Some(0), false));
}

#[test]
fn nothing_open_and_nothing_to_open_is_a_failure() {
    assert_eq!(plan(now(), &[], Opening::Impossible), (None, false));
}

#[test]
fn a_connection_is_at_risk_when_nothing_was_heard_for_long() {
    let now = now();
    let mut quiet = busy(now, 0).pulse;
    assert!(!is_at_risk(&quiet, now));

    quiet.heard_at = now - 11 * SECOND;

    assert!(is_at_risk(&quiet, now));
    assert!(is_at_risk(&silent(now).pulse, now));
}
