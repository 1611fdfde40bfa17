//! Settings go in, a client of upstream servers comes out, or what of the settings is wrong.

use std::{path::Path, sync::Arc};

use doh_client::{BuildError, Client, Hedge, Observer, Server};

use super::{KnownAddresses, numbers::Register};
use crate::{
    cache::is_usable,
    config::{Config, UpstreamSettings},
};

/// What a client is made of: settings, further roots, queries in flight.
pub(super) type MadeOf = (UpstreamSettings, Option<Vec<u8>>, usize);

/// What clients come and go with: it outlives every reload. Clones share it.
#[derive(Clone)]
pub(super) struct Kept {
    /// Where servers were found last.
    pub(super) addresses: KnownAddresses,
    /// What has been counted of each.
    pub(super) register: Register,
}

impl Kept {
    /// Nothing but the addresses that are kept in a data directory.
    pub(super) fn new(data_dir: Option<&Path>) -> Self {
        Self { addresses: KnownAddresses::of(data_dir), register: Register::new() }
    }

    /// A client whose servers are counted.
    ///
    /// # Errors
    /// Where none can be made of these settings.
    pub(super) fn client(&self, made_of: &MadeOf) -> Result<Client, BuildError> {
        let observer = self.register.watch(&made_of.0.servers);
        make_client(made_of, self.addresses.clone(), observer)
    }
}

/// A client of one server as the settings would have it, which tells `observer` what happens.
///
/// # Errors
/// Where no client can be made of the settings.
pub(crate) fn client_of(
    config: &Config,
    server: &Server,
    observer: Arc<dyn Observer>,
) -> Result<Client, UpstreamError> {
    let roots = extra_roots(&config.upstream)?;
    let configured = &config.upstream;
    let is_routed = configured.routes.iter().any(|route| route.servers.contains(server))
        && !configured.servers.contains(server);
    // As for routes: a proxy leads out of the network, and their servers are mostly inside.
    let proxy = configured.proxy.clone().filter(|_| !is_routed);
    let settings = UpstreamSettings { proxy, servers: vec![server.clone()], ..configured.clone() };
    let addresses = KnownAddresses::of(config.data_dir.as_deref());
    Ok(make_client(&(settings, roots, config.dns.limits.in_flight), addresses, observer)?)
}

/// A client as the settings would have it.
///
/// # Errors
/// Where none can be made of them.
fn make_client(
    (settings, roots, in_flight): &MadeOf,
    addresses: KnownAddresses,
    observer: Arc<dyn Observer>,
) -> Result<Client, BuildError> {
    let hedge = if settings.hedge { Hedge::Adaptive } else { Hedge::Off };
    let mut builder = Client::builder()
        .timeout(settings.timeout)
        .hedge(hedge)
        .in_flight(*in_flight)
        .check(is_usable)
        .address_book(Arc::new(addresses))
        .observer(observer);
    for resolver in &settings.bootstrap {
        builder = builder.bootstrap(resolver.clone());
    }
    for server in &settings.servers {
        builder = builder.server(server.clone());
    }
    if let Some(pem) = roots {
        builder = builder.extra_roots_pem(pem);
    }
    if let Some(certificate) = &settings.client_certificate {
        builder = builder.client_certificate_pem(&certificate.chain, &certificate.key);
    }
    if let Some(proxy) = &settings.proxy {
        builder = builder.proxy(proxy.clone());
    }
    builder.build()
}

/// The certificates of `upstream.ca_file`, where one is named.
///
/// # Errors
/// Where it cannot be read.
pub fn extra_roots(settings: &UpstreamSettings) -> Result<Option<Vec<u8>>, UpstreamError> {
    let path = &settings.ca_file;
    if path.is_empty() {
        return Ok(None);
    }
    match std::fs::read(path) {
        Ok(pem) => Ok(Some(pem)),
        Err(source) => Err(UpstreamError::CaFile { path: path.clone(), source }),
    }
}

/// Why upstreams cannot be asked at all; the operator's to mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// `upstream.ca_file` cannot be read.
    #[error("upstream.ca_file `{path}` cannot be read; name a PEM file the server may read")]
    CaFile {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No client can be made.
    #[error("no upstream client: {0}")]
    Client(#[from] BuildError),
}
