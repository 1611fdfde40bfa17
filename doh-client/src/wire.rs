//! A connected socket goes in, bytes go through it, with TLS or without; when the last ones came in
//! can be asked at any time. Kept apart so that what speaks over it need not know which it is.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use crate::tls::mark_refusal;

/// A connection to a server as a stream of bytes.
pub(crate) struct Wire {
    stream: Stream,
    heard: Heard,
    /// Whether writing has failed because the server has closed.
    is_cut: bool,
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
        Self { stream: Stream::Plain(tcp), heard: Heard::now(), is_cut: false }
    }

    pub(crate) fn tls(tls: TlsStream<TcpStream>) -> Self {
        Self { stream: Stream::Tls(Box::new(tls)), heard: Heard::now(), is_cut: false }
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

/// What cannot be written because the server has closed counts as written: that it has is told by
/// reading, after everything that it said before. Answers may lie there which nobody has read, or
/// that it refuses our certificate.
impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(bytes.len(), |stream| match stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Stream::Tls(tls) => Pin::new(tls).poll_write(context, bytes),
        })
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        self.write(length, |stream| match stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write_vectored(context, pieces),
            Stream::Tls(tls) => Pin::new(tls).poll_write_vectored(context, pieces),
        })
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(tcp) => tcp.is_write_vectored(),
            Stream::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write((), |stream| match stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(context),
        })
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}

impl Wire {
    /// Writes, or seems to have written all where nobody is there to read it.
    fn write<T>(
        &mut self,
        all: T,
        write: impl FnOnce(&mut Stream) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.is_cut {
            return Poll::Ready(Ok(all));
        }
        match write(&mut self.stream) {
            Poll::Ready(Err(error)) if is_cut(&error) => {
                self.is_cut = true;
                Poll::Ready(Ok(all))
            }
            written => written,
        }
    }
}

/// Whether an error says that the other end has closed. Reading comes to an end then, too.
fn is_cut(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_a_server_said_before_it_closed_is_read_though_writing_has_failed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (mut wire, mut theirs) = (Wire::plain(ours.unwrap()), theirs.unwrap().0);
        theirs.write_all(b"answer").await.unwrap();
        theirs.set_zero_linger().unwrap();
        drop(theirs);

        while !wire.is_cut {
            wire.write_all(b"query").await.unwrap();
        }

        let mut answer = [0; 6];
        wire.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"answer");
        assert!(matches!(wire.read(&mut [0]).await, Ok(0) | Err(_)), "it is over");
    }
}
