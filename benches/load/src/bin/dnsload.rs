//! A server's address comes in, its answers are timed: see `dnsload::load`.

use std::{
    error::Error,
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    num::NonZeroU32,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{ArgAction, ArgGroup, Parser, ValueEnum, value_parser};
use dnsload::{
    load::{
        self,
        doh::DohServer,
        plan::{MAX_LANES, MAX_OUTSTANDING, Pace, Plan, Span, Target},
    },
    mix::{Mix, generated_names},
    packet::{Edns, parse_type},
};

/// Sends DNS queries at a fixed rate, or with so many in flight, and tells how long answers take.
///
/// With --rate a latency counts from the moment its query was due, so that a server which stalls
/// is not spared the queries it kept away. One thread does all; pin it with taskset.
#[derive(Parser)]
#[command(group(ArgGroup::new("pace").required(true).args(["rate", "outstanding"])))]
struct Arguments {
    /// How the server is asked.
    transport: Transport,
    /// Address and port; for doh the URL, https://ADDRESS:PORT/PATH.
    #[arg(long)]
    server: String,
    /// For doh: PEM file of the root certificates.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Open loop: queries a second.
    #[arg(long)]
    rate: Option<NonZeroU32>,
    /// Closed loop: queries in flight.
    #[arg(long, value_parser = value_parser!(u32).range(1..=i64::from(MAX_OUTSTANDING)))]
    outstanding: Option<u32>,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    seconds: f64,
    /// Seconds before them.
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    warm_up: f64,
    /// A file with one name a line, or how many names to generate.
    #[arg(long, default_value = "1000")]
    names: String,
    /// How much more often the first names are asked; 0 asks all alike.
    #[arg(long, default_value_t = 1.0)]
    zipf: f64,
    /// The same seed asks in the same order.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Kept connections (tcp, doh), or connections at once with --rate (per-connection).
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u32).range(1..=i64::from(MAX_LANES)))]
    connections: u32,
    /// Source ports (udp).
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u32).range(1..=i64::from(MAX_LANES)))]
    sockets: u32,
    /// Record type, by name or number.
    #[arg(long = "type", default_value = "A", value_parser = parse_type)]
    qtype: u16,
    /// Whether queries have an OPT record with the payload size 1232.
    #[arg(long, default_value_t = true, action = ArgAction::Set)]
    edns: bool,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Transport {
    /// Datagrams.
    Udp,
    /// Kept connections, many queries in flight on each.
    Tcp,
    /// A new connection for each query.
    PerConnection,
    /// HTTP/2 POST requests.
    Doh,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "dnsload: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let plan = plan(&arguments)?;
    let report = load::run(&plan, &mut ())?.report();
    let mut out = io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        writeln!(out, "{report}")?;
    }
    Ok(())
}

fn plan(arguments: &Arguments) -> Result<Plan, Box<dyn Error>> {
    let names = names(&arguments.names)?;
    let edns = if arguments.edns { Edns::Plain } else { Edns::Absent };
    let lanes = match arguments.transport {
        Transport::Udp => arguments.sockets,
        Transport::Tcp | Transport::PerConnection | Transport::Doh => arguments.connections,
    };
    let outstanding = arguments.outstanding.and_then(NonZeroU32::new);
    let pace = arguments.rate.map(Pace::Rate).or_else(|| outstanding.map(Pace::Outstanding));
    Ok(Plan {
        target: target(arguments)?,
        pace: pace.ok_or("one of --rate and --outstanding is needed")?,
        span: Span::Time {
            warm_up: Duration::try_from_secs_f64(arguments.warm_up)?,
            measured: Duration::try_from_secs_f64(arguments.seconds)?,
        },
        mix: Mix::zipf(&names, (arguments.qtype, edns), arguments.zipf, arguments.seed)?,
        lanes: NonZeroU32::new(lanes).unwrap_or(NonZeroU32::MIN),
    })
}

fn target(arguments: &Arguments) -> Result<Target, Box<dyn Error>> {
    if arguments.transport == Transport::Doh {
        let file = arguments.ca.as_ref().ok_or("doh needs --ca FILE, the roots to believe")?;
        return Ok(Target::Doh(DohServer::parse(&arguments.server, &fs::read(file)?)?));
    }
    let server: SocketAddr = arguments.server.parse().map_err(|_| {
        format!("`{}` is no address with a port, like 127.0.0.1:53", arguments.server)
    })?;
    Ok(match arguments.transport {
        Transport::Udp => Target::Udp(server),
        Transport::Tcp | Transport::Doh => Target::Tcp(server),
        Transport::PerConnection => Target::PerConnection(server),
    })
}

fn names(source: &str) -> Result<Vec<String>, String> {
    if let Ok(count) = source.parse() {
        return Ok(generated_names(count));
    }
    let text = fs::read_to_string(source)
        .map_err(|error| format!("--names `{source}` is no number, nor a file to read: {error}"))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=3600.0).contains(seconds));
    seconds.ok_or_else(|| format!("`{text}` is not a number of seconds up to 3600"))
}
