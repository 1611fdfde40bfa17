//! The cache over a restart, and the commands that look at it and make it forget.

use std::{
    fs,
    net::UdpSocket,
    os::unix::fs::PermissionsExt as _,
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{runtime::Builder, sync::oneshot};

use crate::{
    control::{Daemon, PORTS, dnsward, text},
    lab::{Fake, Lab, Reply, question},
};

/// An upstream on a thread of its own, which can die.
pub(crate) struct Upstream {
    pub(crate) lab: Lab,
    /// Nothing once it is dead.
    life: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Upstream {
    pub(crate) fn start(fake: Fake) -> Self {
        let (started, lab) = mpsc::channel();
        let (life, end) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                started.send(Lab::builder().upstream(fake).start().await).unwrap();
                let _ = end.await;
            });
        });
        Self { lab: lab.recv().unwrap(), life: Some((life, thread)) }
    }

    /// Settings that lead there and keep the cache.
    pub(crate) fn settings(&self) -> String {
        let (url, ca) = (self.lab.upstreams[0].url(), self.lab.path("ca.pem"));
        format!(
            "data_dir = 'data'\n{PORTS}cache.persist = true\nupstream.servers = ['{url}']\n\
             upstream.ca_file = '{}'\nupstream.timeout = '1s'\n",
            ca.display()
        )
    }

    /// Nobody listens there any more.
    fn dies(&mut self) {
        if let Some((life, thread)) = self.life.take() {
            drop(life);
            thread.join().unwrap();
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.dies();
    }
}

pub(crate) fn known_names() -> Fake {
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]).a("b.www.example", [192, 0, 2, 2]);
    fake.a("other.example", [192, 0, 2, 3]).cname("alias.example", "b.www.example")
}

/// Asks over UDP, from a port of its own.
pub(crate) fn ask(daemon: &Daemon, name: &str) -> Reply {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.connect(daemon.dns()).unwrap();
    socket.send(&question(name, "A").to_vec().unwrap()).unwrap();
    let mut answer = [0; 1500];
    let length = socket.recv(&mut answer).expect("an answer in time");
    Reply::read(&answer[..length])
}

fn start(directory: TempDir, upstream: &Upstream) -> Daemon {
    Daemon::start_in(directory, &upstream.settings())
}

fn file(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("data/answers.cache")
}

