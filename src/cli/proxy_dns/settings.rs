//! cloudflared's flags and variables go in, the configuration of a forwarding server comes out as
//! text, or everything that is wrong with them.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use doh_client::Server;
use toml::{Table, Value};

use super::Flags;
use crate::config::{Problem, ShownServer};

/// Who is asked when nobody is named, as cloudflared did.
const UPSTREAMS: &str = "https://1.1.1.1/dns-query,https://1.0.0.1/dns-query";

/// Who is asked for the addresses of upstreams when nobody is named, as cloudflared did.
const BOOTSTRAP: &str = "https://162.159.36.1/dns-query,https://162.159.46.1/dns-query,\
                         https://[2606:4700:4700::1111]/dns-query,\
                         https://[2606:4700:4700::1001]/dns-query";

/// What of the configuration is not left at its default besides what flags say: nothing is blocked,
/// changed, shown or remembered of queries, as in cloudflared.
const FORWARD_ONLY: &str = "\
control_socket = 'off'
admin.listen = ''
blocking.enabled = false
dns.rebind_protection = false
query_log.privacy = 'off'
";

/// What the flags and variables say.
#[derive(Debug)]
pub(super) struct Settings {
    listen: Vec<SocketAddr>,
    upstreams: Vec<String>,
    bootstrap: Vec<String>,
    metrics: SocketAddr,
    limits_connections: bool,
}

impl Settings {
    /// Reads flags, then variables, then cloudflared's defaults.
    pub(super) fn read(
        flags: Flags,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<Problem>> {
        let set = |name| variable(name).filter(|text| !text.is_empty());
        let one = |flag: Option<String>, name| flag.or_else(|| set(name));
        let several = |flag: Vec<String>, name, default: &str| {
            let texts = if flag.is_empty() {
                vec![set(name).unwrap_or_else(|| default.into())]
            } else {
                flag
            };
            texts.iter().flat_map(|text| split_urls(text)).collect::<Vec<_>>()
        };
        let mut problems = Vec::new();
        let mut reader = Reader { problems: &mut problems };
        let connections = one(flags.max_upstream_conns, "TUNNEL_DNS_MAX_UPSTREAM_CONNS");
        reader.number("--max-upstream-conns", connections.as_deref(), 0_u32, "0 or more");
        let port = one(flags.port, "TUNNEL_DNS_PORT");
        let port = reader.number("--port", port.as_deref(), 53_u16, "0 to 65535");
        let address =
            one(flags.address, "TUNNEL_DNS_ADDRESS").unwrap_or_else(|| "localhost".into());
        let metrics = one(flags.metrics, "TUNNEL_METRICS").unwrap_or_else(|| "localhost:".into());
        let settings = Self {
            listen: reader.listen(&address, port),
            upstreams: several(flags.upstream, "TUNNEL_DNS_UPSTREAM", UPSTREAMS),
            bootstrap: several(flags.bootstrap, "TUNNEL_DNS_BOOTSTRAP", BOOTSTRAP),
            metrics: reader.metrics(&metrics),
            limits_connections: connections.is_some(),
        };
        reader.check_upstreams(&settings.upstreams);
        reader.check_bootstrap(&settings.bootstrap);
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }

    /// The configuration, without bootstrap resolvers where nobody is to be asked of them.
    pub(super) fn to_toml(&self) -> String {
        let texts = |texts: &[String]| -> Value {
            texts.iter().map(|text| Value::from(text.as_str())).collect::<Vec<_>>().into()
        };
        let listen: Vec<_> = self.listen.iter().map(ToString::to_string).collect();
        let mut upstream = Table::from_iter([("servers".to_owned(), texts(&self.upstreams))]);
        let needs_lookup = |text: &String| text.parse().is_ok_and(|s: Server| s.needs_lookup());
        if self.upstreams.iter().any(needs_lookup) {
            upstream.insert("bootstrap".to_owned(), texts(&self.bootstrap));
        }
        let keys = [
            ("dns.listen", texts(&listen)),
            ("metrics.listen", self.metrics.to_string().into()),
            ("upstream", Value::Table(upstream)),
        ];
        let lines = keys.iter().map(|(key, value)| format!("{key} = {value}\n"));
        lines.fold(FORWARD_ONLY.to_owned(), |text, line| text + &line)
    }

    /// What is taken and has no effect.
    pub(super) fn remarks(&self) -> Vec<String> {
        let remark = "--max-upstream-conns has no effect: an upstream is asked over one connection, \
                      at most two";
        self.limits_connections.then(|| remark.to_owned()).into_iter().collect()
    }
}

/// Reads texts and keeps what is wrong with them.
struct Reader<'p> {
    problems: &'p mut Vec<Problem>,
}

