//! Settings go in, an HTTP client comes out that goes only where a list may be.
//!
//! Bounded in time. A URL is followed through at most a few redirects, and neither it nor any of
//! them may lead to a private address unless the list says so: otherwise whoever serves a list
//! could make this server look around in its own network.

use std::{net::IpAddr, sync::Arc, time::Duration};

use reqwest::{Url, redirect};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::{
    fetch::FetchError,
    resolve::{Resolver, is_no_host},
};
use crate::{
    config::{List, UpstreamSettings},
    upstream::{Upstream, extra_roots},
};

/// Redirects followed: what list hosts use, with some to spare.
pub(super) const REDIRECTS: usize = 5;

/// How long each part of a download may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Until there is a connection.
    pub(super) connect: Duration,
    /// Between two pieces.
    pub(super) idle: Duration,
    /// In all: who sends a piece now and then must end too.
    pub(super) total: Duration,
}

impl Patience {
    /// What the internet needs: ten seconds for a connection, half a minute of silence for a host
    /// that makes its list while we wait, two minutes for the largest lists over a slow line.
    pub(super) const ORDINARY: Self = Self {
        connect: Duration::from_secs(10),
        idle: Duration::from_secs(30),
        total: Duration::from_secs(120),
    };
}

/// A client for the download of one list, which finds hosts by way of `upstream`.
///
/// # Errors
/// Where the settings' roots of trust are of no use.
pub(super) fn client(
    list: &List,
    settings: &UpstreamSettings,
    upstream: Upstream,
    patience: Patience,
) -> Result<reqwest::Client, FetchError> {
    let allows_private = list.allow_private;
    let redirects = redirect::Policy::custom(move |attempt| {
        match obstacle(attempt.previous(), attempt.url()) {
            Some(FetchError::Private(_)) if allows_private => attempt.follow(),
            Some(obstacle) => attempt.error(obstacle),
            None => attempt.follow(),
        }
    });
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(settings)?)
        .user_agent(concat!("dnsward/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Arc::new(Resolver::new(upstream, allows_private)))
        .no_proxy()
        .referer(false)
        .redirect(redirects)
        .connect_timeout(patience.connect)
        .read_timeout(patience.idle)
        .timeout(patience.total)
        .build()?;
    Ok(client)
}

/// What stands in the way of following a redirect from these URLs.
fn obstacle(previous: &[Url], next: &Url) -> Option<FetchError> {
    if previous.len() > REDIRECTS {
        return Some(FetchError::Redirects);
    }
    if next.scheme() != "https" && previous.iter().any(|url| url.scheme() == "https") {
        return Some(FetchError::Downgrade(next.host_str().unwrap_or_default().to_owned()));
    }
    private_literal(next).map(FetchError::Private)
}

/// The host of a URL where that is a private address in literal form, or names this host.
pub(super) fn private_literal(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    // A root dot changes the text of a name, not where it leads.
    let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_and_its_network_are_known_however_they_are_written() {
        for private in [
            "http://127.0.0.1/x",
            "http://127.1/x",
            "http://2130706433/x",
            "http://0x7f.0.0.1/x",
            "http://0177.0.0.1/x",
            "http://0/x",
            "http://[::1]/x",
            "http://[::]/x",
            "http://[::ffff:10.0.0.1]/x",
            "http://[::ffff:a00:1]/x",
            "http://[::127.0.0.1]/x",
            "http://[64:ff9b::a00:1]/x",
            "http://[2002:a00:1::]/x",
            "http://localhost/x",
            "http://LOCALHOST./x",
            "http://lists.localhost/x",
            "http://169.254.169.254/latest/meta-data",
            "http://100.64.0.1/x",
            "http://user@192.168.1.1:8080/x",
            "http://224.0.0.1/x",
            "http://255.255.255.255/x",
        ] {
            assert!(private_literal(&private.parse().unwrap()).is_some(), "{private}");
        }
        for public in [
            "https://lists.example/x",
            "https://localhost.example/x",
            "https://192.0.2.1/x",
            "https://[2001:db8::1]/x",
            "https://[64:ff9b::c000:201]/x",
        ] {
            assert!(private_literal(&public.parse().unwrap()).is_none(), "{public}");
        }
    }

    #[test]
    fn redirects_lead_neither_into_a_private_network_nor_away_from_https_nor_for_ever() {
        let follow = |from: &[&str], to: &str| {
            let from: Vec<Url> = from.iter().map(|url| url.parse().unwrap()).collect();
            obstacle(&from, &to.parse().unwrap())
        };
        let (plain, safe) = ("http://lists.example/x", "https://lists.example/x");

        assert!(follow(&[plain], safe).is_none());
        assert!(follow(&[plain], "http://other.example/x").is_none());
        assert!(follow(&[safe; 5], safe).is_none());
        assert!(matches!(follow(&[safe; 6], safe), Some(FetchError::Redirects)));
        assert!(matches!(follow(&[plain, safe], plain), Some(FetchError::Downgrade(_))));
        for private in ["http://169.254.169.254/x", "http://[::ffff:127.0.0.1]/x"] {
            assert!(matches!(follow(&[plain], private), Some(FetchError::Private(_))), "{private}");
        }
    }
}
