//! A certificate of our own and its key come in as PEM, what shows them to servers that ask goes out.

use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::builder::BuildError;

/// A client certificate with what leads to its root, and its key; both as PEM, not yet looked into.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) chain: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

impl Identity {
    /// Checks that it is one.
    pub(crate) fn resolver(
        &self,
        provider: &CryptoProvider,
    ) -> Result<Arc<dyn ResolvesClientCert>, BuildError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.chain)
            .collect::<Result<_, _>>()
            .map_err(BuildError::ClientCertificatePem)?;
        if chain.is_empty() {
            return Err(BuildError::ClientCertificatePem(PemError::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(BuildError::ClientKeyPem)?;
        let certified =
            CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => BuildError::ClientKeyMismatch,
                other => BuildError::ClientCertificate(other),
            })?;
        Ok(Arc::new(SingleCertAndKey::from(certified)))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::crypto::aws_lc_rs;

    use super::*;

    fn pair() -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["client.test".to_owned()]).expect("a good name");
        let certificate = params.self_signed(&key).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    fn resolve(chain: &str, key: &str) -> Result<(), BuildError> {
        let identity = Identity { chain: chain.into(), key: key.into() };
        identity.resolver(&aws_lc_rs::default_provider()).map(drop)
    }

    #[test]
    fn a_certificate_and_its_key_are_taken() {
        let (certificate, key) = pair();

        assert!(resolve(&certificate, &key).is_ok());
        // One file with both, as some tools write it, does for either.
        let both = certificate + &key;
        assert!(resolve(&both, &both).is_ok());
    }

    #[test]
    fn what_is_wrong_with_a_client_certificate_is_named() {
        let ((certificate, key), (other, other_key)) = (pair(), pair());
        let broken = "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n";
        let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for (chain, key, named) in [
            ("", key.as_str(), "the client certificate is no certificate in PEM"),
            ("junk", &key, "the client certificate is no certificate in PEM"),
            (broken, &key, "the client certificate is no certificate in PEM"),
            (&key, &key, "the client certificate is no certificate in PEM"),
            (&certificate, "", "the client certificate's key is no private key in PEM"),
            (&certificate, &certificate, "the client certificate's key is no private key in PEM"),
            (&certificate, no_key, "cannot be used"),
            (&certificate, &other_key, "do not belong together"),
            (&other, &key, "do not belong together"),
        ] {
            let error = resolve(chain, key).expect_err(named).to_string();
            assert!(error.contains(named), "{named}: {error}");
            assert!(!error.contains("AAAA"), "{error}");
        }
    }
}