impl Reader<'_> {
    fn number<T: FromStr>(
        &mut self,
        flag: &str,
        text: Option<&str>,
        default: T,
        allowed: &str,
    ) -> T {
        let Some(text) = text else { return default };
        text.trim().parse().unwrap_or_else(|_| {
            self.problem(flag, "is not a number this flag can have", text, allowed);
            default
        })
    }

    fn listen(&mut self, address: &str, port: u16) -> Vec<SocketAddr> {
        let Some(ip) = parse_host(address) else {
            let allowed = "localhost, or an address of this host such as 0.0.0.0";
            self.problem("--address", "is no address", address, allowed);
            return Vec::new();
        };
        let mut listen = vec![SocketAddr::new(ip, port)];
        if ip == Ipv6Addr::UNSPECIFIED {
            // It meant both families.
            listen.push(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port));
        }
        listen
    }

    fn metrics(&mut self, text: &str) -> SocketAddr {
        parse_metrics(text).unwrap_or_else(|| {
            let allowed = "localhost:9090, 0.0.0.0:9090, or localhost: for any free port";
            self.problem("--metrics", "is no address with a port", text, allowed);
            SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)
        })
    }

    fn check_upstreams(&mut self, texts: &[String]) {
        for text in texts {
            if let Err(error) = text.parse::<Server>() {
                let allowed = "https://host/path and the other forms of docs/upstreams.md";
                let (error, shown) = (error.to_string(), ShownServer(text));
                self.problems.push(Problem::new("--upstream", &error, shown, allowed));
            }
        }
    }

    fn check_bootstrap(&mut self, texts: &[String]) {
        let is_known = |text: &str| text.parse().is_ok_and(|s: Server| !s.needs_lookup());
        for text in texts.iter().filter(|text| !is_known(text)) {
            let allowed = "an address in the URL, such as https://9.9.9.9/dns-query";
            let problem = "is no resolver that is known by its address";
            self.problems.push(Problem::new("--bootstrap", problem, ShownServer(text), allowed));
        }
    }

    fn problem(&mut self, flag: &str, problem: &str, found: &str, allowed: &str) {
        self.problems.push(Problem::new(flag, problem, format_args!("`{found}`"), allowed));
    }
}

/// URLs between commas; what is no URL belongs to the one before, whose addresses have commas too.
fn split_urls(text: &str) -> Vec<String> {
    let mut urls: Vec<String> = Vec::new();
    for piece in text.split(',') {
        match urls.last_mut() {
            Some(last) if last.contains('#') && !piece.contains("://") => {
                last.push(',');
                last.push_str(piece);
            }
            _ => urls.push(piece.trim().to_owned()),
        }
    }
    urls
}

/// `localhost` or an address, with or without brackets.
fn parse_host(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("localhost") {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text).parse().ok()
}

/// A host and a port; without a host all addresses, without a port any that is free.
fn parse_metrics(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.trim().rsplit_once(':')?;
    let ip = if host.is_empty() { Ipv4Addr::UNSPECIFIED.into() } else { parse_host(host)? };
    let port = if port.is_empty() { 0 } else { port.parse().ok()? };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests;
