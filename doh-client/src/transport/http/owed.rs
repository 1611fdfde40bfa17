//! A stream whose answer is still to come goes in, its head and its body come out; or nothing, where
//! nobody waits for it any more and it is only heard out.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use h2::client::ResponseFuture;
use http::response::Parts;

use super::gauge::Debt;
use crate::message::MAX_MESSAGE;

/// An answer that a server owes. As a future it reads all of it and keeps nothing.
pub(super) struct Owed {
    stage: Stage,
    read: usize,
    debt: Debt,
}

enum Stage {
    Head(ResponseFuture),
    Body(RecvStream),
    Over,
}

impl Owed {
    pub(super) fn new(response: ResponseFuture, debt: Debt) -> Self {
        Self { stage: Stage::Head(response), read: 0, debt }
    }

    /// Whether there is nothing more to come.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// How many bytes of the body were read.
    pub(super) fn has_read(&self) -> usize {
        self.read
    }

    /// Waits for the head of the response; to be called until it is there.
    pub(super) fn poll_head(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Parts, h2::Error>> {
        let Stage::Head(response) = &mut self.stage else {
            return Poll::Pending;
        };
        let response = ready!(Pin::new(response).poll(context));
        self.stage = Stage::Over;
        Poll::Ready(response.map(|response| {
            let (head, body) = response.into_parts();
            if !body.is_end_stream() {
                self.stage = Stage::Body(body);
            }
            head
        }))
    }

    /// Waits for the next piece of the body; nothing once that is over.
    pub(super) fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, h2::Error>>> {
        let Stage::Body(body) = &mut self.stage else {
            return Poll::Ready(None);
        };
        let piece = ready!(body.poll_data(context));
        if let Some(Ok(bytes)) = &piece {
            self.read += bytes.len();
            if !body.is_end_stream() {
                if bytes.is_empty() {
                    self.debt.note_empty();
                }
                // At the end the connection gets its room back by itself.
                let _ = body.flow_control().release_capacity(bytes.len());
                return Poll::Ready(piece);
            }
        }
        self.stage = Stage::Over;
        Poll::Ready(piece)
    }
}

impl Future for Owed {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Stage::Head(_) = self.stage {
            let _ = ready!(self.poll_head(context));
        }
        // One that goes on for ever is not worth it.
        while self.read <= MAX_MESSAGE {
            match ready!(self.poll_piece(context)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            }
        }
        Poll::Ready(())
    }
}
