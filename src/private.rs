//! An address goes in, whether it can belong to a public host comes out.
//!
//! Two doors ask: the one through which lists are fetched, and the one through which public names
//! could point clients at machines of their own network (DNS rebinding).

use std::net::{IpAddr, Ipv4Addr};

/// Whether an address is one of this network or this host: 0.0.0.0/8, 10/8, 100.64/10, 127/8,
/// 169.254/16, 172.16/12, 192.168/16, ::, ::1, fc00::/7, fe80::/10, and their mapped forms.
///
/// Documentation and benchmark ranges are not among them: nobody is there to be attacked.
///
/// ```
/// use dnsward::private::is_private;
/// assert!(is_private("::ffff:192.168.1.1".parse().unwrap()));
/// assert!(!is_private("192.0.2.1".parse().unwrap()));
/// ```
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => {
            v6.is_unspecified()
                || v6.is_loopback()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let is_this_network = first == 0;
    let is_shared = first == 100 && second & 0xc0 == 64;
    is_this_network
        || is_shared
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r97_the_edges_of_every_range_are_where_they_should_be() {
        for (inside, outside) in [
            ("0.0.0.0", "1.0.0.0"),
            ("0.255.255.255", "255.255.255.255"),
            ("10.0.0.0", "9.255.255.255"),
            ("10.255.255.255", "11.0.0.0"),
            ("100.64.0.0", "100.63.255.255"),
            ("100.127.255.255", "100.128.0.0"),
            ("127.0.0.1", "128.0.0.1"),
            ("169.254.0.1", "169.255.0.1"),
            ("172.16.0.0", "172.15.255.255"),
            ("172.31.255.255", "172.32.0.0"),
            ("192.168.0.1", "192.169.0.1"),
            ("::", "2001:db8::1"),
            ("::1", "::2"),
            ("fc00::1", "fbff::1"),
            ("fdff::1", "fe00::1"),
            ("fe80::1", "fec0::1"),
            ("::ffff:127.0.0.1", "::ffff:192.0.2.1"),
        ] {
            assert!(is_private(inside.parse().unwrap()), "{inside}");
            assert!(!is_private(outside.parse().unwrap()), "{outside}");
        }
    }
}
