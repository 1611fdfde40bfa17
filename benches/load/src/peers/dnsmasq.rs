//! dnsmasq, which is one thread by its nature; the base of Pi-hole.

use std::{io, path::Path, process::Command};

use super::{Peer, Site};

/// How it is found and started.
pub const PEER: Peer = Peer { name: "dnsmasq", program: "dnsmasq", version: "--version", command };

fn command(program: &Path, site: &Site) -> io::Result<Command> {
    let (listen, upstream) = (site.listen, site.upstream);
    let mut command = Command::new(program);
    command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file"]);
    command.args(["--no-resolv", "--no-hosts", "--bind-interfaces", "--no-dhcp-interface=lo"]);
    // The largest cache it takes without a warning, and more forwards at once than priming needs.
    command.args(["--cache-size=10000", "--dns-forward-max=1000", "--log-facility=/dev/null"]);
    command.arg(format!("--listen-address={}", listen.ip()));
    command.arg(format!("--port={}", listen.port()));
    command.arg(format!("--server={}#{}", upstream.ip(), upstream.port()));
    if rustix::process::getuid().is_root() {
        // A change of user or group would let it outlive us.
        command.args(["--user=root", "--group=root"]);
    }
    Ok(command)
}
