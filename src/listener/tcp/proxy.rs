//! The first octets of a connection go in, what its PROXY v2 header says comes out: whom a proxy
//! stands for.
//!
//! Version 2 is binary (haproxy's `proxy-protocol.txt`, section 2.2); version 1 is not read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    query::{Client, SpiffeId, Transport},
    wire,
};

/// What every header begins with; as a DNS frame it would be a query of no known operation.
pub const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// A whole header of who stands for nobody else: version 2, LOCAL, no address.
pub const LOCAL: [u8; 16] = *b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// Octets before the addresses: signature, version and command, family and protocol, length.
pub(super) const FIXED: usize = 16;

/// Most octets after these: two IPv6 addresses, the longest SPIFFE id, and as much again for what
/// proxies add beside it.
pub(super) const MAX_REST: usize = 36 + 2 * SpiffeId::MAX;

/// The element in which our proxy hands on the client's SPIFFE id: the first one that is free for
/// own use (section 2.2.7).
pub const SPIFFE: u8 = 0xe0;

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// The proxy itself is the client, as when it checks our health.
    Local,
    /// It stands for somebody.
    Proxied {
        /// Who connected to the proxy; nothing where that is no TCP over IP.
        source: Option<IpAddr>,
        /// The id that the source has proven to the proxy.
        spiffe: Option<SpiffeId>,
    },
}

/// The octets are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl Header {
    /// Reads a header and its length; nothing where more octets must come first.
    ///
    /// # Errors
    /// As soon as the octets cannot become a header, or one that is longer than any we know.
    pub fn read(octets: &[u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let known = octets.len().min(SIGNATURE.len());
        if octets.get(..known) != SIGNATURE.get(..known) {
            return Err(Malformed);
        }
        let Some((fixed, rest)) = octets.split_first_chunk::<FIXED>() else { return Ok(None) };
        let [.., command, family, high, low] = *fixed;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let is_known = matches!(command, 0x20 | 0x21) && family >> 4 <= 3 && family & 0xf <= 2;
        if !is_known || length > MAX_REST {
            return Err(Malformed);
        }
        let Some(rest) = rest.get(..length) else { return Ok(None) };
        let header = if command == 0x20 { Self::Local } else { Self::proxied(family, rest)? };
        Ok(Some((header, FIXED + length)))
    }

    fn proxied(family: u8, rest: &[u8]) -> Result<Self, Malformed> {
        let (source, elements) = match family {
            0x11 => {
                let (source, rest) = rest.split_first_chunk().ok_or(Malformed)?;
                (IpAddr::V4(Ipv4Addr::from_octets(*source)), rest.get(8..))
            }
            0x21 => {
                let (source, rest) = rest.split_first_chunk().ok_or(Malformed)?;
                (IpAddr::V6(Ipv6Addr::from_octets(*source)), rest.get(20..))
            }
            // Where addresses of an unknown form end, and elements begin, is unknown too.
            _ => return Ok(Self::Proxied { source: None, spiffe: None }),
        };
        let spiffe = find_spiffe(elements.ok_or(Malformed)?)?;
        Ok(Self::Proxied { source: Some(source), spiffe })
    }

    /// The client of a connection that begins with this header.
    pub fn client(self, peer: IpAddr) -> Client {
        match self {
            Self::Local => Client::behind(peer, Transport::Tcp),
            Self::Proxied { source, spiffe } => {
                let behind_proxy = || Client::behind(peer, Transport::Tcp);
                let client = source.map(|source| Client::at(source, Transport::Tcp));
                client.unwrap_or_else(behind_proxy).introduced_as(spiffe)
            }
        }
    }
}

