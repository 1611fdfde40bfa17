//! dnsdist with its packet cache: its tuning guide, <https://dnsdist.org/advanced/tuning.html>.

use std::{io, path::Path, process::Command};

use super::{Peer, Site, write};

/// How it is found and started.
pub const PEER: Peer = Peer { name: "dnsdist", program: "dnsdist", version: "--version", command };

fn command(program: &Path, site: &Site) -> io::Result<Command> {
    let (listen, upstream) = (site.listen, site.upstream);
    // In flight above 0 lets it answer a connection's queries out of order.
    let settings = format!(
        r#"setLocal("{listen}", {{maxInFlight=1000, tcpListenQueueSize=4096}})
setACL("127.0.0.0/8")
setSecurityPollSuffix("")
setVerboseHealthChecks(false)
setMaxTCPClientThreads(1)
setMaxTCPConnectionsPerClient(0)
setMaxTCPQueriesPerConnection(0)
newServer({{address="{upstream}", mustResolve=false, sockets=1}})
getPool(""):setCache(newPacketCache(10000, {{maxTTL=86400, numberOfShards=1}}))
"#
    );
    let file = write(site, "dnsdist.conf", &settings)?;
    let mut command = Command::new(program);
    command.args(["--supervised", "--disable-syslog", "-C"]).arg(file);
    Ok(command)
}
