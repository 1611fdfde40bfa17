//! The name of a list's host goes in, its addresses come out, by way of our own upstream.
//!
//! A resolver that asked the system would ask itself and wait for ever; and here is where names
//! that lead into a private network are stopped.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use blocker::Name;
use hickory_proto::{op::Message, rr::RData};
use reqwest::dns::{Addrs, Resolve, Resolving};

use crate::{
    cache::Key,
    private::is_private,
    query::Asker,
    upstream::{Courier, Upstream},
    wire::rtype,
};

/// Resolves the hosts of lists.
pub(super) struct Resolver {
    upstream: Upstream,
    allows_private: bool,
}

impl Resolver {
    pub(super) fn new(upstream: Upstream, allows_private: bool) -> Self {
        Self { upstream, allows_private }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> Resolving {
        let (upstream, allows_private) = (self.upstream.clone(), self.allows_private);
        Box::pin(async move {
            let host = name.as_str().trim_end_matches('.');
            if host == "localhost" && allows_private {
                let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                return Ok(Box::new(std::iter::once(loopback)) as Addrs);
            }
            let name = Name::parse(host)?;
            let (v4, v6) = tokio::join!(
                look_up(&upstream, name, rtype::A),
                look_up(&upstream, name, rtype::AAAA)
            );
            let found = v4.iter().chain(&v6).flatten().copied();
            let (private, public): (Vec<_>, Vec<_>) =
                found.partition(|address| is_no_host(*address));
            let usable = if allows_private { [public, private.clone()].concat() } else { public };
            match (usable.is_empty(), private.first(), v4.and(v6)) {
                (false, ..) => {
                    Ok(Box::new(usable.into_iter().map(|address| SocketAddr::new(address, 0)))
                        as Addrs)
                }
                (true, Some(address), _) => Err(io::Error::other(format!(
                    "`{host}` is {address}, a private address; allow_private = true permits that"
                ))
                .into()),
                (true, None, Err(error)) => Err(io::Error::other(error).into()),
                (true, None, Ok(_)) => {
                    Err(io::Error::other(format!("`{host}` has no address")).into())
                }
            }
        })
    }
}

async fn look_up(upstream: &Upstream, name: Name, qtype: u16) -> Result<Vec<IpAddr>, String> {
    let route = upstream.route_of(&name);
    let key = Key { name, qtype, dnssec_ok: false, checking_disabled: false, route };
    let unanswered = |_| "no upstream answered for the list's host".to_owned();
    let entry = upstream
        .ask(key, Asker::Proven(None), &Courier::default())
        .map_err(unanswered)?
        .land()
        .await
        .map_err(unanswered)?;
    let message = Message::from_vec(entry.wire()).map_err(|error| error.to_string())?;
    let address = |record: &hickory_proto::rr::Record| match &record.data {
        RData::A(address) => Some(IpAddr::from(address.0)),
        RData::AAAA(address) => Some(IpAddr::from(address.0)),
        _ => None,
    };
    Ok(message.answers.iter().filter_map(address).collect())
}

/// Whether no list can come from an address.
pub(super) fn is_no_host(address: IpAddr) -> bool {
    let inner = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => inside(v6),
    };
    [Some(address.to_canonical()), inner.map(IpAddr::V4)]
        .into_iter()
        .flatten()
        .any(|address| is_private(address) || address.is_multicast() || is_reserved(address))
}

/// Whether an address is set aside for something other than hosts of the public internet (the
/// special-purpose registries of RFC 6890), where it may lead to something near.
fn is_reserved(address: IpAddr) -> bool {
    match address {
        // Protocol assignments, benchmarks (RFC 2544), class E with the limited broadcast.
        IpAddr::V4(v4) => {
            matches!(v4.octets(), [192, 0, 0, _] | [198, 18 | 19, ..] | [240..=255, ..])
        }
        // Local-use NAT64 (RFC 8215), site-local (RFC 3879), translated IPv4 (RFC 2765).
        IpAddr::V6(v6) => matches!(
            v6.segments(),
            [0x64, 0xff9b, 1, ..] | [0xfec0..=0xfeff, ..] | [0, 0, 0, 0, 0xffff, 0, ..]
        ),
    }
}

/// The IPv4 address that a router would make of one: IPv4-compatible (RFC 4291 section 2.5.5.1),
/// NAT64 (RFC 6052 section 2.1), 6to4 (RFC 3056).
fn inside(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let ([0, 0, 0, 0, 0, 0, high, low]
    | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
    | [0x2002, high, low, ..]) = address.segments()
    else {
        return None;
    };
    Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_list_comes_from_an_address_that_is_set_aside() {
        for (inside, outside) in [
            ("192.0.0.0", "191.255.255.255"),
            ("192.0.0.255", "192.0.1.0"),
            ("198.18.0.0", "198.17.255.255"),
            ("198.19.255.255", "198.20.0.0"),
            ("240.0.0.0", "223.255.255.255"),
            ("255.255.255.255", "9.9.9.9"),
            ("224.0.0.1", "193.0.0.1"),
            ("64:ff9b:1::808:808", "64:ff9b:2::1"),
            ("64:ff9b:1:ffff::1", "64:ff9b::808:808"),
            ("fec0::1", "2001:4860::1"),
            ("feff::1", "2606::1"),
            ("::ffff:0:8.8.8.8", "::ffff:8.8.8.8"),
            ("::ffff:240.0.0.1", "::fffe:0:8.8.8.8"),
            ("64:ff9b::240.0.0.1", "64:ff9b::9.9.9.9"),
        ] {
            assert!(is_no_host(inside.parse().unwrap()), "{inside}");
            assert!(!is_no_host(outside.parse().unwrap()), "{outside}");
        }
    }
}
