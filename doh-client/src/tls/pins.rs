//! The certificates of a server and its pins go in, whether both the roots and the pins vouch for
//! it comes out. Pins are looked for only among the certificates that lead to a trusted root:
//! whatever else a server sends along proves nothing.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use sha2::{Digest as _, Sha256};
use webpki::{Cert, EndEntityCert, KeyUsage, VerifiedPath};

use super::problem::TrustProblem;

/// A SHA-256 digest.
pub(crate) type Hash = [u8; 32];

/// Believes a server whose certificate leads to a trusted root AND has what was pinned.
pub(crate) struct PinVerifier {
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) webpki: Arc<dyn ServerCertVerifier>,
    pub(crate) algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
    /// Of public keys (RFC 7469 section 2.4); one has to be there unless there are none.
    pub(crate) pins: Box<[Hash]>,
    /// Of the signed parts of certificates, as DNS stamps have them; likewise.
    pub(crate) tbs_hashes: Box<[Hash]>,
}

impl PinVerifier {
    fn check_pins(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let bad = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
        let leaf = EndEntityCert::try_from(end_entity).map_err(bad)?;
        let is_vouched_for = |path: &VerifiedPath<'_>| match self.is_pinned(path) {
            true => Ok(()),
            false => Err(webpki::Error::UnknownIssuer),
        };
        // Each way to a root is tried until one has the pins: with cross-signed authorities there
        // are several.
        leaf.verify_for_usage(
            self.algorithms,
            &self.roots.roots,
            intermediates,
            now,
            KeyUsage::server_auth(),
            None,
            Some(&is_vouched_for),
        )
        .map(drop)
        .map_err(|_| {
            let seen = BASE64.encode(spki_hash(&leaf));
            let problem = TrustProblem::WrongPin { seen: seen.into() };
            Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(problem))))
        })
    }

    fn is_pinned(&self, path: &VerifiedPath<'_>) -> bool {
        let has = |hashes: &[Hash], hash: fn(&Cert<'_>) -> Hash| {
            hashes.is_empty()
                || hashes.contains(&hash(path.end_entity()))
                || path.intermediate_certificates().any(|cert| hashes.contains(&hash(cert)))
        };
        has(&self.pins, spki_hash) && has(&self.tbs_hashes, tbs_hash)
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.webpki.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        self.check_pins(end_entity, intermediates, now)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

impl fmt::Debug for PinVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinVerifier").field("pins", &self.pins.len()).finish_non_exhaustive()
    }
}

fn spki_hash(certificate: &Cert<'_>) -> Hash {
    Sha256::digest(certificate.subject_public_key_info()).into()
}

fn tbs_hash(certificate: &Cert<'_>) -> Hash {
    // What was parsed before has this part; were it not so, the digest of nothing is no pin.
    Sha256::digest(signed_part(&certificate.der()).unwrap_or_default()).into()
}

/// The TBSCertificate of a certificate, tag and length included (RFC 5280 section 4.1): the first
/// element of the outer sequence.
fn signed_part(certificate: &[u8]) -> Option<&[u8]> {
    let (outer, header) = element(certificate)?;
    let inside = outer.get(header..)?;
    Some(element(inside)?.0)
}