/// The first SPIFFE id among the elements, each a type, a length and a value. What is none counts
/// as absent: Envoy writes `-` for a client without a certificate.
fn find_spiffe(mut elements: &[u8]) -> Result<Option<SpiffeId>, Malformed> {
    let mut found = None;
    while let Some((kind, rest)) = elements.split_first() {
        let length = wire::u16_at(rest, 0).map(usize::from).ok_or(Malformed)?;
        let value = rest.get(2..2 + length).ok_or(Malformed)?;
        if *kind == SPIFFE && found.is_none() {
            // Envoy joins all names of a certificate by commas.
            let names = str::from_utf8(value).unwrap_or_default().split(',');
            found = names.map(str::trim).find_map(SpiffeId::parse);
        }
        elements = rest.get(2 + length..).unwrap_or_default();
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "spiffe://cluster.local/ns/apps/sa/web";

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE, [command, family].as_slice(), &length, rest].concat()
    }

    fn element(kind: u8, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[kind], length.as_slice(), value].concat()
    }

    /// 10.1.2.3 to 10.0.0.1, with these elements.
    fn from_ipv4(elements: &[u8]) -> Vec<u8> {
        header(0x21, 0x11, &[b"\x0a\x01\x02\x03\x0a\0\0\x01\x30\x39\0\x35", elements].concat())
    }

    fn spiffe(value: &[u8]) -> Option<String> {
        let elements = [element(4, b"pad"), element(SPIFFE, value)].concat();
        match Header::read(&from_ipv4(&elements)) {
            Ok(Some((Header::Proxied { spiffe, .. }, _))) => {
                spiffe.map(|id| id.as_str().to_owned())
            }
            other => panic!("{other:?}"),
        }
    }

    fn source(octets: &[u8]) -> Option<IpAddr> {
        match Header::read(octets) {
            Ok(Some((Header::Proxied { source, .. }, length))) if length == octets.len() => source,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_source_is_the_client() {
        let ipv6 = header(0x21, 0x21, &[[0; 15].as_slice(), &[9], &[0; 20]].concat());

        assert_eq!(source(&from_ipv4(b"")), Some("10.1.2.3".parse().unwrap()));
        assert_eq!(source(&ipv6), Some("::9".parse().unwrap()));
        for family in [0x00, 0x12, 0x22, 0x31] {
            assert_eq!(source(&header(0x21, family, b"any")), None, "{family:#x} is no TCP");
        }
        assert_eq!(Header::read(&LOCAL), Ok(Some((Header::Local, LOCAL.len()))));
        let local = header(0x20, 0x11, b"any");
        assert_eq!(Header::read(&local), Ok(Some((Header::Local, local.len()))));
    }

    #[test]
    fn a_header_in_pieces_is_waited_for_and_what_follows_is_left() {
        let whole = from_ipv4(&element(SPIFFE, ID.as_bytes()));

        for end in 0..whole.len() {
            assert_eq!(Header::read(&whole[..end]), Ok(None), "{end} octets");
        }
        let (_, length) = Header::read(&[&whole, b"query".as_slice()].concat()).unwrap().unwrap();
        assert_eq!(length, whole.len());
    }

    #[test]
    fn an_id_that_is_none_counts_as_absent() {
        assert_eq!(spiffe(ID.as_bytes()).as_deref(), Some(ID));
        assert_eq!(
            spiffe(format!("https://x/y,{ID},spiffe://b/c").as_bytes()).as_deref(),
            Some(ID)
        );
        for none in [b"-".as_slice(), b"", b"spiffe://td", b"spiffe://td/\xff", b"web"] {
            assert_eq!(spiffe(none), None, "{none:?}");
        }
    }

    #[test]
    fn what_cannot_become_a_header_is_malformed_at_once() {
        let mut too_long = header(0x21, 0x11, b"");
        too_long[14] = 0xff;
        for (octets, why) in [
            (b"\0\x1d".to_vec(), "a query"),
            (b"PROXY TCP4".to_vec(), "version 1"),
            (header(0x11, 0x11, b""), "another version"),
            (header(0x22, 0x11, b""), "another command"),
            (header(0x21, 0x41, b""), "another family"),
            (header(0x21, 0x13, b""), "another protocol"),
            (header(0x21, 0x11, &[0; 11]), "addresses cut short"),
            (header(0x21, 0x21, &[0; 35]), "IPv6 addresses cut short"),
            (from_ipv4(b"\xe0\0"), "an element without its length"),
            (from_ipv4(b"\xe0\0\x02a"), "an element cut short"),
            (too_long, "more than any proxy says"),
        ] {
            assert_eq!(Header::read(&octets), Err(Malformed), "{why}");
        }
    }
}
