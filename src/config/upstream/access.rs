//! What lets us through to upstreams is read here: a proxy on the way, a certificate of our own.
//! Files are read with the settings, so that a reload takes over what was renewed in place.

use std::{fmt, fs};

use doh_client::{BuildError, Client, Protocol, Proxy, Server};

use crate::config::section::Section;

const CERT_FILE: &str = "client_cert_file";
const KEY_FILE: &str = "client_key_file";

/// A client certificate with what leads to its root, and its key; both PEM.
#[derive(Clone, PartialEq)]
pub struct ClientCertificate {
    /// The certificates.
    pub chain: Vec<u8>,
    /// The key.
    pub key: Vec<u8>,
}

/// Without the key.
impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("chain", &self.chain.len())
            .finish_non_exhaustive()
    }
}

/// Reads the proxy, which may have a password in it.
pub(super) fn read_proxy(section: &mut Section<'_>) -> Option<Proxy> {
    const ALLOWED: &str = "http://[user:password@]address:port or socks5://...";
    let has_file = section.has("proxy_file");
    let text = section.secret("proxy", "proxy_file");
    if text.is_empty() {
        // Who wants a proxy does not want to go without.
        if has_file {
            section.problem("proxy_file", "names no proxy", "nothing in it, or no file", ALLOWED);
        }
        return None;
    }
    match text.parse() {
        Ok(proxy) => Some(proxy),
        Err(error) => {
            let error: doh_client::ProxyError = error;
            section.problem("proxy", &error.to_string(), "a hidden value", ALLOWED);
            None
        }
    }
}

/// Complains about servers that no proxy can carry.
pub(super) fn check_proxy<'s>(
    section: &mut Section<'_>,
    mut servers: impl Iterator<Item = &'s Server>,
) {
    if let Some(server) = servers.find(|server| server.protocol() == Protocol::Udp) {
        let allowed = "https://, tls://, tcp:// and h2c:// servers with a proxy";
        section.problem("proxy", "cannot carry UDP", format_args!("`{server}`"), allowed);
    }
}

/// Reads our certificate and its key, which go together.
pub(super) fn read_client_certificate(section: &mut Section<'_>) -> Option<ClientCertificate> {
    let [chain, key] = [CERT_FILE, KEY_FILE].map(|name| section.value(name, String::new()));
    match (chain.is_empty(), key.is_empty()) {
        (true, true) => return None,
        (false, false) => {}
        (true, false) => demand(section, CERT_FILE, KEY_FILE),
        (false, true) => demand(section, KEY_FILE, CERT_FILE),
    }
    let chain = read_file(section, CERT_FILE, &chain);
    let key = read_file(section, KEY_FILE, &key);
    let certificate = ClientCertificate { chain: chain?, key: key? };
    match check(&certificate) {
        None => Some(certificate),
        Some(error) => {
            let is_key =
                matches!(error, BuildError::ClientKeyPem(_) | BuildError::ClientKeyMismatch);
            let name = if is_key { KEY_FILE } else { CERT_FILE };
            let allowed = "a PEM file with our certificate and what leads to its root, and one with \
                           its key";
            section.problem(name, &error.to_string(), "something else", allowed);
            None
        }
    }
}

fn demand(section: &mut Section<'_>, missing: &'static str, given: &str) {
    let allowed = format!("the PEM file that goes with upstream.{given}");
    section.problem(missing, "is missing", "nothing", &allowed);
}

fn read_file(section: &mut Section<'_>, name: &'static str, path: &str) -> Option<Vec<u8>> {
    if path.is_empty() {
        return None;
    }
    match fs::read(path) {
        Ok(pem) => Some(pem),
        Err(error) => {
            let found = format_args!("`{path}`: {error}");
            section.problem(name, "cannot be read", found, "a PEM file the server may read");
            None
        }
    }
}

