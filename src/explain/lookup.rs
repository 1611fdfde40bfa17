//! The way of a name that is resolved goes in, what is known of its answer comes out: what is
//! remembered, where its aliases lead, who would be asked.

use std::time::Duration;

use hickory_proto::rr::RecordType;
use serde::{Deserialize, Serialize};

use super::{Explainer, Live};
use crate::{
    cache::{Entry, Key, Targets},
    policy::{
        Path,
        explain::{Hop, HopVerdict, Hops},
    },
    query::Query,
    querylog::rcode_word,
    route::RouteId,
};

/// Types that are looked for beside the asked one: those that people meet.
const TYPES: [RecordType; 11] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::HTTPS,
    RecordType::CNAME,
    RecordType::MX,
    RecordType::NS,
    RecordType::PTR,
    RecordType::SOA,
    RecordType::SRV,
    RecordType::SVCB,
    RecordType::TXT,
];

/// What clients may wish for beside a type, the commonest first: DNSSEC's records, and data that
/// fail validation.
const WISHES: [(bool, bool); 4] = [(false, false), (true, false), (false, true), (true, true)];

/// How a name is resolved.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Lookup {
    /// The name that is looked up: the asked one, or where aliases of ours lead.
    pub name: String,
    /// The names that the answer leads to, as far as they are known.
    pub hops: Vec<Hop>,
    /// What is remembered of the name; unknown without a running server.
    pub cached: Option<Vec<Cached>>,
    /// What is done about private addresses in the answer, where it has any.
    pub private_addresses: Option<PrivateAddresses>,
    /// The domain of `[[upstream.routes]]` that says who is asked, where one does.
    pub route: Option<String>,
    /// Who is asked where nothing is remembered, in the order of the configuration.
    pub upstreams: Vec<Server>,
    /// How a try went that failed a moment ago, and keeps us from another.
    pub failed_lately: Option<String>,
    /// Where what is told is not what is decided.
    #[serde(skip)]
    pub(super) defect: Option<String>,
}

/// An answer that is remembered.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Cached {
    /// The type that was asked for.
    #[serde(rename = "type")]
    pub qtype: String,
    /// The response code.
    pub rcode: String,
    /// Records in its answer section.
    pub records: u16,
    /// How old it is.
    pub age_seconds: u64,
    /// How long it is good for; nothing once it has expired.
    pub ttl_seconds: u64,
    /// Whether it has expired, and is kept for when nobody has a better one.
    pub is_stale: bool,
    /// Whether it has DNSSEC's records.
    pub dnssec_ok: bool,
    /// Whether it was asked for even where it fails validation.
    pub checking_disabled: bool,
    /// Who gave it.
    pub upstream: String,
}

/// What is done about private addresses in the answer to a public name.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrivateAddresses {
    /// They stay: rebinding protection is off, or not for this name.
    Kept,
    /// They are left out, and others stay.
    LeftOut,
    /// They are left out, and nothing else is there.
    Blocked,
}

/// A server that may be asked.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Server {
    /// Its URL.
    pub server: String,
    /// `up`, `down` or `untried`; unknown without a running server.
    pub state: Option<String>,
}

impl Lookup {
    /// Whether what is known of the answer makes it a block.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocking_hop().is_some() || self.private_addresses == Some(PrivateAddresses::Blocked)
    }

    /// The name that the answer leads to and that blocks it.
    pub fn blocking_hop(&self) -> Option<&Hop> {
        self.hops.iter().find(|hop| hop.verdict == HopVerdict::Block)
    }
}

