//! What the connections of a server look like goes in; which one a query takes, and whether another
//! is opened, comes out. Values only, so that each case can be tested without a socket.

use std::time::Duration;

use tokio::time::Instant;

use crate::ledger::SOONEST_HEDGE_AT_RISK;
use crate::transport::Pulse;

/// Connections to one server that count: one to work with, one for when that is full or in doubt.
/// More would be a storm of handshakes, fewer would stall on one lost packet.
const MAX_CONNECTIONS: usize = 2;

/// Share of a server's streams in use from which a second connection is opened, so that it is there
/// before the first is full.
const CROWDED_PERCENT: usize = 70;

/// Answers owed and nothing heard for so long: longer than a round trip to anywhere, shorter than
/// people notice.
const DOUBT_AFTER: Duration = Duration::from_millis(250);

/// The same where nothing had been heard for [`AT_RISK_AFTER`] when the first of them was asked for:
/// a little before the earliest hedge, which must not go the way of the query it is to help. Not at
/// once, as queries come in pairs, and most connections live.
const DOUBT_AT_RISK_AFTER: Duration =
    SOONEST_HEDGE_AT_RISK.saturating_sub(Duration::from_millis(5));

/// Nothing heard for so long, a connection may have been forgotten by a box on its way.
const AT_RISK_AFTER: Duration = Duration::from_secs(10);

/// One connection at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) pulse: Pulse,
    pub(super) mood: Mood,
}

/// What the pool thinks of a connection, whatever its pulse.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mood {
    /// It is to stay.
    Staying,
    /// It is to be replaced some time, and works as well as any until then.
    Aged,
    /// It belongs to a network that is no more, and may not work.
    Leaving,
}

/// Whether another connection can be opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Opening {
    Possible,
    UnderWay,
    /// The last attempt failed only just.
    Impossible,
}

/// What to do with a query.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Plan {
    /// The connection that takes it; otherwise it waits for one to be opened, or fails.
    pub(super) send: Option<usize>,
    /// Whether to open another connection now.
    pub(super) opens: bool,
}

/// The best connection of one kind.
type Best = Option<(usize, Pulse)>;

/// What is to be said of all connections together.
#[derive(Default)]
struct Survey {
    good: Best,
    aged: Best,
    doubtful: Best,
    leaving: Best,
    /// Those that are to stay.
    count: usize,
}

impl Plan {
    pub(super) fn new(
        now: Instant,
        views: impl IntoIterator<Item = View>,
        opening: Opening,
    ) -> Self {
        let survey = Survey::new(now, views);
        let has_room = survey.count < MAX_CONNECTIONS;
        let can_open = has_room && opening == Opening::Possible;
        let send = |best: Best, opens| Self { send: best.map(|(number, _)| number), opens };
        let wait = Self { send: None, opens: can_open };
        let can_wait = can_open || opening == Opening::UnderWay;
        match survey.good {
            Some((_, pulse)) if !is_crowded(&pulse) => send(survey.good, false),
            Some((_, pulse)) if !is_full(&pulse) => send(survey.good, can_open),
            // In line for a stream it might wait for one slow answer after another.
            Some(_) if can_wait => wait,
            Some(_) => send(survey.good, false),
            None if survey.aged.is_some() => send(survey.aged, can_open),
            None if can_wait => wait,
            None => send(survey.doubtful.or(survey.leaving), false),
        }
    }
}

impl Survey {
    fn new(now: Instant, views: impl IntoIterator<Item = View>) -> Self {
        let mut survey = Self::default();
        for (number, View { pulse, mood }) in views.into_iter().enumerate() {
            if !pulse.is_open {
                continue;
            }
            survey.count += usize::from(mood == Mood::Staying);
            let best = match mood {
                Mood::Leaving => &mut survey.leaving,
                _ if is_doubtful(&pulse, now) => &mut survey.doubtful,
                Mood::Aged => &mut survey.aged,
                Mood::Staying => &mut survey.good,
            };
            if best.is_none_or(|(_, best)| pulse.in_flight < best.in_flight) {
                *best = Some((number, pulse));
            }
        }
        survey
    }
}

/// Whether a connection may have died: an answer is overdue and nothing else came in either.
fn is_doubtful(pulse: &Pulse, now: Instant) -> bool {
    pulse.owed_since.is_some_and(|since| {
        let was_at_risk = since > pulse.heard_at + AT_RISK_AFTER;
        let doubt_after = if was_at_risk { DOUBT_AT_RISK_AFTER } else { DOUBT_AFTER };
        now > since.max(pulse.heard_at) + doubt_after
    })
}

/// Whether a connection may have died without anybody noticing.
pub(super) fn is_at_risk(pulse: &Pulse, now: Instant) -> bool {
    now > pulse.heard_at + AT_RISK_AFTER || is_doubtful(pulse, now)
}

fn is_crowded(pulse: &Pulse) -> bool {
    pulse.in_flight.saturating_mul(100) >= pulse.capacity.saturating_mul(CROWDED_PERCENT)
}

fn is_full(pulse: &Pulse) -> bool {
    pulse.in_flight >= pulse.capacity
}

#[cfg(test)]
mod tests;
