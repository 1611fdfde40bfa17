//! A text such as `Mon-Fri 08:00-16:00` goes in, a span of the week comes out.
//!
//! What such a span means on one day in one time zone is worked out in `policy/schedule.rs`.

use std::str::FromStr;

use jiff::{
    SignedDuration,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};
use toml::Value;

use super::{section::Section, setting::Setting};

/// Spans of one group: more than a different one for each hour of the week nobody can oversee.
const MAX_SPANS: usize = 168;

/// What a span may look like.
const ALLOWED: &str = "days and times, such as \"Mon-Fri 08:00-16:00\", \"Sat,Sun 00:00-24:00\" \
                       or \"daily 22:00-06:00\"";

/// Weekdays in the order of their bits.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The set of all days.
const DAILY: u8 = 0b111_1111;

const MINUTES_OF_A_DAY: u16 = 24 * 60;

/// Some hours on some days of the week; those past midnight belong to the day they begin on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The days it begins on, Monday in the lowest bit.
    days: u8,
    /// Minutes from midnight.
    begin: u16,
    /// Minutes from the same midnight; above a day where it goes on into the next.
    end: u16,
}

impl Span {
    /// When the clock on the wall shows its begin and its end, where it begins on this day.
    pub fn on(&self, date: Date) -> Option<(DateTime, DateTime)> {
        let day = 1 << date.weekday().to_monday_zero_offset();
        if self.days & day == 0 {
            return None;
        }
        let midnight = date.to_datetime(Time::midnight());
        let after = |minutes: u16| midnight.checked_add(SignedDuration::from_mins(minutes.into()));
        Some((after(self.begin).ok()?, after(self.end).ok()?))
    }
}

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (days, times) = text.trim().split_once(' ').ok_or("lacks days or times")?;
        let days = parse_days(days).ok_or("has days that are none")?;
        let (begin, end) = times.split_once('-').ok_or("lacks the time it ends")?;
        let begin = parse_time(begin).filter(|minutes| *minutes < MINUTES_OF_A_DAY);
        let (Some(begin), Some(end)) = (begin, parse_time(end)) else {
            return Err("has times that are none");
        };
        let end = match end {
            _ if begin == end => return Err("ends as it begins"),
            end if end < begin => end + MINUTES_OF_A_DAY,
            end => end,
        };
        Ok(Self { days, begin, end })
    }
}

/// Reads the spans one by one, so that a problem names the one that is wrong and why.
pub(super) fn read_schedule(section: &mut Section<'_>) -> Vec<Span> {
    let texts = section.value("schedule", Vec::<String>::new());
    if texts.len() > MAX_SPANS {
        let allowed = format!("at most {MAX_SPANS}");
        section.problem("schedule", "has too many spans", texts.len(), &allowed);
        return Vec::new();
    }
    let mut spans = Vec::with_capacity(texts.len());
    for (number, text) in texts.iter().enumerate() {
        match text.parse() {
            Ok(span) => spans.push(span),
            Err(problem) => {
                let key = format!("schedule[{number}]");
                section.problem(&key, problem, format_args!("`{text}`"), ALLOWED);
            }
        }
    }
    spans
}

/// Days such as `Mon`, `Mon-Fri`, `Sat,Sun` or `daily`; nothing where it names none.
fn parse_days(text: &str) -> Option<u8> {
    if text.eq_ignore_ascii_case("daily") {
        return Some(DAILY);
    }
    text.split(',').try_fold(0, |days, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (parse_day(first)?, parse_day(last)?);
        let mut these = 1 << day;
        while day != last {
            day = (day + 1) % DAYS.len();
            these |= 1 << day;
        }
        Some(days | these)
    })
}

fn parse_day(text: &str) -> Option<usize> {
    DAYS.iter().position(|day| text.eq_ignore_ascii_case(day))
}

/// Minutes since midnight; `24:00` is the end of a day.
fn parse_time(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let is_time = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    if !is_time(hours) || !is_time(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= MINUTES_OF_A_DAY).then_some(total)
}

impl Setting for TimeZone {
    fn allowed() -> String {
        "UTC or a name of the IANA time zone database, such as Europe/Zurich".into()
    }

    fn parse(value: &Value) -> Option<Self> {
        Self::get(value.as_str()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_days_and_times() {
        const WORK: u8 = 0b001_1111;
        for (text, days, begin, end) in [
            ("Mon 08:00-16:00", 1, 480, 960),
            ("mon-FRI 08:00-16:30", WORK, 480, 990),
            ("Sat,Sun 00:00-24:00", 0b110_0000, 0, 1440),
            ("Sat-Mon,Wed 00:00-00:01", 0b110_0101, 0, 1),
            ("daily 22:00-06:00", DAILY, 1320, 1800),
            ("Sun 23:59-00:00", 0b100_0000, 1439, 1440),
        ] {
            assert_eq!(text.parse(), Ok(Span { days, begin, end }), "{text}");
        }
    }

    #[test]
    fn what_is_no_span_is_told_why() {
        for (text, problem) in [
            ("", "lacks days or times"),
            ("08:00-16:00", "lacks days or times"),
            ("Mon", "lacks days or times"),
            ("Mon-Fry 08:00-16:00", "has days that are none"),
            ("Mon,, 08:00-16:00", "has days that are none"),
            ("Mon 08:00", "lacks the time it ends"),
            ("Mon 8:00-16:00", "has times that are none"),
            ("Mon 08:60-16:00", "has times that are none"),
            ("Mon 24:00-06:00", "has times that are none"),
            ("Mon 08:00-24:01", "has times that are none"),
            ("Mon 08:00-08:00", "ends as it begins"),
        ] {
            assert_eq!(text.parse::<Span>(), Err(problem), "{text}");
        }
    }
}
