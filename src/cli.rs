//! Arguments go in, an exit code comes out: one file for each command.

mod cache;
mod check;
mod client;
mod control;
mod count;
mod demo;
mod explain;
mod healthcheck;
mod lists;
mod logging;
mod offline;
mod password;
mod proxy_dns;
mod query;
mod search;
mod serve;
mod shown;
mod span;
mod status;
mod sparkline;
mod table;
mod upstream;

use std::{
    ffi::OsString,
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;

use control::Reach;

use crate::config::{Config, DEFAULT_FILE, Environment, Problem, Source};

/// How a command ended; the numbers are a contract with scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok = 0,
    /// The answer is no.
    No = 1,
    /// The arguments make no sense.
    Usage = 2,
    /// The configuration is wrong.
    Config = 3,
    /// The server cannot be reached.
    Unreachable = 4,
    /// The server cannot start.
    CannotStart = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A DNS server that blocks, caches, and asks the rest over HTTPS.
#[derive(Debug, Parser)]
#[command(name = "dnsward", disable_version_flag = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve {
        #[command(flatten)]
        config: ConfigFile,
        /// Run without root and without a file, to try it out
        #[arg(long, conflicts_with = "config")]
        demo: bool,
    },
    /// Forward and cache only, with the flags and variables of `cloudflared proxy-dns`
    ProxyDns(proxy_dns::Flags),
    /// Check a configuration and say everything that is wrong with it
    Check {
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        form: Form,
    },
    /// Look a name up, over TCP unless told otherwise
    Query {
        /// The name
        name: String,
        /// The type
        #[arg(default_value = "A")]
        qtype: String,
        #[command(flatten)]
        server: ServerAddress,
        /// Ask over UDP; a truncated answer is asked for again over TCP
        #[arg(long)]
        udp: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Say how the running server does
    Status {
        #[command(flatten)]
        reach: Reach,
        #[command(flatten)]
        form: Form,
    },
    /// Say why a name gets what it gets
    Explain {
        #[command(flatten)]
        request: explain::Request,
        #[command(flatten)]
        reach: Reach,
        #[command(flatten)]
        form: Form,
    },
    /// Say how lists do, read them again, search them
    Lists {
        #[command(subcommand)]
        what: ListsCommand,
    },
    /// Say how the cache does, make it forget
    Cache {
        #[command(subcommand)]
        what: CacheCommand,
    },
    /// Say how upstream servers do, and ask them
    Upstream {
        #[command(subcommand)]
        what: upstream::Command,
    },
    /// Ask the running server whether it answers
    Healthcheck {
        #[command(flatten)]
        server: ServerAddress,
    },
    /// Make the hash of an admin password, read from standard input
    HashPassword,
    /// Print configurations
    Config {
        #[command(subcommand)]
        what: ConfigCommand,
    },
    /// Print the version
    Version {
        #[command(flatten)]
        form: Form,
    },
}

#[derive(Debug, Subcommand)]
enum ListsCommand {
    /// Say how each list does
    Status {
        #[command(flatten)]
        reach: Reach,
        #[command(flatten)]
        form: Form,
    },
    /// Read every list again and download each anew, now
    Update {
        #[command(flatten)]
        reach: Reach,
        #[command(flatten)]
        form: Form,
    },
    /// Find every list and rule that holds a name or one above it
    Search {
        #[command(flatten)]
        request: search::Request,
        #[command(flatten)]
        reach: Reach,
        #[command(flatten)]
        form: Form,
    },
}

#[derive(Debug, Subcommand)]
enum CacheCommand {
    /// Say what it holds and how often that was of use
    Stats {
        #[command(flatten)]
        reach: Reach,
        #[command(flatten)]
        form: Form,
    },
    /// Forget every answer and failure, or those of a name and of all names below it
    Flush {
        /// The name; answers to other names that lead there by an alias are forgotten too
        name: Option<String>,
        #[command(flatten)]
        reach: Reach,
        #[command(flatten)]
        form: Form,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print every key with its default and what it means
    Default,
}

/// Where the configuration is.
#[derive(Args, Debug)]
struct ConfigFile {
    /// The configuration file [default: dnsward.toml, /etc/dnsward/dnsward.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    fn source(&self) -> Source {
        Source::find(self.config.as_deref(), Environment::of_process())
    }
}

