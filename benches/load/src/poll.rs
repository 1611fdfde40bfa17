//! Sockets go in, those that are ready come out: epoll, level-triggered, with a number for each.

use std::{io, os::fd::AsFd, time::Duration};

use rustix::{
    event::{
        Timespec,
        epoll::{self, CreateFlags, Event, EventData, EventFlags},
    },
    fd::OwnedFd,
    io::Errno,
};

/// Sockets that one call can report. More are reported by the next call.
const BATCH: usize = 256;

/// The set of sockets one thread waits for.
#[derive(Debug)]
pub(crate) struct Poll {
    epoll: OwnedFd,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    Read,
    Write,
    Both,
}

/// The sockets that one call reported. Kept by the caller, so that waiting allocates nothing.
pub(crate) struct Ready {
    events: Vec<Event>,
}

impl Ready {
    pub(crate) fn new() -> Self {
        Self { events: Vec::with_capacity(BATCH) }
    }

    /// The numbers of the sockets. An error or a hang-up counts as readable: reading tells which.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = usize> {
        // A field of a packed struct must be copied before it is used.
        self.events.iter().map(|event| { event.data }.u64()).filter_map(|n| usize::try_from(n).ok())
    }
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)? })
    }

    pub(crate) fn add(
        &self,
        socket: impl AsFd,
        token: usize,
        interest: Interest,
    ) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, data(token), flags(interest))?)
    }

    pub(crate) fn change(
        &self,
        socket: impl AsFd,
        token: usize,
        interest: Interest,
    ) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, data(token), flags(interest))?)
    }

    /// Waits at most this long; for ever without.
    pub(crate) fn wait(&self, ready: &mut Ready, patience: Option<Duration>) -> io::Result<()> {
        let patience = patience.and_then(|patience| Timespec::try_from(patience).ok());
        ready.events.clear();
        let spare = rustix::buffer::spare_capacity(&mut ready.events);
        match epoll::wait(&self.epoll, spare, patience.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn data(token: usize) -> EventData {
    // Tokens are indices of tables, far below the limit of either type.
    EventData::new_u64(u64::try_from(token).unwrap_or(u64::MAX))
}

fn flags(interest: Interest) -> EventFlags {
    match interest {
        Interest::Read => EventFlags::IN,
        Interest::Write => EventFlags::OUT,
        Interest::Both => EventFlags::IN | EventFlags::OUT,
    }
}
