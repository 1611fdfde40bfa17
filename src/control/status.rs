//! The parts of a running server go in, how it does comes out, in one page for people and scripts.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::Control;
use crate::{lists::ListState, querylog::Outcome, upstream::RouteStatus};

/// How a server does.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// How long it has run.
    pub uptime_seconds: u64,
    /// What keeps it from being ready, where something does.
    pub not_ready: Option<String>,
    /// How often settings or lists have been replaced, from one.
    pub generation: u64,
    /// Whether anything is blocked at all.
    pub blocking: bool,
    /// How the lists do, all together.
    pub lists: Lists,
    /// What became of queries.
    pub queries: Queries,
    /// Answers that are remembered.
    pub cache_entries: u64,
    /// Octets that these take.
    pub cache_bytes: u64,
    /// Queries that wait for an upstream now.
    pub waiting: u64,
    /// Every upstream, in the order of the configuration.
    pub upstreams: Vec<Upstream>,
}

/// How the lists do, all together.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Lists {
    /// Rules in force.
    pub rules: u64,
    /// Octets that these take.
    pub bytes: u64,
    /// Lists that are as they should be.
    pub ok: usize,
    /// Lists of which an older copy is in force.
    pub stale: usize,
    /// Lists of which there is nothing.
    pub failed: usize,
}

/// What became of queries since the start.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Queries {
    /// All of them.
    pub answered: u64,
    /// Those that were blocked.
    pub blocked: u64,
    /// Blocked ones among all, from 0 to 1.
    pub blocked_share: f64,
    /// Those answered from the cache.
    pub cached: u64,
    /// Those answered by upstreams.
    pub forwarded: u64,
    /// Those that failed.
    pub failed: u64,
}

/// How an upstream does.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Upstream {
    /// Its URL.
    pub server: String,
    /// The names that it is asked for; `.` stands for all that have no route.
    #[serde(default)]
    pub domains: Vec<String>,
    /// `up`, `down` or `untried`.
    pub state: String,
    /// Queries that it has answered.
    pub answered: u64,
    /// Queries that it has not.
    pub failed: u64,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// How long its last answer took.
    pub milliseconds: Option<f64>,
}

impl Control {
    /// How the server does now.
    pub(super) fn status(&self) -> Status {
        let Self { pipeline, health, .. } = self;
        let snapshot = pipeline.published.load();
        let loaded = snapshot.policy.lists().are_loaded;
        let started = pipeline.metrics.started();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_seconds: SystemTime::now().duration_since(started).unwrap_or_default().as_secs(),
            not_ready: health.missing(loaded).map(str::to_owned),
            generation: snapshot.generation,
            blocking: snapshot.config.blocking.enabled,
            lists: self.lists_in_all(),
            queries: self.queries(),
            cache_entries: pipeline.cache.entries(),
            cache_bytes: pipeline.cache.bytes(),
            waiting: pipeline.upstream.waiting(),
            upstreams: self.upstreams(),
        }
    }

    /// How each upstream does.
    pub(super) fn upstreams(&self) -> Vec<Upstream> {
        let routes = self.pipeline.upstream.routes().into_iter();
        let of_route = |route: RouteStatus| {
            let domains = route.domains();
            route.servers.into_iter().map(move |server| Upstream::of(server, domains.clone()))
        };
        routes.flat_map(of_route).collect()
    }

    fn lists_in_all(&self) -> Lists {
        let states: Vec<ListState> = self.lists.status().iter().map(|list| list.state).collect();
        let count = |wanted| states.iter().filter(|state| **state == wanted).count();
        let snapshot = self.pipeline.published.load();
        let matcher = &snapshot.policy.lists().matcher;
        Lists {
            rules: matcher.rules() as u64,
            bytes: matcher.memory() as u64,
            ok: count(ListState::Ok),
            stale: count(ListState::Stale),
            failed: count(ListState::Failed),
        }
    }

    fn queries(&self) -> Queries {
        let metrics = &self.pipeline.metrics;
        let (answered, blocked) = (metrics.all_answers(), metrics.answers(Outcome::Blocked));
        Queries {
            answered,
            blocked,
            // Counters of a lifetime of queries are far below 2^53, where f64 still counts by one.
            blocked_share: if answered == 0 { 0.0 } else { blocked as f64 / answered as f64 },
            cached: metrics.answers(Outcome::Cached) + metrics.answers(Outcome::Stale),
            forwarded: metrics.answers(Outcome::Forwarded),
            failed: metrics.answers(Outcome::Failed),
        }
    }
}

impl Upstream {
    fn of(server: doh_client::ServerStatus, domains: Vec<String>) -> Self {
        let state = match server.health {
            doh_client::Health::Untried => "untried",
            doh_client::Health::Up => "up",
            doh_client::Health::Down => "down",
        };
        Self {
            server: server.server,
            domains,
            state: state.to_owned(),
            answered: server.answered,
            failed: server.failed,
            last_error: server.last_error,
            milliseconds: server.last_round_trip.map(|time| time.as_secs_f64() * 1000.0),
        }
    }
}
