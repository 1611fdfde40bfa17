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
    /// The same, but it waits for its clients to close.
    Patient,
}

/// How it is started.
pub fn command(program: &Path, kind: Kind, listen: SocketAddr) -> Command {
    let mut command = Command::new(program);
    let kind: &[&str] = match kind {
        Kind::Udp => &["udp"],
        Kind::Tcp => &["tcp"],
        Kind::PerConnection => &["per-connection"],
        Kind::Patient => &["per-connection", "--close", "last"],
    };
    command.args(kind).arg("--listen").arg(listen.to_string());
    command
}
