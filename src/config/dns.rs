//! The `[dns]` section: listeners, who may ask, and how much.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use toml::Value;

use crate::cookie::Secret;

use super::{
    section::Section,
    setting::{Choice, Setting, parse_prefix, toml_from_text},
};

/// The unprivileged port that a Service or a port mapping puts behind 53.
const PORT: u16 = 1053;

/// Most data-plane threads: more than any machine this is meant for has.
const MAX_THREADS: u64 = 256;

/// Most secrets that cookies are checked against: while replicas change from one to the next, both
/// are good (RFC 9018 section 5).
const MAX_SECRETS: usize = 2;

/// Listeners, access and limits of the DNS side.
#[derive(Clone, Debug, PartialEq)]
pub struct Dns {
    /// Addresses that are served over UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// What UDP clients get.
    pub udp: UdpMode,
    /// Who may ask.
    pub allow_from: Vec<IpNet>,
    /// Peers whose PROXY v2 header is believed.
    pub proxy_protocol_from: Vec<IpNet>,
    /// How many data-plane threads.
    pub threads: Threads,
    /// The rate limiter.
    pub rate_limit: RateLimit,
    /// Upper bounds.
    pub limits: Limits,
    /// Whether private addresses are taken out of public names' answers.
    pub rebind_protection: bool,
    /// Names that keep their private addresses.
    pub rebind_exempt: Vec<blocker::Name>,
    /// The secrets that replicas share for DNS cookies: the first makes new ones, all are good.
    pub cookie_secrets: Vec<Secret>,
    /// NAT64 prefix; empty: off.
    pub dns64: String,
    /// Encrypted listeners.
    pub tls: DnsTls,
}

impl Dns {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            listen: section.checked(
                "listen",
                vec![
                    SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)),
                    SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)),
                ],
                "a list of at least one address and port, such as [\"0.0.0.0:1053\"]",
                |listen| !listen.is_empty(),
            ),
            udp: section.value("udp", UdpMode::Serve),
            allow_from: section.value("allow_from", private_networks()),
            proxy_protocol_from: section.value("proxy_protocol_from", Vec::new()),
            threads: section.value("threads", Threads::Auto),
            rate_limit: section.table("rate_limit", RateLimit::read),
            limits: section.table("limits", Limits::read),
            rebind_protection: section.value("rebind_protection", true),
            rebind_exempt: section.value("rebind_exempt", Vec::new()),
            cookie_secrets: read_secrets(section),
            dns64: section.value("dns64", String::new()),
            tls: section.table("tls", DnsTls::read),
        }
    }

    /// Whether a peer has to say for whom it stands, with a PROXY v2 header.
    pub fn expects_header_from(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.proxy_protocol_from.iter().any(|network| network.contains(&peer))
    }

    /// Whether a client may ask at all; IPv4 clients of an IPv6 socket count as IPv4.
    pub fn allows(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.allow_from.iter().any(|network| network.contains(&client))
    }
}

/// The networks that are never the open internet: loopback, RFC 1918, RFC 6598, RFC 4193,
/// link-local.
fn private_networks() -> Vec<IpNet> {
    [
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
        "fe80::/10",
    ]
    .iter()
    .filter_map(|text| parse_prefix(text))
    .collect()
}

/// What UDP clients get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UdpMode {
    /// Answers.
    Serve,
    /// TC=1 and nothing else, which sends them to TCP and so to mutual TLS.
    Truncate,
    /// No UDP socket.
    Off,
}

impl Choice for UdpMode {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("serve", Self::Serve), ("truncate", Self::Truncate), ("off", Self::Off)];
}

/// How many data-plane threads there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// One per CPU this process may use.
    Auto,
    /// So many.
    Exactly(usize),
}

impl Setting for Threads {
    fn allowed() -> String {
        format!("auto, or 1 to {MAX_THREADS}")
    }

    fn parse(value: &Value) -> Option<Self> {
        if value.as_str() == Some("auto") {
            return Some(Self::Auto);
        }
        let number = u64::parse(value).filter(|number| (1..=MAX_THREADS).contains(number))?;
        usize::try_from(number).ok().map(Self::Exactly)
    }

    fn from_text(text: &str) -> Value {
        toml_from_text(text)
    }
}

