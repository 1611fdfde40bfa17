//! The way of a query: decide, look into the cache, ask an upstream, write the answer.
//!
//! ```text
//! listener -> query -> policy -> cache -> upstream -> answer -> query log
//! ```
//!
//! `begin` goes as far as it can without waiting, which for blocked and cached names is all the
//! way; only a miss becomes a `Pending`, which waits for its flight and then goes the same way
//! again with the answer in hand. So there is one place that decides, whatever the road. What it
//! came to is kept for the next who ask the same, until policy changes or the answer expires.

mod front;
mod pending;
mod recall;
mod reply;
mod shared;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    cache::{Key, UpstreamBlock},
    metrics::Tally,
    policy::{Admitted, Decision, Inspection, Path, Refusal},
    query::Query,
    querylog::{Given, Outcome, Writer},
    ratelimit::Pace,
    snapshot::Snapshot,
    upstream::{Courier, Failure, Mailbox, Resolved},
};

use front::Front;
pub use pending::Pending;
use recall::{Found, Known, Recall, Unknown};
use reply::Reply;
pub use shared::Pipeline;

/// One thread at the pipeline, with what it has for itself.
pub struct Worker {
    /// What all threads share.
    pub pipeline: Arc<Pipeline>,
    front: RefCell<Front>,
    log: RefCell<Writer>,
    tally: Tally,
    /// How what upstreams said comes to this thread.
    courier: Courier,
    /// The time, as it was when the thread last read packets.
    now: Cell<Instant>,
}

/// How far a query came without waiting.
pub enum Progress {
    /// The answer is written.
    Done,
    /// An upstream has been asked.
    Wait(Box<Pending>),
    /// There will be no answer: the client asks too often, or a rule wants none.
    Silence,
}

impl Progress {
    fn after(given: Given) -> Self {
        if given.is_silent() { Self::Silence } else { Self::Done }
    }
}

/// What an upstream must be asked for first, and whether there is an expired answer until then.
struct Miss {
    key: Key,
    has_stale: bool,
}

/// A query that was admitted, what it is judged by, and when.
#[derive(Clone, Copy)]
struct Asked<'a> {
    query: &'a Query,
    admitted: Admitted,
    snapshot: &'a Snapshot,
    now: Instant,
}

impl Worker {
    /// Another thread at a pipeline, and what has to run on it for its upstream answers to come in.
    pub fn with_mailbox(pipeline: Arc<Pipeline>) -> (Rc<Self>, Mailbox) {
        let (courier, mailbox) = pipeline.upstream.courier();
        (Self::of(pipeline, courier), mailbox)
    }

    /// The same where each upstream answer comes in by itself.
    pub fn new(pipeline: Arc<Pipeline>) -> Rc<Self> {
        Self::of(pipeline, Courier::default())
    }

    fn of(pipeline: Arc<Pipeline>, courier: Courier) -> Rc<Self> {
        Rc::new(Self {
            courier,
            front: RefCell::new(Front::new()),
            log: RefCell::new(pipeline.log.writer()),
            tally: pipeline.metrics.tally(),
            now: Cell::new(Instant::now()),
            pipeline,
        })
    }

    /// Reads the clock, once for all packets that have arrived together.
    pub fn read_clock(&self) {
        self.now.set(Instant::now());
    }

    /// Answers a query as far as that needs no waiting; the answer is written to `out`.
    pub fn begin(self: &Rc<Self>, query: &Query, out: &mut Vec<u8>) -> Progress {
        let (snapshot, now) = (self.pipeline.published.load(), self.now.get());
        match self.pipeline.pace(&query.client, query.edns.as_ref(), &snapshot, now) {
            Pace::Fine => {}
            Pace::Slip => return self.done(query, &reply::over_the_limit(query, out), &snapshot),
            Pace::Drop => return Progress::Silence,
        }
        let asked = match Asked::admit(query, &snapshot, now) {
            Ok(asked) => asked,
            Err(refusal) => {
                return self.done(query, &reply::refused(query, refusal, out), &snapshot);
            }
        };
        if let Some(given) = self.front.borrow_mut().give(&asked, out) {
            self.note(query, given, Duration::ZERO, &snapshot);
            return Progress::Done;
        }
        self.find_out(&asked, out)
    }

    /// Answers what this thread has not answered lately, and keeps the answer where it lasts.
    fn find_out(self: &Rc<Self>, asked: &Asked<'_>, out: &mut Vec<u8>) -> Progress {
        let Asked { query, snapshot, now, .. } = *asked;
        let reply = match self.answer(asked, None, out) {
            Ok(reply) => reply,
            Err(miss) => match self.ask_upstream(query, miss, now) {
                Ok(pending) => return Progress::Wait(pending),
                Err((key, failure)) => {
                    let ended = self.end(query, (&key, Err(failure.clone())), out);
                    ended.unwrap_or_else(|_| reply::failed(query, &failure, out))
                }
            },
        };
        let given = self.log.borrow_mut().shorten(&reply.answered);
        if let Some(validity) = reply.validity {
            self.front.borrow_mut().keep(asked, validity, given, out);
        }
        self.note(query, given, now.elapsed(), snapshot);
        Progress::after(given)
    }

