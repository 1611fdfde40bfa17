//! The URL of a DoH server with its pinned addresses comes in as text, a checked [`Server`] goes
//! out, so that nothing later has to ask what may be dialled.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use http::Uri;
use http::uri::InvalidUri;
use rustls::pki_types::ServerName;

/// The port of `https` (RFC 9110 section 4.2.2).
const HTTPS_PORT: u16 = 443;

/// One DoH server: an `https` URL and the addresses to dial it at.
///
/// It is written `https://host[:port]/path[#address,address...]`. Names are never looked up,
/// because a resolver that needs a resolver to start would wait for itself: the addresses stand
/// behind `#`, in the order they are tried. A host that is an address needs none, and `localhost`
/// means the loopback addresses.
///
/// ```
/// let server: doh_client::Server = "https://dns.quad9.net/dns-query#9.9.9.9,2620:fe::9".parse()?;
/// assert_eq!(server.host(), "dns.quad9.net");
/// assert_eq!(server.addresses(), ["9.9.9.9:443".parse()?, "[2620:fe::9]:443".parse()?]);
/// assert_eq!(server.to_string(), "https://dns.quad9.net/dns-query");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Server {
    url: Uri,
    host: String,
    tls_name: ServerName<'static>,
    addresses: Vec<SocketAddr>,
}

impl Server {
    /// The host of the URL, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where the server is dialled, most preferred first; never empty.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub(crate) fn url(&self) -> &Uri {
        &self.url
    }

    /// The name its certificate has to carry.
    pub(crate) fn tls_name(&self) -> &ServerName<'static> {
        &self.tls_name
    }
}

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        let (address, pins) = match text.split_once('#') {
            Some((address, pins)) => (address, Some(pins)),
            None => (text, None),
        };
        let url = parse_url(address)?;
        let host = parse_host(&url)?;
        let tls_name = ServerName::try_from(host.clone())
            .map_err(|_| ServerError::Host { found: host.clone() })?;
        let port = parse_port(&url)?;
        let addresses = match pins {
            Some(pins) => parse_pins(pins)?,
            None => own_addresses(&host)?,
        };
        let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        Ok(Self { url, host, tls_name, addresses })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// Why a text is not a [`Server`]. To blame is the configuration; trying again never helps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The text is no URL at all.
    #[error("not a URL (found `{found}`, allowed `https://host[:port]/path[#address,...]`)")]
    Url {
        /// The text before the `#`.
        found: String,
        /// What the URL parser stopped at.
        #[source]
        source: InvalidUri,
    },
    /// The URL is not `https`.
    #[error("the scheme has to be encrypted (found `{found}`, allowed `https://`)")]
    Scheme {
        /// The scheme, empty when there is none.
        found: String,
    },
    /// The URL carries a user name or a password, which is not repeated here.
    #[error("no user name or password is sent (found one before `@`, allowed `host[:port]`)")]
    UserInfo,
    /// The host is empty or cannot stand in a certificate.
    #[error("not a host (found `{found}`, allowed a name such as `dns.quad9.net` or an address)")]
    Host {
        /// The host as written.
        found: String,
    },
    /// The port is no number from 1 to 65,535.
    #[error("not a port (found `{found}`, allowed 1 to 65535)")]
    Port {
        /// Host and port as written.
        found: String,
    },
    /// The URL has a query or is an RFC 8484 template for GET.
    #[error(
        "queries travel in the body of a POST (found `?{found}`, allowed a bare path: drop \
         `{{?dns}}`)"
    )]
    Query {
        /// What follows the `?`.
        found: String,
    },
    /// Something behind the `#` is no IP address.
    #[error("not an address to dial (found `{found}`, allowed `9.9.9.9` or `2620:fe::9`)")]
    Address {
        /// The piece between two commas.
        found: String,
    },
    /// The host is a name and no address is pinned.
    #[error(
        "names of servers are never looked up: pin where to dial `{host}` (found no address, \
         allowed `https://{host}/dns-query#192.0.2.1,2001:db8::1`)"
    )]
    NoAddress {
        /// The host that has to be pinned.
        host: String,
    },
}

fn parse_url(text: &str) -> Result<Uri, ServerError> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    if !scheme.eq_ignore_ascii_case("https") {
        return Err(ServerError::Scheme { found: scheme.to_owned() });
    }
    if rest.is_empty() || rest.starts_with('/') {
        return Err(ServerError::Host { found: String::new() });
    }
    let url: Uri =
        text.parse().map_err(|source| ServerError::Url { found: text.to_owned(), source })?;
    match url.query() {
        Some(query) => Err(ServerError::Query { found: query.to_owned() }),
        None => Ok(url),
    }
}

