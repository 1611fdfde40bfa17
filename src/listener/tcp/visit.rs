//! A connection that has only just come goes in; out comes one that is over, or one that stays.
//!
//! Most clients ask once, read the answer and go (glibc's `use-vc`). So a newcomer is read at once
//! and answered, and then kept aside for a few turns of its thread: who goes in that time has cost
//! no task, no timer and no registration with the kernel.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
};

use super::{desk::Desk, dialogue::Dialogue, seats::Seat};

/// Turns that a newcomer is kept aside: its thread looks after everybody else in each of them,
/// which gives the client time to read its answer and close. With one turn a connection cost
/// more in most trials; eight were no better than three.
const TURNS: u8 = 3;

/// Octets that are read of a newcomer at a time: as many as a hundred usual queries. Many come in one
/// turn of their thread; who has more to say stays, and is heard among others.
const FIRST_WORDS: usize = 4096;

/// A newcomer.
pub(super) struct Visit {
    pub(super) stream: TcpStream,
    pub(super) seat: Seat,
    pub(super) dialogue: Dialogue,
    /// Framed answers that the kernel has not taken yet.
    pub(super) unwritten: Vec<u8>,
    turns: u8,
}

/// What becomes of a newcomer.
pub(super) enum Course {
    /// The client has gone, or has to.
    Over,
    /// It has another turn.
    Undecided,
    /// It needs whatever a connection may need.
    Stays,
}

impl Visit {
    pub(super) fn new(stream: TcpStream, seat: Seat, dialogue: Dialogue) -> Self {
        Self { stream, seat, dialogue, unwritten: Vec::new(), turns: 0 }
    }

    /// Reads what is there, and answers it as far as that needs no waiting.
    pub(super) fn take_turn(&mut self, desk: &Desk) -> Course {
        self.turns += 1;
        match self.converse(desk) {
            // Nothing is unread, and all that was written has been asked before the end.
            Ok(0) => Course::Over,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Course::Over,
            _ if self.turns < TURNS && self.is_at_rest() => Course::Undecided,
            _ => Course::Stays,
        }
    }

    fn is_at_rest(&self) -> bool {
        self.dialogue.is_at_rest() && self.unwritten.is_empty()
    }

    fn converse(&mut self, desk: &Desk) -> io::Result<usize> {
        let buffers = &mut *desk.lend();
        let length = self.dialogue.read(buffers, |free| {
            (&self.stream).read(free.get_mut(..FIRST_WORDS).unwrap_or_default())
        })?;
        if length == 0 {
            return Ok(0);
        }
        // Before the client can know: it may open its next connection when it has its answer.
        self.seat.note_use(self.dialogue.is_owed_an_answer());
        self.unwritten = buffers.replies.send(|framed| (&self.stream).write(framed))?;
        if !self.unwritten.is_empty() {
            self.seat.note_use(true);
        }
        Ok(length)
    }
}
