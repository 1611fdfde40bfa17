//! `dnsward proxy-dns`: the flags and the environment of `cloudflared proxy-dns` go in, a server
//! that only forwards and caches runs, so that a unit file changes by one word.

mod settings;

use std::ffi::OsString;

use clap::Args;

use super::{Exit, complain, serve};
use settings::Settings;

/// The flags that cloudflared had. Each may come from the environment instead.
#[derive(Args, Debug, Default)]
pub(super) struct Flags {
    /// Answer on this address, over UDP and TCP [env: TUNNEL_DNS_ADDRESS] [default: localhost]
    #[arg(long, value_name = "ADDRESS", overrides_with = "address")]
    address: Option<String>,
    /// Answer on this port [env: TUNNEL_DNS_PORT] [default: 53]
    #[arg(long, value_name = "PORT", overrides_with = "port")]
    port: Option<String>,
    /// Ask this server; may be given several times, and whichever is quicker is asked
    /// [env: TUNNEL_DNS_UPSTREAM] [default: https://1.1.1.1/dns-query,https://1.0.0.1/dns-query]
    #[arg(long, value_name = "URL")]
    upstream: Vec<String>,
    /// Ask this server where upstreams are that are known by name only; an address in its URL
    /// [env: TUNNEL_DNS_BOOTSTRAP] [default: four of Cloudflare's]
    #[arg(long, value_name = "URL")]
    bootstrap: Vec<String>,
    /// Taken, and without effect: there are never more than two connections to an upstream
    /// [env: TUNNEL_DNS_MAX_UPSTREAM_CONNS]
    #[arg(long, value_name = "NUMBER", overrides_with = "max_upstream_conns")]
    max_upstream_conns: Option<String>,
    /// Show metrics on this address [env: TUNNEL_METRICS] [default: localhost:]
    #[arg(long, value_name = "ADDRESS:PORT", overrides_with = "metrics")]
    metrics: Option<String>,
}

/// The name of the command.
const COMMAND: &str = "proxy-dns";

/// Flags as cloudflared took them too, with a single dash.
const FLAGS: [&str; 6] =
    ["-address", "-port", "-upstream", "-bootstrap", "-max-upstream-conns", "-metrics"];

/// The arguments with two dashes before each flag of ours.
pub(super) fn with_two_dashes(
    arguments: impl IntoIterator<Item = OsString>,
) -> impl Iterator<Item = OsString> {
    let mut is_ours = false;
    arguments.into_iter().map(move |argument| {
        let Some(text) = argument.to_str() else { return argument };
        let name = text.split_once('=').map_or(text, |(name, _)| name);
        if is_ours && FLAGS.contains(&name) {
            return format!("-{text}").into();
        }
        is_ours |= text == COMMAND;
        argument
    })
}

pub(super) fn run(flags: Flags) -> Exit {
    match Settings::read(flags, |name| std::env::var(name).ok()) {
        Ok(settings) => serve::run_text(settings.to_toml(), settings.remarks()),
        Err(problems) => {
            complain(&problems);
            Exit::Usage
        }
    }
}
