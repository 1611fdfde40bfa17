//! A listening socket goes in, connections come out, as many at a time as are there: each is one
//! call to the kernel, and none is registered anywhere yet.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
};

use rustix::net::{SocketFlags, acceptfrom_with};
use tokio::io::{Interest, unix::AsyncFd};

/// A listener whose connections are taken in turns.
pub(super) struct Door(AsyncFd<TcpListener>);

impl Door {
    /// The door of a listener that does not block.
    ///
    /// # Errors
    /// Where the listener cannot be watched.
    #[expect(deprecated, reason = "unsound for what does not own its descriptor; a listener does")]
    pub(super) fn new(listener: TcpListener) -> io::Result<Self> {
        AsyncFd::with_interest(listener, Interest::READABLE).map(Self)
    }

    /// Returns when somebody may be there.
    pub(super) async fn is_knocked_at(&self) -> io::Result<()> {
        // The mark that it is readable stays until nobody was found there.
        self.0.readable().await.map(drop)
    }

    /// Lets in who is there; nobody where none is known to be.
    ///
    /// # Errors
    /// `WouldBlock` where nobody is there, and what keeps somebody out.
    pub(super) fn let_in(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.0.try_io(Interest::READABLE, accept)
    }

    /// Closes the door and lets in everybody who is there now.
    pub(super) fn close(self) -> Vec<(TcpStream, SocketAddr)> {
        let listener = self.0.into_inner();
        let mut last = Vec::new();
        loop {
            match accept(&listener) {
                Ok(accepted) => last.push(accepted),
                // It was gone before we came to it.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => return last,
            }
        }
    }
}

/// Takes a connection that does not block; it has the listener's other options.
fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (stream, peer) = acceptfrom_with(listener, flags)?;
    // It is gone already where the kernel does not know who it was.
    let peer = peer.ok_or(io::ErrorKind::ConnectionAborted)?;
    Ok((stream.into(), peer.try_into()?))
}
