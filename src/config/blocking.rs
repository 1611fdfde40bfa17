//! The `[blocking]` section: what a blocked name is answered with.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use blocker::Name;
use toml::Value;

use super::{
    section::Section,
    setting::{Choice, Setting, toml_from_text},
};

/// How blocked names are answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Blocking {
    /// Whether rules and lists count at all.
    pub enabled: bool,
    /// The form of the answer.
    pub answer: BlockAnswer,
    /// Its time to live.
    pub ttl: Duration,
    /// Whether names that an answer points to are judged too.
    pub inspect_cname: bool,
    /// Whether canary and relay names are answered as their makers ask of filtering resolvers.
    pub special_names: bool,
    /// What is answered while the first lists load.
    pub until_loaded: UntilLoaded,
    /// Names that no downloaded block list may block: one that does is refused.
    pub canaries: Vec<Name>,
}

/// Canaries unless others are told: names of several top-level domains that many rely on, and that
/// no list blocks which is not broken. Large companies are not among them: there are lists against
/// each of them.
const CANARIES: [&str; 5] = ["debian.org", "icann.org", "letsencrypt.org", "php.net", "ubuntu.com"];

impl Blocking {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            enabled: section.value("enabled", true),
            answer: section.value("answer", BlockAnswer::Null),
            ttl: section.checked("ttl", Duration::from_secs(2), "0s to 1d", |ttl| {
                *ttl <= Duration::from_secs(86_400)
            }),
            inspect_cname: section.value("inspect_cname", true),
            special_names: section.value("special_names", true),
            until_loaded: section.value("until_loaded", UntilLoaded::Answer),
            canaries: section.value("canaries", canaries()),
        }
    }
}

fn canaries() -> Vec<Name> {
    CANARIES.iter().filter_map(|name| Name::parse(name).ok()).collect()
}

/// What a blocked name is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockAnswer {
    /// 0.0.0.0 and ::; other types get no data.
    Null,
    /// No such name.
    NxDomain,
    /// The name without data.
    NoData,
    /// A refusal.
    Refused,
    /// These addresses; a family without one gets no data.
    Addresses {
        /// For A.
        ipv4: Option<Ipv4Addr>,
        /// For AAAA.
        ipv6: Option<Ipv6Addr>,
    },
}

impl Setting for BlockAnswer {
    fn allowed() -> String {
        "null, nxdomain, nodata, refused, or { ipv4 = \"..\", ipv6 = \"..\" }".into()
    }

    fn parse(value: &Value) -> Option<Self> {
        match value {
            Value::String(word) => match word.as_str() {
                "null" => Some(Self::Null),
                "nxdomain" => Some(Self::NxDomain),
                "nodata" => Some(Self::NoData),
                "refused" => Some(Self::Refused),
                _ => None,
            },
            Value::Table(table) => {
                let known = |key: &String| key == "ipv4" || key == "ipv6";
                if table.is_empty() || !table.keys().all(known) {
                    return None;
                }
                let ipv4 = table.get("ipv4").map(|value| Ipv4Addr::parse(value).ok_or(()));
                let ipv6 = table.get("ipv6").map(|value| Ipv6Addr::parse(value).ok_or(()));
                Some(Self::Addresses { ipv4: ipv4.transpose().ok()?, ipv6: ipv6.transpose().ok()? })
            }
            _ => None,
        }
    }

    fn from_text(text: &str) -> Value {
        toml_from_text(text)
    }
}

/// What is answered while the first lists load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UntilLoaded {
    /// Names are answered as if no list blocked them.
    Answer,
    /// SERVFAIL, so that nothing gets past a list.
    ServFail,
}

impl Choice for UntilLoaded {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("answer", Self::Answer), ("servfail", Self::ServFail)];
}
