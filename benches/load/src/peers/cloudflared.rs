//! cloudflared's proxy-dns, which versions before 2026.2 have, in front of a DoH server.

use std::{io, path::Path, process::Command};

use super::{Peer, Site};

/// How it is found and started.
pub const PEER: Peer =
    Peer { name: "cloudflared", program: "cloudflared", version: "--version", command };

fn command(program: &Path, site: &Site) -> io::Result<Command> {
    let (address, port) = (site.listen.ip(), site.listen.port());
    let mut command = Command::new(program);
    command.args(["proxy-dns", "--address", &address.to_string(), "--port", &port.to_string()]);
    command.args(["--upstream", &site.doh.url]).env("SSL_CERT_FILE", &site.doh.roots);
    Ok(command)
}
