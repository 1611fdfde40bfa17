//! Connections with one query each come in, one answer goes out on each: the least a server of
//! clients with `use-vc` must do.

use std::{io, net::TcpListener, os::fd::OwnedFd};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{SocketFlags, accept_with, sockopt::set_tcp_nodelay},
};

use super::tcp::append;
use crate::frame::split_first;

/// Largest query of a load generator, many times over.
pub(super) const BUFFER: usize = 2048;

/// How long a client may take to send its query. All others wait meanwhile: it is a floor, not a
/// server.
const PATIENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// Answers until the listener fails.
///
/// # Errors
/// When accepting fails. A connection that fails is closed.
pub fn serve(listener: &TcpListener) -> io::Result<()> {
    // Accepted sockets inherit it, which saves a call for each.
    set_tcp_nodelay(listener, true)?;
    let (mut buffer, mut answer) = ([0; BUFFER], Vec::with_capacity(BUFFER));
    loop {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        match accept_with(listener, flags) {
            // What goes wrong with one client is no reason to stop.
            Ok(client) => drop(exchange(&client, &mut buffer, &mut answer)),
            Err(Errno::CONNABORTED | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads at once, because a query is nearly always there; waits only when it is not. Fails when
/// the client has closed or takes too long.
pub(super) fn exchange(
    client: &OwnedFd,
    buffer: &mut [u8],
    answer: &mut Vec<u8>,
) -> io::Result<()> {
    let mut filled = 0;
    loop {
        match rustix::io::read(client, buffer.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => filled += read,
            Err(Errno::AGAIN) => {
                let mut waiting = [PollFd::new(client, PollFlags::IN)];
                if poll(&mut waiting, Some(&PATIENCE))? == 0 {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
        if let Some((query, _)) = buffer.get(..filled).and_then(split_first) {
            answer.clear();
            append(query, answer);
            rustix::io::write(client, answer)?;
            return Ok(());
        }
    }
}
