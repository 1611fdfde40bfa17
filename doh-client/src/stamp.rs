//! A DNS stamp (`sdns://`) comes in as text and a checked [`Stamp`] goes out, and the other way
//! round: the form in which providers publish a server as one word.

mod decode;
mod encode;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE_NO_PAD, URL_SAFE_NO_PAD_INDIFFERENT};

use crate::server::{Protocol, Server};
use decode::Reader;
use encode::Writer;

/// What a stamp begins with.
const SCHEME: &str = "sdns://";

/// Longest stamp that is read: a path and hashes of a few hundred octets, and room for those who
/// publish dozens of hashes.
const MAX_TEXT: usize = 8 * 1024;

/// The properties that are defined; others are ignored and never written.
const PROPERTIES: u64 = 0b111;

/// What a DNS stamp says of a server.
///
/// ```
/// let stamp: doh_client::Stamp = "sdns://AAEAAAAAAAAACjE5Mi4wLjIuNTM".parse()?;
/// assert!(stamp.validates() && !stamp.keeps_no_logs());
/// assert_eq!(stamp.to_string(), "sdns://AAEAAAAAAAAACjE5Mi4wLjIuNTM");
/// let server: doh_client::Server = stamp.to_string().parse()?;
/// assert_eq!(server.to_string(), "udp://192.0.2.53");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stamp {
    properties: u64,
    /// Where the server is dialled.
    pub(crate) address: StampAddress,
    service: Service,
}

/// An address as stamps have it; either part may be missing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct StampAddress {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) port: Option<u16>,
}

/// What is spoken, and what has to be known for it.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Service {
    Plain,
    Https { identity: Identity, path: String, bootstrap: Vec<StampAddress> },
    Tls { identity: Identity, bootstrap: Vec<StampAddress> },
}

/// Who has to answer: a host with or without a port, and the certificates it may show.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Identity {
    hashes: Vec<[u8; 32]>,
    host: String,
}

impl Stamp {
    /// Whether a text claims to be a stamp.
    pub(crate) fn is_one(text: &str) -> bool {
        text.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
    }

    /// Whether its provider says that it validates with DNSSEC.
    pub fn validates(&self) -> bool {
        self.properties & 1 != 0
    }

    /// Whether its provider says that it keeps no logs.
    pub fn keeps_no_logs(&self) -> bool {
        self.properties & 0b10 != 0
    }

    /// Whether its provider says that it blocks nothing.
    pub fn filters_nothing(&self) -> bool {
        self.properties & 0b100 != 0
    }

    /// The addresses of plain resolvers that know the server's name, with a port each.
    pub fn bootstrap(&self) -> Vec<SocketAddr> {
        let resolvers = match &self.service {
            Service::Https { bootstrap, .. } | Service::Tls { bootstrap, .. } => {
                bootstrap.as_slice()
            }
            Service::Plain => &[],
        };
        let port = |address: &StampAddress| address.port.unwrap_or(PLAIN_PORT);
        resolvers.iter().filter_map(|a| Some(SocketAddr::new(a.ip?, port(a)))).collect()
    }

    /// The same server as a URL.
    pub(crate) fn url(&self) -> String {
        match &self.service {
            Service::Plain => format!("udp://{}", self.address),
            Service::Https { identity, path, .. } => {
                format!("https://{}{path}", self.authority(identity))
            }
            Service::Tls { identity, .. } => format!("tls://{}", self.authority(identity)),
        }
    }

    /// The hashes of certificates that the server may show.
    pub(crate) fn into_hashes(self) -> Vec<[u8; 32]> {
        match self.service {
            Service::Https { identity, .. } | Service::Tls { identity, .. } => identity.hashes,
            Service::Plain => Vec::new(),
        }
    }

