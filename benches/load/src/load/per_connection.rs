//! Queries go out on a new connection each: connect, ask, read, close. What glibc does with
//! `use-vc`, and what wears out ports: a closed connection keeps its pair of ports for a minute.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use socket2::{Domain, Socket, Type};

use super::{
    LoadError, Watch,
    course::{Course, Departure, Seats},
    plan::{Pace, Plan},
    tally::Tally,
};
use crate::{
    frame::Frames,
    poll::{Interest, Poll, Ready},
};

/// Source addresses for a server on this host, 127.0.0.1 and up: each has ports of its own, and one
/// address has only 28,232 of them, two seconds' worth.
const SOURCES: u8 = 20;

/// No answer that is right is longer.
const READ: usize = 4096;

pub(super) fn run(
    plan: &Plan,
    server: SocketAddr,
    watch: &mut dyn Watch,
) -> Result<Tally, LoadError> {
    // In the closed loop exactly those in flight are open.
    let lanes = match plan.pace {
        Pace::Outstanding(most) => most,
        Pace::Rate(_) => plan.lanes,
    };
    let course = Course::new_with_lanes(plan, Seats::Single, lanes, watch);
    let attempts = (0..lanes.get()).map(|_| None).collect();
    Run { server, poll: Poll::new()?, attempts, course, connected: 0, frame: Vec::new() }.go()
}

struct Run<'run> {
    server: SocketAddr,
    poll: Poll,
    /// By lane. An attempt whose query has been given up stays until its lane is used again.
    attempts: Vec<Option<Attempt>>,
    course: Course<'run>,
    connected: u64,
    frame: Vec<u8>,
}

/// One connection for one query.
struct Attempt {
    socket: Socket,
    id: u16,
    frames: Frames,
    /// What the socket has not taken: the whole query until the handshake is over.
    unsent: Vec<u8>,
}

/// How far an attempt is.
enum Progress {
    Waiting,
    Over,
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
                self.begin(&departure);
            }
            self.poll.wait(&mut ready, Some(self.course.patience()))?;
            for lane in ready.tokens() {
                self.advance(lane);
            }
        }
    }

    fn begin(&mut self, departure: &Departure<'_>) {
        let (lane, id) = (departure.lane, departure.id);
        self.frame.clear();
        self.frame.extend_from_slice(&departure.question.octets().to_be_bytes());
        departure.question.write(id, &mut self.frame);
        self.connected += 1;
        let attempt = connect(self.server, self.connected)
            .and_then(|socket| Attempt::begin(socket, id, &self.frame, lane, &self.poll));
        let Some(place) = self.attempts.get_mut(lane) else { return };
        *place = attempt.ok();
        if place.is_none() {
            self.course.give_up(lane, id);
        }
    }

    fn advance(&mut self, lane: usize) {
        let Some(place) = self.attempts.get_mut(lane) else { return };
        let Some(attempt) = place else { return };
        let id = attempt.id;
        match attempt.advance(lane, &self.poll, &mut self.course) {
            Ok(Progress::Waiting) => {}
            Ok(Progress::Over) => *place = None,
            Err(_) => {
                *place = None;
                self.course.give_up(lane, id);
            }
        }
    }
}

impl Attempt {
    /// On this host the handshake is over at once, and the query leaves without waiting.
    fn begin(socket: Socket, id: u16, frame: &[u8], lane: usize, poll: &Poll) -> io::Result<Self> {
        let mut attempt = Self { socket, id, frames: Frames::default(), unsent: Vec::new() };
        let sent = send_some(&attempt.socket, frame)?;
        attempt.unsent.extend_from_slice(frame.get(sent..).unwrap_or_default());
        let interest = if attempt.unsent.is_empty() { Interest::Read } else { Interest::Both };
        poll.add(&attempt.socket, lane, interest)?;
        Ok(attempt)
    }

    fn advance(
        &mut self,
        lane: usize,
        poll: &Poll,
        course: &mut Course<'_>,
    ) -> io::Result<Progress> {
        if !self.unsent.is_empty() {
            let sent = send_some(&self.socket, &self.unsent)?;
            self.unsent.drain(..sent);
            if self.unsent.is_empty() {
                poll.change(&self.socket, lane, Interest::Read)?;
            }
            return Ok(Progress::Waiting);
        }
        let mut piece = [0; READ];
        let octets = match io::Read::read(&mut self.socket, &mut piece) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Progress::Waiting);
            }
            Err(error) => return Err(error),
        };
        let mut progress = Progress::Waiting;
        self.frames.cut(piece.get(..octets).unwrap_or_default(), |answer| {
            course.arrive(lane, answer);
            progress = Progress::Over;
        });
        Ok(progress)
    }
}

fn connect(server: SocketAddr, number: u64) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM.nonblocking(), None)?;
    if let Some(source) = source_for(server, number) {
        // Without this a port would be taken now, for any server, and rest after use even here.
        setsockopt(&socket, IpBindAddressNoPort, &true)?;
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    match socket.connect(&server.into()) {
        Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => Err(error),
        Ok(()) | Err(_) => Ok(socket),
    }
}

/// The source addresses in turn, where the server is on this host.
fn source_for(server: SocketAddr, number: u64) -> Option<Ipv4Addr> {
    let SocketAddr::V4(server) = server else { return None };
    let turn = u8::try_from(number % u64::from(SOURCES)).ok()?;
    server.ip().is_loopback().then(|| Ipv4Addr::new(127, 0, 0, 1 + turn))
}

fn send_some(socket: &Socket, octets: &[u8]) -> io::Result<usize> {
    match socket.send(octets) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_on_this_host_are_asked_from_many_addresses() {
        let local: SocketAddr = "127.0.0.1:53".parse().unwrap();
        let sources: std::collections::BTreeSet<_> =
            (0..100).filter_map(|number| source_for(local, number)).collect();

        assert_eq!(sources.len(), usize::from(SOURCES));
        assert_eq!(source_for("192.0.2.1:53".parse().unwrap(), 1), None);
        assert_eq!(source_for("[::1]:53".parse().unwrap(), 1), None);
    }
}
