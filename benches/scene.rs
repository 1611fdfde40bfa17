//! What the benches of the hit path ask, and a server's parts that know the answers.

#![allow(dead_code, reason = "each bench uses its part of the scene")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot be prepared has nothing to tell")]

use std::{
    net::{IpAddr, Ipv4Addr},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use blocker::{Action, GroupSet, Matcher, Name, Question, Source};
use dnsward::{
    cache::{Arrival, Bounds, Entry, Key},
    config::{Config, Environment},
    listener::{Taken, take},
    pipeline::{Pipeline, Worker},
    policy::{Lists, Policy},
    query::{Client, Query, Transport},
    upstream::Engine,
};
use tokio::time::Instant;

/// One list, one local name, everything else as a server has it by default.
const CONFIG: &str = r#"
[[lists]]
name = "ads"
inline = ["||ads.example^"]

[[records]]
name = "nas.lan"
a = ["192.168.1.2"]
"#;

/// `www.example.com` A with EDNS, as a forwarder or a system's resolver asks.
pub(crate) const CACHED: &[u8] =
    b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x03www\x07example\x03com\0\0\x01\0\x01\
    \0\0\x29\x04\xd0\0\0\0\0\0\0";

/// The upstream's answer to it: a CNAME and an address, times to live of an hour.
const ANSWER: &[u8] = b"\0\0\x81\x80\0\x01\0\x02\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01\
    \xc0\x0c\0\x05\0\x01\0\0\x0e\x10\0\x06\x03cdn\xc0\x10\
    \xc0\x2d\0\x01\0\x01\0\0\x0e\x10\0\x04\xc0\0\x02\x01";

/// A name that the list blocks.
pub(crate) const BLOCKED: &[u8] =
    b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x01x\x03ads\x07example\0\0\x01\0\x01\
    \0\0\x29\x04\xd0\0\0\0\0\0\0";

/// A local name.
pub(crate) const LOCAL: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x03nas\x03lan\0\0\x01\0\x01\
    \0\0\x29\x04\xd0\0\0\0\0\0\0";

/// Rules in force beside the one that blocks what is asked, so that a name is not found too
/// quickly.
const RULES: u32 = 1000;

/// A thread at a pipeline as a server makes it, with its lists loaded and one answer in its cache.
pub(crate) struct Scene {
    pub(crate) worker: Rc<Worker>,
    pub(crate) entry: Arc<Entry>,
    pub(crate) out: Vec<u8>,
    /// It never runs: it only has to be there.
    _engine: Engine,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let config = Arc::new(Config::parse(CONFIG, &Environment::default()).unwrap());
        let (pipeline, engine) = Pipeline::new(&config).unwrap();
        pipeline.published.replace(
            config.clone(),
            Policy::new(config.clone(), load_lists(), jiff::Timestamp::now()),
        );
        let (key, at) = (Key::of(&read(CACHED)), Instant::now());
        let arrival = Arrival { answer: ANSWER, age: Duration::ZERO, at, upstream: "".into() };
        let entry = Arc::new(Entry::new(&key, &arrival, &Bounds::from(&config.cache)).unwrap());
        pipeline.cache.insert(&key, entry.clone());
        let worker = Worker::new(pipeline);
        Self { worker, entry, out: Vec::with_capacity(512), _engine: engine }
    }

    /// Answers a packet as a listener does, the clock included.
    pub(crate) fn answer(&mut self, packet: &[u8], client: &Client) {
        self.worker.read_clock();
        let taken = take(&self.worker, packet, client, &mut self.out);
        assert!(matches!(taken, Taken::Answer), "an upstream was asked");
    }

    /// Asks the rules alone, as the first query for a name does.
    pub(crate) fn judge(&self, name: &Name) -> bool {
        let snapshot = self.worker.pipeline.published.load();
        snapshot
            .policy
            .lists()
            .matcher
            .verdict(&Question::new(name, GroupSet::default()))
            .is_block()
    }

    /// Looks into the shared cache alone, as a query does that this thread has not answered lately.
    pub(crate) fn recall(&self, key: &Key) -> bool {
        self.worker.pipeline.cache.get(key).is_some_and(|entry| entry.is_fresh(Instant::now()))
    }
}

/// Somebody on this host.
pub(crate) fn client(transport: Transport) -> Client {
    Client::at(IpAddr::V4(Ipv4Addr::LOCALHOST), transport)
}

/// A packet as a query.
pub(crate) fn read(packet: &[u8]) -> Query {
    Query::read(packet, client(Transport::Udp)).unwrap()
}

/// The list of the configuration, compiled; what a million rules add is `matcher`'s question.
fn load_lists() -> Lists {
    let ads = Source { name: "ads", action: Action::Block, groups: GroupSet::default() };
    let rules: String = (0..RULES).map(|number| format!("||x{number}.ads.example^\n")).collect();
    let mut builder = Matcher::builder();
    builder.add_list(&ads, format!("||ads.example^\n{rules}").as_bytes());
    Lists {
        matcher: Arc::new(builder.build().unwrap()),
        names: Arc::new([Arc::from("ads")]),
        are_loaded: true,
    }
}
