//! The way of a query: decide, look into the cache, ask an upstream, write the answer.
//!
//! ```text
//! listener -> query -> policy -> cache -> upstream -> answer -> query log
//! ```
//!
//! `begin` goes as far as it can without waiting, which for blocked and cached names is all the
//! way; only a miss becomes a `Pending`, which waits for its flight and then goes the same way
//! again with the answer in hand. So there is one place that decides, whatever the road.

mod pending;
mod recall;
mod reply;

use std::{net::IpAddr, rc::Rc, sync::Arc};

use tokio::time::Instant;

use crate::{
    cache::{Cache, Key},
    config::Config,
    cookie::Cookies,
    metrics::Metrics,
    policy::{Decision, Lists, Policy},
    query::{Client, Edns, Query},
    querylog::{Answered, Outcome, QueryLog},
    ratelimit::{Pace, RateLimiter},
    snapshot::{Published, Snapshot},
    upstream::{Carrier, Engine, Resolved, Upstream, UpstreamError},
};

pub use pending::Pending;
use recall::{Known, Recall};

/// The parts that a query passes, shared by all threads that answer.
pub struct Pipeline {
    /// Policy and settings in force.
    pub published: Arc<Published>,
    /// Answers that are still good.
    pub cache: Cache,
    /// Who is asked for the rest.
    pub upstream: Upstream,
    /// Where every answer is noted.
    pub log: Arc<QueryLog>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who asks too often over UDP.
    pub rate: RateLimiter,
    /// Who has proven that its address is no forgery.
    pub cookies: Cookies,
}

/// One thread at the pipeline, and what it has for itself.
pub struct Worker {
    /// What all threads share.
    pub pipeline: Arc<Pipeline>,
}

/// How far a query came without waiting.
pub enum Progress {
    /// The answer is written.
    Done,
    /// An upstream has been asked.
    Wait(Box<Pending>),
    /// There will be no answer: the client asks too often.
    Silence,
}

impl Pipeline {
    /// A pipeline with an empty cache and no list loaded, and what has to run for its upstreams.
    ///
    /// # Errors
    /// Where no client can be made of the upstream settings.
    pub fn new(config: &Arc<Config>) -> Result<(Arc<Self>, Engine), UpstreamError> {
        let cache = Cache::new(config.cache.max_bytes.0);
        let (upstream, engine) = Upstream::new(config, cache.clone())?;
        Ok((Self::of(config, cache, upstream), engine))
    }

    /// The same over a carrier of the caller's, for stories that bring their own upstream.
    pub fn with_carrier(config: &Arc<Config>, carrier: Arc<dyn Carrier>) -> (Arc<Self>, Engine) {
        let cache = Cache::new(config.cache.max_bytes.0);
        let (upstream, engine) = Upstream::with_carrier(config, cache.clone(), carrier);
        (Self::of(config, cache, upstream), engine)
    }

    fn of(config: &Arc<Config>, cache: Cache, upstream: Upstream) -> Arc<Self> {
        let no_lists = Lists { are_loaded: config.lists.is_empty(), ..Lists::default() };
        let policy = Policy::new(config.clone(), no_lists);
        Arc::new(Self {
            published: Arc::new(Published::new(config.clone(), policy)),
            cache,
            upstream,
            log: Arc::default(),
            metrics: Arc::default(),
            rate: RateLimiter::default(),
            cookies: Cookies::default(),
        })
    }

    /// What one thread needs to answer.
    pub fn worker(self: &Arc<Self>) -> Rc<Worker> {
        Rc::new(Worker { pipeline: self.clone() })
    }

    /// Whether a query comes too soon; who cannot have forged its address may ask at any speed.
    pub fn pace(&self, client: &Client, edns: Option<&Edns>, now: Instant) -> Pace {
        if client.has_proven_address(edns) {
            return Pace::Fine;
        }
        let settings = &self.published.load().config.dns.rate_limit;
        self.rate.pace(client.address, settings, now)
    }

