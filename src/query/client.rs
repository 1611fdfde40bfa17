//! An address and what a mesh says of it go in, who asks comes out: what policy, limits and the
//! query log know a client by.
//!
//! In a mesh an address is worth little: pods come and go, and a sidecar hides all of them behind
//! its own. The workload's SPIFFE id stays the same, and is proven by a certificate.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use super::Transport;

/// Where connections come from that an Istio sidecar hands on without saying whose they are.
const SIDECAR: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6)), IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6))];

/// Who asks, and how.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address, IPv4 in IPv4 form.
    pub address: IpAddr,
    /// Who is behind the address.
    pub identity: Identity,
    /// The way.
    pub transport: Transport,
    /// Whether the address is that of a proxy, behind which there may be anybody.
    is_shared: bool,
}

/// Whom queries and connections are counted for, so that one client does not use up what is there
/// for all.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub enum Account {
    /// Whoever is behind this address.
    Address(IpAddr),
    /// A workload, on however many addresses it runs.
    Workload(Arc<SpiffeId>),
}

/// Who is behind an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The address stands for itself.
    Address,
    /// A workload that has proven its name to the proxy before us.
    Spiffe(Arc<SpiffeId>),
    /// Anybody: the proxy before us does not say who.
    Unidentified,
}

impl Client {
    /// A client that is known by its address alone.
    pub fn at(address: IpAddr, transport: Transport) -> Self {
        let address = address.to_canonical();
        let is_hidden = SIDECAR.contains(&address);
        let identity = if is_hidden { Identity::Unidentified } else { Identity::Address };
        Self { address, identity, transport, is_shared: is_hidden }
    }

    /// The client behind a proxy that does not say where it comes from, or the proxy itself.
    pub fn behind(proxy: IpAddr, transport: Transport) -> Self {
        Self { is_shared: true, ..Self::at(proxy, transport) }
    }

    /// Whom it is counted for; nobody where its address may be anybody's.
    pub fn account(&self) -> Option<Account> {
        match &self.identity {
            Identity::Spiffe(id) => Some(Account::Workload(id.clone())),
            _ => (!self.is_shared).then_some(Account::Address(self.address)),
        }
    }

    /// The same client, as a proxy introduces it; without an id it is nobody in particular.
    #[must_use]
    pub fn introduced_as(self, spiffe: Option<SpiffeId>) -> Self {
        let spiffe = spiffe.map(|id| Identity::Spiffe(Arc::new(id)));
        Self { identity: spiffe.unwrap_or(Identity::Unidentified), ..self }
    }
}

/// The SPIFFE id where there is one, else the address.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.identity {
            Identity::Spiffe(id) => f.write_str(id.as_str()),
            Identity::Address | Identity::Unidentified => self.address.fmt(f),
        }
    }
}

/// The name of a workload: `spiffe://<trust domain>/<path>`.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub struct SpiffeId(Box<str>);

impl SpiffeId {
    /// What every id begins with.
    pub const SCHEME: &str = "spiffe://";

    /// Most octets of an id (SPIFFE-ID section 2.3).
    pub const MAX: usize = 2048;

    /// Reads an id; nothing where it is too long, or has no path, or segments that are empty, dots
    /// or not printable (SPIFFE-ID sections 2.1 and 2.2).
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(Self::SCHEME)?;
        let is_segment = |segment: &str| {
            let is_printable = segment.bytes().all(|octet| octet.is_ascii_graphic());
            is_printable && !matches!(segment, "" | "." | "..")
        };
        let is_good = rest.contains('/') && rest.split('/').all(is_segment);
        (is_good && text.len() <= Self::MAX).then(|| Self(text.into()))
    }

    /// The id as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_a_trust_domain_and_a_path() {
        let longest = format!("spiffe://td/{}", "a".repeat(SpiffeId::MAX - 12));
        for good in ["spiffe://cluster.local/ns/a/sa/web", "spiffe://td/x", &longest] {
            assert_eq!(SpiffeId::parse(good).unwrap().as_str(), good);
        }
        let too_long = format!("{longest}a");
        for bad in [
            "",
            "-",
            "spiffe://",
            "spiffe://td",
            "spiffe://td/",
            "spiffe:///ns/a",
            "https://td/x",
            "spiffe://td//x",
            "spiffe://td/../x",
            "spiffe://td/a b",
            "spiffe://td/a\n",
            &too_long,
        ] {
            assert_eq!(SpiffeId::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn who_comes_from_a_sidecar_is_nobody_in_particular() {
        for (address, identity) in [
            ("127.0.0.6", Identity::Unidentified),
            ("::ffff:127.0.0.6", Identity::Unidentified),
            ("::6", Identity::Unidentified),
            ("127.0.0.1", Identity::Address),
        ] {
            let client = Client::at(address.parse().unwrap(), Transport::Tcp);
            assert_eq!(client.identity, identity, "{address}");
            assert_eq!(client.account().is_some(), identity == Identity::Address, "{address}");
        }
    }

    #[test]
    fn a_workload_is_counted_as_one_and_a_proxy_as_nobody() {
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let web = || SpiffeId::parse("spiffe://cluster.local/ns/a/sa/web");

        let of_web = |address| Client::behind(address, Transport::Tcp).introduced_as(web());
        let without = Client::at(one, Transport::Tcp).introduced_as(None);

        assert_eq!(of_web(one).account(), of_web(other).account());
        assert!(of_web(one).account().is_some());
        assert_eq!(without.account(), Some(Account::Address(one)), "the source that a proxy tells");
        assert_eq!(Client::behind(one, Transport::Tcp).account(), None);
    }
}
