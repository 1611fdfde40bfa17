//! Octets of a client go in, framed answers come out, at once or when they become ready. It waits
//! for nothing by itself and knows no socket, so that whoever reads can lend it a buffer.

use std::{
    io, mem,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{StreamExt as _, future::LocalBoxFuture, stream::FuturesUnordered};
use tokio::time::Instant;

use super::{
    super::{Taken, finish, take},
    IDLE_SECONDS,
    desk::{Buffers, Replies},
    frame::{Frame, PREFIX},
    proxy::SIGNATURE,
};
use crate::{metrics::ProxyHeader, pipeline::Worker, query::Client};

/// Longest silence of a client that is owed nothing.
pub(super) const IDLE: Duration = Duration::from_secs(IDLE_SECONDS as u64);

/// Longest from the first octet of a message to its last, however they drip.
pub(super) const MESSAGE: Duration = Duration::from_secs(10);

/// Answers that wait for an upstream.
type Waiting = FuturesUnordered<LocalBoxFuture<'static, Option<Vec<u8>>>>;

/// What is between one client and us.
pub(super) struct Dialogue {
    worker: Rc<Worker>,
    client: Client,
    /// What was read and not yet understood.
    unread: Vec<u8>,
    /// When the message that has not arrived whole began to.
    begun: Option<Instant>,
    /// Only while there are some: most clients never wait.
    waiting: Option<Box<Waiting>>,
    /// Whether anything the client may still send will be answered.
    is_open: bool,
    /// Whether nobody knows where its next message begins.
    is_lost: bool,
}

impl Dialogue {
    /// A dialogue with this client, of whom `unread` was read already.
    pub(super) fn new(worker: Rc<Worker>, client: Client, unread: Vec<u8>) -> Self {
        Self { worker, client, unread, begun: None, waiting: None, is_open: true, is_lost: false }
    }

    /// Whom it is with.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Reads once, and answers what has come as far as that needs no waiting; how many octets they
    /// were.
    ///
    /// # Errors
    /// What `read` says, and where the client must not be listened to any more.
    pub(super) fn read(
        &mut self,
        buffers: &mut Buffers,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let Buffers { octets, replies } = buffers;
        // Nobody reads who has more than a part of a message.
        let held = self.unread.len();
        let (head, free) = octets.split_at_mut_checked(held).unwrap_or_default();
        let length = read(free)?;
        if length > 0 {
            head.copy_from_slice(&self.unread);
            let octets = octets.get(..held + length).unwrap_or_default();
            self.take_frames(octets, replies)?;
        }
        Ok(length)
    }

    /// Goes on with what was read and had no room.
    ///
    /// # Errors
    /// Where the client must not be listened to any more.
    pub(super) fn go_on(&mut self, replies: &mut Replies) -> io::Result<()> {
        let unread = mem::take(&mut self.unread);
        self.take_frames(&unread, replies)
    }

    /// Whether something was read and not taken.
    pub(super) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Whether something was read that has room now.
    pub(super) fn can_go_on(&self) -> bool {
        matches!(Frame::at(&self.unread, 0), Frame::Whole(_)) && self.has_room()
    }

    /// Collects the answers that have become ready; whoever calls is woken for the next one.
    pub(super) fn poll_answers(&mut self, cx: &mut Context<'_>, replies: &mut Replies) -> Poll<()> {
        let mut collected = Poll::Pending;
        while let Some(waiting) = &mut self.waiting
            && !replies.is_full()
            && let Poll::Ready(answer) = waiting.poll_next_unpin(cx)
        {
            match answer {
                Some(Some(answer)) => replies.push(&answer),
                // A rule wants that nothing is said.
                Some(None) => {}
                None => self.waiting = None,
            }
            collected = Poll::Ready(());
        }
        collected
    }

    /// Nothing that still comes will be answered.
    pub(super) fn stop_listening(&mut self) {
        self.is_open = false;
    }

    /// Whether it is listened to at all.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether the client is owed an answer.
    pub(super) fn is_owed_an_answer(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether nothing is left of what came so far, and more may come.
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_open && self.waiting.is_none() && self.unread.is_empty()
    }

    /// Whether more should be read now.
    pub(super) fn wants_more(&self) -> bool {
        self.is_open && self.can_take_more()
    }

    /// Whether more could be taken: not before all that came whole is.
    pub(super) fn can_take_more(&self) -> bool {
        let has_more = matches!(Frame::at(&self.unread, 0), Frame::Whole(_));
        !self.is_lost && !has_more && self.has_room()
    }

    /// When the client is too late with what it should send, if it was here last at this time.
    pub(super) fn late_at(&mut self, last_active: Instant) -> Option<Instant> {
        if !self.wants_more() {
            // The time that we do not read is none that the client takes.
            self.begun = self.begun.map(|_| Instant::now());
            return None;
        }
        match self.begun {
            Some(begun) => Some(begun + MESSAGE),
            None => self.waiting.is_none().then_some(last_active + IDLE),
        }
    }

    /// Takes the whole frames, as long as there is room for what they ask.
    fn take_frames(&mut self, octets: &[u8], replies: &mut Replies) -> io::Result<()> {
        let mut at = 0;
        if octets.starts_with(&SIGNATURE) {
            self.worker.pipeline.metrics.count_proxy_header(ProxyHeader::Unexpected);
            return Err(io::Error::other("a PROXY header from who must not send one"));
        }
        self.worker.read_clock();
        while self.has_room()
            && !replies.is_full()
            && let Frame::Whole(message) = Frame::at(octets, at)
        {
            at += PREFIX + message.len();
            match take(&self.worker, message, &self.client, &mut replies.answer) {
                Taken::Silence => {}
                Taken::Answer => replies.push_answer(),
                Taken::Wait(pending) => {
                    self.waiting.get_or_insert_default().push(Box::pin(finish(pending)));
                }
            }
        }
        self.keep_the_rest(octets, at);
        Ok(())
    }

    /// Notes when a message began that is not whole yet; after a broken one, nothing is read.
    fn keep_the_rest(&mut self, octets: &[u8], taken: usize) {
        match Frame::at(octets, taken) {
            Frame::Begun if taken == 0 => self.begun = self.begun.or_else(|| Some(Instant::now())),
            Frame::Begun => self.begun = Some(Instant::now()),
            Frame::Broken => {
                (self.is_open, self.is_lost) = (false, true);
                return;
            }
            Frame::Nothing | Frame::Whole(_) => self.begun = None,
        }
        // An empty one holds no memory.
        self.unread = octets.get(taken..).unwrap_or_default().to_vec();
    }

    /// Whether another answer may wait: `dns.limits.in_flight_per_connection`.
    fn has_room(&self) -> bool {
        self.waiting.as_ref().is_none_or(|waiting| {
            let snapshot = self.worker.pipeline.published.load();
            waiting.len() < snapshot.config.dns.limits.in_flight_per_connection
        })
    }
}
