//! The program on a host whose system resolver is this very program: whatever it looks up for
//! itself, upstreams or lists, must never go by way of the system.

use std::{
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use hickory_proto::{
    op::{Message, MessageType},
    rr::{RData, Record, RecordType},
};
use tempfile::TempDir;
use tokio::{net::UdpSocket, task::spawn_blocking};

use crate::lab::{Fake, ListHost, Running, authority_pem};

/// Longest that a test waits for a change to show.
const PATIENCE: Duration = Duration::from_secs(20);

/// An address that no other test or program listens at.
const SELF: &str = "127.77.0.53:53";

/// What has to do with asking the system for names.
const SYSTEM: [&str; 8] = [
    "getaddrinfo",
    "gethostbyname",
    "open /etc/resolv.conf",
    "open /etc/hosts",
    "open /etc/host.conf",
    "open /etc/nsswitch.conf",
    "open /etc/gai.conf",
    "open /etc/services",
];

/// A bootstrap resolver that knows one name: `dns.example` is at 127.0.0.1.
struct Bootstrap {
    address: SocketAddr,
    is_dead: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Bootstrap {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (is_dead, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (dead, counted) = (is_dead.clone(), asked.clone());
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            loop {
                let (size, from) = socket.recv_from(&mut buffer).await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                if !dead.load(Ordering::SeqCst) {
                    socket.send_to(&answer(&buffer[..size]), from).await.unwrap();
                }
            }
        });
        Self { address, is_dead, asked }
    }
}

fn answer(question: &[u8]) -> Vec<u8> {
    let mut message = Message::from_vec(question).unwrap();
    let asked = message.queries[0].clone();
    // A question over UDP has letters in any case.
    assert_eq!(asked.name.to_lowercase().to_ascii(), "dns.example.");
    message.metadata.message_type = MessageType::Response;
    if asked.query_type == RecordType::A {
        let here = RData::A(Ipv4Addr::LOCALHOST.into());
        message.add_answer(Record::from_rdata(asked.name, 300, here));
    }
    message.to_vec().unwrap()
}

/// Everything that the program needs, at addresses of this host, but none of it by its address.
struct World {
    directory: TempDir,
    bootstrap: Bootstrap,
    upstream: Running,
    _list: ListHost,
}

impl World {
    async fn new(listen: &str) -> Self {
        let bootstrap = Bootstrap::start().await;
        let address = bootstrap.address.to_string();
        Self::with(listen, bootstrap, &address).await
    }

    /// Where the program asks another resolver than this one.
    async fn with(listen: &str, bootstrap: Bootstrap, resolver: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let upstream = Fake::new()
            .a("www.example", [192, 0, 2, 1])
            .a("lists.example", [127, 0, 0, 1])
            .start()
            .await;
        let list = ListHost::start("||ads.example^").await;
        let ca = directory.path().join("ca.pem");
        std::fs::write(&ca, authority_pem()).unwrap();
        let list_block = list.block("").replace("127.0.0.1", "lists.example");
        let config = format!(
            "data_dir = 'data'\ndns.listen = ['{listen}']\nadmin.listen = ''\n\
             metrics.listen = ''\nlog.format = 'json'\nupstream.ca_file = '{}'\n\
             upstream.servers = ['https://dns.example:{}/dns-query']\n\
             upstream.bootstrap = ['{resolver}']\n{list_block}",
            ca.display(),
            upstream.port(),
        );
        std::fs::write(directory.path().join("dnsward.toml"), config).unwrap();
        std::fs::create_dir(directory.path().join("data")).unwrap();
        Self { directory, bootstrap, upstream, _list: list }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the program by this command, which may do something else first.
    async fn start(&self, mut command: Command) -> Program {
        command
            .args(["serve", "--config", "dnsward.toml"])
            .current_dir(self.directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        spawn_blocking(move || Program::start(command)).await.unwrap()
    }

    /// What the trap has caught of the system's resolver.
    fn caught(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.path("trap.log")).unwrap();
        let is_system = |line: &&str| SYSTEM.iter().any(|what| line.starts_with(what));
        log.lines().filter(is_system).map(str::to_owned).collect()
    }

    /// Where the program went, without those that it was told to go to.
    fn strangers(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.path("trap.log")).unwrap();
        let goes = |line: &&str| line.starts_with("connect ") || line.starts_with("send ");
        let is_told = |line: &&str| line.contains(" 127.0.0.1 ") && !line.ends_with(" 53");
        log.lines().filter(goes).filter(|line| !is_told(line)).map(str::to_owned).collect()
    }
}

