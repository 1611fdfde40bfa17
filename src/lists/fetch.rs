//! A list's URL or path goes in, its bytes come out, or why there are none.
//!
//! Bounded in size and time. A URL is followed through at most a few redirects, and neither it nor
//! any of them may lead to a private address unless the list says so: otherwise whoever serves a
//! list could make this server look around in its own network.

use std::{
    fs::File,
    io::{self, Read as _},
    net::IpAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};

use reqwest::{StatusCode, Url, redirect};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::resolve::{Resolver, is_no_host};
use crate::{
    config::{Bytes, List, UpstreamSettings},
    upstream::{Upstream, UpstreamError, extra_roots},
};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Longest download in all: the largest lists over a slow line.
const TOTAL: Duration = Duration::from_secs(120);

/// Redirects followed: what list hosts use, with some to spare.
const REDIRECTS: usize = 5;

/// Downloads lists; names are resolved through our own upstream, never through getaddrinfo.
pub(super) struct Fetcher {
    upstream: Upstream,
}

/// Why a list's text could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum FetchError {
    /// A file cannot be read.
    #[error("`{path}` cannot be read")]
    File {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The text is larger than the list allows.
    #[error("it is larger than max_bytes ({0})")]
    TooLarge(u64),
    /// The URL or a redirect leads into a private network.
    #[error("`{0}` leads to a private address; allow_private = true permits that")]
    Private(String),
    /// The server answered with something other than the list.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// The answer is a web page.
    #[error("the server sent an HTML page, not a list")]
    Html,
    /// The exchange failed.
    #[error("the download failed")]
    Http(#[from] reqwest::Error),
    /// `upstream.ca_file` is of no use.
    #[error("{0}")]
    Roots(#[from] UpstreamError),
    /// The TLS settings are of no use.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

impl Fetcher {
    pub(super) fn new(upstream: Upstream) -> Self {
        Self { upstream }
    }

    pub(super) async fn fetch(
        &self,
        settings: &UpstreamSettings,
        list: &List,
        url: &str,
    ) -> Result<Vec<u8>, FetchError> {
        if let Some(host) = url.parse().ok().as_ref().and_then(private_literal)
            && !list.allow_private
        {
            return Err(FetchError::Private(host));
        }
        let mut response = self.client(settings, list)?.get(url).send().await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            text.extend_from_slice(&chunk);
            if text.len() as u64 > list.max_bytes.0 {
                return Err(FetchError::TooLarge(list.max_bytes.0));
            }
        }
        let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
        if first == Some(&b'<') { Err(FetchError::Html) } else { Ok(text) }
    }

    fn client(
        &self,
        settings: &UpstreamSettings,
        list: &List,
    ) -> Result<reqwest::Client, FetchError> {
        let allows_private = list.allow_private;
        let redirects = redirect::Policy::custom(move |attempt| {
            if attempt.previous().len() > REDIRECTS {
                return attempt.error("too many redirects");
            }
            match private_literal(attempt.url()) {
                Some(host) if !allows_private => attempt.error(FetchError::Private(host)),
                _ => attempt.follow(),
            }
        });
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(settings)?)
            .user_agent(concat!("dnsward/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(Resolver::new(self.upstream.clone(), allows_private)))
            .no_proxy()
            .referer(false)
            .redirect(redirects)
            .connect_timeout(CONNECT)
            .timeout(TOTAL)
            .build()?;
        Ok(client)
    }
}

/// Reads a list's file, at most `max_bytes` of it.
pub(super) fn read_file(path: &Path, max_bytes: Bytes) -> Result<Vec<u8>, FetchError> {
    let failed = |source| FetchError::File { path: path.display().to_string(), source };
    let file = File::open(path).map_err(failed)?;
    let mut text = Vec::new();
    file.take(max_bytes.0.saturating_add(1)).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > max_bytes.0 { Err(FetchError::TooLarge(max_bytes.0)) } else { Ok(text) }
}

/// The host of a URL where that is a private address in literal form, or names this host.
fn private_literal(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_local = bare == "localhost" || bare.ends_with(".localhost");
    let is_private = is_local || bare.parse::<IpAddr>().is_ok_and(is_no_host);
    is_private.then(|| host.to_owned())
}

/// The roots of the web and those of `upstream.ca_file`, over the one TLS stack.
fn tls(settings: &UpstreamSettings) -> Result<ClientConfig, FetchError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = extra_roots(settings)? {
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
