//! Which keys are read but do nothing yet, and which count only from the next start.
//!
//! Kept as two lists so that `check` and a reload can say so instead of leaving people to guess.

use blocker::Action;

use blocker::Mode;

use super::{Client, ClientMatch, Config, List, ListSource};

/// Keys whose part of the product is not built yet; a section's name stands for all below it.
const WITHOUT_EFFECT: &[&str] = &[
    "dns.dns64",
    "dns.tls",
    "upstream.ecs",
    "query_log.retention",
    "admin.trusted_proxies",
    "admin.trusted_hops",
    "admin.tls_cert_file",
    "admin.tls_key_file",
    "admin.jwt",
    "egress",
    "telemetry",
];

/// The keys that do nothing yet and differ from their default.
pub fn keys_without_effect(config: &Config) -> Vec<&str> {
    let does_nothing = |key: &&str| {
        let plain = without_numbers(key);
        WITHOUT_EFFECT.iter().any(|path| {
            plain.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    config.changed_keys.iter().map(String::as_str).filter(does_nothing).collect()
}

/// What works, but not as well as the operator may think.
pub fn cautions(config: &Config) -> Vec<String> {
    let is_plain = |list: &&List| match &list.source {
        ListSource::Url(url) => url.starts_with("http://"),
        ListSource::Path(_) | ListSource::Inline(_) | ListSource::Service(_) => false,
    };
    let plain = config.lists.iter().filter(is_plain);
    let mut cautions: Vec<String> = plain
        .map(|list| {
            let name = &list.name;
            format!("list `{name}`: comes over http://, where anyone on the way can change it")
        })
        .collect();
    let names_a_secret = config.changed_keys.iter().any(|key| key == "dns.cookie_secret_file");
    if names_a_secret && config.dns.cookie_secrets.is_empty() {
        let caution = "dns.cookie_secret_file: is not there; until it is and settings are read \
                       again, each replica makes its own cookies";
        cautions.push(caution.to_owned());
    }
    cautions.extend(idle_in_shadow(config));
    cautions.extend(config.nothing_is_kept().map(str::to_owned));
    let is_spiffe = |client: &Client| matches!(client.matches, ClientMatch::Spiffe(_));
    if config.clients.iter().any(is_spiffe) && config.dns.proxy_protocol_from.is_empty() {
        let caution = "clients: SPIFFE ids come in PROXY v2 headers, and dns.proxy_protocol_from \
                       believes nobody's";
        cautions.push(caution.to_owned());
    }
    cautions
}

/// What allows has nothing to count in shadow mode.
fn idle_in_shadow(config: &Config) -> impl Iterator<Item = String> {
    let lists = config.lists.iter();
    let lists = lists.map(|list| (format!("list `{}`", list.name), list.mode, list.action));
    let rules = config.rules.iter();
    let rules = rules.map(|rule| (format!("rule `{}`", rule.pattern), rule.mode, rule.action));
    let idle = lists
        .chain(rules)
        .filter(|(_, mode, action)| *mode == Mode::Shadow && *action == Action::Allow);
    idle.map(|(what, ..)| format!("{what}: allows, so in shadow mode it does nothing"))
}

/// `lists[3].mode` as `lists.mode`.
fn without_numbers(key: &str) -> String {
    let mut plain = String::with_capacity(key.len());
    let mut inside = false;
    for character in key.chars() {
        match character {
            '[' => inside = true,
            ']' => inside = false,
            _ if inside => {}
            other => plain.push(other),
        }
    }
    plain
}

/// The keys that differ between two configurations and that a running server cannot take over.
pub fn keys_that_need_a_restart(running: &Config, new: &Config) -> Vec<&'static str> {
    let changes = [
        ("data_dir", running.data_dir != new.data_dir),
        ("control_socket", running.control_socket != new.control_socket),
        ("dns.listen", running.dns.listen != new.dns.listen),
        ("dns.threads", running.dns.threads != new.dns.threads),
        ("dns.udp", is_udp_bound(running) != is_udp_bound(new)),
        ("dns.limits.in_flight", running.dns.limits.in_flight != new.dns.limits.in_flight),
        ("cache.max_bytes", running.cache.max_bytes != new.cache.max_bytes),
        ("admin.listen", running.admin.listen != new.admin.listen),
        ("admin.base_path", running.admin.base_path != new.admin.base_path),
        ("metrics.listen", running.metrics.listen != new.metrics.listen),
        ("log.format", running.log.format != new.log.format),
    ];
    changes.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

/// A UDP socket is bound or not at the start; what it answers can change at any time.
fn is_udp_bound(config: &Config) -> bool {
    config.dns.udp != super::UdpMode::Off
}
