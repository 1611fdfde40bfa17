//! The value of `$client` goes in, whom the rule is for comes out.

use std::net::IpAddr;

use super::split::{split, unquote};
use crate::report::{Reason, check_count};
use crate::terms::{ClientPattern, Clients, MAX_CLIENTS};

/// Reads clients with bars between them; those behind `~` are left out.
///
/// # Errors
/// When one of them is empty, has a quote that is not closed, or is a prefix that is none.
pub(super) fn parse(value: &str) -> Result<Clients, Reason> {
    let (mut included, mut excluded) = (Vec::new(), Vec::new());
    for each in split(value, '|').map(str::trim) {
        let (list, text) = match each.strip_prefix('~') {
            Some(text) => (&mut excluded, text.trim_start()),
            None => (&mut included, each),
        };
        list.push(unquote(text).and_then(pattern).ok_or_else(|| bad(each))?);
    }
    check_count("client", included.len() + excluded.len(), MAX_CLIENTS)?;
    Ok(Clients::new(included, excluded))
}

fn pattern(text: String) -> Option<ClientPattern> {
    if let Ok(address) = text.parse::<IpAddr>() {
        let address = address.to_canonical();
        return Some(ClientPattern::Network(address, width(address)));
    }
    match text.split_once('/').map(|(address, bits)| (address.parse::<IpAddr>(), bits)) {
        Some((Ok(address), bits)) => network(address, bits),
        _ if text.trim().is_empty() => None,
        _ => Some(ClientPattern::Name(text.into())),
    }
}

/// Reads a prefix; bits beyond it are zero from here on.
fn network(address: IpAddr, bits: &str) -> Option<ClientPattern> {
    let is_number = bits.bytes().all(|byte| byte.is_ascii_digit());
    let length = bits.parse().ok().filter(|&length| is_number && length <= width(address))?;
    let rest = u32::from(width(address) - length);
    let address = match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(rest).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(rest).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    };
    Some(ClientPattern::Network(address, length))
}

/// The bits of an address.
const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn bad(found: &str) -> Reason {
    Reason::BadValue {
        option: "client",
        found: found.into(),
        wanted: "addresses, prefixes and names, such as `192.168.0.0/24|~'my phone'`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(value: &str) -> Vec<String> {
        let clients = parse(value).unwrap();
        clients.included.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn prefixes_lose_the_bits_beyond_them() {
        let cases = [
            ("192.168.7.9", "192.168.7.9/32"),
            ("192.168.7.9/16", "192.168.0.0/16"),
            ("192.168.7.9/0", "0.0.0.0/0"),
            ("::ffff:192.0.2.1", "192.0.2.1/32"),
            ("2001:db8:f00::1/33", "2001:db8::/33"),
            ("2001:db8::1/0", "::/0"),
            ("'10.0.0.1'", "10.0.0.1/32"),
            ("Mary's phone", r"'Mary\'s phone'"),
        ];

        for (value, expected) in cases {
            assert_eq!(networks(value), [expected], "{value}");
        }
    }

    #[test]
    fn some_are_included_and_some_are_not() {
        let clients = parse(r#"10.0.0.0/8|~"Mary's"|~10.1.2.3|tv | radio"#).unwrap();

        assert_eq!(clients.to_string(), r"10.0.0.0/8|'tv'|'radio'|~'Mary\'s'|~10.1.2.3/32");
    }

    #[test]
    fn what_is_no_client_is_refused() {
        for value in ["", "~", "a||b", "''", "' '", "'open", "10.0.0.0/33", "10.0.0.0/+8", "::/"] {
            assert!(matches!(parse(value), Err(Reason::BadValue { .. })), "{value}");
        }
    }
}
