//! DNS over HTTPS: queries share one HTTP/2 connection (RFC 8484). On bare `h2`, because it tells
//! at once when a server says goodbye, and costs neither a task nor a channel for each query.

mod driver;
mod gauge;
mod owed;
mod vigil;

use std::error::Error as StdError;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::{Builder, SendRequest};
use tokio::sync::mpsc;

use self::driver::Driver;
use self::gauge::{Gauge, Silence};
use self::owed::Owed;
use super::{Pulse, Received};
use crate::error::Failure;
use crate::message::{MAX_MESSAGE, Query};
use crate::observer::{Closed, Witness};
use crate::request::Template;
use crate::response::{check, may_mean_method};
use crate::server::Method;
use crate::tls;
use crate::upstream::IN_FLIGHT;
use crate::wire::Wire;

/// Room for one answer of any size in a stream.
const STREAM_WINDOW: u32 = 65_535;

/// Room for many answers in a connection; h2 also takes half of it as the number of bytes that
/// small frames may waste before it says goodbye, hence at least 1 MiB.
const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;

/// Response headers of a resolver fill a few hundred bytes.
const MAX_HEADERS: u32 = 8 * 1024;

/// Streams opened before the server has said how many it takes; servers are advised to take as many
/// at least (RFC 9113 section 6.5.2).
const STREAMS_AT_FIRST: usize = 100;

/// How long late frames of a stream that was reset are known as such; after that they would end
/// the connection.
const REMEMBER_RESETS: Duration = Duration::from_secs(10);

/// One HTTP/2 connection; clones share it, and it is closed when the last one and all its queries
/// are gone.
#[derive(Clone)]
pub(crate) struct Link(Arc<Shared>);

struct Shared {
    sender: SendRequest<Bytes>,
    template: Arc<Template>,
    gauge: Arc<Gauge>,
    /// Takes answers that nobody waits for any more. Full, it refuses: their streams are reset.
    unwanted: mpsc::Sender<Owed>,
}

impl Link {
    /// Speaks HTTP/2 over a fresh connection and starts the task that drives it until either side
    /// closes it.
    pub(crate) async fn open(
        wire: Wire,
        template: Arc<Template>,
        witness: Witness,
    ) -> Result<Self, Failure> {
        let gauge = Arc::new(Gauge::new(wire.heard(), STREAMS_AT_FIRST));
        let (sender, connection) = settings()
            .handshake(wire)
            .await
            .map_err(|error| refusal(&error).unwrap_or(Failure::ConnectionLost(Arc::new(error))))?;
        let (unwanted, to_drain) = mpsc::channel(IN_FLIGHT);
        let shared = Arc::new(Shared { sender, template, gauge, unwanted });
        let gauge = Arc::clone(&shared.gauge);
        tokio::spawn(Driver::new(connection, Arc::downgrade(&shared), gauge, to_drain, witness));
        Ok(Self(shared))
    }

    /// Sends a query, a second time where the server may have refused only the method.
    ///
    /// # Cancel safety
    ///
    /// The answer to a dropped query is heard out by the task of the connection.
    pub(crate) async fn exchange(&self, query: &Query) -> Result<Received, Failure> {
        let (wire, habit) = (query.wire(), self.0.template.habit());
        let (mut method, mut instead) = (habit.method(), None);
        loop {
            let outcome = self.ask(method, &wire).await;
            match &outcome {
                Ok(_) => habit.note_success(method),
                Err(failure) if may_mean_method(failure) => {
                    let other = habit.note_refusal(method);
                    if let (Some(other), None) = (other, instead) {
                        (method, instead) = (other, Some(other));
                        continue;
                    }
                }
                Err(_) => {}
            }
            return outcome;
        }
    }

    async fn ask(&self, method: Method, query: &Bytes) -> Result<Received, Failure> {
        let mut answer = self.send(method, query)?;
        let age = {
            let head = poll_fn(|context| answer.owed().poll_head(context)).await;
            let head = head.map_err(|error| self.failure(error))?;
            check(head.status, &head.headers)?
        };
        let body = self.body(&mut answer).await?;
        self.0.gauge.note_answer();
        Ok(Received { body, age })
    }

