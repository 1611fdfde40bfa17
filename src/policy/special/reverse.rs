//! A name goes in, whether it is a reverse name of a private network comes out.
//!
//! Nobody on the internet can answer for these (RFC 6303 section 4, RFC 7793 section 2.2), and
//! asking tells strangers how this network is laid out.

use blocker::Name;

/// Most labels that are looked at: `ip6.arpa` and one for each nibble of an address.
const MAX_LABELS: usize = 34;

/// Whether a name lies in a reverse zone of a private, local or documentation network.
pub(super) fn is_private(name: &Name) -> bool {
    let mut labels = [&[] as &[u8]; MAX_LABELS];
    let mut count = 0;
    for label in name.labels() {
        let Some(place) = labels.get_mut(count) else { return false };
        *place = label;
        count += 1;
    }
    match labels.get(..count).unwrap_or_default() {
        [parts @ .., b"in-addr", b"arpa"] => is_private_v4(parts),
        [parts @ .., b"ip6", b"arpa"] => is_private_v6(parts),
        _ => false,
    }
}

/// Octets come last first, and a zone has fewer of them than an address.
fn is_private_v4(parts: &[&[u8]]) -> bool {
    let mut octets = [None; 4];
    for (place, part) in octets.iter_mut().zip(parts.iter().rev()) {
        let Some(octet) = std::str::from_utf8(part).ok().and_then(|text| text.parse::<u8>().ok())
        else {
            break;
        };
        *place = Some(octet);
    }
    matches!(
        octets,
        [Some(0 | 10 | 127), ..]
            | [Some(100), Some(64..=127), ..]
            | [Some(169), Some(254), ..]
            | [Some(172), Some(16..=31), ..]
            | [Some(192), Some(168), ..]
            | [Some(192), Some(0), Some(2), _]
            | [Some(198), Some(51), Some(100), _]
            | [Some(203), Some(0), Some(113), _]
            | [Some(255), Some(255), Some(255), Some(255)]
    )
}

/// Nibbles come last first too: fd00::/8, fe80::/10, 2001:db8::/32, :: and ::1.
fn is_private_v6(parts: &[&[u8]]) -> bool {
    let starts_with = |nibbles: &[u8]| {
        let first = parts.iter().rev().take(nibbles.len());
        parts.len() >= nibbles.len() && first.zip(nibbles).all(|(part, nibble)| *part == [*nibble])
    };
    let is_unspecified_or_loopback = match parts.split_first() {
        Some(([b'0' | b'1'], rest)) => rest.len() == 31 && rest.iter().all(|part| *part == b"0"),
        _ => false,
    };
    let link_local: [&[u8]; 4] = [b"fe8", b"fe9", b"fea", b"feb"];
    is_unspecified_or_loopback
        || starts_with(b"fd")
        || starts_with(b"20010db8")
        || link_local.into_iter().any(starts_with)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r89_private_zones_and_what_lies_below_them_are_told_from_public_ones() {
        let zeros = "0.".repeat(31);
        let (loopback, public) = (format!("1.{zeros}ip6.arpa"), format!("2.{zeros}ip6.arpa"));
        let too_deep = format!("{}d.f.ip6.arpa", "a.".repeat(33));
        for (name, expected) in [
            ("10.in-addr.arpa", true),
            ("4.3.2.10.in-addr.arpa", true),
            ("11.in-addr.arpa", false),
            ("16.172.in-addr.arpa", true),
            ("172.in-addr.arpa", false),
            ("32.172.in-addr.arpa", false),
            ("1.168.192.in-addr.arpa", true),
            ("64.100.in-addr.arpa", true),
            ("128.100.in-addr.arpa", false),
            ("x.y.254.169.in-addr.arpa", true),
            ("255.255.255.255.in-addr.arpa", true),
            ("254.255.255.255.in-addr.arpa", false),
            ("8.8.8.8.in-addr.arpa", false),
            ("in-addr.arpa", false),
            ("d.f.ip6.arpa", true),
            ("1.2.d.f.ip6.arpa", true),
            ("f.ip6.arpa", false),
            ("b.e.f.ip6.arpa", true),
            ("c.e.f.ip6.arpa", false),
            ("8.b.d.0.1.0.0.2.ip6.arpa", true),
            (&loopback, true),
            (&public, false),
            ("10.in-addr.arpa.example", false),
            (&too_deep, false),
        ] {
            assert_eq!(is_private(&Name::parse(name).unwrap()), expected, "{name}");
        }
    }
}
