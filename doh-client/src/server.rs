//! What a server is called comes in as text, a checked [`Server`] goes out, so that nothing later
//! has to ask which protocol it speaks, what may be dialled and what has to be proven.

mod error;
mod options;
mod providers;
mod target;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use http::Uri;
use rustls::pki_types::ServerName;

pub use error::ServerError;

use crate::stamp::Stamp;
use options::Options;
use target::Target;

/// One server: what it speaks, how it is named, where it is dialled.
///
/// | text | what it is |
/// |---|---|
/// | `https://host[:port]/path` | DNS over HTTPS, by POST; by GET where it ends in `{?dns}` |
/// | `h2c://host[:port]/path` | the same without TLS, for a mesh that adds it |
/// | `tls://host[:port]` | DNS over TLS |
/// | `tcp://host[:port]`, `udp://host[:port]` | DNS as it ever was |
/// | `sdns://...` | a DNS stamp that says one of `https`, `tls` and `udp` |
///
/// Behind a `#` stand, between commas, the addresses to dial, in the order they are tried, and
/// options: `pin=BASE64` (the SHA-256 of a public key that the server must have, as in RFC 7469;
/// several say that any of them will do) and `metered` (queries to it are paid for: it is never
/// asked only to be quicker).
///
/// A host that is an address needs no other, `localhost` means the loopback addresses, and the
/// names of well-known providers have theirs built in. All other names [need a
/// lookup](Self::needs_lookup).
///
/// ```
/// let server: doh_client::Server = "https://dns.example/dns-query#9.9.9.9,2620:fe::9".parse()?;
/// assert_eq!(server.host(), "dns.example");
/// assert_eq!(server.addresses(), ["9.9.9.9:443".parse()?, "[2620:fe::9]:443".parse()?]);
/// assert_eq!(server.to_string(), "https://dns.example/dns-query");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Server {
    target: Target,
    tls_name: ServerName<'static>,
    addresses: Vec<SocketAddr>,
    pins: Vec<[u8; 32]>,
    tbs_hashes: Vec<[u8; 32]>,
    is_metered: bool,
}

/// What is spoken with a server.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Protocol {
    /// DNS over HTTPS (RFC 8484), HTTP/2 over TLS.
    Https,
    /// HTTP/2 without TLS, for a mesh that adds it.
    H2c,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over TCP (RFC 7766).
    Tcp,
    /// DNS over UDP, and over TCP where an answer is too long for that.
    Udp,
}

impl Protocol {
    /// The port where none is given.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::H2c => 80,
            Self::Tls => 853,
            Self::Tcp | Self::Udp => 53,
        }
    }

    /// Whether a certificate proves who answers.
    pub fn has_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }

    /// Whether queries are HTTP requests, so that the server has a path.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Https | Self::H2c)
    }
}

/// How an HTTP request carries a query (RFC 8484 section 4.1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Method {
    /// In its body.
    Post,
    /// In its path, so that caches on the way can answer.
    Get,
}

impl Server {
    /// What it speaks.
    pub fn protocol(&self) -> Protocol {
        self.target.protocol
    }

    /// How an HTTP server is asked.
    pub fn method(&self) -> Method {
        self.target.method
    }

    /// The host, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.target.host
    }

    /// The port of what it is called; an address may have another one.
    pub fn port(&self) -> u16 {
        self.target.port
    }

    /// Where the server is dialled, most preferred first; empty where its name has to be looked up.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whether nobody knows its addresses until a bootstrap resolver is asked.
    pub fn needs_lookup(&self) -> bool {
        self.addresses.is_empty()
    }

    /// The SHA-256 of the public keys (SubjectPublicKeyInfo) one of which has to be in its chain of
    /// certificates; none: any will do.
    pub fn pins(&self) -> &[[u8; 32]] {
        &self.pins
    }

    /// The SHA-256 of the signed parts (TBSCertificate) one of which has to be in its chain of
    /// certificates; none: any will do. Only stamps have them.
    pub fn tbs_hashes(&self) -> &[[u8; 32]] {
        &self.tbs_hashes
    }

    /// Whether queries to it are paid for, so that none is sent only to be quicker.
    pub fn is_metered(&self) -> bool {
        self.is_metered
    }

    /// The URL of its requests without the query of a GET; `http://` for h2c.
    pub(crate) fn url(&self) -> &Uri {
        &self.target.url
    }

    /// The name its certificate has to carry.
    pub(crate) fn tls_name(&self) -> &ServerName<'static> {
        &self.tls_name
    }

    /// The same once for each of its addresses, with that one alone.
    pub(crate) fn by_address(&self) -> impl Iterator<Item = Self> {
        self.addresses.iter().map(|address| Self { addresses: vec![*address], ..self.clone() })
    }

    fn of_target(target: Target) -> Result<Self, ServerError> {
        let tls_name = ServerName::try_from(target.host.clone())
            .map_err(|_| ServerError::Host { found: target.host.clone() })?;
        let mut server = Self {
            target,
            tls_name,
            addresses: Vec::new(),
            pins: Vec::new(),
            tbs_hashes: Vec::new(),
            is_metered: false,
        };
        server.dial_at(&known_addresses(server.host()));
        Ok(server)
    }

    fn of_stamp(stamp: Stamp) -> Result<Self, ServerError> {
        let mut server = Self::of_target(Target::parse(&stamp.url())?)?;
        if let Some(address) = stamp.address.ip {
            let port = stamp.address.port.unwrap_or_else(|| server.port());
            server.addresses = vec![SocketAddr::new(address, port)];
        }
        server.tbs_hashes = stamp.into_hashes();
        Ok(server)
    }

    fn with(mut self, options: Options) -> Result<Self, ServerError> {
        if !options.pins.is_empty() && !self.protocol().has_tls() {
            return Err(ServerError::PinWithoutTls { scheme: self.target.scheme() });
        }
        if !options.addresses.is_empty() {
            self.dial_at(&options.addresses);
        }
        self.pins = options.pins;
        self.is_metered = options.is_metered;
        Ok(self)
    }

    fn dial_at(&mut self, addresses: &[IpAddr]) {
        let port = self.port();
        self.addresses = addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
    }
}

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        let (name, options) = match text.split_once('#') {
            Some((name, options)) => (name, Some(options)),
            None => (text, None),
        };
        let server = if Stamp::is_one(name) {
            Self::of_stamp(name.parse()?)?
        } else {
            Self::of_target(Target::parse(name)?)?
        };
        match options {
            Some(options) => server.with(Options::parse(options)?),
            None => Ok(server),
        }
    }
}

/// How it is called, without what stands behind the `#`; a stamp as the URL that it stands for.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}

/// The addresses a host has without asking anybody.
fn known_addresses(host: &str) -> Vec<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    match host.parse() {
        Ok(address) => vec![address],
        Err(_) => providers::addresses(host),
    }
}