#[test]
fn a_restart_without_upstreams_answers_what_was_known_before() {
    let mut upstream = Upstream::start(known_names());
    let first = start(tempfile::tempdir().unwrap(), &upstream);
    assert_eq!(ask(&first, "www.example").addresses(), ["192.0.2.1"]);
    assert_eq!(ask(&first, "alias.example").addresses(), ["192.0.2.2"]);
    let directory = first.end();
    let mode = fs::metadata(file(&directory)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it tells what people look at");
    upstream.dies();

    let second = start(directory, &upstream);

    for (name, address) in [("www.example", "192.0.2.1"), ("alias.example", "192.0.2.2")] {
        let reply = ask(&second, name);
        assert_eq!(reply.addresses(), [address]);
        assert_eq!(reply.ede(), []);
        let ttl = reply.message.answers[0].ttl;
        assert!((200..=300).contains(&ttl), "{ttl} seconds");
    }
    assert_eq!(ask(&second, "other.example").rcode(), 2);
    let (stats, _) = second.json(&["cache", "stats"]);
    assert_eq!(
        (&stats["restored"], &stats["hits"], &stats["misses"]),
        (&2.into(), &2.into(), &1.into())
    );
}

#[test]
fn a_sudden_end_loses_only_what_came_since_the_last_writing() {
    let mut upstream = Upstream::start(known_names());
    let first = start(tempfile::tempdir().unwrap(), &upstream);
    ask(&first, "www.example");
    let second = start(first.end(), &upstream);
    ask(&second, "other.example");
    let directory = second.kill();
    upstream.dies();

    let third = start(directory, &upstream);

    assert_eq!(ask(&third, "www.example").addresses(), ["192.0.2.1"]);
    assert_eq!(ask(&third, "other.example").rcode(), 2);
}

#[test]
fn a_damaged_file_is_told_of_once_and_replaced() {
    let upstream = Upstream::start(known_names());
    let first = start(tempfile::tempdir().unwrap(), &upstream);
    ask(&first, "www.example");
    let directory = first.end();
    let mut octets = fs::read(file(&directory)).unwrap();
    octets[40] ^= 1;
    fs::write(file(&directory), &octets).unwrap();

    let second = start(directory, &upstream);
    let warnings = |daemon: &Daemon| {
        let is_of_cache = |event: &&Value| event["message"].to_string().contains("the cache of");
        let found: Vec<_> = daemon.said.iter().filter(is_of_cache).collect();
        found.iter().map(|event| event["level"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(warnings(&second), ["\"WARN\""]);
    assert_eq!(ask(&second, "www.example").addresses(), ["192.0.2.1"]);

    let third = start(second.end(), &upstream);
    assert_eq!(warnings(&third), ["\"INFO\""]);
    assert_eq!(third.json(&["cache", "stats"]).0["restored"], 1);
}

#[test]
fn a_name_is_flushed_with_all_below_it_and_does_not_come_back() {
    let upstream = Upstream::start(known_names());
    let daemon = start(tempfile::tempdir().unwrap(), &upstream);
    let names = ["www.example", "b.www.example", "other.example", "alias.example"];
    // Often enough that each thread has an answer of its own.
    let ask_all = |daemon: &Daemon| names.map(|name| (0..16).for_each(|_| drop(ask(daemon, name))));
    ask_all(&daemon);
    assert_eq!(upstream.lab.upstream_hits(), 4);

    let (told, code) = daemon.text(&["cache", "flush", "WWW.example."]);
    assert_eq!((told.as_str(), code), ("3 answers and 0 failures forgotten\n", Some(0)));
    ask_all(&daemon);
    assert_eq!(upstream.lab.upstream_hits(), 7);

    daemon.json(&["cache", "flush", "other.example"]);
    let daemon = start(daemon.kill(), &upstream);
    assert_eq!(daemon.json(&["cache", "stats"]).0["restored"], 3);
    ask_all(&daemon);
    assert_eq!(upstream.lab.upstream_hits(), 8);
}

#[test]
fn everything_is_flushed_where_no_name_is_given_and_failures_too() {
    let upstream = Upstream::start(known_names());
    let daemon = start(tempfile::tempdir().unwrap(), &upstream);
    ask(&daemon, "www.example");
    ask(&daemon, "nobody.example");

    let (flushed, code) = daemon.json(&["cache", "flush"]);
    assert_eq!((flushed, code), (serde_json::json!({ "answers": 2, "failures": 0 }), Some(0)));
    assert_eq!(daemon.json(&["cache", "stats"]).0["entries"], 0);

    let lost = Daemon::start("");
    assert_eq!(ask(&lost, "www.example").rcode(), 2);
    let (told, _) = lost.text(&["cache", "flush", "example"]);
    assert_eq!(told, "0 answers and 1 failure forgotten\n");
}

#[test]
fn stats_tell_how_the_cache_does() {
    let upstream = Upstream::start(known_names());
    let daemon = start(tempfile::tempdir().unwrap(), &upstream);
    (0..4).for_each(|_| drop(ask(&daemon, "www.example")));

    let (stats, code) = daemon.json(&["cache", "stats"]);
    let (page, _) = daemon.text(&["cache", "stats"]);

    let number = |key: &str| stats[key].as_u64().unwrap_or_else(|| panic!("{key} in {stats}"));
    assert_eq!(["entries", "hits", "misses", "stale"].map(number), [1, 3, 1, 0]);
    assert_eq!(["prefetches", "restored"].map(number), [0; 2]);
    assert_eq!((&stats["hit_ratio"], &stats["persist"]), (&0.75.into(), &true.into()));
    assert!(
        number("bytes") > 500 && number("max_bytes") == 64 << 20 && number("oldest_seconds") < 60
    );
    assert_eq!((&stats["persisted"], code), (&Value::Null, Some(0)));
    for words in ["1 answer in", "(75.0 % of all)", "not yet; 0 answers of the last run"] {
        assert!(page.contains(words), "{words} in {page}");
    }
}

#[test]
fn what_is_no_name_and_a_server_that_is_not_there_are_told() {
    let daemon = Daemon::start("");
    let refused = daemon.run(&["cache", "flush", "a..b"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(text(&refused.stderr).contains("is not a domain name"));

    let directory = tempfile::tempdir().unwrap();
    for command in [&["cache", "stats"][..], &["cache", "flush"], &["cache", "flush", "x.example"]]
    {
        let code = dnsward(&[command, &["--socket", "nobody.sock"]].concat(), &directory);
        assert_eq!({ code }.output().unwrap().status.code(), Some(4), "{command:?}");
    }
}

#[test]
fn check_says_where_the_cache_is_not_kept_although_it_is_wished_for() {
    let directory = tempfile::tempdir().unwrap();
    let check = |toml: &str| {
        fs::write(directory.path().join("dnsward.toml"), toml).unwrap();
        let output = dnsward(&["check", "--json"], &directory).output().unwrap();
        let told: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
        assert_eq!(told["without_effect"], serde_json::json!([]));
        told["cautions"].to_string()
    };

    let wish = "data_dir = 'data'\ncache.persist = true\n";
    assert_eq!(check(wish), "[]");
    assert_eq!(check(&format!("{wish}query_log.privacy = 'hide-clients'")), "[]");
    for privacy in ["hide-names", "off"] {
        let told = check(&format!("{wish}query_log.privacy = '{privacy}'"));
        assert!(told.contains("cache.persist: keeps nothing, for query_log.privacy"), "{told}");
    }
    assert!(check("cache.persist = true").contains("without a data_dir"));
}