/// Which server is asked.
#[derive(Args, Debug)]
struct ServerAddress {
    /// The server's address [default: the first of dns.listen]
    #[arg(long, value_name = "ADDRESS:PORT")]
    server: Option<SocketAddr>,
    #[command(flatten)]
    config: ConfigFile,
}

/// A server, and from where it wants to hear a PROXY v2 header first.
struct Asked {
    address: SocketAddr,
    header_from: Vec<IpNet>,
}

impl From<SocketAddr> for Asked {
    fn from(address: SocketAddr) -> Self {
        Self { address, header_from: Vec::new() }
    }
}

impl ServerAddress {
    /// The server to ask, or the code to end with where the configuration is wrong. One that is
    /// given by its address has the configuration that is named beside it, or none that we know.
    fn resolve(&self) -> Result<Asked, Exit> {
        if let (Some(address), None) = (self.server, &self.config.config) {
            return Ok(address.into());
        }
        let config = read(&self.config.source())?;
        let address = self.server.unwrap_or_else(|| address_to_ask(&config));
        Ok(Asked { address, header_from: config.dns.proxy_protocol_from })
    }
}

/// Where the server of a configuration is reached from this machine.
fn address_to_ask(config: &Config) -> SocketAddr {
    let listen = config.dns.listen.first().copied();
    let mut address = listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 1053)));
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// In what form the answer is printed.
#[derive(Args, Clone, Copy, Debug)]
struct Form {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Form {
    /// Prints a value as JSON, where that is wished for.
    fn print_json(self, value: &impl serde::Serialize) {
        if self.json
            && let Ok(json) = serde_json::to_string(value)
        {
            print(shown::Shown::json(&json));
        }
    }
}

/// Runs the command that the arguments name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments = proxy_dns::with_two_dashes(arguments);
    let command = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments.command,
        Err(error) => {
            let is_help = !error.use_stderr();
            // Nothing is left to do where even this cannot be printed.
            let _ = error.print();
            return if is_help { Exit::Ok } else { Exit::Usage };
        }
    };
    match command {
        Command::Serve { config, demo } => serve::run(&config, demo),
        Command::ProxyDns(flags) => proxy_dns::run(flags),
        Command::Check { config, form } => check::run(&config.source(), form),
        Command::Query { name, qtype, server, udp, form } => {
            query::run(&query::Request { name, qtype, is_udp: udp }, &server, form)
        }
        Command::Status { reach, form } => status::run(&reach, form),
        Command::Explain { request, reach, form } => explain::run(&request, &reach, form),
        Command::Lists { what } => match what {
            ListsCommand::Status { reach, form } => lists::status(&reach, form),
            ListsCommand::Update { reach, form } => lists::update(&reach, form),
            ListsCommand::Search { request, reach, form } => search::run(&request, &reach, form),
        },
        Command::Cache { what } => match what {
            CacheCommand::Stats { reach, form } => cache::stats(&reach, form),
            CacheCommand::Flush { name, reach, form } => {
                cache::flush(name.as_deref(), &reach, form)
            }
        },
        Command::Upstream { what } => upstream::run(&what),
        Command::Healthcheck { server } => healthcheck::run(&server),
        Command::HashPassword => password::run(),
        Command::Config { what: ConfigCommand::Default } => print(DEFAULT_FILE.trim_end()),
        Command::Version { form } => version(form),
    }
}

fn version(form: Form) -> Exit {
    let version = env!("CARGO_PKG_VERSION");
    if form.json {
        print(serde_json::json!({ "name": "dnsward", "version": version }))
    } else {
        print(format_args!("dnsward {version}"))
    }
}

/// Reads a configuration; every problem is a line on standard error.
fn read(source: &Source) -> Result<Config, Exit> {
    source.read().map_err(|problems| {
        complain(&problems);
        Exit::Config
    })
}

fn complain(problems: &[Problem]) {
    for problem in problems {
        error_line(problem);
    }
}

/// Prints a line; that nobody reads it is no failure of ours.
fn print(line: impl std::fmt::Display) -> Exit {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::No,
        _ => Exit::Ok,
    }
}

/// Prints a line to standard error.
fn error_line(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