/// What is wrong with a certificate or its key, as whoever uses them sees it.
fn check(certificate: &ClientCertificate) -> Option<BuildError> {
    let server = "https://127.0.0.1/".parse().ok()?;
    let builder = Client::builder().server(server);
    builder.client_certificate_pem(&certificate.chain, &certificate.key).build().err()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use rcgen::{CertificateParams, KeyPair};
    use tempfile::TempDir;

    use crate::config::{Config, Environment};

    fn parse(upstream: &str) -> Result<Config, Vec<String>> {
        Config::parse(&format!("[upstream]\n{upstream}"), &Environment::default())
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    fn write(directory: &TempDir, name: &str, text: &str) -> PathBuf {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("a temporary directory can be written");
        path
    }

    /// A certificate and its key, in files of these names.
    fn pair(directory: &TempDir, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([format!("{name}.test")]).expect("a good name");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        let chain = write(directory, &format!("{name}.crt"), &certificate);
        (chain, write(directory, &format!("{name}.key"), &key.serialize_pem()))
    }

    fn files(chain: &Path, key: &Path) -> String {
        let (chain, key) = (chain.display(), key.display());
        format!("client_cert_file = '{chain}'\nclient_key_file = '{key}'")
    }

    #[test]
    fn a_proxy_is_read_from_its_key_or_from_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = write(&directory, "proxy", "socks5://me:s3cret@127.0.0.1:1080\n");

        for (upstream, proxy) in [
            ("proxy = ''".to_owned(), None),
            ("proxy = 'http://192.0.2.1:3128'".to_owned(), Some("http://192.0.2.1:3128")),
            (format!("proxy_file = '{}'", file.display()), Some("socks5://127.0.0.1:1080")),
        ] {
            let config = parse(&upstream).unwrap();
            let found = config.upstream.proxy.as_ref().map(ToString::to_string);
            assert_eq!(found.as_deref(), proxy, "{upstream}");
            assert!(!format!("{config:?}").contains("s3cret"));
        }
    }

    #[test]
    fn a_bad_proxy_is_a_problem_that_keeps_its_password_to_itself() {
        for (upstream, said) in [
            ("proxy = 'ftp://me:s3cret@127.0.0.1:1'", "upstream.proxy: not a proxy"),
            ("proxy = 'http://me:s3cret@proxy.test:1'", "names are not looked up"),
            ("proxy = 'http://me:s3cret%@127.0.0.1:1'", "user and password cannot be sent"),
            ("proxy_file = '/nowhere/proxy'", "upstream.proxy_file: names no proxy"),
            (
                "proxy = 'http://127.0.0.1:1'\nservers = ['udp://9.9.9.9']",
                "upstream.proxy: cannot carry UDP (found `udp://9.9.9.9`",
            ),
        ] {
            let problems = parse(upstream).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].contains(said), "{problems:?}");
            assert!(!problems[0].contains("s3cret"), "{problems:?}");
        }
    }

    #[test]
    fn a_client_certificate_is_read_with_its_key() {
        let directory = tempfile::tempdir().unwrap();
        let (chain, key) = pair(&directory, "a");

        let config = parse(&files(&chain, &key)).unwrap();

        let found = config.upstream.client_certificate.clone().unwrap();
        assert_eq!(found.chain, std::fs::read(&chain).unwrap());
        assert!(!format!("{config:?}").contains("PRIVATE"));
        assert!(parse("").unwrap().upstream.client_certificate.is_none());
    }

    #[test]
    fn what_is_wrong_with_a_client_certificate_is_a_problem_of_its_key() {
        let directory = tempfile::tempdir().unwrap();
        let ((chain, key), (other, _)) = (pair(&directory, "a"), pair(&directory, "b"));
        let (none, junk) = (directory.path().join("none"), write(&directory, "junk", "junk"));
        let lone = |name: &str, path: &Path| format!("{name} = '{}'", path.display());
        for (upstream, said) in [
            (lone("client_cert_file", &chain), "upstream.client_key_file: is missing"),
            (lone("client_key_file", &key), "upstream.client_cert_file: is missing"),
            (files(&none, &key), "upstream.client_cert_file: cannot be read"),
            (files(&chain, &none), "upstream.client_key_file: cannot be read"),
            (files(&junk, &key), "upstream.client_cert_file: the client certificate is no"),
            (files(&chain, &junk), "upstream.client_key_file: the client certificate's key is no"),
            (files(&other, &key), "upstream.client_key_file: the client certificate and the key"),
        ] {
            let problems = parse(&upstream).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with(said), "{problems:?}");
        }
    }
}
