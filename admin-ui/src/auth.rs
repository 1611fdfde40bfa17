//! Decides who may come in: which host, from which page, with which password or session.

pub(crate) mod attempts;
mod cookie;
pub(crate) mod host;
pub(crate) mod origin;
pub(crate) mod password;
pub(crate) mod session;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::{HeaderMap, HeaderValue, request::Parts};

use self::{attempts::Verdict, session::Ticket};
use crate::{problem::Problem, site::Site};

/// Proof that a request carries a live session. As an extractor it answers 401 without one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session(pub(crate) Ticket);

impl FromRequestParts<Arc<Site>> for Session {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Problem> {
        site.session(&parts.headers).ok_or_else(Problem::unauthenticated)
    }
}

/// What a log-in led to.
#[derive(Debug)]
pub(crate) enum LogIn {
    /// The cookie to hand out.
    Welcome(HeaderValue),
    /// Why not.
    Denied(Problem),
}

impl Site {
    /// The live session a request carries, whose idle time starts again.
    pub(crate) fn session(&self, headers: &HeaderMap) -> Option<Session> {
        let access = self.backend.access();
        cookie::tokens(headers)
            .map(Ticket::of)
            .find(|ticket| self.sessions.touch(ticket, &access.password_hash))
            .map(Session)
    }

    /// Checks a password and opens a session. Takes its time after failures, see [`attempts`].
    pub(crate) async fn log_in(&self, headers: &HeaderMap, password: String) -> LogIn {
        let hash = self.backend.access().password_hash.clone();
        match self.attempts.check(hash.clone(), password).await {
            Verdict::Right => match self.sessions.open(&hash) {
                Ok(token) => LogIn::Welcome(cookie::hand_out(headers, &self.base, token.as_str())),
                Err(error) => LogIn::Denied(Problem::no_randomness(&error)),
            },
            Verdict::Wrong => LogIn::Denied(Problem::wrong_password()),
            Verdict::NoPassword => LogIn::Denied(Problem::no_password()),
            Verdict::Full { retry_after } => LogIn::Denied(Problem::too_many_attempts(retry_after)),
        }
    }

    /// Ends a session; the cookie returned makes the browser forget it.
    pub(crate) fn log_out(&self, headers: &HeaderMap, session: Option<Session>) -> HeaderValue {
        if let Some(Session(ticket)) = session {
            self.sessions.close(&ticket);
        }
        cookie::take_back(headers, &self.base)
    }

    /// Whether a session still stands, without keeping it alive.
    pub(crate) fn is_live(&self, Session(ticket): Session) -> bool {
        self.sessions.is_live(&ticket, &self.backend.access().password_hash)
    }
}
