//! A command goes in, a process that answers comes out: on the servers' CPU, asked for every name
//! once, ended when it is no longer needed.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    CompareError, Scenario,
    proc::{self, CpuTime},
    settings::Settings,
    tried,
};
use crate::load::{
    self,
    plan::{Plan, Span},
};

/// How long a server may take until it answers every name: a debug build needs three seconds for
/// 600,000 rules, and others build on the same machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a server may take for its first answer when it listens already.
const SILENCE: Duration = Duration::from_secs(6);

/// Between two looks at a server that starts or ends.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a server may take to end before it is killed.
const FAREWELL: Duration = Duration::from_secs(3);

/// One in so many names may stay without an answer, to be asked for in the warm-up: dnsmasq closes
/// each connection after a hundred answers, and the query on its way by then is lost.
const TOLERATED: u64 = 50;

/// Lines of a server's log that are shown when it does not start.
const TAIL: usize = 3;

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Server {
    /// Starts a floor, which prints where it listens.
    pub(super) fn start_floor(command: &Command, cpu: usize) -> Result<Self, CompareError> {
        let mut pinned = pin(command, cpu);
        let mut child = pinned
            .stdout(Stdio::piped())
            .spawn()
            .map_err(tried("cannot start the floor with setpriv and taskset (of util-linux)"))?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let nowhere = || ([0, 0, 0, 0], 0).into();
        let server = Self { child, address: line.trim().parse().unwrap_or_else(|_| nowhere()) };
        if server.address.port() == 0 {
            return Err(failed(
                "floor",
                "does not start; `cargo build --release -p dnsload` builds it",
            ));
        }
        Ok(server)
    }

    /// Starts a server that listens where it was told to, UDP and TCP, and waits until it does.
    pub(super) fn start(
        name: &str,
        command: &Command,
        address: SocketAddr,
        directory: &Path,
        cpu: usize,
    ) -> Result<Self, CompareError> {
        let log = directory.join("log");
        let file = File::create(&log).map_err(tried("cannot write a log"))?;
        let mut command = pin(command, cpu);
        command.stdout(file.try_clone()?).stderr(file).current_dir(directory);
        let child = command.spawn().map_err(tried(format!("cannot start {name}")))?;
        let mut server = Self { child, address };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(server.reachable()).is_err() {
            if server.child.try_wait()?.is_some() || Instant::now() > deadline {
                return Err(failed(name, &format!("does not start: {}", tail(&log))));
            }
            thread::sleep(PAUSE);
        }
        Ok(server)
    }

    /// Where clients find it. One that listens on all addresses is asked at one from which it does
    /// not answer by itself, so that only who takes care of that is measured.
    pub(super) fn reachable(&self) -> SocketAddr {
        let address = self.address;
        if address.ip().is_unspecified() {
            ([127, 0, 0, 9], address.port()).into()
        } else {
            address
        }
    }

    /// Asks for every name until (nearly) all have been answered in one go.
    pub(super) fn prime(
        &mut self,
        name: &str,
        scenario: Scenario,
        settings: &Settings,
    ) -> Result<(), CompareError> {
        let plan = scenario.priming(self.reachable(), settings)?;
        // One alone first: a server that answers nobody is known by it in seconds.
        let knock =
            Plan { span: Span::Queries(1), ..scenario.priming(self.reachable(), settings)? };
        self.ask_until_answered(name, &knock, SILENCE)?;
        self.ask_until_answered(name, &plan, PATIENCE)
    }

    fn ask_until_answered(
        &mut self,
        name: &str,
        plan: &Plan,
        silence: Duration,
    ) -> Result<(), CompareError> {
        let begun = Instant::now();
        loop {
            let report = load::run(plan, &mut ())?.report();
            if report.wrong == 0 && report.lost <= report.sent / TOLERATED {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() {
                return Err(failed(name, "ended while it was asked"));
            }
            // Errors mean that it is not ready yet.
            let patience = if report.wrong > 0 { PATIENCE } else { silence };
            if begun.elapsed() > patience {
                let (lost, wrong, sent) = (report.lost, report.wrong, report.sent);
                let problem =
                    format!("of {sent} queries {lost} got no answer and {wrong} a wrong one");
                return Err(failed(name, &problem));
            }
            thread::sleep(PAUSE);
        }
    }

    pub(super) fn cpu_time(&self) -> io::Result<CpuTime> {
        proc::cpu_time(self.child.id())
    }

    /// Its number, for signals.
    pub(super) fn process(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// Resident memory in MiB.
    pub(super) fn resident(&self) -> io::Result<f64> {
        Ok(proc::resident(self.child.id())? as f64 / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = self.process() {
            let _ = kill_process(process, Signal::TERM);
        }
        let deadline = Instant::now() + FAREWELL;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(PAUSE);
        }
        // Does nothing to a process that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address of this host that nobody listens on, neither over UDP nor over TCP.
///
/// Somebody else may take it before the server does; then the server does not start, and says so.
pub(super) fn free_address() -> io::Result<SocketAddr> {
    loop {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        if std::net::UdpSocket::bind(address).is_ok() {
            return Ok(address);
        }
    }
}

pub(super) fn failed(server: &str, problem: &str) -> CompareError {
    CompareError::Server { server: server.to_owned(), problem: problem.to_owned() }
}

/// Puts a command onto one CPU, and has it end when we are killed. Both programs become the one they
/// start, so the process id is the server's.
pub(super) fn pin(command: &Command, cpu: usize) -> Command {
    let mut pinned = Command::new("setpriv");
    pinned.args(["--pdeathsig", "TERM", "taskset", "-c"]).arg(cpu.to_string());
    pinned.arg(command.get_program()).args(command.get_args());
    pinned.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    pinned.stdin(Stdio::null());
    pinned
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join(" / ")
}
