//! The parts that a query passes, made of a configuration and shared by all threads that answer.

use std::{net::IpAddr, sync::Arc};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    cache::Cache,
    config::Config,
    cookie::Cookies,
    metrics::Metrics,
    policy::{Lists, Policy},
    query::{Client, Edns},
    querylog::QueryLog,
    ratelimit::{Pace, RateLimiter},
    snapshot::{Published, Snapshot},
    upstream::{Carrier, Engine, Upstream, UpstreamError},
};

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
        let policy = Policy::new(config.clone(), no_lists, Timestamp::now());
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

    /// Whether a query comes too soon; who cannot have forged its address may ask at any speed.
    pub fn pace(
        &self,
        client: &Client,
        edns: Option<&Edns>,
        snapshot: &Snapshot,
        now: Instant,
    ) -> Pace {
        if client.has_proven_address(edns) {
            return Pace::Fine;
        }
        self.rate.pace(client.address, &snapshot.config.dns.rate_limit, now)
    }

    /// Checks the cookie of a client that has one, and makes the one that its answer gives it.
    pub fn check_cookie(&self, edns: &mut Option<Edns>, client: IpAddr) {
        if let Some(cookie) = edns.as_mut().and_then(|edns| edns.cookie.as_mut()) {
            let secrets = &self.published.load().config.dns.cookie_secrets;
            self.cookies.check(cookie, client, secrets);
        }
    }
}
