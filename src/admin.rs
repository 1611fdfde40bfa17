//! The running server as the admin page sees it: implements `admin_ui::Backend`.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use admin_ui::{Access, Backend, Explain, QueryRow, Status};
use tokio::sync::broadcast;

use crate::{
    explain::{Subject, explain_running},
    lists::{ListState, ListStatus, ListStore},
    metrics::Health,
    pipeline::Pipeline,
    querylog::{Outcome, unix_milliseconds},
};

/// Joins the parts of a server to the admin page.
pub struct AdminBackend {
    pipeline: Arc<Pipeline>,
    lists: Arc<ListStore>,
    health: Arc<Health>,
    /// Stands in where the configuration has no hash.
    first_hash: String,
    replica: String,
}

impl AdminBackend {
    /// A backend over the parts of a running server.
    pub fn new(
        pipeline: Arc<Pipeline>,
        lists: Arc<ListStore>,
        health: Arc<Health>,
        first_hash: String,
    ) -> Self {
        Self { pipeline, lists, health, first_hash, replica: replica() }
    }

    fn totals(&self) -> admin_ui::Totals {
        let answers = |outcome| self.pipeline.metrics.answers(outcome);
        admin_ui::Totals {
            queries: self.pipeline.metrics.all_answers(),
            blocked: answers(Outcome::Blocked) + answers(Outcome::BlockedUpstream),
            cached: answers(Outcome::Cached) + answers(Outcome::Stale),
            forwarded: answers(Outcome::Forwarded),
            local: answers(Outcome::Local) + answers(Outcome::Special),
            failed: answers(Outcome::Failed),
            refused: answers(Outcome::Refused),
        }
    }

    fn cache(&self, totals: &admin_ui::Totals) -> admin_ui::Cache {
        let (hits, misses) = (totals.cached, totals.forwarded + totals.failed);
        admin_ui::Cache {
            entries: self.pipeline.cache.entries(),
            bytes: self.pipeline.cache.bytes(),
            max_bytes: self.pipeline.published.load().config.cache.max_bytes.0,
            hits,
            misses,
            hit_rate: rate(hits, hits + misses),
        }
    }
}

impl Backend for AdminBackend {
    fn explain(&self, question: &Explain) -> Result<serde_json::Value, String> {
        let Explain { name, qtype, client } = question;
        let subject = Subject::parse(name, qtype, client.as_deref());
        let subject = subject.map_err(|error| error.to_string())?;
        let explanation = explain_running(&self.pipeline, &self.lists, &subject);
        serde_json::to_value(explanation).map_err(|error| error.to_string())
    }

    fn upstreams(&self) -> serde_json::Value {
        serde_json::to_value(self.pipeline.upstream.report()).unwrap_or_default()
    }

    fn status(&self) -> Status {
        let snapshot = self.pipeline.published.load();
        let lists = snapshot.policy.lists();
        let totals = self.totals();
        let started = self.pipeline.metrics.started();
        Status {
            replica: self.replica.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: unix_milliseconds(started),
            uptime_seconds: SystemTime::now().duration_since(started).unwrap_or_default().as_secs(),
            ready: self.health.missing(lists.are_loaded).is_none(),
            totals,
            block_rate: rate(totals.blocked, totals.queries),
            blocking: admin_ui::Blocking {
                enabled: snapshot.config.blocking.enabled,
                rules: lists.matcher.rules() as u64,
                memory_bytes: lists.matcher.memory() as u64,
            },
            cache: self.cache(&totals),
            upstream: self.pipeline.upstream.status().into_iter().map(upstream).collect(),
            lists: self.lists.status().into_iter().map(list).collect(),
        }
    }

    fn queries(&self, limit: usize) -> Vec<QueryRow> {
        self.pipeline.log.last(limit)
    }

    fn follow(&self) -> broadcast::Receiver<Arc<QueryRow>> {
        self.pipeline.log.follow()
    }

    fn access(&self) -> Arc<Access> {
        let snapshot = self.pipeline.published.load();
        let admin = &snapshot.config.admin;
        let configured = Some(&admin.password_hash).filter(|hash| !hash.is_empty());
        Arc::new(Access {
            password_hash: configured.unwrap_or(&self.first_hash).clone(),
            allowed_hosts: admin.allowed_hosts.clone(),
        })
    }
}

/// What tells this replica from its sisters: the pod's or host's name.
fn replica() -> String {
    let from_kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty()).or_else(from_kernel);
    name.map_or_else(|| "dnsward".to_owned(), |name| name.trim().to_owned())
}

fn rate(part: u64, whole: u64) -> f64 {
    // Counters of a lifetime of queries are far below 2^53, where f64 still counts by one.
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn upstream(server: doh_client::ServerStatus) -> admin_ui::Upstream {
    admin_ui::Upstream {
        state: match server.health {
            doh_client::Health::Untried => admin_ui::UpstreamState::Untried,
            doh_client::Health::Up => admin_ui::UpstreamState::Up,
            doh_client::Health::Down => admin_ui::UpstreamState::Down,
        },
        server: server.server,
        answered: server.answered,
        failed: server.failed,
        last_error: server.last_error,
        round_trip_ms: server.last_round_trip.map(|time: Duration| time.as_secs_f64() * 1000.0),
    }
}

fn list(list: ListStatus) -> admin_ui::List {
    admin_ui::List {
        name: list.name,
        action: list.action.to_owned(),
        rules: list.rules,
        rejected: list.rejected,
        state: match list.state {
            ListState::Ok => admin_ui::ListState::Ok,
            ListState::Stale => admin_ui::ListState::Stale,
            ListState::Failed => admin_ui::ListState::Failed,
        },
        error: list.error,
        updated: list.updated,
    }
}
