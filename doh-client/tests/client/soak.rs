//! Thousands of queries against servers that fail at random: every one ends in time, and when all is
//! over nothing is left of them, no task, no descriptor, no query that counts as under way.
//!
//! The test runs itself once more in a process of its own, because it counts what the process has.

use std::future::pending;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use doh_client::{Client, Server};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::fake::{Act, Fake, SERVFAIL, TRUNCATED, clients_of, refusing, server_at};
use crate::query;
use crate::relay::{Path, Relay};

/// Says to the test that it is alone in its process.
const ALONE: &str = "DOH_CLIENT_SOAK_ALONE";

/// What it is called by the harness.
const THIS: &str = "soak::t63_after_thousands_of_queries_and_faults_nothing_is_left";

/// The same faults each time; another number is another soak.
const SEED: u64 = 0x5eed_0063;

/// Enough to meet each pair of faults on one connection, and over in some seconds.
const QUERIES: usize = 2000;

/// As many at a time as a household asks when it comes home.
const AT_ONCE: usize = 32;

/// What a query may take. Short, so that the silent ones do not make the test long.
const BUDGET: Duration = Duration::from_millis(400);

/// What a machine with much to do may take longer.
const SLACK: Duration = Duration::from_secs(2);

/// How long what was given up may be heard out, which is 5 s at most, and the machine's slack.
const AFTERMATH: Duration = Duration::from_secs(8);

/// Random numbers that are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % bound
    }

    /// Seven of eight requests are answered well. Silence is rare: it takes a connection seconds,
    /// in which a thousand other queries are asked.
    fn act(&mut self) -> Act {
        match self.below(1000) {
            0 => Act::GoSilent,
            1..5 => Act::Hang,
            5..15 => Act::Close,
            15..25 => Act::GoAway,
            25..45 => Act::AnswerThenGoAway,
            45..60 => Act::Reset,
            60..65 => Act::Status(500),
            65..66 => Act::RetryAfter(429, "1"),
            66..70 => Act::Size(65_536),
            70..75 => Act::WrongId,
            75..80 => SERVFAIL,
            80..85 => TRUNCATED,
            85..125 => Act::Late(self.below(300)),
            _ => Act::Answer,
        }
    }
}

/// Servers on a thread of their own, so that their tasks are not counted among the client's.
struct Stage {
    fakes: [Fake; 2],
    relay: Relay,
    refusing: Server,
}

impl Stage {
    fn start() -> Self {
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            runtime().block_on(async {
                let mut dice = Dice(SEED);
                let mut script = || {
                    let acts = (0..QUERIES).map(|_| dice.act());
                    acts.chain([Act::Answer]).collect::<Vec<_>>()
                };
                let fakes = [Fake::start(script()).await, Fake::start(script()).await];
                let relay = Relay::start(fakes[1].address()).await;
                let stage = Self { fakes, relay, refusing: refusing().await };
                tell.send(stage).expect("the test waits for it");
                pending::<()>().await;
            });
        });
        told.recv().expect("servers")
    }

    fn client(&self) -> Client {
        let builder = clients_of([&self.fakes[0]]).server(server_at(self.relay.address));
        let builder = builder.server(self.refusing.clone());
        let builder = builder.timeout(BUDGET).attempt_timeout(BUDGET / 2).seed(SEED);
        builder.build().expect("servers and a good root make a client")
    }

    /// Breaks the path to one of the servers, again and again; connections to come are whole.
    async fn break_paths(&self) {
        let mut dice = Dice(!SEED);
        loop {
            sleep(Duration::from_millis(200 + dice.below(400))).await;
            self.relay.set(match dice.below(3) {
                0 => Path::Dead,
                1 => Path::Forgotten,
                _ => Path::Reset,
            });
        }
    }

    /// Ends the server's side of what was silent.
    async fn close(&self) {
        self.relay.set(Path::Reset);
        for fake in &self.fakes {
            fake.close_connections().await;
        }
        self.relay.until_open(0).await;
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Descriptors of this process; the one that counts them is among them each time.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("Linux").count()
}

/// Asks all, and returns how many were answered.
async fn ask_all(client: &Client) -> usize {
    let (mut asking, mut answered) = (JoinSet::new(), 0);
    for number in 0..QUERIES {
        if asking.len() == AT_ONCE {
            answered += usize::from(asking.join_next().await.expect("some are").expect("no panic"));
        }
        asking.spawn(ask(client.clone(), format!("n{number}.test")));
    }
    answered + asking.join_all().await.into_iter().filter(|is_answered| *is_answered).count()
}

/// Asks one question; whatever comes of it comes in time, and an answer is one to the question.
async fn ask(client: Client, name: String) -> bool {
    let (asked, started) = (query(&name), Instant::now());
    let outcome = client.exchange(&asked).await;
    assert!(started.elapsed() < BUDGET + SLACK, "{name}: {:?}", started.elapsed());
    if let Ok(exchange) = &outcome {
        assert_eq!(exchange.answer[12..asked.len()], asked[12..], "{name}");
    }
    outcome.is_ok()
}

/// Waits until something is so; says after how long it was not, otherwise.
async fn until(what: &str, mut is_so: impl FnMut() -> Result<(), String>) {
    let started = Instant::now();
    while let Err(found) = is_so() {
        assert!(started.elapsed() < AFTERMATH, "{what}: still {found}");
        sleep(Duration::from_millis(5)).await;
    }
}

fn none(count: usize) -> Result<(), String> {
    if count == 0 { Ok(()) } else { Err(count.to_string()) }
}

#[test]
fn t63_after_thousands_of_queries_and_faults_nothing_is_left() {
    if std::env::var_os(ALONE).is_none() {
        let this = std::env::current_exe().expect("a test has a file");
        let mut alone = Command::new(this);
        let alone = alone.args(["--exact", THIS, "--nocapture"]).env(ALONE, "1").output();
        let alone = alone.expect("it runs again");
        let said = [alone.stdout, alone.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(alone.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let (stage, runtime) = (Stage::start(), runtime());
    runtime.block_on(soak(&stage, runtime.handle().metrics()));
}

async fn soak(stage: &Stage, metrics: tokio::runtime::RuntimeMetrics) {
    let before = descriptors();
    let client = stage.client();

    let answered = tokio::select! {
        answered = ask_all(&client) => answered,
        () = stage.break_paths() => unreachable!("they break for ever"),
    };

    assert!(answered > QUERIES * 3 / 4, "{answered} of {QUERIES}");
    let under_way = || client.status().iter().map(|status| status.in_flight).sum();
    until("queries under way", || none(under_way())).await;
    assert!(client.status().iter().all(|status| status.open_connections <= 2));
    drop(client);
    stage.close().await;
    until("tasks", || none(metrics.num_alive_tasks())).await;
    until("descriptors left", || none(descriptors().saturating_sub(before))).await;
}
