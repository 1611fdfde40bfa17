//! How a query failed goes in, whether it is sent once more for free comes out.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Failure;

/// How long a refusal by a fresh connection stands: in that time a refusal is believed at once,
/// or a wrong path would cost a handshake with each query.
const REFUSAL_STANDS: Duration = Duration::from_secs(60);

/// `REFUSED_STREAM`: the server has not looked at the query (RFC 9113 section 8.7).
const REFUSED_STREAM: u32 = 7;

/// What a free retry needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mercy {
    /// There is none: the failure stands.
    None,
    /// Any connection, the same one too.
    Anywhere,
    /// Any connection but this one, which is gone.
    Elsewhere,
    /// A connection over which nothing was sent yet.
    Fresh,
}

/// Refusals of one server.
#[derive(Default)]
pub(super) struct Refusals {
    /// When a fresh connection refused a query last.
    at: Option<Instant>,
}

impl Refusals {
    /// Says what a query deserves that failed over a connection that had worked before, or had not.
    pub(super) fn mercy(&mut self, now: Instant, failure: &Failure, proven: Proven) -> Mercy {
        match failure {
            // Servers close connections at any time; to ask twice changes nothing for them.
            Failure::ConnectionLost(_) => Mercy::Elsewhere,
            Failure::Reset(REFUSED_STREAM) => Mercy::Anywhere,
            Failure::Status(400..=499) => self.mercy_for_refusal(now, proven),
            _ => Mercy::None,
        }
    }

    fn mercy_for_refusal(&mut self, now: Instant, proven: Proven) -> Mercy {
        if proven == Proven::No {
            self.at = Some(now);
            return Mercy::None;
        }
        if self.at.is_some_and(|at| now < at + REFUSAL_STANDS) { Mercy::None } else { Mercy::Fresh }
    }
}

/// Whether an answer had come over a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Proven {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_lost_connection_and_a_refused_stream_are_forgiven() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let lost = Failure::ConnectionLost(Arc::new(io::Error::from(io::ErrorKind::BrokenPipe)));
        let others = [Failure::Reset(8), Failure::TooLarge, Failure::Status(500)];
        for proven in [Proven::Yes, Proven::No] {
            assert_eq!(refusals.mercy(now, &lost, proven), Mercy::Elsewhere);
            assert_eq!(refusals.mercy(now, &Failure::Reset(7), proven), Mercy::Anywhere);
            for other in &others {
                assert_eq!(refusals.mercy(now, other, proven), Mercy::None, "{other}");
            }
        }
    }

    /// Failure story 20: a provider answers 400 over connections that have been used for long.
    #[test]
    fn a_refusal_over_a_used_connection_is_tried_over_a_fresh_one() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());

        for status in [400, 403, 404, 421] {
            let failure = Failure::Status(status);
            assert_eq!(refusals.mercy(now, &failure, Proven::Yes), Mercy::Fresh);
        }
    }

    #[test]
    fn a_refusal_by_a_fresh_connection_is_believed_for_a_minute() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let wrong_path = Failure::Status(404);

        assert_eq!(refusals.mercy(now, &wrong_path, Proven::No), Mercy::None);

        assert_eq!(refusals.mercy(now, &wrong_path, Proven::Yes), Mercy::None);
        assert_eq!(refusals.mercy(now + REFUSAL_STANDS, &wrong_path, Proven::Yes), Mercy::Fresh);
    }
}
