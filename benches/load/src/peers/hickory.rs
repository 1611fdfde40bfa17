//! hickory-dns as a forwarder with its cache.

use std::{io, path::Path, process::Command};

use super::{Peer, Site, write};

/// How it is found and started.
pub const PEER: Peer =
    Peer { name: "hickory-dns", program: "hickory-dns", version: "--version", command };

fn command(program: &Path, site: &Site) -> io::Result<Command> {
    let (listen, upstream) = (site.listen, site.upstream);
    let (address, port, directory) = (listen.ip(), listen.port(), site.directory.display());
    let (upstream_address, upstream_port) = (upstream.ip(), upstream.port());
    // By default root becomes `nobody` of the group `nobody`, which Debian does not have.
    let settings = format!(
        r#"listen_addrs_ipv4 = ["{address}"]
listen_port = {port}
directory = "{directory}"
allow_networks = ["127.0.0.0/8"]
drop_privileges = false

[[zones]]
zone = "."
zone_type = "External"

[zones.stores]
type = "forward"
options = {{ cache_size = 10000 }}

[[zones.stores.name_servers]]
ip = "{upstream_address}"
trust_negative_responses = true
connections = [{{ port = {upstream_port}, protocol = {{ type = "udp" }} }}]
"#
    );
    let file = write(site, "named.toml", &settings)?;
    let mut command = Command::new(program);
    command.arg("--quiet").arg("--workers").arg("1").arg("--config").arg(file);
    Ok(command)
}
