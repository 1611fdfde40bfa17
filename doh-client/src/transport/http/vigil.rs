//! What came in when goes in, when to PING and when to give up comes out. Streams do not fail by
//! themselves on a path that went dead, for minutes; this finds it in two seconds. Values only.

use tokio::time::Instant;

use crate::dial::{PING_AFTER, PING_TIMEOUT};

/// Watches over one connection.
#[derive(Default)]
pub(super) struct Vigil {
    /// When a PING was sent whose echo, or anything else, is waited for.
    pinged: Option<Instant>,
}

/// What to do now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Watch {
    /// Nothing is owed, so nothing is missed: servers dislike to be asked for signs of life then.
    Rest,
    /// Look again at this time.
    Until(Instant),
    /// Send a PING, and look again at this time.
    Ping(Instant),
    /// The path is dead.
    GiveUp,
}

impl Vigil {
    pub(super) fn look(
        &mut self,
        now: Instant,
        heard_at: Instant,
        owed_since: Option<Instant>,
    ) -> Watch {
        let Some(owed_since) = owed_since else {
            self.pinged = None;
            return Watch::Rest;
        };
        if let Some(pinged) = self.pinged.filter(|pinged| heard_at <= *pinged) {
            let end = pinged + PING_TIMEOUT;
            return if now < end { Watch::Until(end) } else { Watch::GiveUp };
        }
        let due = heard_at.max(owed_since) + PING_AFTER;
        if now < due {
            self.pinged = None;
            return Watch::Until(due);
        }
        self.pinged = Some(now);
        Watch::Ping(now + PING_TIMEOUT)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Failure story 1: queries go out on a path that went dead, for minutes, because a dropped
    /// query merely resets its stream.
    #[test]
    fn t33_a_path_that_went_dead_is_given_up_after_two_seconds() {
        let (mut vigil, opened) = (Vigil::default(), Instant::now());
        let sent = opened + 60 * SECOND;

        assert_eq!(vigil.look(sent, opened, Some(sent)), Watch::Until(sent + SECOND));
        let pinged = sent + SECOND;
        assert_eq!(vigil.look(pinged, opened, Some(sent)), Watch::Ping(pinged + SECOND));
        let half = pinged + SECOND / 2;
        assert_eq!(vigil.look(half, opened, Some(sent)), Watch::Until(pinged + SECOND));
        assert_eq!(vigil.look(pinged + SECOND, opened, Some(sent)), Watch::GiveUp);
    }

    /// Failure story 22: servers answer PINGs of idle clients with `too_many_pings`.
    #[test]
    fn an_idle_connection_is_never_pinged() {
        let (mut vigil, opened) = (Vigil::default(), Instant::now());

        for hours in 0..100 {
            assert_eq!(vigil.look(opened + 3600 * hours * SECOND, opened, None), Watch::Rest);
        }
    }

    #[test]
    fn anything_that_comes_in_is_as_good_as_the_echo() {
        let (mut vigil, sent) = (Vigil::default(), Instant::now());
        let pinged = sent + SECOND;
        assert_eq!(vigil.look(pinged, sent, Some(sent)), Watch::Ping(pinged + SECOND));

        let heard = pinged + SECOND / 4;

        let look = vigil.look(pinged + SECOND, heard, Some(sent));
        assert_eq!(look, Watch::Until(heard + SECOND));
        let look = vigil.look(heard + SECOND, heard, Some(sent));
        assert_eq!(look, Watch::Ping(heard + 2 * SECOND));
    }

    #[test]
    fn an_old_ping_does_not_count_against_a_later_query() {
        let (mut vigil, sent) = (Vigil::default(), Instant::now());
        let pinged = sent + SECOND;
        assert_eq!(vigil.look(pinged, sent, Some(sent)), Watch::Ping(pinged + SECOND));
        assert_eq!(vigil.look(pinged + SECOND, sent, None), Watch::Rest);

        let again = sent + 9 * SECOND;

        assert_eq!(vigil.look(again, sent, Some(again)), Watch::Until(again + SECOND));
    }
}