fn parse_host(url: &Uri) -> Result<String, ServerError> {
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(ServerError::UserInfo);
    }
    let host = url.host().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if bare.is_empty() {
        return Err(ServerError::Host { found: host.to_owned() });
    }
    Ok(bare.to_owned())
}

fn parse_port(url: &Uri) -> Result<u16, ServerError> {
    let authority = url.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    match url.port_u16() {
        Some(0) => Err(ServerError::Port { found: authority.to_owned() }),
        Some(port) => Ok(port),
        None if Some(authority) == url.host() => Ok(HTTPS_PORT),
        None => Err(ServerError::Port { found: authority.to_owned() }),
    }
}

fn parse_pins(pins: &str) -> Result<Vec<IpAddr>, ServerError> {
    pins.split(',')
        .map(str::trim)
        .map(|pin| pin.parse().map_err(|_| ServerError::Address { found: pin.to_owned() }))
        .collect()
}

/// The addresses a host has without asking anybody.
fn own_addresses(host: &str) -> Result<Vec<IpAddr>, ServerError> {
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    match host.parse() {
        Ok(address) => Ok(vec![address]),
        Err(_) => Err(ServerError::NoAddress { host: host.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_dialled_where_its_url_says() {
        for (text, addresses) in [
            ("https://dns.test/q#9.9.9.9", "9.9.9.9:443"),
            ("https://dns.test/q#2620:fe::9, 9.9.9.9", "[2620:fe::9]:443 9.9.9.9:443"),
            ("https://dns.test:8443/q#9.9.9.9", "9.9.9.9:8443"),
            ("HTTPS://dns.test/q#9.9.9.9", "9.9.9.9:443"),
            ("https://dns.test#9.9.9.9", "9.9.9.9:443"),
            ("https://1.1.1.1/dns-query", "1.1.1.1:443"),
            ("https://[2606:4700::1111]:853/dns-query", "[2606:4700::1111]:853"),
            ("https://1.1.1.1/dns-query#127.0.0.1", "127.0.0.1:443"),
            ("https://localhost:8443/q", "127.0.0.1:8443 [::1]:8443"),
        ] {
            let server: Server = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            let found: Vec<_> = server.addresses().iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), addresses, "{text}");
        }
    }

    #[test]
    fn a_bad_server_is_refused_with_what_was_found_and_what_is_allowed() {
        for (text, found) in [
            ("", "found ``"),
            ("9.9.9.9", "found ``"),
            ("dns.test/q#9.9.9.9", "found ``"),
            ("http://dns.test/q#9.9.9.9", "found `http`"),
            ("tls://9.9.9.9", "found `tls`"),
            ("https://", "not a host (found ``"),
            ("https:///q#9.9.9.9", "not a host (found ``"),
            ("https://:443/q#9.9.9.9", "not a host (found ``"),
            ("https://a..b/q#9.9.9.9", "not a host (found `a..b`"),
            ("https://dns test/q#9.9.9.9", "not a URL (found `https://dns test/q`"),
            ("https://me:secret@dns.test/q#9.9.9.9", "found one before `@`"),
            ("https://dns.test:0/q#9.9.9.9", "not a port (found `dns.test:0`"),
            ("https://dns.test:/q#9.9.9.9", "not a port (found `dns.test:`"),
            ("https://dns.test:65536/q#9.9.9.9", "found `"),
            ("https://dns.test/q?ct#9.9.9.9", "found `?ct`"),
            ("https://dns.test/q{?dns}#9.9.9.9", "found `?dns}`"),
            ("https://dns.test/q#", "not an address to dial (found ``"),
            ("https://dns.test/q#9.9.9.9,", "not an address to dial (found ``"),
            ("https://dns.test/q#dns2.test", "found `dns2.test`"),
            ("https://dns.test/q", "pin where to dial `dns.test` (found no address"),
        ] {
            let error = text.parse::<Server>().expect_err(text).to_string();
            assert!(error.contains(found), "{text}: {error}");
            assert!(error.contains("allowed "), "{text}: {error}");
            assert!(!error.contains("secret"), "{text}: {error}");
        }
    }
}
