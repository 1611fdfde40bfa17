//! The program where there is one CPU: which threads it has there, seen from outside, for benches
//! alone would show that one too many takes turns with the other.

use crate::{
    caching::{Upstream, ask, known_names},
    control::Daemon,
    lab::list,
};

/// A program that may use one CPU, the first of those that this one may.
fn start(upstream: &Upstream, more: &str) -> Daemon {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let cpus = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    let first = cpus.trim().split([',', '-']).next().unwrap();
    let config = format!("{}{more}\n{}", upstream.settings(), list("ads", &["||ads.example^"]));
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_by(&["taskset", "-c", first], directory, &config);
    assert_eq!(daemon.run(&["lists", "status"]).status.code(), Some(0), "lists are read");
    daemon
}

/// Asks for what is not known yet, for the same once more, and for what is blocked.
fn is_served(daemon: &Daemon, upstream: &Upstream) -> bool {
    let [miss, hit, block] = ["www.example", "www.example", "x.ads.example"].map(|name| {
        let reply = ask(daemon, name);
        (reply.addresses(), reply.ede().first().map(|(code, _)| *code))
    });
    let address = (vec!["192.0.2.1".to_owned()], None);
    miss == address
        && hit == address
        && block == (vec!["0.0.0.0".to_owned()], Some(15))
        && upstream.lab.upstream_hits() == 1
}

/// The threads that answer or ask.
fn data_plane(daemon: &Daemon) -> Vec<String> {
    let mut threads = daemon.threads();
    threads.retain(|name| name.starts_with("dns-") || name == "upstream");
    threads.sort();
    threads
}

#[test]
fn the_only_thread_that_answers_asks_upstreams_too() {
    let upstream = Upstream::start(known_names());

    let daemon = start(&upstream, "");

    assert!(is_served(&daemon, &upstream));
    assert_eq!(data_plane(&daemon), ["dns-0"]);
}

#[test]
fn two_threads_that_answer_leave_upstreams_to_a_third() {
    let upstream = Upstream::start(known_names());

    let daemon = start(&upstream, "dns.threads = 2");

    assert!(is_served(&daemon, &upstream));
    assert_eq!(data_plane(&daemon), ["dns-0", "dns-1", "upstream"]);
}
