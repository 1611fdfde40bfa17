//! Trusted roots go in, a TLS configuration comes out, and handshakes run with it. The one place
//! that knows which cryptography this crate uses.

use std::io;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, HandshakeKind, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::builder::BuildError;
use crate::error::Failure;
use crate::observer::Tls as Agreed;

/// The only protocol offered to a server of HTTPS: without it a server might choose HTTP/1.1, which cannot share a
/// connection (RFC 8484 section 5.2).
const ALPN: &[u8] = b"h2";

/// What DNS over TLS is called; a server need not say it (RFC 7858 section 3.1).
const ALPN_DNS: &[u8] = b"dot";

/// Builds the configuration shared by all connections, and with it their session tickets.
pub(crate) fn connector(extra_roots: &[Vec<u8>]) -> Result<TlsConnector, BuildError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for pem in extra_roots {
        add_roots(&mut roots, pem)?;
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(BuildError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Speaks TLS over a fresh TCP connection and insists on HTTP/2.
pub(crate) async fn handshake(
    connector: &TlsConnector,
    name: ServerName<'static>,
    tcp: TcpStream,
) -> Result<(TlsStream<TcpStream>, Agreed), Failure> {
    let started = Instant::now();
    let tls = connector.connect(name, tcp).await.map_err(|error| match rustls_error(&error) {
        Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
            Failure::NoHttp2
        }
        _ => failure(error),
    })?;
    if tls.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(Failure::NoHttp2);
    }
    let agreed = agreed(&tls, started);
    Ok((tls, agreed))
}

/// Speaks TLS over a fresh TCP connection for DNS without HTTP.
pub(crate) async fn handshake_for_dns(
    connector: &TlsConnector,
    name: ServerName<'static>,
    tcp: TcpStream,
) -> Result<(TlsStream<TcpStream>, Agreed), Failure> {
    let started = Instant::now();
    let connector = connector.with_alpn(vec![ALPN_DNS.to_vec()]);
    let tls = connector.connect(name, tcp).await.map_err(failure)?;
    let agreed = agreed(&tls, started);
    Ok((tls, agreed))
}

fn agreed(tls: &TlsStream<TcpStream>, started: Instant) -> Agreed {
    let session = tls.get_ref().1;
    Agreed {
        took: started.elapsed(),
        version: session.protocol_version().and_then(|version| version.as_str()).unwrap_or(""),
        group: session
            .negotiated_key_exchange_group()
            .and_then(|group| group.name().as_str())
            .unwrap_or(""),
        is_resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
    }
}

/// The cryptography of all connections: X25519MLKEM768 is offered first, so that what is recorded
/// today cannot be read with a quantum computer later.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Adds each certificate of a PEM text, which has to hold one at least.
fn add_roots(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), BuildError> {
    let mut found = false;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(BuildError::ExtraRootsPem)?;
        roots.add(certificate).map_err(BuildError::ExtraRoot)?;
        found = true;
    }
    if found { Ok(()) } else { Err(BuildError::ExtraRootsPem(pem::Error::NoItemsFound)) }
}

/// Picks out the cause that an operator can act on.
fn failure(error: io::Error) -> Failure {
    match rustls_error(&error) {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            Failure::UnknownIssuer
        }
        _ => Failure::Tls(Arc::new(error)),
    }
}

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;

    use super::*;

    #[test]
    fn the_post_quantum_key_exchange_is_offered_first() {
        assert_eq!(provider().kx_groups[0].name(), NamedGroup::X25519MLKEM768);
    }

    #[test]
    fn junk_is_no_extra_root() {
        let broken = "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n";
        let not_a_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", "junk", broken, not_a_certificate] {
            assert!(connector(&[pem.as_bytes().to_vec()]).is_err(), "{pem}");
        }
    }

    #[test]
    fn no_extra_root_is_needed() {
        assert!(connector(&[]).is_ok());
    }
}
