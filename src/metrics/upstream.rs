//! The numbers of upstream servers go in, their families come out. The label `upstream` is a URL of
//! the configuration without what stands behind its `#`; all other labels have closed sets of words.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use doh_client::{Health, ServerStatus};
use prometheus_client::metrics::MetricType;

use super::family::{Family, counter, family};
use crate::upstream::{BREAKER_WORDS, Counts, Histogram, Numbers, Upstream, breaker};

type Labels = Vec<(&'static str, String)>;

/// All families about upstreams.
pub(super) fn families(upstream: &Upstream) -> Vec<Family> {
    let with_numbers = |status: ServerStatus| {
        let numbers = upstream.numbers(&status.server);
        (status, numbers)
    };
    let servers = Servers(upstream.status().into_iter().map(with_numbers).collect());
    let help = "Queries that joined one under way for the same name and type";
    let mut families = Vec::from(servers.of_queries());
    families.extend(servers.of_sends());
    families.extend(servers.of_connections());
    families.extend(servers.of_state());
    families.push(counter("upstream_coalesced", help, upstream.coalesced()));
    families
}

/// Every server with what its client knows and what has been counted.
struct Servers(Vec<(ServerStatus, Option<Arc<Numbers>>)>);

impl Servers {
    fn of_queries(&self) -> [Family; 7] {
        let answered = |status: &ServerStatus, numbers: Option<&Numbers>| {
            numbers.map_or(status.answered, |numbers| {
                let [good, unhelpful, _] = numbers.became();
                good + unhelpful
            })
        };
        let failed = |status: &ServerStatus, numbers: Option<&Numbers>| {
            numbers.map_or(status.failed, |numbers| numbers.became()[2])
        };
        let is_up =
            |status: &ServerStatus, _: Option<&Numbers>| u64::from(status.health != Health::Down);
        let (counter, gauge) = (MetricType::Counter, MetricType::Gauge);
        [
            family(
                "upstream_answered",
                "Queries answered, well or not",
                counter,
                self.each(answered),
            ),
            family("upstream_failed", "Queries not answered", counter, self.each(failed)),
            family("upstream_up", "Whether it answered last", gauge, self.each(is_up)),
            self.counts("upstream_queries", "What became of queries", "outcome", |n| &n.outcomes),
            self.counts("upstream_errors", "Failures of queries by kind", "class", |n| &n.errors),
            self.counts("upstream_http_responses", "HTTP responses", "code", |n| &n.responses),
            self.times("upstream_round_trip_seconds", "How long answers took", |n| &n.round_trips),
        ]
    }

    fn of_sends(&self) -> [Family; 6] {
        let turned_away = "Queries not sent because too many were under way";
        let aged = "Answers from HTTP caches, whose TTLs were shortened by their age";
        let exhausted = "Further sends left out for want of tokens";
        [
            self.counts("upstream_sends", "Queries sent, by why", "kind", |n| &n.sends),
            self.count("upstream_hedge_wins", "Hedges answered first", |n| &n.hedge_wins),
            self.counts("upstream_budget_exhausted", exhausted, "kind", |n| &n.budget_exhausted),
            self.count("upstream_turned_away", turned_away, |n| &n.turned_away),
            self.count("upstream_throttled", "Wishes for fewer queries", |n| &n.throttled),
            self.count("upstream_age_adjusted", aged, |n| &n.age_adjusted),
        ]
    }

    fn of_connections(&self) -> [Family; 8] {
        let open = |status: &ServerStatus, _: Option<&Numbers>| status.open_connections as u64;
        let help = "Connections open now";
        let connects = self.samples(|numbers, labels| {
            let of_words = |(words, count): (&str, u64)| {
                let (result, version) = words.split_once(',').unwrap_or((words, "unknown"));
                (with(with(labels.clone(), "result", result), "family", version), count)
            };
            numbers.connects.by_word().map(of_words).collect()
        });
        let times = self.samples(|numbers, labels| {
            let phases = [("tcp", &numbers.tcp), ("tls", &numbers.tls)].into_iter();
            phases
                .map(|(phase, times)| (with(labels.clone(), "phase", phase), times.spread()))
                .collect()
        });
        let agreed = self.samples(|numbers, labels| {
            let words = numbers.shaken.words().into_iter();
            let labelled = |(version, group)| {
                (with(with(labels.clone(), "version", version), "group", group), 1_u64)
            };
            words.map(labelled).collect()
        });
        let downgraded = "How often post-quantum keys did not get through";
        let (counter, histogram) = (MetricType::Counter, MetricType::Histogram);
        [
            family("upstream_connections_open", help, MetricType::Gauge, self.each(open)),
            family("upstream_connects", "What became of connects", counter, connects),
            family("upstream_connect_seconds", "How long connects took", histogram, times),
            self.counts(
                "upstream_connections_closed",
                "Connections that ended, by why",
                "reason",
                |n| &n.closed,
            ),
            self.counts("upstream_tls_handshakes", "TLS handshakes", "kind", |n| &n.handshakes),
            self.counts("upstream_lookups", "Lookups of its addresses", "result", |n| &n.lookups),
            self.count("upstream_downgraded", downgraded, |n| &n.downgraded),
            family(
                "upstream_tls_info",
                "What the last TLS handshake agreed on",
                MetricType::Gauge,
                agreed,
            ),
        ]
    }

    fn of_state(&self) -> [Family; 5] {
        let in_flight = |status: &ServerStatus, _: Option<&Numbers>| status.in_flight as u64;
        let limit = |status: &ServerStatus, _: Option<&Numbers>| status.limit as u64;
        let throttled = |status: &ServerStatus, _: Option<&Numbers>| {
            status.throttled_for.unwrap_or_default().as_secs_f64()
        };
        let states = self.0.iter().flat_map(|(status, _)| {
            let now = breaker(status.breaker);
            BREAKER_WORDS.map(|word| (with(named(status), "state", word), u64::from(word == now)))
        });
        let gauge = MetricType::Gauge;
        [
            family("upstream_in_flight", "Queries under way", gauge, self.each(in_flight)),
            family(
                "upstream_in_flight_limit",
                "Queries that may be under way now",
                gauge,
                self.each(limit),
            ),
            family(
                "upstream_throttled_seconds",
                "For how long it wants fewer queries",
                gauge,
                self.each(throttled),
            ),
            family("upstream_breaker_state", "1 for the state its breaker is in", gauge, states),
            self.count("upstream_breaker_opened", "How often its breaker opened", |n| {
                &n.breaker_opened
            }),
        ]
    }

    /// One sample for each server.
    fn each<V>(&self, value: impl Fn(&ServerStatus, Option<&Numbers>) -> V) -> Vec<(Labels, V)> {
        let sample = |(status, numbers): &(ServerStatus, Option<Arc<Numbers>>)| {
            (named(status), value(status, numbers.as_deref()))
        };
        self.0.iter().map(sample).collect()
    }

    /// As many samples as wished for each server that is counted.
    fn samples<V>(&self, of: impl Fn(&Numbers, Labels) -> Vec<(Labels, V)>) -> Vec<(Labels, V)> {
        let counted =
            self.0.iter().filter_map(|(status, numbers)| Some((status, numbers.as_ref()?)));
        counted.flat_map(|(status, numbers)| of(numbers, named(status))).collect()
    }

    fn count(
        &self,
        name: &'static str,
        help: &'static str,
        of: fn(&Numbers) -> &AtomicU64,
    ) -> Family {
        let one = |numbers: &Numbers, labels| vec![(labels, of(numbers).load(Ordering::Relaxed))];
        family(name, help, MetricType::Counter, self.samples(one))
    }

    fn counts<const N: usize>(
        &self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        of: fn(&Numbers) -> &Counts<N>,
    ) -> Family {
        let by_word = |numbers: &Numbers, labels: Labels| {
            let counts = of(numbers).by_word();
            counts.map(|(word, count)| (with(labels.clone(), label, word), count)).collect()
        };
        family(name, help, MetricType::Counter, self.samples(by_word))
    }

    fn times(
        &self,
        name: &'static str,
        help: &'static str,
        of: fn(&Numbers) -> &Histogram,
    ) -> Family {
        let spread = |numbers: &Numbers, labels| vec![(labels, of(numbers).spread())];
        family(name, help, MetricType::Histogram, self.samples(spread))
    }
}

fn named(status: &ServerStatus) -> Labels {
    vec![("upstream", status.server.clone())]
}

fn with(mut labels: Labels, label: &'static str, word: &str) -> Labels {
    labels.push((label, word.to_owned()));
    labels
}
