//! Stories of hours that run in milliseconds: scripted clients and a scripted upstream around a
//! real pipeline, on a clock that stands still until a story moves it.
//!
//! ```ignore
//! let story = Story::begin("");
//! story.upstream.knows("www.example A", "192.0.2.1", 300);
//! story.ask("www.example A").await.gets("192.0.2.1").with_ttl(300);
//! story.later("100s").await;
//! story.ask("www.example A").await.gets("192.0.2.1").with_ttl(200).at_once();
//! ```
//!
//! Packets go the way that listeners send them, only sockets are missing: those and a paused
//! clock do not mix. Tests need `#[tokio::test(start_paused = true)]`.

mod told;
mod upstream;

use std::{net::IpAddr, rc::Rc, sync::Arc, time::Duration};

use dnsward::{
    config::{Config, Environment},
    listener::answer_packet,
    lists::{ListStore, Reading},
    pipeline::{Pipeline, Worker},
    policy::Policy,
    query::{self, Transport},
    querylog::Outcome,
};
use hickory_proto::op::Message;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use crate::lab::question;
use told::Told;
use upstream::Upstream;

/// A pipeline, its upstream and its clients.
pub(crate) struct Story {
    pipeline: Arc<Pipeline>,
    worker: Rc<Worker>,
    pub(crate) upstream: Upstream,
}

/// Somebody who asks.
#[derive(Clone)]
pub(crate) struct Client {
    worker: Rc<Worker>,
    address: IpAddr,
    transport: Transport,
    dnssec_ok: bool,
}

impl Story {
    /// Begins with this configuration and an upstream that knows no name.
    pub(crate) fn begin(toml: &str) -> Self {
        let upstream = Upstream::default();
        let carrier = Arc::new(upstream.clone());
        let (pipeline, engine) = Pipeline::with_carrier(&parse(toml), carrier);
        tokio::spawn(engine.run());
        Self { worker: Worker::new(pipeline.clone()), pipeline, upstream }
    }

    /// Takes over another configuration and its inline lists, as a reload does.
    pub(crate) async fn reload(&self, toml: &str) {
        let config = parse(toml);
        self.pipeline.upstream.reconfigure(&config).unwrap();
        let store = Arc::new(ListStore::new(&config, self.pipeline.upstream.clone()));
        let lists = store.load(&config, Reading::All).await.unwrap();
        self.pipeline
            .published
            .replace(config.clone(), Policy::new(config, lists, Timestamp::now()));
    }

    /// Lets time pass, such as `90s`, `10m` or `6h`; whatever is due meanwhile happens in order.
    pub(crate) async fn later(&self, time: &str) {
        sleep(duration(time)).await;
    }

    /// Answers that came about in this way so far, as metrics tell it.
    pub(crate) fn counted(&self, outcome: Outcome) -> u64 {
        self.pipeline.metrics.answers(outcome)
    }

    /// The query log's rows so far, newest first.
    pub(crate) async fn logged(&self) -> Vec<admin_ui::QueryRow> {
        let collecting = self.pipeline.log.collect(&self.pipeline.published);
        // It goes on for ever, and begins at once.
        let _ = tokio::time::timeout(Duration::from_millis(1), collecting).await;
        self.pipeline.log.last(usize::MAX)
    }

    /// A client at this address; it asks over TCP and speaks EDNS.
    pub(crate) fn client(&self, address: &str) -> Client {
        let (worker, address) = (self.worker.clone(), address.parse().unwrap());
        Client { worker, address, transport: Transport::Tcp, dnssec_ok: false }
    }

    /// Some client asks, such as `www.example A`.
    pub(crate) async fn ask(&self, what: &str) -> Told {
        self.client("10.0.0.1").ask(what).await
    }
}

impl Client {
    /// The same over UDP.
    pub(crate) fn over_udp(self) -> Self {
        Self { transport: Transport::Udp, ..self }
    }

    /// The same, wanting DNSSEC's records.
    pub(crate) fn with_dnssec(self) -> Self {
        Self { dnssec_ok: true, ..self }
    }

    /// Asks, such as `www.example A`, and waits for the answer.
    pub(crate) async fn ask(&self, what: &str) -> Told {
        let (name, qtype) = what.split_once(' ').expect("a name and a type");
        let mut query = question(name, qtype);
        query.edns.as_mut().unwrap().set_dnssec_ok(self.dnssec_ok);
        self.send(what, &query).await.expect("an answer")
    }

    /// Sends any query and waits for what comes of it.
    pub(crate) async fn send(&self, what: &str, query: &Message) -> Option<Told> {
        let packet = query.to_vec().unwrap();
        let client = query::Client::at(self.address, self.transport);
        let asked = Instant::now();
        let answer = answer_packet(&self.worker, &packet, client).await;
        answer.map(|bytes| Told::new(what, &bytes, asked.elapsed()))
    }
}

fn parse(toml: &str) -> Arc<Config> {
    Arc::new(Config::parse(toml, &Environment::default()).expect("a good configuration"))
}

/// A time such as `1800ms`, `30s`, `10m`, `6h` or `1d`.
fn duration(text: &str) -> Duration {
    let unit = text.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let number: u64 = text.trim_end_matches(unit).parse().expect("a number and a unit");
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => panic!("no unit of time: {text}"),
    };
    Duration::from_millis(number * milliseconds)
}
