//! The program under signals and changing files, as an init system or Kubernetes runs it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::reload::{feed, make_pipe, wait_for_reader};

/// Longest that a test waits for a change to show.
const PATIENCE: Duration = Duration::from_secs(20);

/// Most octets that an idle connection may take; it is 1,500 in practice, and a buffer of its own
/// would be 4,096 at least.
const IDLE_CONNECTION: usize = 2048;

/// What the server may grow by beside that: the queries that it remembers, and what an allocator
/// keeps for the next time.
const SLACK: usize = 1024 * 1024;

/// Most octets that a server without lists and clients holds; hashing a password takes 19 MiB.
const AT_REST: usize = 14 << 20;

/// The policy of threads that run only when no other wants to (sched(7)).
const SCHED_IDLE: u32 = 5;

/// A running program with a configuration file of its own.
struct Program {
    child: Child,
    log: BufReader<ChildStderr>,
    dns: String,
    directory: TempDir,
}

impl Program {
    fn start() -> Self {
        Self::start_as(Command::new(env!("CARGO_BIN_EXE_dnsward")))
    }

    fn start_as(mut command: Command) -> Self {
        let directory = tempfile::tempdir().unwrap();
        write_config(directory.path(), "one.example");
        let mut child = command
            .args(["serve", "--config", "current.toml"])
            .current_dir(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let dns = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it has ended");
            let event: serde_json::Value = serde_json::from_str(&line).expect("a JSON line");
            if event["message"] == "serving" {
                break event["dns"].as_str().unwrap().to_owned();
            }
        };
        Self { child, log, dns, directory }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Whether a name is blocked within the time a test waits.
    fn comes_to_block(&self, name: &str) -> bool {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let asked = Command::new(env!("CARGO_BIN_EXE_dnsward"))
                .args(["query", name, "--server", &self.dns])
                .output()
                .unwrap();
            if String::from_utf8_lossy(&asked.stdout).contains("EDE 15") {
                return true;
            }
        }
        false
    }

    /// Reads the log until a line says this.
    fn comes_to_say(&mut self, words: &str) -> bool {
        let mut line = String::new();
        while self.log.read_line(&mut line).unwrap_or(0) > 0 {
            if line.contains(words) {
                return true;
            }
            line.clear();
        }
        false
    }

    /// Resident memory in octets.
    fn memory(&self) -> usize {
        self.told_memory("VmRSS:")
    }

    /// Resident memory in octets that is not of a file.
    fn own_memory(&self) -> usize {
        self.told_memory("RssAnon:")
    }

    fn told_memory(&self, title: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(title)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    /// The names of its threads and how the kernel schedules them (proc_pid_stat(5), field 41).
    fn threads(&self) -> Vec<(String, u32)> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let line = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("stat"));
        let lines = tasks.filter_map(|task| line(task.ok()?).ok());
        let parse = |line: String| {
            let (head, fields) = line.rsplit_once(") ").unwrap();
            let (_, name) = head.split_once('(').unwrap();
            (name.to_owned(), fields.split(' ').nth(38).unwrap().parse().unwrap())
        };
        lines.map(parse).collect()
    }

    /// Connections that have had one answer each and stay.
    fn open(&self, number: usize) -> Vec<TcpStream> {
        (0..number).map(|_| ask_on(TcpStream::connect(&self.dns).unwrap())).collect()
    }

    fn terminate(mut self) -> bool {
        self.signal("-TERM");
        self.child.wait().unwrap().success()
    }
}

