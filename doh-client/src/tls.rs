//! Trusted roots go in, a TLS configuration comes out, and handshakes run with it. The one place
//! that knows which cryptography this crate uses.

mod identity;
mod pins;
mod problem;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, NamedGroup, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::builder::BuildError;
use crate::error::Failure;
use crate::observer::Tls as Agreed;
use crate::server::{Protocol, Server};

pub(crate) use identity::Identity;
use pins::PinVerifier;
pub use problem::TrustProblem;
pub(crate) use problem::{mark_refusal, refusal};

/// Without it a server might choose HTTP/1.1, which cannot share a connection (RFC 8484 section
/// 5.2).
const HTTP2: &[u8] = b"h2";

/// DNS over TLS has a name too (RFC 7858 does not ask for it): a port may serve several protocols.
const DOT: &[u8] = b"dot";

/// How long a server that was cut off from large greetings gets small ones only.
const CLASSICAL_FOR: Duration = Duration::from_hours(24);

/// Whom to trust and who we are, shared by all servers of a client, and with it their session
/// tickets.
#[derive(Clone)]
pub(crate) struct Trust {
    roots: Arc<RootCertStore>,
    webpki: Arc<dyn ServerCertVerifier>,
    identity: Option<Arc<dyn ResolvesClientCert>>,
    shared: Connectors,
}

/// TLS to one server.
pub(crate) struct Tls {
    name: ServerName<'static>,
    protocol: Protocol,
    connectors: Connectors,
    large: Mutex<Large>,
}

/// What is known of large greetings on the way to a server.
#[derive(Default)]
struct Large {
    /// The last one got through.
    got_through: bool,
    /// None is sent before.
    avoided_until: Option<Instant>,
}

/// Which keys a greeting offers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Keys {
    /// X25519MLKEM768 first, so that what is recorded today cannot be read with a quantum computer
    /// later. The greeting fills two packets, and some middleboxes drop such.
    PostQuantum,
    /// None of that; the greeting fits into one packet.
    Classical,
}

#[derive(Clone)]
struct Connectors {
    post_quantum: TlsConnector,
    classical: TlsConnector,
}

impl Trust {
    /// Trusts the roots of the web and these.
    pub(crate) fn new(
        extra_roots: &[Vec<u8>],
        identity: Option<&Identity>,
    ) -> Result<Self, BuildError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for pem in extra_roots {
            add_roots(&mut roots, pem)?;
        }
        let roots = Arc::new(roots);
        let provider = provider(Keys::PostQuantum);
        let identity = identity.map(|identity| identity.resolver(&provider)).transpose()?;
        let webpki: Arc<dyn ServerCertVerifier> =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), provider)
                .build()
                .map_err(|error| BuildError::Tls(rustls::Error::General(error.to_string())))?;
        let shared = Connectors::new(&webpki, identity.as_ref(), &Resumption::default())?;
        Ok(Self { roots, webpki, identity, shared })
    }

    /// What it takes to speak TLS to a server, if it does; only pins cost more than a few bytes.
    pub(crate) fn tls(&self, server: &Server) -> Result<Option<Tls>, BuildError> {
        if !matches!(server.protocol(), Protocol::Https | Protocol::Tls) {
            return Ok(None);
        }
        let is_pinned = !server.pins().is_empty() || !server.tbs_hashes().is_empty();
        let connectors = if is_pinned { self.pinned(server)? } else { self.shared.clone() };
        Ok(Some(Tls {
            name: server.tls_name().clone(),
            protocol: server.protocol(),
            connectors,
            large: Mutex::default(),
        }))
    }

    /// A session that is taken up again shows no certificate, so that one from before the pins were
    /// set would pass them by.
    fn pinned(&self, server: &Server) -> Result<Connectors, BuildError> {
        let verifier: Arc<dyn ServerCertVerifier> = Arc::new(PinVerifier {
            roots: Arc::clone(&self.roots),
            webpki: Arc::clone(&self.webpki),
            algorithms: provider(Keys::PostQuantum).signature_verification_algorithms.all,
            pins: server.pins().into(),
            tbs_hashes: server.tbs_hashes().into(),
        });
        Connectors::new(&verifier, self.identity.as_ref(), &Resumption::disabled())
    }
}

impl Tls {
    /// What to offer now.
    pub(crate) fn keys(&self, now: Instant) -> Keys {
        match self.large().avoided_until {
            Some(until) if now < until => Keys::Classical,
            _ => Keys::PostQuantum,
        }
    }

    /// Notes that a large greeting got through.
    pub(crate) fn note_passed(&self) {
        *self.large() = Large { got_through: true, avoided_until: None };
    }

    /// Notes that the server was reached only by a small greeting; tells whether it gets no other
    /// for a day. Where large ones got through before, the first that does not may be bad luck.
    pub(crate) fn note_cut(&self, now: Instant) -> bool {
        let mut large = self.large();
        let is_luck = large.got_through;
        let avoided_until = (!is_luck).then(|| now + CLASSICAL_FOR);
        *large = Large { got_through: false, avoided_until };
        !is_luck
    }

    /// Knows nothing any more of the way to the server.
    pub(crate) fn forget_path(&self) {
        *self.large() = Large::default();
    }

