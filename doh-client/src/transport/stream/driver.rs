//! A connection and a queue of queries go in, why it ended comes out: the one task that reads and
//! writes a connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tracing::debug;

use super::frames::{BadLength, Frames};
use super::ledger::Ledger;
use super::{Ask, Over, Status};
use crate::dial::SILENCE_LIMIT;
use crate::observer::{Closed, Event, Witness};

/// What is written at once: what one TLS record holds. A larger message goes alone.
const BATCH: usize = 16 * 1024;

/// Answers in a row to nothing that was asked, after which a server has lost count: late answers to
/// queries that were given up are known for 10 s and are none of them.
const MAX_STRAYS: u32 = 10;

/// How long saying goodbye may take; a peer that is gone does not read it.
const GOODBYE: Duration = Duration::from_secs(1);

/// Drives a connection until it is over.
pub(super) struct Driver<S> {
    stream: S,
    asks: mpsc::Receiver<Ask>,
    status: Arc<Status>,
    ledger: Ledger,
    frames: Frames,
    /// What is to be written; as far as [`written`](Self::written) it was.
    batch: Vec<u8>,
    written: usize,
    is_flushed: bool,
    strays: u32,
    /// When a query was answered last. Not when anything came in: a server that lost count, or one
    /// that sends a byte now and then, would never be found out.
    answered: Option<Instant>,
    /// Rings when the connection may have been silent for too long, if it is set.
    alarm: Pin<Box<Sleep>>,
    is_set: bool,
}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("nobody uses it any more")]
    Released,
    #[error("the server closed it")]
    Closed,
    #[error("no answer came in for {SILENCE_LIMIT:?} while some were owed")]
    Silent,
    #[error("{MAX_STRAYS} answers in a row to nothing that was asked")]
    Strays,
    #[error(transparent)]
    BadLength(#[from] BadLength),
    #[error(transparent)]
    Broken(#[from] io::Error),
}

/// Whether something was done, so that there may be more to do.
type Progress = Result<bool, End>;

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    pub(super) fn new(stream: S, asks: mpsc::Receiver<Ask>, status: Arc<Status>) -> Self {
        Self {
            stream,
            asks,
            status,
            ledger: Ledger::new(),
            frames: Frames::new(),
            batch: Vec::new(),
            written: 0,
            is_flushed: true,
            strays: 0,
            answered: None,
            alarm: Box::pin(sleep(SILENCE_LIMIT)),
            is_set: false,
        }
    }

    /// Runs to the end, and tells who waits and who counts.
    pub(super) async fn run(mut self, witness: Witness) {
        let end = Arc::new((&mut self).await);
        let owed = self.status.owed();
        let is_owed = owed.since.is_some();
        if matches!(*end, End::Closed | End::Broken(_)) && is_owed {
            self.status.tolerance.note_close(self.status.answers.load(Ordering::Relaxed));
        }
        let closed = self.status.leaving.get().copied().or_else(|| end.as_event(is_owed));
        debug!(reason = %end, "connection over");
        // One that was never used tells nothing of how long a server keeps those that are idle.
        let is_idle = closed == Some(Closed::Idle) && self.answered.is_some();
        let idle = owed.until.filter(|_| is_idle).map(|until| until.elapsed());
        let _ = self.status.over.set(Over { end: Arc::clone(&end), idle });
        if let Some(closed) = closed {
            witness.note(&Event::Closed(closed));
        }
        if let End::Released = *end {
            // Politeness alone: an error or a lack of time changes nothing.
            let _ = timeout(GOODBYE, self.stream.shutdown()).await;
        }
    }

    /// Reads what is there, and hands out the answers in it.
    fn read(&mut self, context: &mut Context<'_>) -> Progress {
        let mut room = ReadBuf::new(self.frames.room());
        let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(context, &mut room) else {
            return Ok(false);
        };
        let count = room.filled().len();
        read?;
        if count == 0 {
            return Err(End::Closed);
        }
        self.frames.fill(count);
        while let Some(answer) = self.frames.take()? {
            if self.ledger.settle(answer) {
                (self.strays, self.answered) = (0, Some(Instant::now()));
                self.status.answers.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            self.strays += 1;
            if self.strays >= MAX_STRAYS {
                return Err(End::Strays);
            }
        }
        Ok(true)
    }

    /// Takes what is queued into the next batch, until that is full or all ids are in use.
    fn take_asks(&mut self, context: &mut Context<'_>) -> Progress {
        let mut has_taken = false;
        while self.batch.len() < BATCH && !self.ledger.is_full() {
            match self.asks.poll_recv(context) {
                Poll::Ready(Some(ask)) => self.take_ask(ask)?,
                Poll::Ready(None) => return Err(End::Released),
                Poll::Pending => break,
            }
            has_taken = true;
        }
        Ok(has_taken)
    }

    fn take_ask(&mut self, ask: Ask) -> Result<(), End> {
        if ask.reply.is_closed() {
            return Ok(());
        }
        // A query is never larger than what 16 bits can say.
        let length = u16::try_from(ask.wire.len()).map_err(io::Error::other)?;
        let id = self.ledger.enter(ask.reply, ask.debt)?;
        self.batch.extend_from_slice(&length.to_be_bytes());
        self.batch.extend_from_slice(&id.to_be_bytes());
        self.batch.extend_from_slice(ask.wire.get(size_of_val(&id)..).unwrap_or_default());
        Ok(())
    }

    /// Writes the batch, and sees to it that TLS keeps none of it back.
    fn write(&mut self, context: &mut Context<'_>) -> Progress {
        let mut has_written = false;
        while let Some(rest @ [_, ..]) = self.batch.get(self.written..) {
            match Pin::new(&mut self.stream).poll_write(context, rest)? {
                Poll::Ready(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Poll::Ready(count) => self.written += count,
                Poll::Pending => return Ok(has_written),
            }
            (has_written, self.is_flushed) = (true, false);
        }
        self.batch.clear();
        self.written = 0;
        if !self.is_flushed {
            self.is_flushed = Pin::new(&mut self.stream).poll_flush(context)?.is_ready();
        }
        Ok(has_written)
    }

    /// Ends a connection on which no answers come in any more; DNS has no PING to ask with.
    fn watch(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        loop {
            let Some(since) = self.status.owed().since else {
                self.is_set = false;
                return Ok(());
            };
            // Set to the earliest moment only, and again when it rings: never for each answer.
            if !self.is_set {
                let silent_at = self.silent_at(since);
                self.alarm.as_mut().reset(silent_at);
                self.is_set = true;
            }
            if self.alarm.as_mut().poll(context).is_pending() {
                return Ok(());
            }
            self.is_set = false;
            self.ledger.sweep();
            if self.status.owed().since.is_some() && self.silent_at(since) <= Instant::now() {
                return Err(End::Silent);
            }
        }
    }

    fn silent_at(&self, owed_since: Instant) -> Instant {
        self.answered.map_or(owed_since, |at| at.max(owed_since)) + SILENCE_LIMIT
    }

    fn step(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        // Reading comes first: nothing is written to a server that is known to be gone.
        while self.read(context)? | self.take_asks(context)? | self.write(context)? {}
        self.watch(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<End> {
        match self.step(context) {
            Ok(()) => Poll::Pending,
            Err(end) => Poll::Ready(end),
        }
    }
}

impl End {
    fn as_event(&self, is_owed: bool) -> Option<Closed> {
        match self {
            Self::Released => None,
            Self::Silent => Some(Closed::Silent),
            // Many servers reset idle connections, or end TLS without its goodbye.
            Self::Closed | Self::Broken(_) if !is_owed => Some(Closed::Idle),
            Self::Closed | Self::Broken(_) | Self::Strays | Self::BadLength(_) => {
                Some(Closed::Broken)
            }
        }
    }
}
