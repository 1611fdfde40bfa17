//! The `[admin]` section: the listener people open in a browser.

use std::{net::SocketAddr, path::PathBuf};

use ipnet::IpNet;
use toml::Value;

use super::{section::Section, setting::Setting};

/// Where the admin UI listens, and who gets in.
#[derive(Clone, Debug, PartialEq)]
pub struct Admin {
    /// Where it listens.
    pub listen: Listen,
    /// argon2id hash of the password; empty: one is made and printed once.
    pub password_hash: String,
    /// Everything on this listener lies below it; begins and ends with a slash.
    pub base_path: String,
    /// Host names a browser may use.
    pub allowed_hosts: Vec<String>,
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How many proxies stand in front.
    pub trusted_hops: u64,
    /// The listener's own certificate chain, PEM.
    pub tls_cert_file: String,
    /// Its key, PEM.
    pub tls_key_file: String,
    /// Issuer, audience and keys of JSON web tokens.
    pub jwt: toml::Table,
}

impl Admin {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            listen: section
                .value("listen", Listen::Address(SocketAddr::from(([127, 0, 0, 1], 8080)))),
            password_hash: read_password_hash(section),
            base_path: section.value("base_path", BasePath("/".to_owned())).0,
            allowed_hosts: section.value("allowed_hosts", Vec::new()),
            trusted_proxies: section.value("trusted_proxies", Vec::new()),
            trusted_hops: section.value("trusted_hops", 0),
            tls_cert_file: section.value("tls_cert_file", String::new()),
            tls_key_file: section.value("tls_key_file", String::new()),
            jwt: section.table("jwt", read_jwt),
        }
    }
}

fn read_password_hash(section: &mut Section<'_>) -> String {
    let hash = section.secret("password_hash", "password_hash_file");
    if !hash.is_empty() && !admin_ui::is_password_hash(&hash) {
        let allowed = "an argon2id hash as `dnsward hash-password` prints it";
        section.problem("password_hash", "is not a password hash", "a hidden value", allowed);
    }
    hash
}

fn read_jwt(section: &mut Section<'_>) -> toml::Table {
    let mut jwt = toml::Table::new();
    for key in ["issuer", "audience", "jwks"] {
        if section.has(key) {
            jwt.insert(key.to_owned(), Value::String(section.value(key, String::new())));
        } else {
            section.value(key, String::new());
        }
    }
    jwt
}

/// Where a listener of ours is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Off,
    /// On a TCP address.
    Address(SocketAddr),
    /// On a Unix socket.
    Unix(PathBuf),
}

impl Setting for Listen {
    fn allowed() -> String {
        "an address and a port, unix:/path, or \"\" for none".into()
    }

    fn parse(value: &Value) -> Option<Self> {
        let text = value.as_str()?;
        if text.is_empty() {
            return Some(Self::Off);
        }
        match text.strip_prefix("unix:") {
            Some(path) => path.starts_with('/').then(|| Self::Unix(path.into())),
            None => text.parse().ok().map(Self::Address),
        }
    }
}

/// A path that begins and ends with a slash and needs no escaping.
#[derive(PartialEq)]
struct BasePath(String);

impl Setting for BasePath {
    fn allowed() -> String {
        "a path of letters, digits, - and _, such as /dns/".into()
    }

    fn parse(value: &Value) -> Option<Self> {
        let text = value.as_str()?;
        let is_plain = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        let inner = text.strip_prefix('/')?.trim_end_matches('/');
        if inner.is_empty() {
            return Some(Self("/".to_owned()));
        }
        inner.split('/').all(is_plain).then(|| Self(format!("/{inner}/")))
    }
}
