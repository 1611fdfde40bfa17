//! An address comes in, a bare server stands on it: see `dnsload::floor`.

use std::{
    fs,
    io::{self, Write as _},
    net::{SocketAddr, TcpListener, UdpSocket},
    path::PathBuf,
    time::Duration,
};

use clap::{Parser, ValueEnum};
use dnsload::floor::{
    doh::{self, Authority},
    exchange::{self, Library, Pace},
    patient, per_connection, tcp, udp,
};

/// Answers every question with the same address: the least that a server must do.
#[derive(Parser)]
struct Arguments {
    /// How clients come.
    kind: Kind,
    /// Address and port to listen on; port 0 takes a free one. The address is printed.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// For per-connection: whether the floor closes a connection first (the default) or last.
    #[arg(long)]
    close: Option<Close>,
    /// For doh: where to write the root certificate that clients must believe. For exchange: the
    /// file of roots to believe.
    #[arg(long, required_if_eq_any([("kind", "doh"), ("kind", "exchange")]))]
    roots: Option<PathBuf>,
    /// For exchange: the DoH server, https://ADDRESS:PORT/PATH.
    #[arg(long, required_if_eq("kind", "exchange"))]
    url: Option<String>,
    /// For exchange: who speaks HTTP/2.
    #[arg(long, default_value = "hyper")]
    library: Library,
    /// For exchange: how many at once.
    #[arg(long, default_value_t = 100)]
    outstanding: usize,
    /// For exchange: milliseconds that are measured, after a third as many that are not.
    #[arg(long, default_value_t = 3000)]
    milliseconds: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Datagrams.
    Udp,
    /// Long connections with many queries each.
    Tcp,
    /// Connections with one query each.
    PerConnection,
    /// HTTP/2 over TLS, with a certificate made at the start.
    Doh,
    /// No server: asks one over HTTPS. Prints exchanges, CPU and median time of each in us.
    Exchange,
}

/// When the floor closes a connection.
#[derive(Clone, Copy, ValueEnum)]
enum Close {
    /// Right after its answer.
    First,
    /// When its client has closed.
    Last,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    if arguments.close.is_some() && !matches!(arguments.kind, Kind::PerConnection) {
        let text = "--close is for per-connection; leave it out";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    match arguments.kind {
        Kind::Udp => {
            let socket = UdpSocket::bind(arguments.listen)?;
            announce(socket.local_addr()?)?;
            udp::serve(&socket)
        }
        Kind::Tcp => {
            let listener = TcpListener::bind(arguments.listen)?;
            announce(listener.local_addr()?)?;
            tcp::serve(&listener)
        }
        Kind::PerConnection => {
            let listener = TcpListener::bind(arguments.listen)?;
            announce(listener.local_addr()?)?;
            match arguments.close {
                None | Some(Close::First) => per_connection::serve(&listener),
                Some(Close::Last) => patient::serve(&listener),
            }
        }
        Kind::Doh => {
            let (listener, authority) = (TcpListener::bind(arguments.listen)?, Authority::new()?);
            if let Some(file) = arguments.roots {
                fs::write(file, authority.pem())?;
            }
            announce(listener.local_addr()?)?;
            doh::serve(listener, &authority)
        }
        Kind::Exchange => {
            let (url, roots) =
                (arguments.url.unwrap_or_default(), arguments.roots.unwrap_or_default());
            let measured = Duration::from_millis(arguments.milliseconds);
            let pace = Pace { outstanding: arguments.outstanding, warm_up: measured / 3, measured };
            let spent = exchange::run(arguments.library, &url, &fs::read(roots)?, pace)?;
            writeln!(io::stdout(), "{} {:.3} {:.3}", spent.exchanges, spent.cpu_us, spent.p50_us)
        }
    }
}

fn announce(address: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{address}")?;
    out.flush()
}