    /// The host, with the port of the address where it has none of its own.
    fn authority(&self, identity: &Identity) -> String {
        match self.address.port {
            Some(port) if !has_port(&identity.host) => format!("{}:{port}", identity.host),
            _ => identity.host.clone(),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, StampError> {
        let protocol = reader.octet()?;
        if let Some(name) = foreign_name(protocol) {
            return Err(StampError::Foreign { found: name });
        }
        let properties = reader.number()? & PROPERTIES;
        let address = reader.address()?;
        let service = match protocol {
            PLAIN if address.ip.is_none() => return Err(StampError::NoAddress),
            PLAIN => Service::Plain,
            HTTPS => Service::Https {
                identity: Identity::read(reader)?,
                path: reader.path()?,
                bootstrap: reader.bootstrap()?,
            },
            TLS => {
                Service::Tls { identity: Identity::read(reader)?, bootstrap: reader.bootstrap()? }
            }
            other => return Err(StampError::Unknown { found: other }),
        };
        reader.end()?;
        Ok(Self { properties, address, service })
    }

    fn write(&self, writer: &mut Writer) {
        writer.octet(match self.service {
            Service::Plain => PLAIN,
            Service::Https { .. } => HTTPS,
            Service::Tls { .. } => TLS,
        });
        writer.number(self.properties);
        writer.text(&self.address.to_string());
        let (identity, path, bootstrap) = match &self.service {
            Service::Plain => return,
            Service::Https { identity, path, bootstrap } => (identity, Some(path), bootstrap),
            Service::Tls { identity, bootstrap } => (identity, None, bootstrap),
        };
        writer.set(&identity.hashes);
        writer.text(&identity.host);
        if let Some(path) = path {
            writer.text(path);
        }
        if !bootstrap.is_empty() {
            let resolvers: Vec<_> = bootstrap.iter().map(ToString::to_string).collect();
            writer.set(&resolvers);
        }
    }
}

impl Identity {
    fn read(reader: &mut Reader<'_>) -> Result<Self, StampError> {
        Ok(Self { hashes: reader.hashes()?, host: reader.host()? })
    }
}

impl FromStr for Stamp {
    type Err = StampError;

    fn from_str(text: &str) -> Result<Self, StampError> {
        if !Self::is_one(text) {
            return Err(StampError::Scheme);
        }
        if text.len() > MAX_TEXT {
            return Err(StampError::TooLong { found: text.len() });
        }
        let coded = text.get(SCHEME.len()..).unwrap_or_default();
        let octets = URL_SAFE_NO_PAD_INDIFFERENT
            .decode(coded)
            .map_err(|problem| StampError::Base64 { found: problem.to_string() })?;
        Self::read(&mut Reader::new(&octets))
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut writer = Writer::default();
        self.write(&mut writer);
        write!(f, "{SCHEME}{}", URL_SAFE_NO_PAD.encode(writer.finish()))
    }
}

/// What stamps can say of a server: its first address, and neither pins nor who pays for it.
impl TryFrom<&Server> for Stamp {
    type Error = StampError;

    fn try_from(server: &Server) -> Result<Self, StampError> {
        let protocol = server.protocol();
        let address = server.addresses().first();
        let port = address.map_or_else(|| server.port(), SocketAddr::port);
        let address = StampAddress {
            ip: address.map(SocketAddr::ip),
            port: (port != protocol.default_port()).then_some(port),
        };
        let hashes = server.tbs_hashes().to_vec();
        let authority = server.url().authority().map(ToString::to_string).unwrap_or_default();
        let identity = Identity { hashes, host: authority };
        let service = match protocol {
            Protocol::Udp if address.ip.is_none() => return Err(StampError::NoAddress),
            Protocol::Udp => Service::Plain,
            Protocol::Tls => Service::Tls { identity, bootstrap: Vec::new() },
            Protocol::Https => {
                let path = server.url().path().to_owned();
                if path.len() > encode::MAX_TEXT {
                    return Err(StampError::TooLong { found: path.len() });
                }
                Service::Https { identity, path, bootstrap: Vec::new() }
            }
            Protocol::H2c => return Err(StampError::Foreign { found: "h2c" }),
            Protocol::Tcp => return Err(StampError::Foreign { found: "plain TCP" }),
        };
        Ok(Self { properties: 0, address, service })
    }
}

/// As stamps have it: an IPv6 address in brackets, either part left out where it is missing.
impl fmt::Display for StampAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
            Some(IpAddr::V4(ip)) => write!(f, "{ip}")?,
            None => {}
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// Why a text is no stamp of a server that can be asked. Trying again never helps.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StampError {
    /// It does not begin as stamps do.
    #[error("not a DNS stamp (found another beginning, allowed `sdns://...`)")]
    Scheme,
    /// It is longer than any stamp.
    #[error(
        "too long for a DNS stamp (found {found} characters, allowed {MAX_TEXT}, and {} in a part)",
        encode::MAX_TEXT
    )]
    TooLong {
        /// How long it is.
        found: usize,
    },
    /// It is not base64.
    #[error("not a DNS stamp (found `{found}`, allowed base64url after `sdns://`)")]
    Base64 {
        /// What the decoder stopped at.
        found: String,
    },
    /// It ends within a part.
    #[error(
        "a DNS stamp that is cut off in {part} (found its end, allowed a whole one: copy it again)"
    )]
    Short {
        /// The part that is not whole.
        part: &'static str,
    },
    /// Something follows its last part.
    #[error(
        "a DNS stamp with something behind it (found {found} octets too many, allowed a whole \
         one: copy it again)"
    )]
    Long {
        /// How many octets follow.
        found: usize,
    },
    /// It is one of a protocol that is not spoken here.
    #[error(
        "a stamp of a protocol that is not spoken here (found {found}, allowed DNS over HTTPS, DNS \
         over TLS and plain DNS)"
    )]
    Foreign {
        /// The protocol.
        found: &'static str,
    },
    /// It is one of a protocol that nobody knows.
    #[error(
        "a stamp of an unknown protocol (found {found:#04x}, allowed 0x00 plain DNS, 0x02 DNS over \
         HTTPS, 0x03 DNS over TLS)"
    )]
    Unknown {
        /// Its first octet.
        found: u8,
    },
    /// A part is not what stands there in stamps.
    #[error("a DNS stamp with a bad {part} (found `{found}`, allowed {allowed})")]
    Part {
        /// Which part.
        part: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A plain server without an address.
    #[error(
        "a stamp of plain DNS that leads nowhere (found no address, allowed `192.0.2.1` or \
         `[2001:db8::1]:53`)"
    )]
    NoAddress,
}

/// The port of resolvers that are given without one.
const PLAIN_PORT: u16 = 53;

const PLAIN: u8 = 0x00;
const HTTPS: u8 = 0x02;
const TLS: u8 = 0x03;

/// The name of a protocol that stamps are made for and that is not spoken here.
fn foreign_name(protocol: u8) -> Option<&'static str> {
    match protocol {
        0x01 => Some("DNSCrypt"),
        0x04 => Some("DNS over QUIC"),
        0x05 => Some("Oblivious DoH"),
        0x81 => Some("a DNSCrypt relay"),
        0x85 => Some("an Oblivious DoH relay"),
        _ => None,
    }
}

/// Whether a host ends in a port; the colons of an IPv6 address stand in brackets.
fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'))
}

#[cfg(test)]
mod tests;