/// The rate limiter's settings; zero queries a second turns it off.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimit {
    /// Queries a second and prefix.
    pub queries_per_second: u64,
    /// Bits that make one IPv4 client.
    pub prefix_v4: u64,
    /// Bits that make one IPv6 client.
    pub prefix_v6: u64,
    /// Who is never limited.
    pub exempt: Vec<IpNet>,
}

impl RateLimit {
    fn read(section: &mut Section<'_>) -> Self {
        Self {
            queries_per_second: section.value("queries_per_second", 0),
            prefix_v4: section.checked("prefix_v4", 32, "0 to 32", |bits| *bits <= 32),
            prefix_v6: section.checked("prefix_v6", 56, "0 to 128", |bits| *bits <= 128),
            exempt: section.value("exempt", Vec::new()),
        }
    }
}

/// Upper bounds of what is held at a time; generous, because one address is often a whole network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Queries waiting for an upstream, in all.
    pub in_flight: usize,
    /// The same per client.
    pub in_flight_per_client: usize,
    /// The same per TCP connection.
    pub in_flight_per_connection: usize,
    /// Open TCP connections, in all.
    pub tcp_connections: usize,
    /// The same per client.
    pub tcp_connections_per_client: usize,
}

impl Limits {
    fn read(section: &mut Section<'_>) -> Self {
        let mut limit = |key, default| {
            let value =
                section.checked(key, default, "1 to 1000000", |n| (1..=1_000_000).contains(n));
            usize::try_from(value).unwrap_or(usize::MAX)
        };
        Self {
            in_flight: limit("in_flight", 4096),
            in_flight_per_client: limit("in_flight_per_client", 1024),
            in_flight_per_connection: limit("in_flight_per_connection", 256),
            tcp_connections: limit("tcp_connections", 20_000),
            tcp_connections_per_client: limit("tcp_connections_per_client", 20_000),
        }
    }
}

/// The secrets in the file that `cookie_secret_file` names, one a line; none where it is not there
/// yet, because a Secret that comes late must not keep the server from starting.
fn read_secrets(section: &mut Section<'_>) -> Vec<Secret> {
    const KEY: &str = "cookie_secret_file";
    let path = section.value(KEY, String::new());
    if path.is_empty() {
        return Vec::new();
    }
    let found = match std::fs::read_to_string(&path) {
        Ok(text) => match parse_secrets(&text) {
            Some(secrets) => return secrets,
            None => "something else".to_owned(),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => format!("`{path}`: {error}"),
    };
    let allowed = "a file of one or two lines of 32 hexadecimal digits: the secret in force and the \
                   one before it; make one with `openssl rand -hex 16`";
    section.problem(KEY, "holds no secrets", found, allowed);
    Vec::new()
}

fn parse_secrets(text: &str) -> Option<Vec<Secret>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let parse = |line: &str| {
        let is_hex = line.len() == 32 && line.bytes().all(|digit| digit.is_ascii_hexdigit());
        let bits = u128::from_str_radix(line, 16).ok().filter(|_| is_hex)?;
        Some(bits.to_be_bytes())
    };
    let secrets: Vec<Secret> = lines.map(parse).collect::<Option<_>>()?;
    (1..=MAX_SECRETS).contains(&secrets.len()).then_some(secrets)
}

/// Encrypted DNS listeners.
#[derive(Clone, Debug, PartialEq)]
pub struct DnsTls {
    /// Addresses for DNS over TLS.
    pub dot_listen: Vec<SocketAddr>,
    /// Addresses for DNS over HTTPS.
    pub doh_listen: Vec<SocketAddr>,
    /// The certificate chain, PEM.
    pub cert_file: String,
    /// Its key, PEM.
    pub key_file: String,
    /// Roots that clients' certificates must chain to.
    pub client_ca_file: String,
}

impl DnsTls {
    fn read(section: &mut Section<'_>) -> Self {
        Self {
            dot_listen: section.value("dot_listen", Vec::new()),
            doh_listen: section.value("doh_listen", Vec::new()),
            cert_file: section.value("cert_file", String::new()),
            key_file: section.value("key_file", String::new()),
            client_ca_file: section.value("client_ca_file", String::new()),
        }
    }
}
