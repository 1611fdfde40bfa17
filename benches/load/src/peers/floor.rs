//! The floor as a process of its own, so that it is scheduled and counted as the others are.

use std::{net::SocketAddr, path::Path, process::Command};

/// Which floor answers a kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Datagrams.
    Udp,
    /// Long connections.
    Tcp,
    /// Connections with one query each.
    PerConnection,
}

/// How it is started.
pub fn command(program: &Path, kind: Kind, listen: SocketAddr) -> Command {
    let mut command = Command::new(program);
    let kind = match kind {
        Kind::Udp => "udp",
        Kind::Tcp => "tcp",
        Kind::PerConnection => "per-connection",
    };
    command.arg(kind).arg("--listen").arg(listen.to_string());
    command
}
