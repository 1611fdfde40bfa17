//! What the connections of one thread share: the worker that answers, and buffers that are lent to
//! whoever has something to say, so that a connection at rest holds none.

use std::{
    cell::{Cell, RefCell, RefMut},
    io, mem,
    rc::Rc,
};

use tokio::sync::{Notify, futures::Notified};

use super::frame::PREFIX;
use crate::{pipeline::Worker, query::MAX_QUERY};

/// Octets read at a time: five hundred usual queries, so that many answers leave in one write, and no
/// more than are answered in a fraction of a millisecond.
pub(super) const READ: usize = 16 * 1024;

/// Answers that are collected before they are written: two of the largest messages.
const MAX_UNWRITTEN: usize = 128 * 1024;

// There is always room for more behind a message that has not come whole.
const _: () = assert!(READ >= 2 * (PREFIX + MAX_QUERY));

/// Where the connections of a thread are served, one after the other.
pub(super) struct Desk {
    pub(super) worker: Rc<Worker>,
    buffers: RefCell<Buffers>,
    pub(super) end: End,
}

/// The end of the server, told to all connections of a thread: each listens to its own thread, where
/// nobody else locks.
#[derive(Default)]
pub(super) struct End {
    has_come: Cell<bool>,
    told: Notify,
}

/// What is lent.
pub(super) struct Buffers {
    /// What was read just now.
    pub(super) octets: Box<[u8]>,
    /// What was answered to it.
    pub(super) replies: Replies,
}

/// Framed answers in the order in which they will be written.
#[derive(Default)]
pub(super) struct Replies {
    /// The one that is being made.
    pub(super) answer: Vec<u8>,
    framed: Vec<u8>,
}

impl Desk {
    pub(super) fn new(worker: Rc<Worker>) -> Rc<Self> {
        let octets = vec![0; READ].into_boxed_slice();
        let buffers = RefCell::new(Buffers { octets, replies: Replies::default() });
        Rc::new(Self { worker, buffers, end: End::default() })
    }

    /// Lends the buffers to who does not wait while it has them. They hold nothing: what somebody
    /// left there who met a defect of ours is for nobody else.
    pub(super) fn lend(&self) -> RefMut<'_, Buffers> {
        let mut buffers = self.buffers.borrow_mut();
        buffers.replies.clear();
        buffers
    }
}

impl End {
    pub(super) fn come(&self) {
        self.has_come.set(true);
        self.told.notify_waiters();
    }

    pub(super) fn has_come(&self) -> bool {
        self.has_come.get()
    }

    /// Ready when it has come since.
    pub(super) fn told(&self) -> Notified<'_> {
        self.told.notified()
    }
}

impl Replies {
    /// Puts the answer that was made behind the others.
    pub(super) fn push_answer(&mut self) {
        let answer = mem::take(&mut self.answer);
        self.push(&answer);
        self.answer = answer;
    }

    /// Puts an answer behind the others.
    pub(super) fn push(&mut self, answer: &[u8]) {
        // An answer is cut to what a frame holds before it gets here.
        let length = u16::try_from(answer.len()).unwrap_or(u16::MAX);
        self.framed.extend_from_slice(&length.to_be_bytes());
        self.framed.extend_from_slice(answer);
    }

    /// Whether these must be written before there are more.
    pub(super) fn is_full(&self) -> bool {
        self.framed.len() >= MAX_UNWRITTEN
    }

    /// Writes them as far as the kernel takes them, and leaves nothing for whoever comes next; what
    /// has not been written.
    ///
    /// # Errors
    /// What `write` says, unless it only has no room.
    pub(super) fn send(
        &mut self,
        write: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> io::Result<Vec<u8>> {
        if self.framed.is_empty() {
            return Ok(Vec::new());
        }
        let written = match write(&self.framed) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            written => written,
        };
        // An empty one holds no memory.
        let rest = written.map(|to| self.framed.get(to..).unwrap_or_default().to_vec());
        self.clear();
        rest
    }

    fn clear(&mut self) {
        self.framed.clear();
        self.framed.shrink_to(MAX_UNWRITTEN);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::Arc,
    };

    use super::*;
    use crate::{config::Config, pipeline::Pipeline};

    #[test]
    fn nobody_gets_what_was_left_by_who_met_a_defect() {
        let (pipeline, _engine) = Pipeline::new(&Arc::new(Config::default())).unwrap();
        let desk = Desk::new(Worker::new(pipeline));

        let ended = catch_unwind(AssertUnwindSafe(|| {
            let mut buffers = desk.lend();
            buffers.replies.push(b"answer");
            panic!("a defect");
        }));

        assert!(ended.is_err());
        let sent = desk.lend().replies.send(|framed| panic!("{framed:?} is sent"));
        assert!(sent.unwrap().is_empty());
    }
}