    fn ask_upstream(
        self: &Rc<Self>,
        query: &Query,
        Miss { key, has_stale }: Miss,
        now: Instant,
    ) -> Result<Box<Pending>, (Key, Failure)> {
        match self.pipeline.upstream.ask(key.clone(), query.asker(), &self.courier) {
            Ok(flight) => {
                let worker = self.clone();
                Ok(Box::new(Pending::new(worker, query.clone(), flight, has_stale, now)))
            }
            Err(failure) => Err((key, failure)),
        }
    }

    /// Answers a query with what came of asking; a reload may have led it elsewhere meanwhile, and
    /// then the key is what has to be asked for now.
    fn end(
        &self,
        query: &Query,
        arrived: (&Key, Resolved),
        out: &mut Vec<u8>,
    ) -> Result<Reply, Key> {
        let snapshot = self.pipeline.published.load();
        match Asked::admit(query, &snapshot, Instant::now()) {
            Ok(asked) => self.answer(&asked, Some(arrived), out).map_err(|miss| miss.key),
            Err(refusal) => Ok(reply::refused(query, refusal, out)),
        }
    }

    /// Answers a query from what is known.
    fn answer(
        &self,
        asked: &Asked<'_>,
        arrived: Option<(&Key, Resolved)>,
        out: &mut Vec<u8>,
    ) -> Result<Reply, Miss> {
        let Asked { query, snapshot, .. } = *asked;
        let policy = &snapshot.policy;
        let path = match policy.decide(query, asked.admitted) {
            Decision::Refuse(refusal) => return Ok(reply::refused(query, refusal, out)),
            Decision::Local(name) => return Ok(reply::local(asked, name, out)),
            Decision::Special(special) => return Ok(reply::special(asked, special, out)),
            Decision::Block(block) => return Ok(reply::blocked(asked, &block, None, out)),
            Decision::Resolve(path) => path,
        };
        let recall = self.recall(snapshot, asked.now);
        let known = match arrived {
            Some((key, resolved)) if *key == path.key => Ok(recall.settle(key, resolved)),
            _ => {
                if self.front.borrow_mut().take_demand(asked) {
                    recall.note_demand(&path.key);
                }
                recall.known(&path.key)
            }
        };
        Ok(match known {
            Ok(Known::Answer(found)) => give(asked, &path, &found, out),
            Ok(Known::Failure(failure)) => {
                reply::failed(query, &failure, out).shadowed_by(path.shadow)
            }
            Err(Unknown { has_stale }) => return Err(Miss { key: path.key, has_stale }),
        })
    }

    fn recall<'p>(&'p self, snapshot: &'p Snapshot, now: Instant) -> Recall<'p> {
        let Pipeline { cache, upstream, .. } = self.pipeline.as_ref();
        Recall { cache, upstream, settings: &snapshot.config.cache, now }
    }

    fn done(&self, query: &Query, reply: &Reply, snapshot: &Snapshot) -> Progress {
        self.done_since(self.now.get(), query, reply, snapshot)
    }

    /// Notes an answer that took a while.
    fn done_since(
        &self,
        arrived: Instant,
        query: &Query,
        reply: &Reply,
        snapshot: &Snapshot,
    ) -> Progress {
        let given = self.log.borrow_mut().shorten(&reply.answered);
        self.note(query, given, arrived.elapsed(), snapshot);
        Progress::after(given)
    }

    fn note(&self, query: &Query, given: Given, took: Duration, snapshot: &Snapshot) {
        self.tally.count(query.client.transport, given);
        if given.outcome != Outcome::Truncated {
            let privacy = snapshot.config.query_log.privacy;
            self.log.borrow_mut().record(query, given, (self.now.get(), took), privacy);
        }
    }
}

impl<'a> Asked<'a> {
    fn admit(query: &'a Query, snapshot: &'a Snapshot, now: Instant) -> Result<Self, Refusal> {
        let admitted = snapshot.policy.admit(query)?;
        Ok(Self { query, admitted, snapshot, now })
    }
}

/// Answers with what was found, as far as what it leads to allows.
fn give(asked: &Asked<'_>, path: &Path<'_>, found: &Found, out: &mut Vec<u8>) -> Reply {
    let Asked { query, snapshot, .. } = *asked;
    let policy = &snapshot.policy;
    let Inspection { block, shadow } = policy.inspect(query, path, found.entry.targets());
    let is_null = found.entry.block() == Some(UpstreamBlock::NullAddress);
    let reply = match block {
        Some(block) => reply::blocked(asked, &block, Some(found), out),
        None if is_null => reply::nullified(asked, found, out),
        None if policy.guards_against_rebinding(query, path, &found.entry) => {
            reply::without_private_addresses(asked, path, found, out)
        }
        None => reply::resolved(asked, path, found, out),
    };
    reply.shadowed_by(shadow)
}
