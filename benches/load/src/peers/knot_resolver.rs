//! Knot Resolver 5, one process: <https://knot-resolver.readthedocs.io/en/v5.6.0/>.

use std::{io, path::Path, process::Command};

use super::{Peer, Site, write};

/// How it is found and started.
pub const PEER: Peer =
    Peer { name: "knot-resolver", program: "kresd", version: "--version", command };

fn command(program: &Path, site: &Site) -> io::Result<Command> {
    let (listen, upstream) = (site.listen, site.upstream);
    let (address, port) = (listen.ip(), listen.port());
    let (upstream_address, upstream_port) = (upstream.ip(), upstream.port());
    // The upstream is not signed, and there is no root to watch.
    let settings = format!(
        r#"net.listen('{address}', {port}, {{ kind = 'dns' }})
net.tcp_pipeline(1000)
log_level('crit')
cache.size = 100 * MB
trust_anchors.remove('.')
modules.unload('ta_update')
modules.unload('ta_signal_query')
modules.unload('ta_sentinel')
modules.unload('priming')
modules.unload('detect_time_skew')
modules.unload('detect_time_jump')
policy.add(policy.all(policy.STUB('{upstream_address}@{upstream_port}')))
"#
    );
    let file = write(site, "kresd.conf", &settings)?;
    let mut command = Command::new(program);
    command.arg("-n").arg("-c").arg(file).arg(&site.directory);
    Ok(command)
}
