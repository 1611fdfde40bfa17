//! A TOML file and the environment go in, a checked `Config` or every problem at once comes out.
//!
//! Each part of the server has one struct here, in a file named after its section; reading a
//! section is one line per key. `section.rs` is the only place that knows how a key is found,
//! overridden and complained about, `setting.rs` the only one that knows what values look like.

mod admin;
mod blocking;
mod cache;
mod client;
mod control;
mod dns;
mod effect;
mod observability;
mod policy;
mod route;
mod schedule;
mod section;
mod setting;
mod source;
mod upstream;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use admin::{Admin, Listen};
pub use blocking::{BlockAnswer, Blocking, UntilLoaded};
pub use cache::CacheSettings;
pub use client::{Client, ClientMatch, SpiffePattern};
pub use control::ControlSocket;
pub use dns::{Dns, DnsTls, Limits, RateLimit, Threads, UdpMode};
pub use effect::{cautions, keys_that_need_a_restart, keys_without_effect};
pub use observability::{
    Egress, EgressMode, Log, LogFormat, Metrics, Privacy, QueryLogSettings, Telemetry,
};
pub use policy::{Group, List, ListSource, LocalRecord, Rule};
pub use route::Route;
pub use schedule::Span;
pub use section::Problem;
pub use setting::Bytes;
pub use source::{Environment, Source};
pub(crate) use upstream::ShownServer;
pub use upstream::{ClientCertificate, Ecs, UpstreamSettings};

use section::{Context, Section};

/// The documented file that `dnsward config default` prints: every key at its default.
pub const DEFAULT_FILE: &str = include_str!("config/default.toml");

/// Everything the server can be told, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where lists, the first password and later the query log are kept; none: nothing on disk.
    pub data_dir: Option<PathBuf>,
    /// Where commands reach the running server.
    pub control_socket: ControlSocket,
    /// Listeners, who may ask, limits.
    pub dns: Dns,
    /// Where misses go.
    pub upstream: UpstreamSettings,
    /// How long and how much is remembered.
    pub cache: CacheSettings,
    /// What a blocked name is answered with.
    pub blocking: Blocking,
    /// Block and allow lists.
    pub lists: Vec<List>,
    /// The operator's own rules.
    pub rules: Vec<Rule>,
    /// Settings of groups.
    pub groups: Vec<Group>,
    /// Which client belongs to which groups.
    pub clients: Vec<Client>,
    /// Local names.
    pub records: Vec<LocalRecord>,
    /// What is remembered of queries.
    pub query_log: QueryLogSettings,
    /// The admin listener.
    pub admin: Admin,
    /// The metrics listener.
    pub metrics: Metrics,
    /// Egress discovery.
    pub egress: Egress,
    /// Traces.
    pub telemetry: Telemetry,
    /// The server's own log.
    pub log: Log,
    /// Dotted paths of the keys that differ from their defaults, in the order they were read.
    pub changed_keys: Vec<String>,
}

impl Config {
    /// Reads a configuration: the text of the file, then the environment over it.
    ///
    /// # Errors
    /// Every problem found, in the order of the documented file; never an empty list.
    pub fn parse(text: &str, environment: &Environment) -> Result<Self, Vec<Problem>> {
        let table = match text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => return Err(vec![Problem::syntax(&error)]),
        };
        let mut context = Context::new(environment);
        let mut root = Section::root(table, &mut context);
        let mut config = Self::read(&mut root);
        root.finish();
        config.changed_keys = context.finish()?;
        Ok(config)
    }

    fn read(root: &mut Section<'_>) -> Self {
        let config = Self {
            data_dir: root.value("data_dir", None),
            control_socket: root.value("control_socket", ControlSocket::Usual),
            dns: root.table("dns", Dns::read),
            upstream: root.table("upstream", UpstreamSettings::read),
            cache: root.table("cache", CacheSettings::read),
            blocking: root.table("blocking", Blocking::read),
            lists: root.blocks("lists", List::read),
            rules: root.blocks("rules", Rule::read),
            groups: root.blocks("groups", Group::read),
            clients: root.blocks("clients", Client::read),
            records: root.blocks("records", LocalRecord::read),
            query_log: root.table("query_log", QueryLogSettings::read),
            admin: root.table("admin", Admin::read),
            metrics: root.table("metrics", Metrics::read),
            egress: root.table("egress", Egress::read),
            telemetry: root.table("telemetry", Telemetry::read),
            log: root.table("log", Log::read),
            changed_keys: Vec::new(),
        };
        policy::check_names(&config, root);
        route::check_routes(&config, root);
        config
    }
}

impl Default for Config {
    fn default() -> Self {
        let mut context = Context::new(&Environment::default());
        let mut root = Section::root(toml::Table::new(), &mut context);
        Self::read(&mut root)
    }
}
