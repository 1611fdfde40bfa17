//! The `[upstream]` section: where misses are sent, and within what time.

use std::{net::SocketAddr, time::Duration};

use doh_client::Server;
use toml::Value;

use super::{
    section::Section,
    setting::{Choice, Setting},
};

/// Servers that are asked when none are configured, with their addresses pinned so that no name
/// has to be resolved before the first answer.
const DEFAULT_SERVERS: [&str; 2] = [
    "https://cloudflare-dns.com/dns-query#1.1.1.1,1.0.0.1",
    "https://dns.quad9.net/dns-query#9.9.9.9,149.112.112.112",
];

/// glibc's stub resolver gives up after 5 s; an answer must be back before that.
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(4500);

/// Where misses go.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamSettings {
    /// DoH servers in the order they are preferred.
    pub servers: Vec<Server>,
    /// Extra root certificates, PEM.
    pub ca_file: String,
    /// Time for one query, all attempts together.
    pub timeout: Duration,
    /// Whether a second server is asked before the first has failed.
    pub hedge: bool,
    /// What becomes of clients' subnets.
    pub ecs: Ecs,
    /// An egress proxy.
    pub proxy: String,
    /// Our certificate towards upstreams, PEM.
    pub client_cert_file: String,
    /// Its key, PEM.
    pub client_key_file: String,
    /// Resolvers for upstream names without pinned addresses.
    pub bootstrap: Vec<SocketAddr>,
    /// Conditional forwarding.
    pub routes: Vec<Route>,
}

impl UpstreamSettings {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            servers: read_servers(section),
            ca_file: section.value("ca_file", String::new()),
            timeout: section.checked("timeout", DEFAULT_TIMEOUT, "100ms to 30s", |timeout| {
                (Duration::from_millis(100)..=Duration::from_secs(30)).contains(timeout)
            }),
            hedge: section.value("hedge", true),
            ecs: section.value("ecs", Ecs::Strip),
            proxy: section.value("proxy", String::new()),
            client_cert_file: section.value("client_cert_file", String::new()),
            client_key_file: section.value("client_key_file", String::new()),
            bootstrap: section.value("bootstrap", Vec::new()),
            routes: section.blocks("routes", Route::read),
        }
    }
}

/// Reads the servers one by one, so that a problem names the one that is wrong and why.
fn read_servers(section: &mut Section<'_>) -> Vec<Server> {
    let texts = section.value("servers", DEFAULT_SERVERS.map(str::to_owned).to_vec());
    if texts.is_empty() {
        section.problem("servers", "is empty", "[]", "at least one https:// server");
    }
    let mut servers = Vec::with_capacity(texts.len());
    for (number, text) in texts.iter().enumerate() {
        match text.parse::<Server>() {
            Ok(server) => servers.push(server),
            Err(error) => section.problem(
                &format!("servers[{number}]"),
                &error.to_string(),
                format_args!("`{text}`"),
                "https://host/path#address,address",
            ),
        }
    }
    servers
}

/// What becomes of a client's subnet option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ecs {
    /// It stays here.
    Strip,
    /// It goes upstream.
    Forward,
}

impl Choice for Ecs {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("strip", Self::Strip), ("forward", Self::Forward)];
}

/// Names that are asked of servers of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Names at and below which it holds.
    pub domains: Vec<blocker::Name>,
    /// Who is asked.
    pub servers: Vec<RouteServer>,
}

impl Route {
    fn read(section: &mut Section<'_>) -> Self {
        Self {
            domains: section.required("domains", Vec::new()),
            servers: section.required("servers", Vec::new()),
        }
    }
}

/// A server of a route, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteServer(String);

impl Setting for RouteServer {
    fn allowed() -> String {
        "https://, tls://, tcp://, udp:// or sdns:// and a server".into()
    }

    fn parse(value: &Value) -> Option<Self> {
        const SCHEMES: [&str; 5] = ["https://", "tls://", "tcp://", "udp://", "sdns://"];
        let text = value.as_str()?;
        let rest = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme))?;
        (!rest.is_empty()).then(|| Self(text.to_owned()))
    }
}
