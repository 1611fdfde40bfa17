//! A group's schedule and the time go in, whether the group counts comes out, and when that changes.
//!
//! A schedule is told by the clock on the wall. A span lasts from when that clock first shows its
//! begin to when it last shows its end: where the clock is set back both hours belong to it, and
//! where it is set forward past an edge, the edge is then.

use jiff::{
    Timestamp, ToSpan as _,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};

use crate::config::Group;

/// Days before today on which a span may have begun that still lasts; one, and one more for zones
/// that have once skipped a day.
const DAYS_BEHIND: i64 = 2;

/// Days ahead on which a span may have begun already: the next, where the clock was set back past
/// midnight.
const DAYS_BEGUN: i64 = 1;

/// Days ahead in which every schedule has come round.
const DAYS_ROUND: i64 = 8;

/// Whether a group counts: always, where it has no schedule.
pub(super) fn is_on(group: &Group, now: Timestamp) -> bool {
    group.schedule.is_empty()
        || spans(group, now, DAYS_BEGUN).any(|(begin, end)| begin <= now && now < end)
}

/// When that changes next, where it ever does.
pub(super) fn next_edge(group: &Group, now: Timestamp) -> Option<Timestamp> {
    let is_on_now = is_on(group, now);
    let edges = spans(group, now, DAYS_ROUND).flat_map(|(begin, end)| [begin, end]);
    // Where one span ends as another begins nothing changes.
    edges.filter(|edge| *edge > now && is_on(group, *edge) != is_on_now).min()
}

/// When each span that begins between a few days ago and so many days ahead begins and ends.
fn spans(
    group: &Group,
    now: Timestamp,
    days_ahead: i64,
) -> impl Iterator<Item = (Timestamp, Timestamp)> {
    let zone = &group.time_zone;
    let today = zone.to_datetime(now).date();
    let days = -DAYS_BEHIND..=days_ahead;
    let dates = days.filter_map(move |day| today.checked_add(day.days()).ok());
    dates.flat_map(move |date| {
        group.schedule.iter().filter_map(move |span| {
            let (begin, end) = span.on(date)?;
            Some((first_shown(zone, begin)?, last_shown(zone, end)?))
        })
    })
}

/// When the clock first shows a time, or jumps past it.
fn first_shown(zone: &TimeZone, wall: DateTime) -> Option<Timestamp> {
    let moment = zone.to_ambiguous_timestamp(wall);
    let earlier = moment.earlier().ok()?;
    match moment.offset() {
        AmbiguousOffset::Gap { .. } => Some(zone.following(earlier).next()?.timestamp()),
        _ => Some(earlier),
    }
}

