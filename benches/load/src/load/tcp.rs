//! Queries go out on kept connections, many in flight on each; answers come back in any order.
//! Each query is a write of its own, as where many programs share a connection: how many of them a
//! server finds at once is its own affair.

use std::{
    io::{self, Read as _, Write as _},
    mem,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::{
    LoadError, Watch,
    course::{Course, Departure, Seats},
    plan::Plan,
    tally::Tally,
};
use crate::{
    frame::Frames,
    poll::{Interest, Poll, Ready},
};

/// One read takes at most this much: hundreds of answers.
const READ: usize = 64 * 1024;

/// Longest wait for the handshake of a kept connection.
const CONNECT: Duration = Duration::from_secs(2);

pub(super) fn run(
    plan: &Plan,
    server: SocketAddr,
    watch: &mut dyn Watch,
) -> Result<Tally, LoadError> {
    let poll = Poll::new()?;
    let lanes = 0..usize::try_from(plan.lanes.get()).unwrap_or(0);
    let lanes = lanes.map(|lane| Lane::open(server, lane, &poll)).collect::<Result<_, _>>()?;
    let course = Course::new(plan, Seats::Shared, watch);
    Run { server, poll, lanes, course, piece: vec![0; READ] }.go()
}

struct Run<'run> {
    server: SocketAddr,
    poll: Poll,
    lanes: Vec<Lane>,
    course: Course<'run>,
    piece: Vec<u8>,
}

/// One kept connection.
struct Lane {
    stream: TcpStream,
    frames: Frames,
    /// Queries the socket has not taken yet: at most those that may be in flight.
    unsent: Vec<u8>,
    interest: Interest,
}

impl Run<'_> {
    fn go(mut self) -> Result<Tally, LoadError> {
        let mut ready = Ready::new();
        loop {
            let now = self.course.tick();
            if self.course.is_over() {
                return Ok(self.course.finish());
            }
            while let Some(departure) = self.course.depart(now) {
                let Some(lane) = self.lanes.get_mut(departure.lane) else { continue };
                lane.enqueue(&departure);
                self.flush(departure.lane)?;
            }
            self.poll.wait(&mut ready, Some(self.course.patience()))?;
            for lane in ready.tokens() {
                self.read(lane)?;
                self.flush(lane)?;
            }
        }
    }

    fn read(&mut self, token: usize) -> Result<(), LoadError> {
        let mut piece = mem::take(&mut self.piece);
        let Some(lane) = self.lanes.get_mut(token) else { return Ok(()) };
        let result = lane.stream.read(&mut piece);
        let is_open = match result {
            Ok(0) => false,
            Ok(octets) => {
                let piece = piece.get(..octets).unwrap_or_default();
                lane.frames.cut(piece, |answer| self.course.arrive(token, answer));
                true
            }
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        self.piece = piece;
        if is_open { Ok(()) } else { self.reopen(token) }
    }

    /// Writes what waits, and opens another connection where that fails.
    fn flush(&mut self, token: usize) -> Result<(), LoadError> {
        let Some(lane) = self.lanes.get_mut(token) else { return Ok(()) };
        match lane.flush(token, &self.poll) {
            Ok(()) => Ok(()),
            Err(_) => self.reopen(token),
        }
    }

    fn reopen(&mut self, token: usize) -> Result<(), LoadError> {
        self.course.ground(token);
        self.course.count_reconnect();
        let fresh = Lane::open(self.server, token, &self.poll)?;
        if let Some(lane) = self.lanes.get_mut(token) {
            // Closing the old one takes it out of the poll.
            *lane = fresh;
        }
        Ok(())
    }
}

impl Lane {
    fn open(server: SocketAddr, token: usize, poll: &Poll) -> Result<Self, LoadError> {
        let open = || {
            let stream = TcpStream::connect_timeout(&server, CONNECT)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            poll.add(&stream, token, Interest::Read)?;
            Ok(stream)
        };
        let stream = open().map_err(|source| LoadError::Connect { server, source })?;
        let (frames, unsent) = (Frames::default(), Vec::new());
        Ok(Self { stream, frames, unsent, interest: Interest::Read })
    }

    fn enqueue(&mut self, departure: &Departure<'_>) {
        self.unsent.extend_from_slice(&departure.question.octets().to_be_bytes());
        departure.question.write(departure.id, &mut self.unsent);
    }

    /// Writes what the socket takes, and waits for room when it takes less.
    fn flush(&mut self, token: usize, poll: &Poll) -> io::Result<()> {
        if !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        let interest = if self.unsent.is_empty() { Interest::Read } else { Interest::Both };
        if interest != self.interest {
            poll.change(&self.stream, token, interest)?;
            self.interest = interest;
        }
        Ok(())
    }
}
