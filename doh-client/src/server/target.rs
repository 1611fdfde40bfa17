//! A URL of any scheme that servers have comes in, its checked parts go out.

use std::fmt;

use http::Uri;
use http::uri::Authority;

use super::{Method, Protocol, ServerError};

/// What a URL ends in where queries are sent by GET (RFC 8484 section 4.1).
const GET_TEMPLATE: &str = "{?dns}";

/// The parts of a server's URL.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Target {
    pub(super) protocol: Protocol,
    pub(super) method: Method,
    /// As requests have it: without template, and `http://` for h2c.
    pub(super) url: Uri,
    pub(super) host: String,
    pub(super) port: u16,
}

impl Target {
    pub(super) fn parse(text: &str) -> Result<Self, ServerError> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let protocol = parse_scheme(scheme)?;
        let (rest, method) = match rest.strip_suffix(GET_TEMPLATE) {
            Some(rest) if protocol.is_http() => (rest, Method::Get),
            _ => (rest, Method::Post),
        };
        if rest.is_empty() || rest.starts_with('/') {
            return Err(ServerError::Host { found: String::new() });
        }
        let url: Uri = format!("{}://{rest}", scheme_of_requests(protocol))
            .parse()
            .map_err(|source| ServerError::Url { found: text.to_owned(), source })?;
        check_path(&url, protocol)?;
        let host = parse_host(&url)?;
        let port = parse_port(&url)?.unwrap_or_else(|| protocol.default_port());
        Ok(Self { protocol, method, url, host, port })
    }

    pub(super) fn scheme(&self) -> &'static str {
        scheme_of(self.protocol)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.url.authority().map(Authority::as_str).unwrap_or_default();
        write!(f, "{}://{authority}", self.scheme())?;
        if self.protocol.is_http() {
            f.write_str(self.url.path())?;
        }
        match self.method {
            Method::Get => f.write_str(GET_TEMPLATE),
            Method::Post => Ok(()),
        }
    }
}

const SCHEMES: [(&str, Protocol); 5] = [
    ("https", Protocol::Https),
    ("h2c", Protocol::H2c),
    ("tls", Protocol::Tls),
    ("tcp", Protocol::Tcp),
    ("udp", Protocol::Udp),
];

fn parse_scheme(scheme: &str) -> Result<Protocol, ServerError> {
    let known = SCHEMES.iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name));
    known.map(|(_, protocol)| *protocol).ok_or_else(|| ServerError::Scheme { found: scheme.into() })
}

fn scheme_of(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Https => "https",
        Protocol::H2c => "h2c",
        Protocol::Tls => "tls",
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

fn scheme_of_requests(protocol: Protocol) -> &'static str {
    match protocol {
        // HTTP/2 without TLS is HTTP as any other (RFC 9113 section 3.1).
        Protocol::H2c => "http",
        other => scheme_of(other),
    }
}

fn check_path(url: &Uri, protocol: Protocol) -> Result<(), ServerError> {
    if let Some(query) = url.query() {
        return Err(ServerError::Query { found: query.to_owned() });
    }
    match url.path() {
        "" | "/" => Ok(()),
        path if protocol.is_http() => check_template(path),
        path => Err(ServerError::Path { found: path.to_owned(), scheme: scheme_of(protocol) }),
    }
}

/// The one template there is has been taken off; braces that are left mean another.
fn check_template(path: &str) -> Result<(), ServerError> {
    match path.find(['{', '}']).and_then(|start| path.get(start..)) {
        Some(template) => Err(ServerError::Query { found: template.to_owned() }),
        None => Ok(()),
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

fn parse_port(url: &Uri) -> Result<Option<u16>, ServerError> {
    let authority = url.authority().map(Authority::as_str).unwrap_or_default();
    match url.port_u16() {
        Some(0) => Err(ServerError::Port { found: authority.to_owned() }),
        Some(port) => Ok(Some(port)),
        None if Some(authority) == url.host() => Ok(None),
        None => Err(ServerError::Port { found: authority.to_owned() }),
    }
}
