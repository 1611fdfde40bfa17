//! The URL of an egress proxy comes in, connections through it go out. Written by hand, because a
//! tunnel needs two messages of either protocol and no more.

mod connect;
mod problem;
mod socks;
mod target;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::{fmt, io};

use tokio::net::TcpStream;

use crate::error::Failure;

pub use problem::{ProxyError, ProxyProblem};
pub(crate) use target::Target;

/// A proxy that connections to servers go through.
///
/// It is written `http://[user:password@]address:port` (CONNECT, RFC 9110 section 9.3.6) or
/// `socks5://[user:password@]address:port` (RFC 1928); `socks5h` is the same. Its address is never
/// looked up; `localhost` means the loopback addresses. Special characters in user and password are
/// written as in URLs, such as `%40` for `@`. Neither is ever shown.
///
/// ```
/// let proxy: doh_client::Proxy = "socks5://me:secret@192.0.2.1:1080".parse()?;
/// assert_eq!(proxy.to_string(), "socks5://192.0.2.1:1080");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Proxy {
    kind: Kind,
    addresses: Vec<SocketAddr>,
    /// Host and port as written.
    place: String,
    login: Option<Login>,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Kind {
    Connect,
    Socks5,
}

#[derive(Clone, Eq, Hash, PartialEq)]
struct Login {
    user: Vec<u8>,
    password: Vec<u8>,
}

impl Proxy {
    /// Connects to a target through it; tells the proxy's own address too.
    pub(crate) async fn reach(&self, target: &Target) -> Result<(TcpStream, SocketAddr), Failure> {
        let failure = |problem| Failure::Proxy { proxy: self.to_string().into(), problem };
        let (mut tcp, address) = self.dial().await.map_err(failure)?;
        match self.kind {
            Kind::Connect => connect::tunnel(&mut tcp, target, self.login.as_ref()).await,
            Kind::Socks5 => socks::tunnel(&mut tcp, target, self.login.as_ref()).await,
        }
        .map_err(failure)?;
        Ok((tcp, address))
    }

    /// Connects to the proxy itself. Only `localhost` has more than one address, and there one that
    /// is not served refuses at once.
    async fn dial(&self) -> Result<(TcpStream, SocketAddr), ProxyProblem> {
        let mut last = ProxyProblem::lost(io::Error::from(io::ErrorKind::AddrNotAvailable));
        for address in &self.addresses {
            match TcpStream::connect(address).await {
                Ok(tcp) => {
                    tcp.set_nodelay(true).map_err(ProxyProblem::lost)?;
                    return Ok((tcp, *address));
                }
                Err(error) => last = ProxyProblem::Unreachable(Arc::new(error)),
            }
        }
        Err(last)
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let (scheme, rest) = text.split_once("://").ok_or(ProxyError::Scheme)?;
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "http" => Kind::Connect,
            "socks5" | "socks5h" => Kind::Socks5,
            _ => return Err(ProxyError::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(Login::parse(login, kind)?), place),
            None => (None, rest),
        };
        Ok(Self { kind, addresses: parse_place(place)?, place: place.to_owned(), login })
    }
}

/// Without user and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Kind::Connect => "http",
            Kind::Socks5 => "socks5",
        };
        write!(f, "{scheme}://{}", self.place)
    }
}

/// Without user and password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

impl Login {
    fn parse(text: &str, kind: Kind) -> Result<Self, ProxyError> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let login = Self { user: unescape(user)?, password: unescape(password)? };
        login.is_sendable(kind).then_some(login).ok_or(ProxyError::Login)
    }

    /// RFC 7617 section 2 ends the user at a colon and forbids control characters; RFC 1929 has one
    /// byte for each length, and none of them is 0.
    fn is_sendable(&self, kind: Kind) -> bool {
        let fits = |bytes: &[u8]| (1..=255).contains(&bytes.len());
        match kind {
            Kind::Connect => {
                let mut both = self.user.iter().chain(&self.password);
                !self.user.is_empty()
                    && !self.user.contains(&b':')
                    && !both.any(u8::is_ascii_control)
            }
            Kind::Socks5 => fits(&self.user) && fits(&self.password),
        }
    }
}

