//! Who signs the certificates of a lab, and what its upstreams show and ask for.

use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer,
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;

/// The authority that signs every upstream of a lab.
static AUTHORITY: LazyLock<CertifiedIssuer<'static, KeyPair>> = LazyLock::new(|| {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
});

/// The authority's certificate, for `upstream.ca_file`.
pub(crate) fn authority_pem() -> String {
    AUTHORITY.pem()
}

/// A certificate of that authority and its key, for `upstream.client_cert_file` and its fellow.
pub(crate) fn client_credentials() -> (String, String) {
    let (certificate, key) = credentials();
    (certificate.pem(), key.serialize_pem())
}

fn credentials() -> (Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1", "dns.example"].map(str::to_owned)).unwrap();
    (params.signed_by(&key, &*AUTHORITY).unwrap(), key)
}

/// What an upstream does before it speaks HTTP/2.
pub(super) fn acceptor(asks_who_we_are: bool) -> TlsAcceptor {
    let (certificate, key) = credentials();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = if asks_who_we_are {
        let mut roots = RootCertStore::empty();
        roots.add(AUTHORITY.der().clone()).unwrap();
        let roots = Arc::new(roots);
        WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build().unwrap()
    } else {
        WebPkiClientVerifier::no_client_auth()
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}
