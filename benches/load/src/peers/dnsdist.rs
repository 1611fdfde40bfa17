//! dnsdist with its packet cache: its tuning guide, <https://dnsdist.org/advanced/tuning.html>.

use std::{io, net::SocketAddr, path::Path, process::Command};

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

/// Says how to start it as a DoH server at `doh` that knows every name but those below
/// `test.dnscrypt`, by which dnscrypt-proxy finds out who lies. Certificate and key lie in the
/// site as `certificate.pem` and `key.pem`.
///
/// # Errors
/// When the site cannot be written.
pub fn doh_server(program: &Path, site: &Site, doh: SocketAddr) -> io::Result<Command> {
    let (listen, directory) = (site.listen, site.directory.display());
    let settings = format!(
        r#"setLocal("{listen}")
setACL("127.0.0.0/8")
setSecurityPollSuffix("")
addDOHLocal("{doh}", "{directory}/certificate.pem", "{directory}/key.pem", "/dns-query")
addAction(makeRule("test.dnscrypt."), RCodeAction(DNSRCode.NXDOMAIN))
addAction(QTypeRule(DNSQType.A), SpoofAction({{"198.51.100.1"}}, {{ttl=3600}}))
addAction(AllRule(), RCodeAction(DNSRCode.NOERROR))
"#
    );
    let file = write(site, "dnsdist.conf", &settings)?;
    let mut command = Command::new(program);
    command.args(["--supervised", "--disable-syslog", "-C"]).arg(file);
    Ok(command)
}
