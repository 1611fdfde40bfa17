//! The `[[clients]]` blocks: who belongs to which groups.

use std::fmt;

use ipnet::IpNet;
use toml::Value;

use super::{
    policy::read_groups,
    section::Section,
    setting::{Setting, parse_prefix},
};
use crate::query::SpiffeId;

/// Which groups a client belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// Who it is.
    pub matches: ClientMatch,
    /// The groups it has, and no others.
    pub groups: Vec<String>,
}

impl Client {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            matches: section.required("match", ClientMatch::Unidentified),
            groups: read_groups(section),
        }
    }
}

/// Who a client is.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientMatch {
    /// By its address.
    Network(IpNet),
    /// By its SPIFFE id.
    Spiffe(SpiffePattern),
    /// A mesh connection without an identity.
    Unidentified,
}

/// One SPIFFE id, or all below a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpiffePattern {
    /// The id, or the path with its `/` at the end.
    text: String,
    is_path: bool,
}

impl SpiffePattern {
    /// Reads an id, or one whose last segment is `*`: a star elsewhere would let `ns/apps*` match
    /// the namespace `apps-of-others` too.
    fn parse(text: &str) -> Option<Self> {
        let path = text.strip_suffix('*');
        let is_good = match path {
            Some(path) if path == SpiffeId::SCHEME => true,
            Some(path) => path.ends_with('/') && SpiffeId::parse(&format!("{path}x")).is_some(),
            None => SpiffeId::parse(text).is_some(),
        };
        let fixed = path.unwrap_or(text);
        (is_good && !fixed.contains('*'))
            .then(|| Self { text: fixed.to_owned(), is_path: path.is_some() })
    }

    /// Whether an id is meant.
    pub fn matches(&self, id: &SpiffeId) -> bool {
        match id.as_str().strip_prefix(&self.text) {
            Some(rest) => self.is_path || rest.is_empty(),
            None => false,
        }
    }

    /// Octets that an id must share with it: of two patterns that match, the longer one says more.
    pub fn length(&self) -> usize {
        self.text.len()
    }
}

/// As it is written in the configuration.
impl fmt::Display for ClientMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Spiffe(SpiffePattern { text, is_path: true }) => write!(f, "{text}*"),
            Self::Spiffe(SpiffePattern { text, is_path: false }) => f.write_str(text),
            Self::Unidentified => f.write_str("unidentified"),
        }
    }
}

impl Setting for ClientMatch {
    fn allowed() -> String {
        "an address, a prefix, spiffe://<trust domain>/<path> with or without /* at its end, or \
         unidentified"
            .into()
    }

    fn parse(value: &Value) -> Option<Self> {
        let text = value.as_str()?;
        if text == "unidentified" {
            return Some(Self::Unidentified);
        }
        if text.starts_with(SpiffeId::SCHEME) {
            return SpiffePattern::parse(text).map(Self::Spiffe);
        }
        parse_prefix(text).map(Self::Network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_all_below_and_only_at_the_end() {
        let matches = |pattern: &str, id: &str| {
            SpiffePattern::parse(pattern).unwrap().matches(&SpiffeId::parse(id).unwrap())
        };

        assert!(matches("spiffe://td/ns/a/*", "spiffe://td/ns/a/sa/web"));
        assert!(matches("spiffe://td/*", "spiffe://td/x"));
        assert!(matches("spiffe://*", "spiffe://td/x"));
        assert!(matches("spiffe://td/ns/a", "spiffe://td/ns/a"));
        assert!(!matches("spiffe://td/ns/a/*", "spiffe://td/ns/a"));
        assert!(!matches("spiffe://td/ns/a/*", "spiffe://td/ns/ab/sa/web"));
        assert!(!matches("spiffe://td/ns/a", "spiffe://td/ns/a/sa/web"));
        for bad in
            ["spiffe://", "spiffe://td", "spiffe://td/a*", "spiffe://td/*/b", "spiffe://*/b/*"]
        {
            assert_eq!(SpiffePattern::parse(bad), None, "{bad}");
        }
    }
}
