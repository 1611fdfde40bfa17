//! A bound socket goes in, and comes out as one that tells which address was asked.

use std::{
    io,
    net::{self, SocketAddr},
    os::fd::{AsRawFd, RawFd},
};

use nix::{
    cmsg_space,
    libc::{in_pktinfo, in6_pktinfo},
    sys::socket::{
        setsockopt,
        sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo},
    },
};
use tokio::io::{Interest, unix::AsyncFd};

/// When the kernel is asked what has arrived.
#[derive(Clone, Copy)]
pub(super) enum Look {
    /// Where the runtime has noted that something has.
    WhereMarked,
    /// Whatever it has noted, which may be older where something else has woken the task.
    Always,
}

/// A UDP socket of one thread.
#[derive(Debug)]
pub struct Socket {
    /// Watched for what arrives only: there is room again after every answer, and each time the thread
    /// would be woken to hear so.
    socket: AsyncFd<net::UdpSocket>,
    binding: Binding,
}

/// What a socket is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// One address of the host, which its answers leave from without being told.
    One,
    /// All of them.
    All,
}

impl Socket {
    /// Takes over a bound socket that does not block.
    ///
    /// # Errors
    /// Where the kernel does not watch it or does not tell which address was asked.
    #[expect(deprecated, reason = "unsound for what does not own its descriptor; a socket does")]
    pub fn new(socket: net::UdpSocket) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let binding = if address.ip().is_unspecified() { Binding::All } else { Binding::One };
        match (binding, address) {
            (Binding::One, _) => {}
            (Binding::All, SocketAddr::V4(_)) => setsockopt(&socket, Ipv4PacketInfo, &true)?,
            (Binding::All, SocketAddr::V6(_)) => setsockopt(&socket, Ipv6RecvPacketInfo, &true)?,
        }
        let socket = AsyncFd::with_interest(socket, Interest::READABLE)?;
        Ok(Self { socket, binding })
    }

    pub(super) fn binding(&self) -> Binding {
        self.binding
    }

    /// Room for the control message that names the asked address, where there is one.
    pub(super) fn control_room(&self) -> Option<Vec<u8>> {
        match (self.binding, self.is_ipv4()) {
            (Binding::One, _) => None,
            (Binding::All, true) => Some(cmsg_space!(in_pktinfo)),
            (Binding::All, false) => Some(cmsg_space!(in6_pktinfo)),
        }
    }

    pub(super) fn is_ipv4(&self) -> bool {
        self.socket.get_ref().local_addr().is_ok_and(|address| address.is_ipv4())
    }

    /// Returns when there may be something to read.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await?.retain_ready();
        Ok(())
    }

    /// Reads; `WouldBlock` says that there is no more.
    pub(super) fn read<T>(
        &self,
        look: Look,
        read: impl FnOnce(RawFd) -> io::Result<T>,
    ) -> io::Result<T> {
        let read = || read(self.socket.as_raw_fd());
        match look {
            Look::WhereMarked => self.socket.try_io(Interest::READABLE, |_| read()),
            Look::Always => read(),
        }
    }

    /// Writes at once; `WouldBlock` says that there is no room. Nobody waits for room, so the kernel
    /// is always asked, and not the runtime's mark.
    pub(super) fn write<T>(&self, write: impl FnOnce(RawFd) -> io::Result<T>) -> io::Result<T> {
        write(self.socket.as_raw_fd())
    }
}
