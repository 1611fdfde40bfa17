//! Tokens go out, tickets come back, and the store says which of them are live sessions.
//!
//! Only digests are kept, so that a copy of the memory logs nobody in. Sessions live as long as the
//! process: after a restart people log in again.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

/// Time without a request after which a session ends.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// Time after which a session ends in any case.
const ABSOLUTE: Duration = Duration::from_secs(24 * 60 * 60);
/// Sessions kept at most, about 100 bytes each; one more pushes out the oldest.
const MAX_SESSIONS: usize = 1024;
/// Bytes of randomness in a token.
const TOKEN_BYTES: usize = 32;

/// What the browser keeps: 256 random bits in hexadecimal. Never stored here.
pub(crate) struct Token(String);

impl Token {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The digest of a token: what we keep of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket([u8; 32]);

impl Ticket {
    pub(crate) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// The live sessions, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<VecDeque<Entry>>);

#[derive(Debug)]
struct Entry {
    ticket: Ticket,
    /// The password hash it was opened under: a session does not outlive its password.
    password: Ticket,
    began: Instant,
    seen: Instant,
}

impl Entry {
    fn is_live(&self, password: &Ticket, now: Instant) -> bool {
        self.password.is(password)
            && now.duration_since(self.seen) < IDLE
            && now.duration_since(self.began) < ABSOLUTE
    }
}

impl Sessions {
    /// Opens a session and returns its token, which exists nowhere else.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(crate) fn open(&self, password_hash: &str) -> Result<Token, getrandom::Error> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes)?;
        let token = Token(bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        }));
        let (password, now) = (Ticket::of(password_hash), Instant::now());
        self.with(|entries| {
            entries.retain(|entry| entry.is_live(&password, now));
            while entries.len() >= MAX_SESSIONS {
                entries.pop_front();
            }
            let ticket = Ticket::of(token.as_str());
            entries.push_back(Entry { ticket, password, began: now, seen: now });
        });
        Ok(token)
    }

    /// Whether the session is live; if so, its idle time starts again.
    pub(crate) fn touch(&self, ticket: &Ticket, password_hash: &str) -> bool {
        let now = Instant::now();
        self.find(ticket, password_hash, now, |entry| entry.seen = now)
    }

    /// Whether the session is live, without keeping it so.
    pub(crate) fn is_live(&self, ticket: &Ticket, password_hash: &str) -> bool {
        self.find(ticket, password_hash, Instant::now(), |_| ())
    }

    /// Ends a session.
    pub(crate) fn close(&self, ticket: &Ticket) {
        self.with(|entries| entries.retain(|entry| !entry.ticket.is(ticket)));
    }

    fn find(
        &self,
        ticket: &Ticket,
        password_hash: &str,
        now: Instant,
        note: impl FnOnce(&mut Entry),
    ) -> bool {
        let password = Ticket::of(password_hash);
        self.with(|entries| {
            let entry = entries.iter_mut().find(|entry| entry.ticket.is(ticket));
            entry.filter(|entry| entry.is_live(&password, now)).map(note).is_some()
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut VecDeque<Entry>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$argon2id$one";

    fn open(sessions: &Sessions) -> Ticket {
        Ticket::of(sessions.open(HASH).unwrap().as_str())
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_when_nobody_uses_it() {
        let sessions = Sessions::default();
        let ticket = open(&sessions);

        tokio::time::advance(IDLE - Duration::from_secs(1)).await;
        assert!(sessions.touch(&ticket, HASH));
        tokio::time::advance(IDLE - Duration::from_secs(1)).await;
        assert!(sessions.is_live(&ticket, HASH));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!sessions.touch(&ticket, HASH));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_after_a_day_however_busy() {
        let sessions = Sessions::default();
        let ticket = open(&sessions);

        let step = IDLE / 2;
        for _ in 1..ABSOLUTE.as_secs() / step.as_secs() {
            tokio::time::advance(step).await;
            assert!(sessions.touch(&ticket, HASH));
        }
        tokio::time::advance(step).await;

        assert!(!sessions.touch(&ticket, HASH));
    }

    #[tokio::test]
    async fn a_session_ends_with_its_password() {
        let sessions = Sessions::default();
        let ticket = open(&sessions);

        assert!(sessions.touch(&ticket, HASH));
        assert!(!sessions.touch(&ticket, "$argon2id$two"));
    }

    #[tokio::test]
    async fn a_closed_session_is_gone_and_the_others_stay() {
        let sessions = Sessions::default();
        let (gone, stays) = (open(&sessions), open(&sessions));

        sessions.close(&gone);

        assert!(!sessions.touch(&gone, HASH));
        assert!(sessions.touch(&stays, HASH));
    }

    #[tokio::test]
    async fn the_oldest_session_makes_room_for_a_new_one() {
        let sessions = Sessions::default();
        let (oldest, second) = (open(&sessions), open(&sessions));
        for _ in 2..=MAX_SESSIONS {
            open(&sessions);
        }

        assert!(!sessions.touch(&oldest, HASH));
        assert!(sessions.touch(&second, HASH));
    }

    #[tokio::test]
    async fn a_token_has_256_bits_and_no_twin() {
        let sessions = Sessions::default();
        let (one, two) = (sessions.open(HASH).unwrap(), sessions.open(HASH).unwrap());

        assert_eq!(one.as_str().len(), 64);
        assert_ne!(one.as_str(), two.as_str());
    }
}
