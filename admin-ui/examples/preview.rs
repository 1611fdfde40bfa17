//! A port comes in, the admin page with made-up queries goes out, for looking at the page and for
//! the browser test: `cargo run -p admin-ui --example preview -- 8080`, password `preview`.
//!
//! `PREVIEW=empty` shows a server that has just started, `PREVIEW=trouble` one that is not well.

use std::{
    error::Error,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use admin_ui::{
    Access, Backend, Blocking, Cache, Explain, List, ListState, Outcome, QueryRow, Settings,
    Status, Totals, Transport, Upstream, UpstreamState,
};
use tokio::{net::TcpListener, sync::broadcast, time};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the first line tells a person or a test where to go")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(8080), |port| port.parse())?;
    let base_path = arguments.next().unwrap_or_else(|| "/".to_owned());
    let preview = Arc::new(Preview::new());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("http://{}{base_path} password: preview", listener.local_addr()?);
    let router = admin_ui::router(Arc::clone(&preview) as _, Settings { base_path });
    tokio::select! {
        served = axum::serve(listener, router) => Ok(served?),
        never = preview.invent() => match never {},
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Scene {
    Busy,
    Empty,
    Trouble,
}

struct Preview {
    scene: Scene,
    access: Arc<Access>,
    rows: Mutex<Vec<QueryRow>>,
    live: broadcast::Sender<Arc<QueryRow>>,
    started: u64,
    dice: AtomicU64,
}

/// Name, type, outcome, and who decided or answered.
const KINDS: [(&str, &str, Outcome, &str); 18] = [
    ("api.github.com", "A", Outcome::Cached, ""),
    ("registry-1.docker.io", "AAAA", Outcome::Cached, ""),
    ("s3.eu-central-1.amazonaws.com", "A", Outcome::Forwarded, CLOUDFLARE),
    ("metrics.icloud.example", "HTTPS", Outcome::Blocked, "hagezi-light"),
    ("payments.shop.svc.cluster.local", "A", Outcome::Forwarded, "tcp://10.96.0.10:53"),
    ("fonts.example.net", "A", Outcome::Cached, ""),
    ("stats.ads-for-everyone.example", "A", Outcome::Blocked, "hagezi-light"),
    ("login.microsoftonline.com", "A", Outcome::Forwarded, QUAD9),
    ("nas.lan", "A", Outcome::Local, ""),
    ("beacon.tracker.example", "AAAA", Outcome::Blocked, "own-rules"),
    ("_grpc._tcp.collector.observability.example", "SRV", Outcome::Forwarded, CLOUDFLARE),
    ("www.kernel.org", "A", Outcome::Cached, ""),
    ("use-application-dns.net", "A", Outcome::Special, ""),
    ("www.mozilla.org", "A", Outcome::Cached, ""),
    (
        "a-rather-long-name-as-content-networks-make.them.d2x9fj3k4l.cdn.example",
        "A",
        Outcome::Cached,
        "",
    ),
    ("broken-zone.example", "A", Outcome::Failed, QUAD9),
    ("www.wikipedia.org", "AAAA", Outcome::Cached, ""),
    ("version.bind", "TXT", Outcome::Refused, ""),
];
const CLIENTS: [&str; 6] = [
    "spiffe://cluster.local/ns/shop/sa/web",
    "10.42.3.17",
    "192.168.1.23",
    "spiffe://cluster.local/ns/ci/sa/runner",
    "fd00:7::1c",
    "192.168.1.42",
];
/// Of the password `preview`, made with the least work there is, so that tests need not wait.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$YAvq5nvKbiaifFYLkE4zLw\
    $uCopN94L6LHl/3nDukyg2hFYvENvTY2Kh7t42ToD1Tc";
const CLOUDFLARE: &str = "https://cloudflare-dns.com/dns-query";
const QUAD9: &str = "https://dns.quad9.net/dns-query";

impl Preview {
    fn new() -> Self {
        let scene = match std::env::var("PREVIEW").as_deref() {
            Ok("empty") => Scene::Empty,
            Ok("trouble") => Scene::Trouble,
            _ => Scene::Busy,
        };
        let access = Access {
            password_hash: HASH.to_owned(),
            allowed_hosts: vec!["preview.test".to_owned()],
        };
        let preview = Self {
            scene,
            access: Arc::new(access),
            rows: Mutex::default(),
            live: broadcast::Sender::new(1024),
            started: now().saturating_sub(3 * 86_400_000 + 15_000_000),
            dice: AtomicU64::new(7),
        };
        if scene != Scene::Empty {
            (0..120).for_each(|age| preview.add(now().saturating_sub((120 - age) * 230)));
        }
        preview
    }

    /// Makes up queries for ever, a few each second, in bursts.
    async fn invent(&self) -> std::convert::Infallible {
        loop {
            time::sleep(Duration::from_millis(40 + self.roll(300))).await;
            if self.scene != Scene::Empty {
                (0..=self.roll(3)).for_each(|_| self.add(now()));
            }
        }
    }

    fn add(&self, time: u64) {
        let Some((name, qtype, outcome, by)) = self.pick(&KINDS) else { return };
        let blocked = outcome == Outcome::Blocked;
        let asked = !by.is_empty() && !blocked;
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let row = QueryRow {
            id: rows.len() as u64 + 1,
            time,
            client: self.pick(&CLIENTS).unwrap_or_default().to_owned(),
            transport: if self.roll(3) == 0 { Transport::Tcp } else { Transport::Udp },
            name: name.to_owned(),
            qtype: qtype.to_owned(),
            outcome,
            rcode: match outcome {
                Outcome::Failed => "SERVFAIL",
                Outcome::Refused => "REFUSED",
                Outcome::Special => "NXDOMAIN",
                _ => "NOERROR",
            }
            .to_owned(),
            list: blocked.then(|| by.to_owned()),
            line: blocked.then(|| u32::try_from(self.roll(90_000)).unwrap_or(1)),
            upstream: asked.then(|| by.to_owned()),
            would_be_blocked_by: (asked && self.roll(9) == 0).then(|| "strict".to_owned()),
            microseconds: if asked { 9000 + self.roll(60_000) } else { 6 + self.roll(90) },
        };
        rows.push(row.clone());
        // Nobody may be watching.
        let _ = self.live.send(Arc::new(row));
    }

    fn pick<T: Copy>(&self, from: &[T]) -> Option<T> {
        from.get(usize::try_from(self.roll(from.len() as u64)).ok()?).copied()
    }

    /// A number below `sides`, the same ones in every run (xorshift64).
    fn roll(&self, sides: u64) -> u64 {
        let mut dice = self.dice.load(Ordering::Relaxed);
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        self.dice.store(dice, Ordering::Relaxed);
        dice % sides.max(1)
    }

    fn totals(&self) -> Totals {
        let seen = self.rows.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
        if self.scene == Scene::Empty {
            return Totals::default();
        }
        let queries = 1_284_032 + seen;
        let share = |percent: u64| queries * percent / 100;
        let (blocked, cached, local, failed, refused) =
            (share(18), share(63), share(2), 412, 1_204);
        let forwarded = queries - blocked - cached - local - failed - refused;
        Totals { queries, blocked, cached, forwarded, local, failed, refused }
    }

    fn upstream(&self) -> Vec<Upstream> {
        let upstream = |server: &str, state, answered, failed, trip| Upstream {
            server: server.to_owned(),
            state,
            answered,
            failed,
            last_error: (failed > 400).then(|| {
                "could not connect to 9.9.9.9:443: connection timed out, is port 443 closed by a \
                 NetworkPolicy?"
                    .to_owned()
            }),
            round_trip_ms: trip,
        };
        match self.scene {
            Scene::Empty => vec![upstream(CLOUDFLARE, UpstreamState::Untried, 0, 0, None)],
            Scene::Busy => vec![
                upstream(CLOUDFLARE, UpstreamState::Up, 181_220, 12, Some(11.4)),
                upstream(QUAD9, UpstreamState::Up, 33_871, 3, Some(17.9)),
                upstream("tcp://10.96.0.10:53", UpstreamState::Up, 1_877, 0, Some(0.42)),
            ],
            Scene::Trouble => vec![
                upstream(CLOUDFLARE, UpstreamState::Up, 181_220, 12, Some(11.4)),
                upstream(QUAD9, UpstreamState::Down, 33_871, 412, Some(1793.0)),
                upstream("tcp://10.96.0.10:53", UpstreamState::Untried, 0, 0, None),
            ],
        }
    }

    fn lists(&self) -> Vec<List> {
        let list = |name: &str, action: &str, rules, rejected, state, hours: Option<u64>| List {
            name: name.to_owned(),
            action: action.to_owned(),
            rules,
            rejected,
            state,
            error: (state != ListState::Ok)
                .then(|| "https://lists.example/threats.txt answered 503".to_owned()),
            updated: hours.map(|hours| now().saturating_sub(hours * 3_600_000)),
        };
        let threats = match self.scene {
            Scene::Empty => return Vec::new(),
            Scene::Busy => list("threats", "block", 401_127, 14, ListState::Ok, Some(2)),
            Scene::Trouble => list("threats", "block", 401_127, 14, ListState::Stale, Some(61)),
        };
        let mut lists = vec![
            list("hagezi-light", "block", 92_413, 0, ListState::Ok, Some(5)),
            threats,
            list("own-rules", "block", 23, 1, ListState::Ok, Some(0)),
            list("allowed", "allow", 118, 0, ListState::Ok, Some(26)),
        ];
        if self.scene == Scene::Trouble {
            lists.push(list("kids", "block", 0, 0, ListState::Failed, None));
        }
        lists
    }
}

impl Backend for Preview {
    fn explain(&self, question: &Explain) -> Result<serde_json::Value, String> {
        Ok(serde_json::json!({ "name": question.name, "sentence": "this is a preview" }))
    }

    fn upstreams(&self) -> serde_json::Value {
        serde_json::json!([])
    }

    fn status(&self) -> Status {
        let totals = self.totals();
        let lists = self.lists();
        let rules = lists.iter().map(|list| list.rules).sum();
        let (hits, misses) = (totals.cached, totals.forwarded);
        Status {
            replica: "dnsward-6c9f7d5b8-x2k4q".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            uptime_seconds: now().saturating_sub(self.started) / 1000,
            ready: self.scene != Scene::Empty,
            totals,
            block_rate: totals.blocked as f64 / totals.queries.max(1) as f64,
            blocking: Blocking {
                enabled: self.scene != Scene::Trouble,
                rules,
                memory_bytes: rules * 8,
            },
            cache: Cache {
                entries: if totals.queries == 0 { 0 } else { 48_112 },
                bytes: if totals.queries == 0 { 0 } else { 13_842_110 },
                max_bytes: 64 << 20,
                hits,
                misses,
                hit_rate: hits as f64 / (hits + misses).max(1) as f64,
            },
            upstream: self.upstream(),
            lists,
        }
    }

    fn queries(&self, limit: usize) -> Vec<QueryRow> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.iter().rev().take(limit).cloned().collect()
    }

    fn follow(&self) -> broadcast::Receiver<Arc<QueryRow>> {
        self.live.subscribe()
    }

    fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access)
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
