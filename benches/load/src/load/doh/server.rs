//! A URL goes in, HTTP/2 connections come out: TCP, TLS with the roots given, ALPN `h2`.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::load::LoadError;

/// Port of a URL without one.
const HTTPS: u16 = 443;

/// Where DoH is served, and whose certificates are believed.
#[derive(Clone, Debug)]
pub struct DohServer {
    url: Uri,
    address: SocketAddr,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
}

/// What is wrong with a URL or a certificate file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DohServerError {
    /// Not the URL of a DoH server.
    #[error(
        "`{0}` is no URL of a DoH server; write https://ADDRESS[:PORT]/PATH, \
             or https://NAME[:PORT]/PATH#ADDRESS (names are not looked up)"
    )]
    Url(String),
    /// Not a certificate.
    #[error("the CA file holds no certificate that can be used: {0}")]
    Certificate(String),
}

impl DohServer {
    /// Reads a URL; `roots` are PEM certificates.
    ///
    /// # Errors
    /// When the URL has no address, or the certificates cannot be read.
    pub fn parse(url: &str, roots: &[u8]) -> Result<Self, DohServerError> {
        let no_url = || DohServerError::Url(url.to_owned());
        let (location, pinned) = url.split_once('#').unwrap_or((url, ""));
        let uri: Uri = location.parse().map_err(|_| no_url())?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("https")).ok_or_else(no_url)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let address = if pinned.is_empty() { host } else { pinned };
        let address: IpAddr = address.parse().map_err(|_| no_url())?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| no_url())?;
        let address = SocketAddr::new(address, uri.port_u16().unwrap_or(HTTPS));
        Ok(Self { address, name, tls: Arc::new(client_config(roots)?), url: uri })
    }

    pub(crate) fn url(&self) -> Uri {
        self.url.clone()
    }

    /// Opens a connection and leaves its other half with the runtime.
    pub(crate) async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, LoadError> {
        let unreachable = |source| LoadError::Connect { server: self.address, source };
        let stream = TcpStream::connect(self.address).await.map_err(unreachable)?;
        stream.set_nodelay(true)?;
        let tls = TlsConnector::from(self.tls.clone());
        let stream = tls.connect(self.name.clone(), stream).await;
        let stream = stream.map_err(|error| LoadError::Doh(error.to_string()))?;
        let handshake = http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream));
        let (sender, connection) =
            handshake.await.map_err(|error| LoadError::Doh(error.to_string()))?;
        // How it ends is seen by the sender.
        tokio::spawn(async { drop(connection.await) });
        Ok(sender)
    }
}

fn client_config(roots: &[u8]) -> Result<ClientConfig, DohServerError> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(roots) {
        let certificate = certificate.map_err(|error| unusable(&error))?;
        store.add(certificate).map_err(|error| unusable(&error))?;
    }
    if store.is_empty() {
        return Err(unusable(&"it is empty"));
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?;
    let mut config = builder.with_root_certificates(store).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn unusable(error: &impl ToString) -> DohServerError {
    DohServerError::Certificate(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floor::doh::Authority;

    #[test]
    fn a_url_needs_https_and_an_address() {
        let roots = Authority::new().unwrap().pem();
        let parse = |url| DohServer::parse(url, roots.as_bytes()).map(|server| server.address);

        assert_eq!(parse("https://127.0.0.1:8443/q").unwrap().to_string(), "127.0.0.1:8443");
        assert_eq!(parse("https://[::1]/q").unwrap().to_string(), "[::1]:443");
        assert_eq!(parse("https://doh.example/q#192.0.2.1").unwrap().to_string(), "192.0.2.1:443");
        for bad in ["http://127.0.0.1/", "127.0.0.1:53", "https://doh.example/q", "https://a/#b"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        assert!(DohServer::parse("https://127.0.0.1/q", b"nothing").is_err());
    }
}