/// A running program.
struct Program {
    child: Child,
    dns: String,
}

impl Program {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let dns = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it has ended: {said}");
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if event["message"] == "serving" {
                break event["dns"].as_str().unwrap().to_owned();
            }
            said.push_str(&line);
        };
        // Nobody reads on, and a full pipe would hold it up.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, dns }
    }

    /// Asks until the answer has these words in it; returns how long that took.
    async fn comes_to_say(&self, name: &'static str, words: &'static str) -> Duration {
        let dns = self.dns.clone();
        let ask = move || {
            let started = Instant::now();
            let mut said = String::new();
            while started.elapsed() < PATIENCE {
                let mut command = Command::new(env!("CARGO_BIN_EXE_dnsward"));
                let output = command.args(["query", name, "--server", &dns]).output().unwrap();
                said = String::from_utf8_lossy(&output.stdout).into_owned();
                if said.contains(words) {
                    return started.elapsed();
                }
            }
            panic!("{name} does not come to say {words}: {said}");
        };
        spawn_blocking(ask).await.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Whoever is gone already is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds the trap, which the linker that built this test can build too.
fn build_trap(directory: &Path) -> PathBuf {
    let (source, trap) = (directory.join("trap.c"), directory.join("trap.so"));
    std::fs::write(&source, include_str!("own_resolver/trap.c")).unwrap();
    let output = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-U_FORTIFY_SOURCE", "-o"])
        .args([&trap, &source])
        .arg("-ldl")
        .output()
        .expect("there is a C compiler, as the linker of this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    trap
}

/// A command whose program is in the trap.
fn trapped(program: &str, world: &World) -> Command {
    let mut command = Command::new(program);
    command
        .env("LD_PRELOAD", build_trap(world.directory.path()))
        .env("TRAP_LOG", world.path("trap.log"));
    command
}

/// Failure story 10: a resolver that is its own system resolver asked the system, and so itself,
/// where its upstream or its block lists were, and never came up.
#[tokio::test]
async fn t59_the_system_is_never_asked_for_a_name() {
    let world = World::new("127.0.0.1:0").await;
    let program = world.start(trapped(env!("CARGO_BIN_EXE_dnsward"), &world)).await;

    program.comes_to_say("www.example", "192.0.2.1").await;
    program.comes_to_say("ads.example", "EDE 15").await;
    drop(program);

    assert_eq!(world.caught(), [""; 0]);
    assert_eq!(world.strangers(), [""; 0]);
    let log = std::fs::read_to_string(world.path("trap.log")).unwrap();
    let went = format!("connect 127.0.0.1 {}", world.upstream.port());
    assert!(log.contains(&went), "the trap sees what it is for: {log}");
}

#[tokio::test]
async fn the_trap_catches_who_does_ask_the_system() {
    let world = World::new("127.0.0.1:0").await;
    let mut command = trapped("getent", &world);
    command.args(["ahosts", "localhost"]);

    spawn_blocking(move || command.output()).await.unwrap().unwrap();

    assert!(world.caught().contains(&"getaddrinfo localhost".to_owned()), "{:?}", world.caught());
}

#[tokio::test]
async fn t59_a_host_whose_system_resolver_is_the_program_itself_comes_up_cold() {
    let world = World::new(SELF).await;
    let resolv_conf = world.path("resolv.conf");
    let (address, _) = SELF.split_once(':').unwrap();
    std::fs::write(&resolv_conf, format!("nameserver {address}\n")).unwrap();
    let mount = format!("mount --bind '{}' /etc/resolv.conf", resolv_conf.display());
    let can_mount = Command::new("unshare").args(["-m", "sh", "-c", &mount]).output();
    if !can_mount.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: only root may give a program a resolv.conf of its own");
        return;
    }
    let mut command = trapped("unshare", &world);
    let run = format!("{mount} && exec \"$0\" \"$@\"");
    command.args(["-m", "sh", "-c", &run, env!("CARGO_BIN_EXE_dnsward")]);

    let program = world.start(command).await;
    let took = program.comes_to_say("www.example", "192.0.2.1").await;
    program.comes_to_say("ads.example", "EDE 15").await;
    drop(program);

    assert!(took < Duration::from_secs(4), "{took:?}");
    let ours = |line: &String| !line.starts_with("open ");
    // The shell and its tools may read what they like.
    assert!(!world.caught().iter().any(ours), "{:?}", world.caught());
    assert_eq!(world.strangers(), [""; 0]);
}

#[tokio::test]
async fn t59_addresses_from_the_last_run_serve_while_no_resolver_can_be_asked() {
    let world = World::new("127.0.0.1:0").await;
    let program = world.start(Command::new(env!("CARGO_BIN_EXE_dnsward"))).await;
    program.comes_to_say("www.example", "192.0.2.1").await;
    let kept = world.path("data/upstream-addresses.json");
    let started = Instant::now();
    while !kept.exists() {
        assert!(started.elapsed() < PATIENCE, "nothing is kept");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(program);
    let asked = world.bootstrap.asked.load(Ordering::SeqCst);
    world.bootstrap.is_dead.store(true, Ordering::SeqCst);

    let program = world.start(Command::new(env!("CARGO_BIN_EXE_dnsward"))).await;
    program.comes_to_say("www.example", "192.0.2.1").await;

    assert!(world.bootstrap.asked.load(Ordering::SeqCst) > asked, "it has asked in vain");
    let text = std::fs::read_to_string(&kept).unwrap();
    assert!(text.contains("dns.example") && text.contains("127.0.0.1"), "{text}");
}

#[tokio::test]
async fn a_bootstrap_resolver_may_speak_https() {
    let encrypted = Fake::new().a("dns.example", [127, 0, 0, 1]).start().await;
    let plain = Bootstrap::start().await;
    let world = World::with("127.0.0.1:0", plain, &encrypted.url()).await;

    let program = world.start(Command::new(env!("CARGO_BIN_EXE_dnsward"))).await;
    program.comes_to_say("www.example", "192.0.2.1").await;

    assert_eq!((encrypted.hits(), world.bootstrap.asked.load(Ordering::SeqCst)), (2, 0));
}

#[tokio::test]
async fn who_comes_from_cloudflared_has_upstreams_by_name_too() {
    let bootstrap = Fake::new().a("dns.example", [127, 0, 0, 1]).start().await;
    let world = World::new("127.0.0.1:0").await;
    let upstream = format!("https://dns.example:{}/dns-query", world.upstream.port());
    let mut command = Command::new(env!("CARGO_BIN_EXE_dnsward"));
    command
        .args(["proxy-dns", "--port", "0", "--metrics", "127.0.0.1:0"])
        .args(["--upstream", &upstream, "--bootstrap", &bootstrap.url()])
        .env("DNSWARD__UPSTREAM__CA_FILE", world.path("ca.pem"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());

    let program = spawn_blocking(move || Program::start(command)).await.unwrap();
    program.comes_to_say("www.example", "192.0.2.1").await;

    assert_eq!(bootstrap.hits(), 2, "one question for each family");
}

#[tokio::test]
async fn a_damaged_memory_of_addresses_is_ignored() {
    let world = World::new("127.0.0.1:0").await;
    std::fs::write(world.path("data/upstream-addresses.json"), "{\"dns.example\": [").unwrap();

    let program = world.start(Command::new(env!("CARGO_BIN_EXE_dnsward"))).await;

    program.comes_to_say("www.example", "192.0.2.1").await;
}