impl Explainer<'_> {
    /// Follows a name as far as that goes without asking anybody.
    pub(super) fn look_up(&self, query: &Query, path: &Path<'_>) -> Lookup {
        let entry = self.live.and_then(|live| {
            let key = |(dnssec_ok, checking_disabled)| Key {
                dnssec_ok,
                checking_disabled,
                ..path.key.clone()
            };
            let mut found = WISHES.into_iter().filter_map(|wish| live.cache.get(&key(wish)));
            found.find(|entry| self.is_of_use(entry, live))
        });
        let targets = entry.as_ref().map_or_else(Targets::none, |entry| entry.targets().clone());
        let Hops { hops, defect, .. } = self.policy.explain_targets(query, path, &targets);
        let private = entry.filter(|entry| entry.points_home());
        Lookup {
            name: path.key.name.to_string(),
            hops,
            cached: self.live.map(|live| self.cached(&path.key, live)),
            private_addresses: private.map(|entry| self.guard(query, path, &entry)),
            route: self.policy.routed_domain(&path.key.name).map(|domain| domain.to_string()),
            upstreams: self.servers(path.key.route),
            failed_lately: self.live.and_then(|live| {
                let failure = live.upstream.failed_lately(&path.key, live.now)?;
                Some(failure.ede().first().map_or("", |ede| ede.text()).to_owned())
            }),
            defect,
        }
    }

    fn is_of_use(&self, entry: &Entry, live: Live<'_>) -> bool {
        entry.is_fresh(live.now) || entry.is_stale(live.now, self.config.cache.stale)
    }

    fn guard(&self, query: &Query, path: &Path<'_>, entry: &Entry) -> PrivateAddresses {
        if !self.policy.guards_against_rebinding(query, path, entry) {
            return PrivateAddresses::Kept;
        }
        match entry.without_private_addresses() {
            Ok(rest) if rest.answers() > 0 => PrivateAddresses::LeftOut,
            _ => PrivateAddresses::Blocked,
        }
    }

    /// Everything that is remembered of a name.
    fn cached(&self, key: &Key, live: Live<'_>) -> Vec<Cached> {
        let asked = RecordType::from(key.qtype);
        let others = TYPES.into_iter().filter(|other| *other != asked);
        let keys = std::iter::once(asked).chain(others).flat_map(|rtype| {
            WISHES.map(|(dnssec_ok, checking_disabled)| Key {
                qtype: rtype.into(),
                dnssec_ok,
                checking_disabled,
                ..key.clone()
            })
        });
        keys.filter_map(|key| {
            let entry = live.cache.get(&key).filter(|entry| self.is_of_use(entry, live))?;
            Some(Cached::of(&key, &entry, live))
        })
        .collect()
    }

    fn servers(&self, route: RouteId) -> Vec<Server> {
        match self.live {
            Some(live) => {
                let routes = live.upstream.routes().into_iter();
                let servers = routes.filter(|known| known.id == route).flat_map(|it| it.servers);
                servers.map(Server::from).collect()
            }
            None => {
                let settings = &self.config.upstream;
                let routed = settings.routes.iter().find(|known| known.id == route);
                let servers = routed.map_or(&settings.servers, |route| &route.servers).iter();
                servers.map(|server| Server { server: server.to_string(), state: None }).collect()
            }
        }
    }
}

impl Cached {
    fn of(key: &Key, entry: &Entry, live: Live<'_>) -> Self {
        let age = Duration::from_secs(entry.age(live.now).into());
        Self {
            qtype: RecordType::from(key.qtype).to_string(),
            rcode: rcode_word(entry.rcode()),
            records: entry.answers(),
            age_seconds: age.as_secs(),
            ttl_seconds: entry.lifetime().saturating_sub(age).as_secs(),
            is_stale: !entry.is_fresh(live.now),
            dnssec_ok: key.dnssec_ok,
            checking_disabled: key.checking_disabled,
            upstream: entry.upstream().to_string(),
        }
    }
}

impl From<doh_client::ServerStatus> for Server {
    fn from(status: doh_client::ServerStatus) -> Self {
        let state = match status.health {
            doh_client::Health::Untried => "untried",
            doh_client::Health::Up => "up",
            doh_client::Health::Down => "down",
        };
        Self { server: status.server, state: Some(state.to_owned()) }
    }
}
