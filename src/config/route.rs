//! A `[[upstream.routes]]` block goes in, names and the servers that are asked for them come out.

use std::{collections::HashSet, net::SocketAddr};

use blocker::Name;
use doh_client::Server;

use super::{Config, section::Section, upstream::parse_servers};
use crate::route::RouteId;

/// Most routes: each has connections of its own.
const MAX_ROUTES: usize = 256;

/// Names that are asked of servers of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Names at and below which it holds.
    pub domains: Vec<Name>,
    /// Who is asked.
    pub servers: Vec<Server>,
    /// The number of these servers.
    pub id: RouteId,
}

impl Route {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let [has_domains, has_servers] = ["domains", "servers"].map(|key| section.has(key));
        let domains: Vec<Name> = section.required("domains", Vec::new());
        if domains.is_empty() && has_domains {
            section.problem("domains", "is empty", "[]", "at least one domain");
        }
        if domains.iter().any(Name::is_root) {
            let allowed = "domains below it: all other names are asked of upstream.servers";
            section.problem("domains", "has the root", "`.`", allowed);
        }
        let texts: Vec<String> = section.required("servers", Vec::new());
        let servers = if has_servers { parse_servers(section, &texts) } else { Vec::new() };
        Self { domains, servers, id: RouteId::of(&texts) }
    }
}

/// Looks for routes that contradict each other, and for servers that are this one.
pub(super) fn check_routes(config: &Config, root: &mut Section<'_>) {
    let routes = &config.upstream.routes;
    if routes.len() > MAX_ROUTES {
        let allowed = format!("{MAX_ROUTES}; routes to the same servers can be one");
        root.problem("upstream.routes", "are too many", routes.len(), &allowed);
    }
    let mut seen = HashSet::new();
    for (number, route) in routes.iter().enumerate() {
        let key = format!("upstream.routes[{number}]");
        for domain in route.domains.iter().filter(|domain| !seen.insert(**domain)) {
            let found = format_args!("`{domain}`");
            root.problem(&format!("{key}.domains"), "is routed twice", found, "each domain once");
        }
        check_servers(&route.servers, &format!("{key}.servers"), config, root);
    }
    check_servers(&config.upstream.servers, "upstream.servers", config, root);
    check_servers(&config.upstream.bootstrap, "upstream.bootstrap", config, root);
}

/// A server that is asked by itself would ask itself again.
fn check_servers(servers: &[Server], key: &str, config: &Config, root: &mut Section<'_>) {
    let is_ours =
        |address: &&SocketAddr| config.dns.listen.iter().any(|listen| is_at(**address, *listen));
    for (number, server) in servers.iter().enumerate() {
        if let Some(address) = server.addresses().iter().find(is_ours) {
            let key = format!("{key}[{number}]");
            let found = format_args!("`{server}` at {address}, which is in dns.listen");
            root.problem(&key, "is this server itself", found, "another server");
        }
    }
}

/// Whether who dials an address certainly ends at a listener.
fn is_at(address: SocketAddr, listen: SocketAddr) -> bool {
    let is_same_family = address.is_ipv4() == listen.is_ipv4();
    let is_here = address.ip() == listen.ip()
        || is_same_family && listen.ip().is_unspecified() && address.ip().is_loopback();
    is_here && address.port() == listen.port()
}