/// When the clock last shows a time, or jumps past it.
fn last_shown(zone: &TimeZone, wall: DateTime) -> Option<Timestamp> {
    let moment = zone.to_ambiguous_timestamp(wall);
    match moment.offset() {
        AmbiguousOffset::Gap { .. } => first_shown(zone, wall),
        _ => moment.later().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment};

    fn group(zone: &str, spans: &[&str]) -> Group {
        let toml = format!("[[groups]]\nname = 'g'\ntime_zone = '{zone}'\nschedule = {spans:?}");
        Config::parse(&toml, &Environment::default()).unwrap().groups.remove(0)
    }

    /// The edges from a time on, so many of them.
    fn edges(group: &Group, from: &str, count: usize) -> Vec<String> {
        let next = |now: &Timestamp| next_edge(group, *now);
        let edges = std::iter::successors(next_edge(group, from.parse().unwrap()), next);
        edges.take(count).map(|edge| edge.to_string()).collect()
    }

    #[test]
    fn a_group_counts_while_a_span_lasts() {
        // 2026-11-20 is a Friday; Zurich is an hour ahead of UTC then.
        let school = group("Europe/Zurich", &["Mon-Fri 08:00-16:00", "daily 22:00-06:00"]);
        for (now, expected) in [
            ("2026-11-20T06:59:59Z", false),
            ("2026-11-20T07:00:00Z", true),
            ("2026-11-20T14:59:59Z", true),
            ("2026-11-20T15:00:00Z", false),
            ("2026-11-20T21:00:00Z", true),
            ("2026-11-21T04:59:59Z", true),
            ("2026-11-21T05:00:00Z", false),
            ("2026-11-21T10:00:00Z", false),
        ] {
            assert_eq!(is_on(&school, now.parse().unwrap()), expected, "{now}");
        }
        assert_eq!(
            edges(&school, "2026-11-20T12:00:00Z", 4),
            [
                "2026-11-20T15:00:00Z",
                "2026-11-20T21:00:00Z",
                "2026-11-21T05:00:00Z",
                "2026-11-21T21:00:00Z"
            ]
        );
    }

    #[test]
    fn hours_past_midnight_belong_to_the_day_they_begin_on() {
        let friday = group("UTC", &["Fri 22:00-06:00"]);

        assert_eq!(
            edges(&friday, "2026-11-16T00:00:00Z", 3),
            ["2026-11-20T22:00:00Z", "2026-11-21T06:00:00Z", "2026-11-27T22:00:00Z"]
        );
    }

    #[test]
    fn what_lasts_for_ever_has_no_edges() {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        for spans in [&["daily 00:00-24:00"][..], &[], &["Mon-Sat 00:00-24:00", "Sun 00:00-24:00"]]
        {
            let always = group("Europe/Zurich", spans);
            assert_eq!((is_on(&always, now), next_edge(&always, now)), (true, None), "{spans:?}");
        }
    }

    #[test]
    fn where_the_clock_is_set_forward_edges_in_the_gap_are_when_it_jumps() {
        // 2026-03-29 in Zurich, 01:00 UTC: from 02:00 to 03:00.
        for (span, begin, end) in [
            ("Sun 02:30-05:00", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z"),
            ("Sun 01:00-02:30", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"),
            ("Sun 01:30-03:30", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"),
            ("Sat 22:00-06:00", "2026-03-28T21:00:00Z", "2026-03-29T04:00:00Z"),
            // It does not happen on the day of the gap.
            ("Sun 02:10-02:50", "2026-04-05T00:10:00Z", "2026-04-05T00:50:00Z"),
        ] {
            let group = group("Europe/Zurich", &[span]);
            assert_eq!(edges(&group, "2026-03-28T12:00:00Z", 2), [begin, end], "{span}");
        }
    }

    #[test]
    fn where_the_clock_is_set_back_both_hours_belong_to_a_span() {
        // 2026-10-25 in Zurich, 01:00 UTC: from 03:00 back to 02:00.
        for (span, begin, end) in [
            ("Sun 02:30-05:00", "2026-10-25T00:30:00Z", "2026-10-25T04:00:00Z"),
            ("Sun 01:00-02:30", "2026-10-24T23:00:00Z", "2026-10-25T01:30:00Z"),
            ("Sun 02:10-02:50", "2026-10-25T00:10:00Z", "2026-10-25T01:50:00Z"),
            ("Sat 22:00-06:00", "2026-10-24T20:00:00Z", "2026-10-25T05:00:00Z"),
        ] {
            let group = group("Europe/Zurich", &[span]);
            assert_eq!(edges(&group, "2026-10-24T12:00:00Z", 2), [begin, end], "{span}");
        }
    }

    #[test]
    fn a_day_that_a_zone_skips_hurts_nothing() {
        // Samoa went from 2011-12-29 to 2011-12-31.
        let skipped = group("Pacific/Apia", &["Fri 08:00-16:00", "Sat 08:00-16:00"]);

        assert_eq!(
            edges(&skipped, "2011-12-29T12:00:00Z", 2),
            ["2011-12-30T18:00:00Z", "2011-12-31T02:00:00Z"]
        );
    }

    #[test]
    fn whether_it_counts_is_what_the_wall_shows_and_changes_at_edges_alone() {
        for (zone, month) in [
            ("Europe/Zurich", "2026-03"),
            ("Europe/Zurich", "2026-10"),
            ("America/St_Johns", "2026-11"),
            ("Australia/Lord_Howe", "2026-04"),
            ("Australia/Lord_Howe", "2026-10"),
        ] {
            check_a_month(&group(zone, &["daily 22:00-06:00"]), month, |m| {
                !(360..1320).contains(&m)
            });
            check_a_month(&group(zone, &["daily 01:45-02:15"]), month, |m| (105..135).contains(&m));
        }
    }

    /// Looks every quarter of an hour; `is_shown` tells by the minute of the day on the wall.
    fn check_a_month(group: &Group, month: &str, is_shown: impl Fn(i32) -> bool) {
        let zone = &group.time_zone;
        let mut now: Timestamp = format!("{month}-01T00:00:00Z").parse().unwrap();
        let (mut edge, mut was_on) = (next_edge(group, now), is_on(group, now));
        for _ in 0..30 * 24 * 4 {
            now += jiff::SignedDuration::from_mins(15);
            let is_on = is_on(group, now);
            let is_edge = edge.is_some_and(|edge| edge <= now);
            assert_eq!(is_on != was_on, is_edge, "{now}: {edge:?}");
            if is_edge {
                edge = next_edge(group, now);
            }
            let wall = zone.to_datetime(now);
            let is_shown = is_shown(i32::from(wall.hour()) * 60 + i32::from(wall.minute()));
            // A span goes on while the clock shows an hour again.
            let is_shown_twice = zone.to_ambiguous_timestamp(wall).is_ambiguous();
            assert!(is_on == is_shown || is_on && is_shown_twice, "{now}");
            was_on = is_on;
        }
    }
}
