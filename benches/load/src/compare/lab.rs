//! What stands around the servers: a directory that goes away, and upstreams on the load's CPU that
//! answer what is not cached yet, over UDP, TCP and HTTPS.

use std::{
    fs,
    net::{SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    thread,
};

use tempfile::TempDir;

use super::{CompareError, server::free_address, settings::Settings, tried};
use crate::{
    floor::{self, doh::Authority},
    mix::generated_names,
    peers::{Doh, Site, dnsward::write_list},
};

/// Rules that a list has: as many as the larger lists people use.
const RULES: usize = 600_000;

/// The surroundings of all servers.
pub(super) struct Lab<'settings> {
    pub(super) settings: &'settings Settings,
    directory: TempDir,
    upstream: SocketAddr,
    doh: Doh,
}

impl<'settings> Lab<'settings> {
    /// Starts the upstreams, which live as long as the process.
    pub(super) fn new(settings: &'settings Settings) -> Result<Self, CompareError> {
        let directory = tempfile::tempdir().map_err(tried("cannot make a directory"))?;
        let upstream = start_upstream().map_err(tried("cannot start an upstream"))?;
        let authority = Authority::new().map_err(tried("cannot make a certificate"))?;
        let roots = directory.path().join("roots.pem");
        fs::write(&roots, authority.pem()).map_err(tried("cannot write a certificate"))?;
        let url = start_doh(authority).map_err(tried("cannot start a DoH upstream"))?;
        Ok(Self { settings, directory, upstream, doh: Doh { url, roots } })
    }

    /// A place for one server, with a directory of its own.
    pub(super) fn site(&self, name: &str, listen: SocketAddr) -> Result<Site, CompareError> {
        let directory = self.directory.path().join(format!("{name}-{}", listen.port()));
        fs::create_dir(&directory).map_err(tried("cannot make a directory"))?;
        Ok(Site { directory, listen, upstream: self.upstream, doh: self.doh.clone() })
    }

    /// Where files of all servers lie.
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The list, written when it is asked for first; `names` are blocked by it.
    pub(super) fn list(&self, blocks: Blocks) -> Result<PathBuf, CompareError> {
        let (file, names) = match blocks {
            Blocks::Asked => ("blocking.txt", generated_names(self.settings.names)),
            Blocks::Others => ("others.txt", Vec::new()),
        };
        let path = self.directory.path().join(file);
        if !path.exists() {
            write_list(&path, RULES, &names).map_err(tried("cannot write a list"))?;
        }
        Ok(path)
    }
}

/// Which names a list blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocks {
    /// Those that are asked for, too.
    Asked,
    /// None that is asked for.
    Others,
}

/// Over UDP and TCP: some forward a query the way it came.
fn start_upstream() -> std::io::Result<SocketAddr> {
    let address = free_address()?;
    let (socket, listener) = (UdpSocket::bind(address)?, TcpListener::bind(address)?);
    let spawn = |name: &str| thread::Builder::new().name(name.to_owned());
    spawn("upstream-udp").spawn(move || floor::udp::serve(&socket))?;
    spawn("upstream-tcp").spawn(move || floor::tcp::serve(&listener))?;
    Ok(address)
}

fn start_doh(authority: Authority) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("https://{}/dns-query", listener.local_addr()?);
    thread::Builder::new()
        .name("doh".to_owned())
        .spawn(move || floor::doh::serve(listener, &authority))?;
    Ok(url)
}