    fn large(&self) -> MutexGuard<'_, Large> {
        self.large.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Speaks TLS over a fresh TCP connection and insists on the protocol.
    pub(crate) async fn handshake(
        &self,
        keys: Keys,
        tcp: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, Agreed), Failure> {
        let started = Instant::now();
        let alpn = if self.protocol == Protocol::Tls { DOT } else { HTTP2 };
        let connector = match keys {
            Keys::PostQuantum => &self.connectors.post_quantum,
            Keys::Classical => &self.connectors.classical,
        };
        let connecting = connector.with_alpn(vec![alpn.to_vec()]).connect(self.name.clone(), tcp);
        let tls = connecting.await.map_err(|error| problem::failure(error, self.protocol))?;
        let session = tls.get_ref().1;
        if self.protocol == Protocol::Https && session.alpn_protocol() != Some(HTTP2) {
            return Err(Failure::NoHttp2);
        }
        let agreed = Agreed {
            took: started.elapsed(),
            version: session.protocol_version().and_then(|version| version.as_str()).unwrap_or(""),
            group: session
                .negotiated_key_exchange_group()
                .and_then(|group| group.name().as_str())
                .unwrap_or(""),
            is_resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        };
        Ok((tls, agreed))
    }
}

/// Whether nothing of TLS came back from a server that was offered these keys.
pub(crate) fn was_cut(failure: &Failure) -> bool {
    problem::was_cut(failure)
}

impl Connectors {
    fn new(
        verifier: &Arc<dyn ServerCertVerifier>,
        identity: Option<&Arc<dyn ResolvesClientCert>>,
        resumption: &Resumption,
    ) -> Result<Self, BuildError> {
        let connector = |keys| {
            let builder = ClientConfig::builder_with_provider(provider(keys))
                .with_safe_default_protocol_versions()
                .map_err(BuildError::Tls)?
                .dangerous()
                .with_custom_certificate_verifier(Arc::clone(verifier));
            let mut config = match identity {
                Some(identity) => builder.with_client_cert_resolver(Arc::clone(identity)),
                None => builder.with_no_client_auth(),
            };
            config.resumption = resumption.clone();
            Ok(TlsConnector::from(Arc::new(config)))
        };
        Ok(Self {
            post_quantum: connector(Keys::PostQuantum)?,
            classical: connector(Keys::Classical)?,
        })
    }
}

/// The cryptography of all connections.
fn provider(keys: Keys) -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    if keys == Keys::Classical {
        provider.kx_groups.retain(|group| group.name() != NamedGroup::X25519MLKEM768);
    }
    Arc::new(provider)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(url: &str) -> Tls {
        let trust = Trust::new(&[], None).expect("the roots of the web are good");
        let tls = trust.tls(&url.parse().expect("a good URL")).expect("a server without pins");
        tls.expect("it speaks TLS")
    }

    #[test]
    fn the_post_quantum_key_exchange_is_offered_first() {
        assert_eq!(provider(Keys::PostQuantum).kx_groups[0].name(), NamedGroup::X25519MLKEM768);
    }

    #[test]
    fn a_classical_greeting_has_classical_groups_only() {
        let groups = provider(Keys::Classical).kx_groups.clone();

        assert!(!groups.is_empty());
        // The others are named in rustls as RFC 8446 section 4.2.7 has them.
        let classical = [NamedGroup::X25519, NamedGroup::secp256r1, NamedGroup::secp384r1];
        assert!(groups.iter().all(|group| classical.contains(&group.name())));
    }

    #[test]
    fn a_server_that_was_cut_off_is_greeted_classically_for_a_day() {
        let tls = tls("https://9.9.9.9/dns-query");
        let now = Instant::now();
        assert_eq!(tls.keys(now), Keys::PostQuantum);

        assert!(tls.note_cut(now));

        let day = Duration::from_hours(24);
        assert_eq!(tls.keys(now + day - Duration::from_secs(1)), Keys::Classical);
        assert_eq!(tls.keys(now + day), Keys::PostQuantum);

        tls.forget_path();
        assert_eq!(tls.keys(now), Keys::PostQuantum);
    }

    #[test]
    fn where_large_greetings_got_through_one_that_does_not_is_bad_luck() {
        let tls = tls("https://9.9.9.9/dns-query");
        let now = Instant::now();
        tls.note_passed();

        assert!(!tls.note_cut(now));
        assert_eq!(tls.keys(now), Keys::PostQuantum);

        assert!(tls.note_cut(now));
        assert_eq!(tls.keys(now), Keys::Classical);
    }

    #[test]
    fn servers_without_pins_share_one_configuration() {
        let trust = Trust::new(&[], None).unwrap();
        let config = |url: &str| {
            let tls = trust.tls(&url.parse().expect("a good URL")).expect("good pins");
            Arc::clone(tls.expect("it speaks TLS").connectors.post_quantum.config())
        };
        let pinned = format!("https://9.9.9.9/#9.9.9.9,pin={}=", "A".repeat(43));

        assert!(Arc::ptr_eq(&config("https://9.9.9.9/"), &config("https://1.1.1.1/")));
        assert!(!Arc::ptr_eq(&config("https://9.9.9.9/"), &config(&pinned)));
    }

    #[test]
    fn junk_is_no_extra_root() {
        let broken = "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n";
        let not_a_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", "junk", broken, not_a_certificate] {
            assert!(Trust::new(&[pem.as_bytes().to_vec()], None).is_err(), "{pem}");
        }
    }

    #[test]
    fn no_extra_root_is_needed() {
        assert!(Trust::new(&[], None).is_ok());
    }
}
