//! An address comes in, a bare server stands on it: see `dnsload::floor`.

use std::{
    fs,
    io::{self, Write as _},
    net::{SocketAddr, TcpListener, UdpSocket},
    path::PathBuf,
};

use clap::{Parser, ValueEnum};
use dnsload::floor::{
    doh::{self, Authority},
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
    /// For doh: where to write the root certificate that clients must believe.
    #[arg(long, required_if_eq("kind", "doh"))]
    roots: Option<PathBuf>,
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
    }
}

fn announce(address: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{address}")?;
    out.flush()
}