/// An address or `localhost`, and a port.
fn parse_place(place: &str) -> Result<Vec<SocketAddr>, ProxyError> {
    let bad = || ProxyError::Place { found: place.to_owned() };
    if let Ok(address) = place.parse::<SocketAddr>() {
        return if address.port() == 0 { Err(bad()) } else { Ok(vec![address]) };
    }
    let (host, port) = place.rsplit_once(':').ok_or_else(bad)?;
    let port: u16 = port.parse().ok().filter(|port| *port != 0).ok_or_else(bad)?;
    if !host.eq_ignore_ascii_case("localhost") {
        return Err(bad());
    }
    let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    Ok(loopback.map(|ip| SocketAddr::new(ip, port)).to_vec())
}

/// Undoes `%40` and the like (RFC 3986 section 2.1).
fn unescape(text: &str) -> Result<Vec<u8>, ProxyError> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(ProxyError::Login) };
        plain.push(u8::try_from(high << 4 | low).map_err(|_| ProxyError::Login)?);
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_address_and_a_way_to_speak_to_it() {
        for (text, shown, addresses) in [
            ("http://192.0.2.1:3128", "http://192.0.2.1:3128", "192.0.2.1:3128"),
            ("http://192.0.2.1:3128/", "http://192.0.2.1:3128", "192.0.2.1:3128"),
            ("HTTP://me:secret@192.0.2.1:80", "http://192.0.2.1:80", "192.0.2.1:80"),
            ("http://me@192.0.2.1:80", "http://192.0.2.1:80", "192.0.2.1:80"),
            ("socks5://[2001:db8::1]:1080", "socks5://[2001:db8::1]:1080", "[2001:db8::1]:1080"),
            ("socks5h://m%65:s@c%40t@127.0.0.1:9050", "socks5://127.0.0.1:9050", "127.0.0.1:9050"),
            ("socks5://localhost:1080", "socks5://localhost:1080", "127.0.0.1:1080 [::1]:1080"),
        ] {
            let proxy: Proxy = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            let found: Vec<_> = proxy.addresses.iter().map(ToString::to_string).collect();
            assert_eq!((proxy.to_string().as_str(), found.join(" ").as_str()), (shown, addresses));
            assert!(!format!("{proxy:?}").contains("secret"), "{proxy:?}");
        }
    }

    #[test]
    fn what_users_and_passwords_are_written_with_is_undone() {
        let proxy: Proxy = "socks5h://m%65:s@c%40%3a:t@127.0.0.1:9050".parse().unwrap();

        let login = proxy.login.unwrap();
        assert_eq!((&login.user[..], &login.password[..]), (&b"me"[..], &b"s@c@::t"[..]));
    }

    #[test]
    fn a_bad_proxy_is_refused_without_repeating_its_secret() {
        let long = format!("socks5://secret:{}@127.0.0.1:1080", "x".repeat(256));
        for (text, found) in [
            ("", "not a proxy (found no `http://`"),
            ("127.0.0.1:3128", "not a proxy"),
            ("https://secret:secret@127.0.0.1:3128", "not a proxy"),
            ("socks4://127.0.0.1:3128", "not a proxy"),
            ("http://", "found ``"),
            ("http://127.0.0.1", "found `127.0.0.1`"),
            ("http://127.0.0.1:0", "found `127.0.0.1:0`"),
            ("http://127.0.0.1:65536", "found `127.0.0.1:65536`"),
            ("http://proxy.test:3128", "found `proxy.test:3128`"),
            ("http://localhost", "found `localhost`"),
            ("http://localhost:0", "found `localhost:0`"),
            ("http://[::1]3128", "found `[::1]3128`"),
            ("http://127.0.0.1:3128/secret", "found `127.0.0.1:3128/"),
            ("http://:secret@127.0.0.1:3128", "user and password"),
            ("http://a%3ab:secret@127.0.0.1:3128", "user and password"),
            ("http://a:secret%0d%0ax@127.0.0.1:3128", "user and password"),
            ("http://a:secret%4@127.0.0.1:3128", "user and password"),
            ("http://a:secret%zz@127.0.0.1:3128", "user and password"),
            ("socks5://secret@127.0.0.1:1080", "user and password"),
            (&long, "user and password"),
        ] {
            let error = text.parse::<Proxy>().expect_err(text).to_string();
            assert!(error.contains(found), "{text}: {error}");
            assert!(error.contains("allowed "), "{text}: {error}");
            assert!(!error.contains("secret") || !text.contains('@'), "{text}: {error}");
        }
    }
}
