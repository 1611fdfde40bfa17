//! A connected socket goes in, bytes go through it, with TLS or without; when the last ones came in
//! can be asked at any time. Kept apart so that what speaks over it need not know which it is.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use crate::tls::mark_refusal;

/// A connection to a server as a stream of bytes.
pub(crate) struct Wire {
    stream: Stream,
    heard: Heard,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// When something came in last; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    opened: Instant,
    /// Since it was opened.
    last: Arc<AtomicU64>,
}

impl Wire {
    pub(crate) fn plain(tcp: TcpStream) -> Self {
        Self { stream: Stream::Plain(tcp), heard: Heard::now() }
    }

    pub(crate) fn tls(tls: TlsStream<TcpStream>) -> Self {
        Self { stream: Stream::Tls(Box::new(tls)), heard: Heard::now() }
    }

    /// What tells when something came in last.
    pub(crate) fn heard(&self) -> Heard {
        self.heard.clone()
    }
}

impl Heard {
    pub(crate) fn now() -> Self {
        Self { opened: Instant::now(), last: Arc::default() }
    }

    fn note(&self) {
        let since = u64::try_from(self.opened.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }

    pub(crate) fn at(&self) -> Instant {
        self.opened + Duration::from_nanos(self.last.load(Ordering::Relaxed))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Stream::Tls(tls) => Pin::new(tls).poll_read(context, buffer).map_err(mark_refusal),
        };
        if buffer.filled().len() > before {
            self.heard.note();
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Stream::Tls(tls) => match Pin::new(&mut *tls).poll_write(context, bytes) {
                Poll::Ready(Err(error)) => hear_out(tls, context, error).map(Err),
                written => written,
            },
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write_vectored(context, pieces),
            Stream::Tls(tls) => match Pin::new(&mut *tls).poll_write_vectored(context, pieces) {
                Poll::Ready(Err(error)) => hear_out(tls, context, error).map(Err),
                written => written,
            },
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(tcp) => tcp.is_write_vectored(),
            Stream::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Stream::Tls(tls) => match Pin::new(&mut *tls).poll_flush(context) {
                Poll::Ready(Err(error)) => hear_out(tls, context, error).map(Err),
                flushed => flushed,
            },
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}

/// Looks for a parting word where nothing can be written any more: a server that refuses our
/// certificate says so and closes, and writing fails before that was read. After such an error
/// reading comes to an end too, so that this never waits for long.
fn hear_out(
    tls: &mut TlsStream<TcpStream>,
    context: &mut Context<'_>,
    error: io::Error,
) -> Poll<io::Error> {
    if !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) {
        return Poll::Ready(error);
    }
    Pin::new(tls).poll_fill_buf(context).map(|said| match said {
        Ok(_) => error,
        Err(said) => mark_refusal(said),
    })
}
