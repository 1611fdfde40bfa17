//! Programs come in, a report in Markdown goes out: see `dnsload::compare`.

use std::{
    env,
    error::Error,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, ValueEnum as _, builder::PossibleValuesParser, value_parser};
use dnsload::{
    compare::{
        self, Scenario,
        settings::{Attendance, Settings},
    },
    peers::{FORWARDERS, PEERS},
};

/// Measures what DNS servers cost, in turn and in one run, and prints tables in Markdown.
#[derive(Parser)]
struct Arguments {
    /// Our server; without it only floor and peers are measured.
    #[arg(long)]
    dnsward: Option<PathBuf>,
    /// hickory-dns, where it is not installed.
    #[arg(long)]
    hickory: Option<PathBuf>,
    /// The floor; by default the one beside this program.
    #[arg(long)]
    floor: Option<PathBuf>,
    /// Also measures ours without metrics, admin page and query log.
    #[arg(long)]
    bare: bool,
    /// Peers that take part; by default all that are installed. `none` for none.
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(peer_names()))]
    peers: Vec<String>,
    /// Scenarios; by default all.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// Rounds in which all are measured in turn.
    #[arg(long, default_value_t = 7, value_parser = value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Seconds each is measured in a round.
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Seconds each is asked before.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u64).range(0..=3600))]
    warm_up: u64,
    /// How many names are asked for.
    #[arg(long, default_value_t = 1000)]
    names: usize,
    /// The CPU of the servers.
    #[arg(long, default_value_t = 0)]
    server_cpu: usize,
    /// The CPU of what dnsward does besides answering, in latency-swap and latency-watched: best
    /// one that neither servers nor load use. By default it is the servers' CPU.
    #[arg(long)]
    control_cpu: Option<usize>,
    /// The CPU of the load.
    #[arg(long, default_value_t = 1)]
    load_cpu: usize,
    /// Queries a second where latency is measured. By default half of what each server can do.
    #[arg(long, value_parser = value_parser!(u32).range(1..))]
    rate: Option<u32>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let settings = settings(Arguments::parse())?;
    Ok(compare::run(&settings, &mut io::stdout().lock())?)
}

fn settings(arguments: Arguments) -> io::Result<Settings> {
    let floor = arguments.floor.map_or_else(beside_us, Ok)?;
    let all = Scenario::value_variants;
    Ok(Settings {
        scenarios: if arguments.only.is_empty() { all().to_vec() } else { arguments.only },
        floor,
        dnsward: arguments.dnsward.map(std::path::absolute).transpose()?,
        bare: if arguments.bare { Attendance::Present } else { Attendance::Absent },
        peers: arguments.peers,
        hickory: arguments.hickory.map(std::path::absolute).transpose()?,
        rounds: arguments.rounds,
        measured: Duration::from_secs(arguments.seconds),
        warm_up: Duration::from_secs(arguments.warm_up),
        names: arguments.names,
        server_cpu: arguments.server_cpu,
        control_cpu: arguments.control_cpu,
        load_cpu: arguments.load_cpu,
        rate: arguments.rate,
    })
}

fn peer_names() -> impl Iterator<Item = &'static str> {
    let names = PEERS.into_iter().chain(FORWARDERS).map(|peer| peer.name);
    names.chain(["none"])
}

fn beside_us() -> io::Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name("floor"))
}
