//! The `[upstream]` section: where misses are sent, and within what time.

mod access;

use std::{fmt, net::IpAddr, time::Duration};

use doh_client::{Proxy, Server};

use super::{Route, section::Section, setting::Choice};
pub use access::ClientCertificate;

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
    /// Servers; who is quick is asked, whatever their order.
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
    pub proxy: Option<Proxy>,
    /// Our certificate towards upstreams, from `client_cert_file` and `client_key_file`.
    pub client_certificate: Option<ClientCertificate>,
    /// Resolvers for upstream names without pinned addresses, each known by its own.
    pub bootstrap: Vec<Server>,
    /// Conditional forwarding.
    pub routes: Vec<Route>,
}

impl UpstreamSettings {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let settings = Self {
            servers: read_servers(section),
            ca_file: section.value("ca_file", String::new()),
            timeout: section.checked("timeout", DEFAULT_TIMEOUT, "100ms to 30s", |timeout| {
                (Duration::from_millis(100)..=Duration::from_secs(30)).contains(timeout)
            }),
            hedge: section.value("hedge", true),
            ecs: section.value("ecs", Ecs::Strip),
            proxy: access::read_proxy(section),
            client_certificate: access::read_client_certificate(section),
            bootstrap: read_bootstrap(section),
            routes: section.blocks("routes", Route::read),
        };
        settings.check_names(section);
        if settings.proxy.is_some() {
            access::check_proxy(section, settings.servers.iter());
        }
        settings
    }

    /// Complains about names that nobody can say the addresses of, all in one line. A proxy can be
    /// given a name.
    fn check_names(&self, section: &mut Section<'_>) {
        let direct = self.servers.iter().filter(|_| self.proxy.is_none());
        let routed = self.routes.iter().flat_map(|route| &route.servers);
        let unknown: Vec<String> = direct
            .chain(routed)
            .filter(|server| server.needs_lookup())
            .map(|server| format!("`{}`", server.host()))
            .collect();
        if !unknown.is_empty() && self.bootstrap.is_empty() {
            section.problem(
                "bootstrap",
                "is empty, and servers are known by their names only",
                unknown.join(", "),
                "resolvers by address, such as [\"9.9.9.9\"], or addresses with each server, such \
                 as https://host/path#192.0.2.1",
            );
        }
    }
}

fn read_servers(section: &mut Section<'_>) -> Vec<Server> {
    let texts = section.value("servers", DEFAULT_SERVERS.map(str::to_owned).to_vec());
    parse_servers(section, &texts)
}

/// Reads servers one by one, so that a problem names the one that is wrong and why.
pub(super) fn parse_servers(section: &mut Section<'_>, texts: &[String]) -> Vec<Server> {
    if texts.is_empty() {
        section.problem("servers", "is empty", "[]", "at least one server, such as https://...");
    }
    let mut servers = Vec::with_capacity(texts.len());
    for (number, text) in texts.iter().enumerate() {
        match text.parse::<Server>() {
            Ok(server) => servers.push(server),
            Err(error) => section.problem(
                &format!("servers[{number}]"),
                &error.to_string(),
                ShownServer(text),
                "https://host/path#address,address and the other forms of docs/upstreams.md",
            ),
        }
    }
    servers
}

/// A server as it was written, unless that may have a password in it, whatever else is wrong.
pub(crate) struct ShownServer<'s>(pub(crate) &'s str);

impl fmt::Display for ShownServer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.contains('@') {
            true => f.write_str("a hidden value"),
            false => write!(f, "`{}`", self.0),
        }
    }
}

/// Reads the bootstrap resolvers one by one.
fn read_bootstrap(section: &mut Section<'_>) -> Vec<Server> {
    let texts: Vec<String> = section.value("bootstrap", Vec::new());
    let mut resolvers = Vec::with_capacity(texts.len());
    for (number, text) in texts.iter().enumerate() {
        let resolver = parse_resolver(text).filter(|resolver| !resolver.needs_lookup());
        if resolver.is_none() {
            let key = format!("bootstrap[{number}]");
            let allowed = "9.9.9.9, [2620:fe::9]:53, tls://9.9.9.9 or https://9.9.9.9/dns-query";
            let problem = "is no resolver that is known by its address";
            section.problem(&key, problem, ShownServer(text), allowed);
        }
        resolvers.extend(resolver);
    }
    resolvers
}

/// A server, or an address that is asked in the plain.
fn parse_resolver(text: &str) -> Option<Server> {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => format!("udp://[{ip}]").parse().ok(),
        _ if text.contains("://") => text.parse().ok(),
        _ => format!("udp://{text}").parse().ok(),
    }
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