/// The first DER element of these bytes, and how many of them are its tag and length.
fn element(bytes: &[u8]) -> Option<(&[u8], usize)> {
    /// Certificates are shorter than 2^24 bytes in TLS (RFC 8446 section 4.4.2).
    const MAX_LENGTH_BYTES: usize = 3;
    let first = usize::from(*bytes.get(1)?);
    let (header, length) = match first {
        0..=0x7f => (2, first),
        _ => {
            let count = first & 0x7f;
            if count == 0 || count > MAX_LENGTH_BYTES {
                return None;
            }
            let digits = bytes.get(2..2 + count)?;
            (2 + count, digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit)))
        }
    };
    Some((bytes.get(..header + length)?, header))
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
    use rustls::client::WebPkiServerVerifier;
    use rustls::crypto::aws_lc_rs;

    use super::*;

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn authority(mut params: CertificateParams) -> CertificateParams {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    fn named(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a good name");
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    fn root() -> Authority {
        let key = KeyPair::generate().expect("a key");
        CertifiedIssuer::self_signed(authority(named("root.test")), key).expect("a root")
    }

    fn signed(name: &str, issuer: &Authority) -> CertificateDer<'static> {
        let key = KeyPair::generate().expect("a key");
        named(name).signed_by(&key, issuer).expect("a certificate").der().clone()
    }

    fn verify(
        root: &Authority,
        chain: &[CertificateDer<'_>],
        pins: &[Hash],
        tbs_hashes: &[Hash],
    ) -> Result<(), Error> {
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone()).expect("a root");
        let (roots, provider) = (Arc::new(roots), Arc::new(aws_lc_rs::default_provider()));
        let algorithms = provider.signature_verification_algorithms.all;
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), provider);
        let webpki = webpki.build().expect("one root is enough");
        let (pins, tbs_hashes) = (pins.into(), tbs_hashes.into());
        let verifier = PinVerifier { roots, webpki, algorithms, pins, tbs_hashes };
        let name = ServerName::try_from("dns.test").expect("a good name");
        let (leaf, others) = chain.split_first().expect("a chain");
        verifier.verify_server_cert(leaf, others, &name, &[], UnixTime::now()).map(drop)
    }

    fn hashes(certificate: &CertificateDer<'_>) -> (Hash, Hash) {
        let certificate = EndEntityCert::try_from(certificate).expect("a certificate");
        (spki_hash(&certificate), tbs_hash(&certificate))
    }

    #[test]
    fn what_leads_to_the_root_may_be_pinned_and_what_is_sent_along_may_not() {
        let root = root();
        let key = KeyPair::generate().unwrap();
        let middle = CertifiedIssuer::signed_by(authority(named("middle.test")), key, &root);
        let middle = middle.unwrap();
        let chain = [signed("dns.test", &middle), middle.der().clone(), signed("x.test", &root)];
        let [leaf, issuer, extra] = [0, 1, 2].map(|number: usize| hashes(&chain[number]));

        for (pins, tbs_hashes, is_believed) in [
            (&[][..], &[][..], true),
            (&[leaf.0], &[], true),
            (&[issuer.0], &[], true),
            (&[[7; 32], leaf.0], &[], true),
            (&[], &[leaf.1], true),
            (&[], &[issuer.1, [7; 32]], true),
            (&[leaf.0], &[issuer.1], true),
            (&[extra.0], &[], false),
            (&[], &[extra.1], false),
            (&[leaf.0], &[extra.1], false),
            (&[extra.0], &[leaf.1], false),
            // A key is no certificate.
            (&[leaf.1], &[], false),
            (&[], &[leaf.0], false),
        ] {
            let verified = verify(&root, &chain, pins, tbs_hashes);
            assert_eq!(verified.is_ok(), is_believed, "{pins:?} {tbs_hashes:?}");
        }
    }

    #[test]
    fn a_pin_is_no_substitute_for_a_chain() {
        let other = root();
        let root = root();
        let chain = [signed("dns.test", &other)];

        assert!(verify(&root, &chain, &[hashes(&chain[0]).0], &[]).is_err());
        assert!(verify(&other, &chain, &[hashes(&chain[0]).0], &[]).is_ok());
    }

    #[test]
    fn the_signed_part_is_the_first_element_inside() {
        let long = [&[0x30, 0x82, 0x01, 0x04, 0x30, 0x81, 0xff][..], &[7; 255], &[5, 0]].concat();
        for (certificate, part) in [
            (&[0x30, 5, 0x30, 1, 9, 5, 0][..], Some(&[0x30, 1, 9][..])),
            (&long, Some(&long[4..262])),
            (&[], None),
            (&[0x30], None),
            (&[0x30, 0x80, 0, 0], None),
            (&[0x30, 0x84, 0, 0, 0, 1, 0], None),
            (&[0x30, 0x82, 1], None),
            (&[0x30, 9, 0x30, 1, 9], None),
            (&[0x30, 3, 0x30, 9, 9], None),
        ] {
            assert_eq!(signed_part(certificate), part, "{certificate:?}");
        }
    }
}