/// A test that ends early leaves nothing running.
impl Drop for Program {
    fn drop(&mut self) {
        // Whoever has been waited for is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks one question on a connection and takes the answer.
fn ask_on(mut stream: TcpStream) -> TcpStream {
    let query = b"\0\x1d\0\0\x01\0\0\x01\0\0\0\0\0\0\x03one\x07example\0\0\x01\0\x01";
    stream.write_all(query).unwrap();
    stream.read_exact(&mut [0; 31]).unwrap();
    stream
}

/// Files that this process, and each that it starts, may have open.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap_or(usize::MAX)
}

/// Writes a configuration the way Kubernetes does: aside, and then a link is swapped.
fn write_config(directory: &Path, blocked: &str) {
    let text = format!(
        "control_socket = 'off'\ndns.listen = ['127.0.0.1:0']\nadmin.listen = ''\n\
         metrics.listen = ''\n\
         upstream.servers = ['https://127.0.0.1:9/dns-query']\nupstream.timeout = '200ms'\n\
         [[lists]]\nname = 'ours'\ninline = ['{blocked}']\n"
    );
    let file = directory.join(format!("{blocked}.toml"));
    std::fs::write(&file, text).unwrap();
    let link = directory.join("next");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    std::fs::rename(link, directory.join("current.toml")).unwrap();
}

#[test]
fn whoever_compiles_lists_gives_way_to_those_who_answer() {
    let program = Program::start();
    assert!(program.comes_to_block("one.example"));
    // Not the first time, when nothing would be blocked until it is done.
    write_config(program.directory.path(), "two.example");
    assert!(program.comes_to_block("two.example"));

    let threads = program.threads();

    let policies = |of_answering: bool| {
        let answers = move |name: &str| name.starts_with("dns-") == of_answering;
        threads.iter().filter(move |(name, _)| answers(name)).map(|(_, policy)| *policy)
    };
    // That of the thread that started the others, whatever this test was started with.
    let usual = threads[0].1;
    assert!(policies(true).count() > 0, "{threads:?}");
    assert!(policies(true).all(|policy| policy == usual), "{threads:?}");
    assert!(policies(false).any(|policy| policy == SCHED_IDLE), "{threads:?}");
    assert!(program.terminate());
}

/// Until then nothing is blocked, and on a host without a CPU to spare it would never be done.
#[test]
fn whoever_reads_lists_for_the_first_time_gives_way_to_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    make_pipe(&pipe);
    let mut command = Command::new(env!("CARGO_BIN_EXE_dnsward"));
    command.env("DNSWARD__LISTS", format!("[{{ name = 'slow', path = '{}' }}]", pipe.display()));
    let program = Program::start_as(command);
    let is_idle = |(_, policy): &(String, u32)| *policy == SCHED_IDLE;

    let first = wait_for_reader(&pipe);
    let at_first = program.threads();
    feed(first, "one.example\n");
    assert!(program.comes_to_block("one.example"));
    program.signal("-HUP");
    let _second = wait_for_reader(&pipe);
    let later = program.threads();

    assert!(!at_first.iter().any(is_idle), "{at_first:?}");
    assert!(later.iter().any(is_idle), "{later:?}");
}

#[test]
fn a_changed_file_is_noticed_and_a_hangup_reads_it_again() {
    let program = Program::start();

    assert!(program.comes_to_block("one.example"));
    write_config(program.directory.path(), "two.example");
    assert!(program.comes_to_block("two.example"), "the swapped link was not noticed");
    write_config(program.directory.path(), "three.example");
    program.signal("-HUP");
    assert!(program.comes_to_block("three.example"), "the hangup was not noticed");
    assert!(program.terminate());
}

#[test]
fn a_bad_configuration_changes_nothing_and_is_told() {
    let mut program = Program::start();
    assert!(program.comes_to_block("one.example"));

    let bad = program.directory.path().join("one.example.toml");
    std::fs::write(bad, "dns.udp = 'sideways'\n").unwrap();
    program.signal("-HUP");

    assert!(program.comes_to_say("dns.udp: is not a value this key can have"));
    assert!(program.comes_to_block("one.example"));
    assert!(program.terminate());
}

#[test]
fn out_of_descriptors_the_longest_idle_connections_make_room() {
    let mut limited = Command::new("sh");
    let run = "ulimit -n 80; exec \"$0\" \"$@\"";
    limited.args(["-c", run, env!("CARGO_BIN_EXE_dnsward")]);
    let mut program = Program::start_as(limited);

    let idle: Vec<_> = (0..200).map(|_| TcpStream::connect(&program.dns).unwrap()).collect();

    assert!(program.comes_to_say("connections cannot be taken"));
    assert!(program.comes_to_block("one.example"));
    drop(idle);
}

#[test]
fn the_memory_that_hashing_the_first_password_took_is_given_back() {
    let mut with_admin = Command::new(env!("CARGO_BIN_EXE_dnsward"));
    with_admin.env("DNSWARD__ADMIN__LISTEN", "127.0.0.1:0");
    let program = Program::start_as(with_admin);
    let started = Instant::now();
    while program.own_memory() >= AT_REST {
        assert!(started.elapsed() < PATIENCE, "{} octets", program.own_memory());
        std::thread::yield_now();
    }
    assert!(program.comes_to_block("one.example"));
}

#[test]
fn an_idle_connection_takes_little_memory() {
    let program = Program::start();
    assert!(program.comes_to_block("one.example"));
    let number = descriptors().min(8_000) / 4;
    let before = program.memory();

    let idle = program.open(number);

    let grown = program.memory().saturating_sub(before);
    assert!(grown <= number * IDLE_CONNECTION + SLACK, "{grown} octets for {number}");
    drop(idle);
}
