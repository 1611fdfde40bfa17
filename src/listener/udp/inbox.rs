//! A socket goes in, its datagrams come out, a batch with one system call.

use std::io::{self, IoSliceMut};

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};

use super::{
    BATCH,
    route::Route,
    socket::{Look, Socket},
};
use crate::query::MAX_QUERY;

/// Room for a batch, made once.
pub(super) struct Inbox {
    headers: MultiHeaders<SockaddrStorage>,
    packets: Box<[[u8; MAX_QUERY]; BATCH]>,
}

impl Inbox {
    pub(super) fn new(socket: &Socket) -> Self {
        let headers = MultiHeaders::preallocate(BATCH, socket.control_room());
        Self { headers, packets: Box::new([[0; MAX_QUERY]; BATCH]) }
    }

    /// Hands over what the socket holds, at most a batch; `WouldBlock` says that there is no more.
    pub(super) fn receive(
        &mut self,
        socket: &Socket,
        look: Look,
        mut take: impl FnMut(&[u8], Route),
    ) -> io::Result<()> {
        let mut rooms = self.packets.each_mut().map(|packet| [IoSliceMut::new(packet)]);
        socket.read(look, |fd| {
            let flags = MsgFlags::MSG_DONTWAIT;
            let batch = recvmmsg(fd, &mut self.headers, &mut rooms, flags, None)?;
            let mut left = BATCH;
            for datagram in batch {
                left -= 1;
                let route = Route::of(&datagram, socket.binding());
                if let Some(route) = route {
                    take(datagram.iovs().next().unwrap_or_default(), route);
                }
            }
            // Fewer than there was room for: the kernel has no more, and need not be asked again to
            // say so. What arrives from here on is a new edge to epoll, which this thread is told
            // of when it next waits. (A batch also ends at an error of the socket; one that is not
            // connected has none.)
            if left > 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        })
    }
}
