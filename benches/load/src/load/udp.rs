//! Queries go out as datagrams from several ports, answers come back by the port that asked.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

use super::{
    LoadError, Watch,
    course::{Course, Seats},
    plan::Plan,
    tally::Tally,
};
use crate::poll::{Interest, Poll, Ready};

/// No answer to a query with EDNS 1232 is longer; what is cut off would be judged wrong.
const BUFFER: usize = 4096;

/// Answers taken from one socket before the clock is read again.
const BURST: usize = 64;

pub(super) fn run(
    plan: &Plan,
    server: SocketAddr,
    watch: &mut dyn Watch,
) -> Result<Tally, LoadError> {
    let poll = Poll::new()?;
    let sockets = open(plan.lanes.get(), server, &poll)?;
    let mut course = Course::new(plan, Seats::Shared, watch);
    let (mut ready, mut packet, mut buffer) = (Ready::new(), Vec::new(), [0; BUFFER]);
    loop {
        let now = course.tick();
        if course.is_over() {
            return Ok(course.finish());
        }
        while let Some(departure) = course.depart(now) {
            let Some(socket) = sockets.get(departure.lane) else { continue };
            packet.clear();
            departure.question.write(departure.id, &mut packet);
            // A datagram that is not taken is lost, as on the way, and found by its silence.
            let _ = socket.send(&packet);
        }
        poll.wait(&mut ready, Some(course.patience()))?;
        for lane in ready.tokens() {
            let Some(socket) = sockets.get(lane) else { continue };
            for _ in 0..BURST {
                // Errors are told by ICMP and mean the same as silence.
                let Ok(octets) = socket.recv(&mut buffer) else { break };
                course.arrive(lane, buffer.get(..octets).unwrap_or_default());
            }
        }
    }
}

fn open(count: u32, server: SocketAddr, poll: &Poll) -> Result<Vec<UdpSocket>, LoadError> {
    let any: SocketAddr = if server.is_ipv4() {
        (std::net::Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let open = |lane| -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(any)?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        poll.add(&socket, lane, Interest::Read)?;
        Ok(socket)
    };
    let sockets = (0_usize..).take(usize::try_from(count).unwrap_or(0)).map(open);
    sockets.collect::<io::Result<_>>().map_err(|source| LoadError::Connect { server, source })
}
