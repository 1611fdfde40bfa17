//! What the API says, as plain serialisable types; `web/src/api.ts` mirrors them.

use serde::Serialize;

/// How the server is doing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// Which replica answered: the host's or pod's name.
    pub replica: String,
    /// The server's version.
    pub version: String,
    /// When it started, in milliseconds since 1970.
    pub started: u64,
    /// How long it has run.
    pub uptime_seconds: u64,
    /// Whether sockets are bound and every list was loaded or failed once.
    pub ready: bool,
    /// Queries since the start.
    pub totals: Totals,
    /// Blocked queries among all, from 0 to 1.
    pub block_rate: f64,
    /// The rules in force.
    pub blocking: Blocking,
    /// The shared answer cache.
    pub cache: Cache,
    /// Every upstream server, in the order of the configuration.
    pub upstream: Vec<Upstream>,
    /// Every list, in the order of the configuration.
    pub lists: Vec<List>,
}

/// Queries since the start, by what became of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Totals {
    /// All of them.
    pub queries: u64,
    /// Blocked by a list or a rule.
    pub blocked: u64,
    /// Answered from the cache.
    pub cached: u64,
    /// Answered by an upstream.
    pub forwarded: u64,
    /// Answered from local records and special-use names.
    pub local: u64,
    /// Answered with SERVFAIL.
    pub failed: u64,
    /// Refused, because the client may not ask.
    pub refused: u64,
}

/// The rules in force.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Blocking {
    /// False while blocking is paused or switched off.
    pub enabled: bool,
    /// Rules from all lists.
    pub rules: u64,
    /// Memory the rules take.
    pub memory_bytes: u64,
}

/// The shared answer cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cache {
    /// Answers kept.
    pub entries: u64,
    /// Bytes in use.
    pub bytes: u64,
    /// Bytes it may use.
    pub max_bytes: u64,
    /// Lookups that found an answer.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Hits among lookups, from 0 to 1.
    pub hit_rate: f64,
}

/// One upstream server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Upstream {
    /// Its URL or address.
    pub server: String,
    /// Whether it answers.
    pub state: UpstreamState,
    /// Queries it answered.
    pub answered: u64,
    /// Queries it did not.
    pub failed: u64,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// How long it takes to answer, smoothed.
    pub round_trip_ms: Option<f64>,
}

/// Whether an upstream answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamState {
    /// Nothing was sent to it yet.
    Untried,
    /// It answers.
    Up,
    /// It does not.
    Down,
}

/// One list of rules.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct List {
    /// Its name in the configuration.
    pub name: String,
    /// `block` or `allow`.
    pub action: String,
    /// Rules in force from it.
    pub rules: u64,
    /// Lines that were no rules.
    pub rejected: u64,
    /// How its last load went.
    pub state: ListState,
    /// Why the last load failed.
    pub error: Option<String>,
    /// When the rules in force were loaded, in milliseconds since 1970.
    pub updated: Option<u64>,
}

/// How the last load of a list went.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ListState {
    /// The rules are current.
    Ok,
    /// The last load failed, the rules before it are in force.
    Stale,
    /// It was never loaded.
    Failed,
}

/// One query and what became of it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct QueryRow {
    /// Counts up within one run of one replica.
    pub id: u64,
    /// When it came, in milliseconds since 1970.
    pub time: u64,
    /// Who asked: an address or a SPIFFE id, as far as the privacy level lets it show.
    pub client: String,
    /// How it came.
    pub transport: Transport,
    /// The name asked for.
    pub name: String,
    /// The record type asked for.
    #[serde(rename = "type")]
    pub qtype: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The response code sent.
    pub rcode: String,
    /// The list that decided.
    pub list: Option<String>,
    /// The line of that list.
    pub line: Option<u32>,
    /// The upstream that answered.
    pub upstream: Option<String>,
    /// The list or rule in shadow mode that would have blocked it.
    pub would_be_blocked_by: Option<String>,
    /// How long the answer took; 0 where it was at hand, finished, and took less than one.
    pub microseconds: u64,
}

/// How a query came.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// A datagram.
    Udp,
    /// A stream.
    Tcp,
}

/// What became of a query.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered from local records.
    Local,
    /// Blocked by a list or a rule.
    Blocked,
    /// Answered from the cache.
    Cached,
    /// Answered by an upstream.
    Forwarded,
    /// Answered with SERVFAIL.
    Failed,
    /// Refused, because the client may not ask.
    Refused,
    /// A special-use name.
    Special,
}
