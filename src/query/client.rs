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

use super::{Edns, Transport};

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
    /// Whoever is behind this address, or this /64 of IPv6.
    Address(IpAddr),
    /// A workload, on however many addresses it runs.
    Workload(Arc<SpiffeId>),
}

/// Who waits for an answer, and what it is counted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A client that is where it says.
    Proven(Option<Account>),
    /// A client whose address may be a forgery, one of any number.
    Unproven(Option<Account>),
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

impl Identity {
    /// The name that lists may call it by.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Spiffe(id) => Some(id.as_str()),
            Self::Address | Self::Unidentified => None,
        }
    }
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

    /// Whether it receives what is sent to its address, as it shows by a connection or a cookie.
    pub fn has_proven_address(&self, edns: Option<&Edns>) -> bool {
        let cookie = edns.and_then(|edns| edns.cookie);
        self.transport == Transport::Tcp || cookie.is_some_and(|cookie| cookie.is_valid)
    }

    /// Whom it is counted for; nobody where its address may be anybody's.
    pub fn account(&self) -> Option<Account> {
        match &self.identity {
            Identity::Spiffe(id) => Some(Account::Workload(id.clone())),
            _ => (!self.is_shared).then_some(Account::Address(network(self.address))),
        }
    }

    /// The same client, as a proxy introduces it; without an id it is nobody in particular.
    #[must_use]
    pub fn introduced_as(self, spiffe: Option<SpiffeId>) -> Self {
        let spiffe = spiffe.map(|id| Identity::Spiffe(Arc::new(id)));
        Self { identity: spiffe.unwrap_or(Identity::Unidentified), ..self }
    }
}

/// The address that stands for all that one host may choose from: with IPv6, a whole /64 (RFC 8981
/// section 3.3).
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
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

    /// Reads an id; nothing where it is too long, or has no path, or segments that are empty or
    /// dots, or have other characters than letters, digits, dots, dashes and underscores (SPIFFE-ID
    /// sections 2.1 and 2.2).
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(Self::SCHEME)?;
        let is_segment = |segment: &str| {
            let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"._-".contains(&octet);
            segment.bytes().all(is_plain) && !matches!(segment, "" | "." | "..")
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
            "spiffe://td/a?b",
            "spiffe://td/a,b",
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
    fn a_host_of_ipv6_is_counted_as_one_whatever_address_it_takes() {
        let account =
            |address: &str| Client::at(address.parse().unwrap(), Transport::Udp).account();

        assert_eq!(account("2001:db8::1"), account("2001:db8::ffff:1"));
        assert_ne!(account("2001:db8::1"), account("2001:db8:0:1::1"));
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
