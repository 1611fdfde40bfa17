//! dnsdist as a DoH server on the load's CPU, which has one answer for every name: the upstream of
//! forwarders where misses are measured.

use std::fs;

use super::{
    CompareError,
    lab::Lab,
    server::{Server, failed, free_address},
    tried,
};
use crate::{
    floor::doh::Authority,
    peers::{self, Doh},
};

/// A running DoH server.
pub(super) struct Upstream {
    /// Where it is and whom to believe.
    pub(super) doh: Doh,
    _server: Server,
}

/// Starts it.
pub(super) fn start(lab: &Lab<'_>) -> Result<Upstream, CompareError> {
    let program = peers::dnsdist::PEER.find();
    let program = program.ok_or_else(|| failed("dnsdist", "not installed; misses need it"))?;
    let (listen, doh) = (free_address()?, free_address()?);
    let site = lab.site("doh-server", listen)?;
    let authority = Authority::new().map_err(tried("cannot make a certificate"))?;
    let (certificate, key) = authority.certify(doh.ip())?;
    let path = |name: &str| site.directory.join(name);
    fs::write(path("roots.pem"), authority.pem())?;
    fs::write(path("certificate.pem"), certificate)?;
    fs::write(path("key.pem"), key)?;
    let command = peers::dnsdist::doh_server(&program, &site, doh)?;
    let server =
        Server::start("dnsdist", &command, listen, &site.directory, lab.settings.load_cpu)?;
    let doh = Doh { url: format!("https://{doh}/dns-query"), roots: path("roots.pem") };
    Ok(Upstream { doh, _server: server })
}