    /// Puts a query on its way; it need not be the turn of this one yet.
    fn send(&self, method: Method, query: &Bytes) -> Result<Answer<'_>, Failure> {
        let debt = Gauge::owe(&self.0.gauge);
        let head = self.0.template.head(method, query);
        let is_all = method == Method::Get;
        // A clone, because a sender that has used up the streams of the server takes nothing more;
        // h2 keeps what others bring in line for them, at most as many as a server has room for.
        let sent = self.0.sender.clone().send_request(head, is_all);
        let (response, mut body) = sent.map_err(|error| {
            // It can open no stream any more: it is closed, or has used up its numbers.
            self.0.gauge.end(Closed::Broken);
            self.failure(error)
        })?;
        if !is_all {
            // A stream that has failed meanwhile says so when its head is read.
            let _ = body.send_data(query.clone(), true);
        }
        Ok(Answer { owed: Some(Owed::new(response, debt)), shared: &self.0 })
    }

    /// Reads to the end; one frame, which is what answers come in, is passed on without a copy.
    async fn body(&self, answer: &mut Answer<'_>) -> Result<Bytes, Failure> {
        let mut whole = Bytes::new();
        let mut pieces = BytesMut::new();
        while let Some(piece) = poll_fn(|context| answer.owed().poll_piece(context)).await {
            let piece = piece.map_err(|error| self.failure(error))?;
            if answer.owed().has_read() > MAX_MESSAGE {
                return Err(Failure::TooLarge);
            }
            if whole.is_empty() && pieces.is_empty() {
                whole = piece;
            } else {
                pieces.extend_from_slice(&std::mem::take(&mut whole));
                pieces.extend_from_slice(&piece);
            }
        }
        Ok(if pieces.is_empty() { whole } else { pieces.freeze() })
    }

    /// Tells a stream that was reset, and one that made no sense, from a connection that is gone, and
    /// from one that was refused.
    fn failure(&self, error: h2::Error) -> Failure {
        if let Some(refusal) = refusal(&error) {
            return refusal;
        }
        match error.reason() {
            Some(reason) if error.is_reset() && error.is_remote() => Failure::Reset(reason.into()),
            // What breaks a rule in one stream is told as a goodbye of our own.
            Some(_) if error.is_library() && self.0.gauge.is_open() => {
                Failure::Protocol(Arc::new(error))
            }
            _ => Failure::ConnectionLost(match self.0.gauge.silence() {
                Some(silence) => Arc::new(silence),
                None => Arc::new(error),
            }),
        }
    }

    pub(crate) fn pulse(&self) -> Pulse {
        self.0.gauge.pulse()
    }

    /// Takes no more queries, and closes for this reason once all are answered.
    pub(crate) fn leave(&self, reason: Closed) {
        self.0.gauge.end(reason);
    }

    /// Answers that have come over it so far.
    pub(crate) fn answers(&self) -> usize {
        self.0.gauge.answers()
    }

    /// How long nothing had been under way when the server closed it, if it did so then.
    pub(crate) fn idle_at_end(&self) -> Option<Duration> {
        self.0.gauge.idle_at_end()
    }
}

/// An answer to wait for. Dropped before it is read, it goes to the task of the connection: a
/// stream that is reset counts against the connection, and hides that nothing comes in any more.
struct Answer<'a> {
    /// Gone only while it is dropped.
    owed: Option<Owed>,
    shared: &'a Shared,
}

impl Answer<'_> {
    #[expect(clippy::expect_used, reason = "only `drop` takes it")]
    fn owed(&mut self) -> &mut Owed {
        self.owed.as_mut().expect("an answer that is not dropped is there")
    }
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        let Some(owed) = self.owed.take() else { return };
        if !owed.is_over() && self.shared.unwanted.try_send(owed).is_err() {
            self.shared.gauge.note_resets(1);
        }
    }
}

fn refusal(error: &h2::Error) -> Option<Failure> {
    error.get_io().and_then(tls::refusal)
}

fn settings() -> Builder {
    let mut settings = Builder::new();
    settings
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADERS)
        .initial_max_send_streams(STREAMS_AT_FIRST)
        .enable_push(false)
        .max_concurrent_reset_streams(IN_FLIGHT)
        .max_local_error_reset_streams(None)
        .reset_stream_duration(REMEMBER_RESETS);
    settings
}

/// Whether this is how a silent connection ends.
pub(super) fn is_silence(cause: &(dyn StdError + Send + Sync + 'static)) -> bool {
    cause.is::<Silence>()
}

#[cfg(test)]
mod tests;
