//! Counters and the state of every part go in, the text that Prometheus reads comes out.
//!
//! Each family is one row of a table. Label values come from closed sets or from the
//! configuration, never from clients.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, atomic::AtomicU64, atomic::Ordering},
    time::UNIX_EPOCH,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    metrics::{MetricType, info::Info},
    registry::Registry,
};

use super::{
    Metrics, ProxyHeader, RCODE_WORDS, Room, TRANSPORTS,
    family::{Family, counter, family, gauge},
    upstream,
};
use crate::{
    lists::{ListState, ListStore},
    pipeline::Pipeline,
    querylog::Outcome,
};

/// Everything that a scrape asks.
#[derive(Clone)]
pub struct Scrape {
    /// Counters, cache, upstreams, query log.
    pub pipeline: Arc<Pipeline>,
    /// The state of the lists.
    pub lists: Arc<ListStore>,
}

impl Scrape {
    /// The text, in OpenMetrics form.
    ///
    /// # Errors
    /// Never in practice: writing to a `String` does not fail.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("dnsward");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of the server", build);
        registry.register_collector(Box::new(self.clone()));
        let mut out = String::new();
        text::encode(&mut out, &registry)?;
        Ok(out)
    }

    fn families(&self) -> Vec<Family> {
        let mut families = of_counters(&self.pipeline.metrics);
        families.extend(self.of_path());
        families.extend(self.of_lists());
        families.push(self.of_shadows());
        families.extend(upstream::families(&self.pipeline.upstream));
        families
    }

    fn of_path(&self) -> [Family; 12] {
        let Pipeline { cache, published, upstream, log, rate, .. } = self.pipeline.as_ref();
        let snapshot = published.load();
        let config = &snapshot.config;
        let limit = config.dns.limits.in_flight as u64;
        let refused = ["all", "client"].map(|limit| vec![("limit", limit.to_owned())]);
        let refused = refused.into_iter().zip(upstream.overloaded());
        let over = [("slip", rate.slipped()), ("drop", rate.dropped())]
            .map(|(action, queries)| (vec![("action", action.to_owned())], queries));
        [
            gauge("cache_entries", "Answers in the cache", cache.entries()),
            gauge("cache_bytes", "Bytes in the cache", cache.bytes()),
            gauge("cache_limit_bytes", "Bytes the cache may hold", config.cache.max_bytes.0),
            counter("cache_evictions", "Answers that left for want of room", cache.evicted()),
            counter("cache_renewed", "Answers renewed before they expired", upstream.renewed()),
            gauge(
                "failures_remembered",
                "Keys that failed last, within a minute",
                upstream.failures(),
            ),
            gauge("queries_waiting", "Queries that wait for an upstream", upstream.waiting()),
            gauge("queries_waiting_limit", "Queries that may wait", limit),
            family("queries_overloaded", "Queries beyond a limit", MetricType::Counter, refused),
            counter("query_log_dropped", "Queries that found the log full", log.dropped()),
            family("rate_limited", "Queries over the rate limit", MetricType::Counter, over),
            gauge("generation", "Counts up with every change of policy", snapshot.generation),
        ]
    }

    fn of_lists(&self) -> [Family; 5] {
        let snapshot = self.pipeline.published.load();
        let matcher = &snapshot.policy.lists().matcher;
        let status = self.lists.status();
        let label = |name: &str| vec![("list", name.to_owned())];
        let rules = status.iter().map(|list| (label(&list.name), list.rules));
        let is_ok = |state| u64::from(state == ListState::Ok);
        let up = status.iter().map(|list| (label(&list.name), is_ok(list.state)));
        let refused = self.lists.refused().into_iter();
        let refused = refused.map(|(list, reason, times)| {
            (vec![("list", list), ("reason", reason.to_owned())], times)
        });
        [
            gauge("rules", "Rules of all lists", matcher.rules() as u64),
            gauge("rules_bytes", "Bytes that these rules take", matcher.memory() as u64),
            family("list_rules", "Rules of each list", MetricType::Gauge, rules),
            family("list_up", "Whether a list's last load succeeded", MetricType::Gauge, up),
            family("list_refused", "Downloads not trusted", MetricType::Counter, refused),
        ]
    }

    /// Of what is in shadow mode now, so that names of other times are no labels.
    fn of_shadows(&self) -> Family {
        let Pipeline { published, log, metrics, .. } = self.pipeline.as_ref();
        let mut blocks: BTreeMap<String, u64> =
            published.load().config.in_shadow().map(|name| (name.to_owned(), 0)).collect();
        for (label, count) in metrics.tallies.shadow_blocks() {
            if let Some(sum) = blocks.get_mut(&log.text(label)) {
                *sum += count;
            }
        }
        let samples = blocks.into_iter().map(|(name, count)| (vec![("list", name)], count));
        let help = "What lists and rules in shadow mode would have blocked";
        family("shadow_blocks", help, MetricType::Counter, samples)
    }
}

fn of_counters(metrics: &Metrics) -> Vec<Family> {
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let queries = TRANSPORTS.iter().flat_map(|transport| {
        Outcome::ALL.iter().map(|outcome| {
            let labels = vec![
                ("transport", transport.label().to_owned()),
                ("outcome", outcome.label().to_owned()),
            ];
            (labels, metrics.tallies.answers(*transport, *outcome))
        })
    });
    let responses = RCODE_WORDS.iter().zip(metrics.tallies.responses());
    let responses = responses.map(|(rcode, n)| (vec![("rcode", (*rcode).to_owned())], n));
    let headers = ProxyHeader::ALL.iter().zip(&metrics.proxy_headers);
    let headers = headers.map(|((_, word), n)| (vec![("outcome", (*word).to_owned())], load(n)));
    let opened = load(&metrics.connections_opened);
    let open = opened.saturating_sub(load(&metrics.connections_closed));
    let closed = Room::ALL.iter().zip(&metrics.no_room);
    let closed = closed.map(|((_, word), n)| (vec![("which", (*word).to_owned())], load(n)));
    let uncounted = load(&metrics.uncounted);
    let started = metrics.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let reloaded = load(&metrics.is_last_reload_successful);
    vec![
        family("queries", "Answers, by how they came about", MetricType::Counter, queries),
        family("responses", "Answers, by response code", MetricType::Counter, responses),
        family("proxy_headers", "PROXY v2 headers of connections", MetricType::Counter, headers),
        counter("malformed_queries", "Packets that were no query", load(&metrics.malformed)),
        counter("unsent_answers", "Answers the kernel did not take", load(&metrics.unsent)),
        counter("tcp_connections_opened", "TCP connections taken", opened),
        counter("tcp_connections_uncounted", "Connections of nobody in particular", uncounted),
        gauge("tcp_connections_open", "TCP connections now", open),
        family("tcp_connections_closed_for_room", "Too many of them", MetricType::Counter, closed),
        gauge("start_time_seconds", "When the server started, since 1970", started),
        gauge("config_last_reload_successful", "Whether the last reload took effect", reloaded),
    ]
}

impl Collector for Scrape {
    fn encode(&self, mut out: DescriptorEncoder<'_>) -> fmt::Result {
        for family in self.families() {
            family.encode(&mut out)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}
