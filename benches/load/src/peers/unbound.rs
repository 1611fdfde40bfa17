//! unbound: its performance guide, <https://unbound.docs.nlnetlabs.nl/en/latest/topics/core/performance.html>.

use std::{io, path::Path, process::Command};

use super::{Peer, Site, write};

/// How it is found and started.
pub const PEER: Peer = Peer { name: "unbound", program: "unbound", version: "-V", command };

fn command(program: &Path, site: &Site) -> io::Result<Command> {
    let file = write(site, "unbound.conf", &settings(site))?;
    let mut command = Command::new(program);
    command.arg("-d").arg("-c").arg(file);
    Ok(command)
}

fn settings(site: &Site) -> String {
    let (listen, upstream) = (site.listen, site.upstream);
    let (port, directory) = (listen.port(), site.directory.display());
    // Answers from the address that was asked only when told so.
    let interface = if listen.ip().is_unspecified() {
        "interface-automatic: yes".to_owned()
    } else {
        format!("interface: {listen_ip}@{port}", listen_ip = listen.ip())
    };
    let (upstream_address, upstream_port) = (upstream.ip(), upstream.port());
    format!(
        r#"server:
    port: {port}
    {interface}
    access-control: 127.0.0.0/8 allow
    do-daemonize: no
    username: ""
    chroot: ""
    directory: "{directory}"
    pidfile: ""
    use-syslog: no
    verbosity: 0
    num-threads: 1
    so-reuseport: yes
    outgoing-range: 4096
    num-queries-per-thread: 2048
    # The default of 10 would refuse most connections. All buffers are made at the start, which is
    # most of the memory it takes: 17 MiB without. The time is long because it is cut short as the
    # places fill, and ten thousand idle connections are to stay.
    incoming-num-tcp: 12000
    tcp-idle-timeout: 6000000
    module-config: "iterator"
    msg-cache-size: 64m
    rrset-cache-size: 128m
    do-not-query-localhost: no
    minimal-responses: yes
remote-control:
    control-enable: no
forward-zone:
    name: "."
    forward-addr: {upstream_address}@{upstream_port}
"#
    )
}
