//! PowerDNS Recursor: its performance guide, <https://doc.powerdns.com/recursor/performance.html>.

use std::{io, path::Path, process::Command};

use super::{Peer, Site};

/// How it is found and started.
pub const PEER: Peer =
    Peer { name: "recursor", program: "pdns_recursor", version: "--version", command };

fn command(program: &Path, site: &Site) -> io::Result<Command> {
    let (listen, upstream) = (site.listen, site.upstream);
    let directory = site.directory.display();
    let mut command = Command::new(program);
    for setting in [
        format!("config-dir={directory}"),
        format!("socket-dir={directory}"),
        format!("local-address={listen}"),
        format!("forward-zones-recurse=.={upstream}"),
        "allow-from=127.0.0.0/8".to_owned(),
        // By default it does not ask servers on this host.
        "dont-query=".to_owned(),
        "daemon=no".to_owned(),
        "threads=1".to_owned(),
        "pdns-distributes-queries=no".to_owned(),
        "dnssec=off".to_owned(),
        "hint-file=no".to_owned(),
        "security-poll-suffix=".to_owned(),
        "disable-syslog=yes".to_owned(),
        "log-common-errors=no".to_owned(),
        "loglevel=0".to_owned(),
        "quiet=yes".to_owned(),
        "statistics-interval=0".to_owned(),
        "max-tcp-clients=12000".to_owned(),
        "max-tcp-per-client=0".to_owned(),
        // The default of two seconds would close idle connections while they are counted.
        "client-tcp-timeout=120".to_owned(),
        "max-concurrent-requests-per-tcp-connection=100".to_owned(),
    ] {
        command.arg(format!("--{setting}"));
    }
    Ok(command)
}
