//! Streams of queries come in, streams of answers go out: read all that is there, answer all whole
//! messages, write once. The least a server of long, pipelined connections must do.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
};

use super::answer::{GROWTH, answer_in_place};
use crate::{
    frame::{Frames, LENGTH},
    poll::{Interest, Poll, Ready},
};

/// One read takes at most this much: about a thousand queries.
const READ: usize = 64 * 1024;

/// Number of the listener among the sockets; connections have their place in the table.
const LISTENER: usize = usize::MAX;

/// Connections held at once: what a test of idle connections opens, and room to spare. More are
/// accepted and closed.
const MAX_CONNECTIONS: usize = 32_768;

/// One client.
struct Connection {
    stream: TcpStream,
    frames: Frames,
    /// Answers the client has not taken yet. While there are any, nothing is read.
    unsent: Vec<u8>,
}

/// Answers until the listener fails.
///
/// # Errors
/// When the listener or waiting fails. A connection that fails is closed.
pub fn serve(listener: &TcpListener) -> io::Result<()> {
    Server::new(listener)?.run()
}

struct Server<'listener> {
    listener: &'listener TcpListener,
    poll: Poll,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    piece: Vec<u8>,
    answers: Vec<u8>,
}

/// Whether a connection goes on.
enum Fate {
    Stay,
    Close,
}

impl<'listener> Server<'listener> {
    fn new(listener: &'listener TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        // Accepted sockets inherit it, which saves a call for each.
        rustix::net::sockopt::set_tcp_nodelay(listener, true)?;
        let poll = Poll::new()?;
        poll.add(listener, LISTENER, Interest::Read)?;
        let piece = vec![0; READ];
        let (connections, free, answers) = (Vec::new(), Vec::new(), Vec::with_capacity(2 * READ));
        Ok(Self { listener, poll, connections, free, piece, answers })
    }

    fn run(mut self) -> io::Result<()> {
        let mut ready = Ready::new();
        loop {
            self.poll.wait(&mut ready, None)?;
            for token in ready.tokens() {
                match token {
                    LISTENER => self.accept()?,
                    token => self.advance(token),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            let token = self.free.pop().unwrap_or(self.connections.len());
            if token >= MAX_CONNECTIONS {
                continue;
            }
            self.poll.add(&stream, token, Interest::Read)?;
            let connection = Connection { stream, frames: Frames::default(), unsent: Vec::new() };
            match self.connections.get_mut(token) {
                Some(place) => *place = Some(connection),
                None => self.connections.push(Some(connection)),
            }
        }
    }

    fn advance(&mut self, token: usize) {
        let Some(place) = self.connections.get_mut(token) else { return };
        let Some(connection) = place else { return };
        let fate = if connection.unsent.is_empty() {
            connection.answer(token, &self.poll, &mut self.piece, &mut self.answers)
        } else {
            connection.go_on_writing(token, &self.poll)
        };
        if matches!(fate, Ok(Fate::Close) | Err(_)) {
            // Closing takes it out of the poll too.
            *place = None;
            self.free.push(token);
        }
    }
}

impl Connection {
    fn answer(
        &mut self,
        token: usize,
        poll: &Poll,
        piece: &mut [u8],
        answers: &mut Vec<u8>,
    ) -> io::Result<Fate> {
        let read = match self.stream.read(piece) {
            Ok(0) => return Ok(Fate::Close),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Fate::Stay),
            Err(error) => return Err(error),
        };
        answers.clear();
        self.frames.cut(piece.get(..read).unwrap_or_default(), |query| append(query, answers));
        let written = write_some(&mut self.stream, answers)?;
        if written < answers.len() {
            self.unsent.extend_from_slice(answers.get(written..).unwrap_or_default());
            poll.change(&self.stream, token, Interest::Write)?;
        }
        Ok(Fate::Stay)
    }

    fn go_on_writing(&mut self, token: usize, poll: &Poll) -> io::Result<Fate> {
        let written = write_some(&mut self.stream, &self.unsent)?;
        self.unsent.drain(..written);
        if self.unsent.is_empty() {
            poll.change(&self.stream, token, Interest::Read)?;
        }
        Ok(Fate::Stay)
    }
}

/// Appends the answer to a query, with its length before it.
pub(super) fn append(query: &[u8], answers: &mut Vec<u8>) {
    let start = answers.len();
    answers.extend_from_slice(&[0; LENGTH]);
    answers.extend_from_slice(query);
    answers.extend_from_slice(&[0; GROWTH]);
    let body = answers.get_mut(start + LENGTH..).unwrap_or_default();
    let end = answer_in_place(body, query.len());
    let Some(length) = end.and_then(|end| u16::try_from(end).ok()) else {
        answers.truncate(start);
        return;
    };
    if let Some(place) = answers.get_mut(start..start + LENGTH) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    answers.truncate(start + LENGTH + usize::from(length));
}

/// Writes what the socket takes now.
fn write_some(stream: &mut TcpStream, octets: &[u8]) -> io::Result<usize> {
    if octets.is_empty() {
        return Ok(0);
    }
    match stream.write(octets) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}
