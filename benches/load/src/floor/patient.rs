//! Connections with one query each come in, one answer goes out on each, and the client closes: the
//! least a server must do that lets clients go on using a connection (RFC 7766 section 6.2.1), as
//! glibc does with `use-vc`, which sends its second question on it.
//!
//! Who closes last does other parts of the ending, and it takes one more read to see the other's:
//! where it was first measured, this floor took a third more CPU time than one that closes at once.

use std::{collections::VecDeque, io, net::TcpListener, os::fd::OwnedFd};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    net::{SocketFlags, accept_with, sockopt::set_tcp_nodelay},
};

use super::per_connection::{BUFFER, exchange};

/// Connections kept for clients that have not closed yet: many times those a load generator has at
/// once. For one more the oldest is closed.
const MOST_ASIDE: usize = 1024;

/// Answers until the listener fails.
///
/// # Errors
/// When accepting or waiting fails. A connection that fails is closed.
pub fn serve(listener: &TcpListener) -> io::Result<()> {
    // Accepted sockets inherit it, which saves a call for each.
    set_tcp_nodelay(listener, true)?;
    listener.set_nonblocking(true)?;
    let (aside, answer) = (VecDeque::with_capacity(MOST_ASIDE), Vec::with_capacity(BUFFER));
    let mut floor = Floor { listener, aside, buffer: [0; BUFFER], answer };
    loop {
        while let Some(client) = floor.accept()? {
            floor.answer(client);
        }
        floor.wait()?;
    }
}

struct Floor<'listener> {
    listener: &'listener TcpListener,
    /// Those that have their answer, the oldest first.
    aside: VecDeque<OwnedFd>,
    buffer: [u8; BUFFER],
    answer: Vec<u8>,
}

impl Floor<'_> {
    /// The next client, if one waits.
    fn accept(&self) -> io::Result<Option<OwnedFd>> {
        loop {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            match accept_with(self.listener, flags) {
                Ok(client) => return Ok(Some(client)),
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn answer(&mut self, client: OwnedFd) {
        if exchange(&client, &mut self.buffer, &mut self.answer).is_err() {
            return;
        }
        if self.aside.len() == MOST_ASIDE {
            self.aside.pop_front();
        }
        self.aside.push_back(client);
    }

    /// Waits until a client comes or one of those aside closes or asks again. With poll(2): most
    /// connections end before they would have earned the calls that epoll takes for each.
    fn wait(&mut self) -> io::Result<()> {
        let (listener, aside) = (PollFd::new(self.listener, PollFlags::IN), self.aside.iter());
        let clients = aside.map(|client| PollFd::new(client, PollFlags::IN));
        let mut all: Vec<PollFd<'_>> = std::iter::once(listener).chain(clients).collect();
        match poll(&mut all, None) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = all.iter().skip(1).map(|one| !one.revents().is_empty()).collect();
        let mut ready = ready.into_iter();
        let (buffer, answer) = (&mut self.buffer, &mut self.answer);
        self.aside.retain(|client| {
            let is_ready = ready.next().unwrap_or_default();
            !is_ready || exchange(client, buffer, answer).is_ok()
        });
        Ok(())
    }
}