    /// Checks the cookie of a client that has one, and makes the one that its answer gives it.
    pub fn check_cookie(&self, edns: &mut Option<Edns>, client: IpAddr) {
        if let Some(cookie) = edns.as_mut().and_then(|edns| edns.cookie.as_mut()) {
            let secrets = &self.published.load().config.dns.cookie_secrets;
            self.cookies.check(cookie, client, secrets);
        }
    }
}

impl Worker {
    /// Answers a query as far as that needs no waiting; the answer is written to `out`.
    pub fn begin(self: &Rc<Self>, query: &Query, out: &mut Vec<u8>) -> Progress {
        let started = Instant::now();
        match self.pipeline.pace(&query.client, query.edns.as_ref(), started) {
            Pace::Fine => {}
            Pace::Slip => {
                self.note(query, reply::over_the_limit(query, out), started);
                return Progress::Done;
            }
            Pace::Drop => return Progress::Silence,
        }
        let answered = match self.answer(query, None, out) {
            Ok(answered) => answered,
            Err(key) => match self.pipeline.upstream.ask(key.clone(), query.asker()) {
                Ok(flight) => {
                    let pending = Pending::new(self.clone(), query.clone(), flight, started);
                    return Progress::Wait(Box::new(pending));
                }
                Err(failure) => self.end(query, key, Err(failure), out),
            },
        };
        self.note(query, answered, started);
        Progress::Done
    }

    /// Answers a query with what came of asking.
    fn end(&self, query: &Query, key: Key, resolved: Resolved, out: &mut Vec<u8>) -> Answered {
        let failure = resolved.as_ref().err().cloned();
        self.answer(query, Some((key, resolved)), out).unwrap_or_else(|_| {
            // A reload gave the name another target while we waited; the client asks again.
            reply::failed(query, &failure.unwrap_or_default(), out)
        })
    }

    /// Answers a query from what is known; the key is what an upstream must be asked for first.
    fn answer(
        &self,
        query: &Query,
        arrived: Option<(Key, Resolved)>,
        out: &mut Vec<u8>,
    ) -> Result<Answered, Key> {
        let snapshot = self.pipeline.published.load();
        let policy = &snapshot.policy;
        let blocking = &snapshot.config.blocking;
        let path = match policy.decide(query) {
            Decision::Refuse(refusal) => return Ok(reply::refused(query, refusal, out)),
            Decision::Truncate => return Ok(reply::truncated(query, out)),
            Decision::Local(name) => return Ok(reply::local(query, name, out)),
            Decision::Special(special) => return Ok(reply::special(query, special, out)),
            Decision::Block(block) => return Ok(reply::blocked(query, &block, blocking, out)),
            Decision::Resolve(path) => path,
        };
        let recall = self.recall(&snapshot);
        let known = match arrived {
            Some((key, resolved)) if key == path.key => Some(recall.settle(&key, resolved)),
            _ => recall.known(&path.key),
        };
        let Some(known) = known else { return Err(path.key) };
        Ok(match known {
            Known::Failure(failure) => reply::failed(query, &failure, out),
            Known::Answer(entry, outcome) => match policy.inspect(query, &path, entry.targets()) {
                Some(block) => reply::blocked(query, &block, blocking, out),
                None if entry.points_home() && policy.guards_against_rebinding(query, &path) => {
                    reply::without_private_addresses(query, &entry, outcome, blocking, out)
                }
                None => reply::resolved(query, &path, &entry, outcome, out),
            },
        })
    }

    fn recall<'p>(&'p self, snapshot: &'p Snapshot) -> Recall<'p> {
        let settings = &snapshot.config.cache;
        Recall {
            cache: &self.pipeline.cache,
            upstream: &self.pipeline.upstream,
            settings,
            now: Instant::now(),
        }
    }

    fn note(&self, query: &Query, answered: Answered, started: Instant) {
        self.pipeline.metrics.count(query.client.transport, &answered);
        if answered.outcome == Outcome::Truncated {
            return;
        }
        let privacy = self.pipeline.published.load().config.query_log.privacy;
        self.pipeline.log.record(query, answered, started.elapsed(), privacy);
    }
}
