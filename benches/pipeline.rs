//! How long does a query take that needs no upstream, from a read query to a written answer?
//!
//! Receiving, reading and sending are left out; everything between is here: policy, cache,
//! answer, metrics and query log, with the settings a server has by default. Each bench asks
//! fewer times than the query log's queue holds, because nobody empties it here and an event that
//! finds no room costs less.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be prepared has nothing to tell")]

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use blocker::{Action, GroupSet, Matcher, Source};
use divan::Bencher;
use dnsward::{
    cache::{Arrival, Bounds, Entry, Key},
    config::{Config, Environment},
    pipeline::{Pipeline, Progress, Worker},
    policy::{Lists, Policy},
    query::{Client, Query, Transport},
    upstream::Engine,
};
use tokio::time::Instant;

const CONFIG: &str = r#"
[[lists]]
name = "ads"
inline = ["||ads.example^"]

[[records]]
name = "nas.lan"
a = ["192.168.1.2"]
"#;

/// `www.example.com` A with EDNS, as a forwarder or a system's resolver asks.
const CACHED: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x03www\x07example\x03com\0\0\x01\0\x01\
    \0\0\x29\x04\xd0\0\0\0\0\0\0";

/// The upstream's answer to it: a CNAME and an address, times to live of an hour.
const ANSWER: &[u8] = b"\0\0\x81\x80\0\x01\0\x02\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01\
    \xc0\x0c\0\x05\0\x01\0\0\x0e\x10\0\x06\x03cdn\xc0\x10\
    \xc0\x2d\0\x01\0\x01\0\0\x0e\x10\0\x04\xc0\0\x02\x01";

const BLOCKED: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x01x\x03ads\x07example\0\0\x01\0\x01\
    \0\0\x29\x04\xd0\0\0\0\0\0\0";

const LOCAL: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x03nas\x03lan\0\0\x01\0\x01\
    \0\0\x29\x04\xd0\0\0\0\0\0\0";

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 120, sample_size = 128)]
fn blocked_name(bencher: Bencher<'_, '_>) {
    answer(bencher, BLOCKED);
}

#[divan::bench(sample_count = 120, sample_size = 128)]
fn cached_name(bencher: Bencher<'_, '_>) {
    answer(bencher, CACHED);
}

#[divan::bench(sample_count = 120, sample_size = 128)]
fn local_name(bencher: Bencher<'_, '_>) {
    answer(bencher, LOCAL);
}

/// Times the answer to one packet; the buffer is kept, as listeners keep theirs.
fn answer(bencher: Bencher<'_, '_>, packet: &[u8]) {
    let (pipeline, _engine) = make_pipeline();
    let worker = Worker::new(pipeline);
    let query = read(packet);
    let mut out = Vec::with_capacity(512);
    bencher.bench_local(|| {
        let progress = worker.begin(&query, &mut out);
        assert!(matches!(progress, Progress::Done), "an upstream was asked");
    });
}

/// A pipeline as a server makes it, with its lists loaded and one answer in its cache. The engine
/// never runs: it only has to be there.
fn make_pipeline() -> (Arc<Pipeline>, Engine) {
    let config = Arc::new(Config::parse(CONFIG, &Environment::default()).unwrap());
    let (pipeline, engine) = Pipeline::new(&config).unwrap();
    let policy = Policy::new(config.clone(), load_lists());
    pipeline.published.replace(config.clone(), policy);
    let key = Key::of(&read(CACHED));
    let arrival =
        Arrival { answer: ANSWER, age: Duration::ZERO, at: Instant::now(), upstream: "".into() };
    let entry = Entry::new(&key, &arrival, &Bounds::from(&config.cache));
    pipeline.cache.insert(key, Arc::new(entry.unwrap()));
    (pipeline, engine)
}

/// The list of the configuration, compiled; what a million rules add is `matcher`'s question.
fn load_lists() -> Lists {
    let ads = Source { name: "ads", action: Action::Block, groups: GroupSet::default() };
    let mut builder = Matcher::builder();
    builder.add_list(&ads, b"||ads.example^");
    Lists {
        matcher: Arc::new(builder.build().unwrap()),
        names: Arc::new([Arc::from("ads")]),
        are_loaded: true,
    }
}

fn read(packet: &[u8]) -> Query {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Query::read(packet, Client::at(address, Transport::Udp)).unwrap()
}
