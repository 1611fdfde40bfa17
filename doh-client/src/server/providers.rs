//! The name of a well-known provider goes in, the addresses it publishes come out, so that the
//! usual servers need neither pinned addresses nor a lookup.
//!
//! Only addresses that providers publish and keep: what a name happens to lead to today is no part
//! of it.

use std::net::IpAddr;

/// Names that are served at the same addresses, and those addresses, IPv4 first.
///
/// Which of them is dialled first is not decided here; both families are in every row, because
/// either may be missing where we run.
const PROVIDERS: &[(&[&str], &[&str])] = &[
    (
        &["cloudflare-dns.com", "one.one.one.one"],
        &["1.1.1.1", "1.0.0.1", "2606:4700:4700::1111", "2606:4700:4700::1001"],
    ),
    (
        &["security.cloudflare-dns.com"],
        &["1.1.1.2", "1.0.0.2", "2606:4700:4700::1112", "2606:4700:4700::1002"],
    ),
    (
        &["family.cloudflare-dns.com"],
        &["1.1.1.3", "1.0.0.3", "2606:4700:4700::1113", "2606:4700:4700::1003"],
    ),
    (&["dns.google"], &["8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"]),
    (
        &["dns.quad9.net", "dns9.quad9.net"],
        &["9.9.9.9", "149.112.112.112", "2620:fe::fe", "2620:fe::9"],
    ),
    (&["dns10.quad9.net"], &["9.9.9.10", "149.112.112.10", "2620:fe::10", "2620:fe::fe:10"]),
    (&["dns11.quad9.net"], &["9.9.9.11", "149.112.112.11", "2620:fe::11", "2620:fe::fe:11"]),
    (
        &["dns.adguard-dns.com"],
        &["94.140.14.14", "94.140.15.15", "2a10:50c0::ad1:ff", "2a10:50c0::ad2:ff"],
    ),
    (
        &["family.adguard-dns.com"],
        &["94.140.14.15", "94.140.15.16", "2a10:50c0::bad1:ff", "2a10:50c0::bad2:ff"],
    ),
    (
        &["unfiltered.adguard-dns.com"],
        &["94.140.14.140", "94.140.14.141", "2a10:50c0::1:ff", "2a10:50c0::2:ff"],
    ),
    (&["dns.mullvad.net"], &["194.242.2.2", "2a07:e340::2"]),
    (&["adblock.dns.mullvad.net"], &["194.242.2.3", "2a07:e340::3"]),
    (&["base.dns.mullvad.net"], &["194.242.2.4", "2a07:e340::4"]),
    (&["extended.dns.mullvad.net"], &["194.242.2.5", "2a07:e340::5"]),
    (&["family.dns.mullvad.net"], &["194.242.2.6", "2a07:e340::6"]),
    (&["all.dns.mullvad.net"], &["194.242.2.9", "2a07:e340::9"]),
    (
        &["dns.nextdns.io", "anycast.dns.nextdns.io"],
        &["45.90.28.0", "45.90.30.0", "2a07:a8c0::", "2a07:a8c1::"],
    ),
    (&["freedns.controld.com"], &["76.76.2.11", "76.76.10.11", "2606:1a40::11", "2606:1a40:1::11"]),
    (&["dns.controld.com"], &["76.76.2.22", "76.76.10.22", "2606:1a40::22", "2606:1a40:1::22"]),
    (&["doh.opendns.com"], &["146.112.41.2", "2620:119:fc::2"]),
    (
        &["security-filter-dns.cleanbrowsing.org"],
        &["185.228.168.9", "185.228.169.9", "2a0d:2a00:1::2", "2a0d:2a00:2::2"],
    ),
    (
        &["adult-filter-dns.cleanbrowsing.org"],
        &["185.228.168.10", "185.228.169.11", "2a0d:2a00:1::1", "2a0d:2a00:2::1"],
    ),
    (
        &["family-filter-dns.cleanbrowsing.org"],
        &["185.228.168.168", "185.228.169.168", "2a0d:2a00:1::", "2a0d:2a00:2::"],
    ),
    (
        &["protective.joindns4.eu"],
        &["86.54.11.1", "86.54.11.201", "2a13:1001::86:54:11:1", "2a13:1001::86:54:11:201"],
    ),
    (
        &["unfiltered.joindns4.eu"],
        &["86.54.11.100", "86.54.11.200", "2a13:1001::86:54:11:100", "2a13:1001::86:54:11:200"],
    ),
];

/// The addresses of a provider's name, none where we know none.
pub(super) fn addresses(host: &str) -> Vec<IpAddr> {
    let is_named =
        |(names, _): &&(&[&str], &[&str])| names.iter().any(|name| name.eq_ignore_ascii_case(host));
    let found = PROVIDERS.iter().find(is_named);
    found
        .into_iter()
        .flat_map(|(_, addresses)| *addresses)
        .filter_map(|ip| ip.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_row_is_addresses_of_both_families_and_stands_there_once() {
        let mut seen = HashSet::new();
        for (names, texts) in PROVIDERS {
            let found = addresses(names[0]);
            assert_eq!(found.len(), texts.len(), "{names:?}");
            assert!(found[0].is_ipv4() && found.iter().any(IpAddr::is_ipv6), "{names:?}");
            assert!(names.iter().all(|name| seen.insert((*name).to_owned())), "{names:?}");
            assert!(found.iter().all(|ip| seen.insert(ip.to_string())), "{names:?}");
        }
    }

    #[test]
    fn a_name_is_known_in_any_case_and_names_below_it_are_not() {
        assert_eq!(addresses("DNS.Google"), addresses("dns.google"));
        assert_eq!(addresses("x.dns.google"), Vec::<IpAddr>::new());
    }
}
