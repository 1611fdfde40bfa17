//! An OPT record goes in, what the client says with it comes out (RFC 6891).
//!
//! Options that we do not know are skipped, not echoed (section 6.1.2); those we know must have
//! the form that their specifications give them.

use crate::wire::{self, Records, rtype};

/// DO, the only EDNS flag that is defined (RFC 3225 section 3).
const DNSSEC_OK: u32 = 1 << 15;

/// Most options that are read: six are in use, and who sends ten times as many wants our time.
const MAX_OPTIONS: usize = 64;

/// Option codes (RFC 6891 section 9), as far as the server reads or writes them.
pub mod option {
    /// The client's network (RFC 7871); read for its form only, and never forwarded.
    pub const CLIENT_SUBNET: u16 = 8;
    /// Cookies (RFC 7873).
    pub const COOKIE: u16 = 10;
    /// How long an idle connection stays open (RFC 7828).
    pub const TCP_KEEPALIVE: u16 = 11;
    /// Octets that say nothing (RFC 7830).
    pub const PADDING: u16 = 12;
    /// Extended DNS Errors (RFC 8914).
    pub const EXTENDED_ERROR: u16 = 15;
}

/// Octets of the client's part of a cookie (RFC 7873 section 4.1).
const CLIENT_COOKIE: usize = 8;

/// What a client says with its OPT record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// The UDP size it takes.
    pub udp_size: u16,
    /// The version it speaks.
    pub version: u8,
    /// Whether it wants DNSSEC's records.
    pub dnssec_ok: bool,
    /// Its cookie, where it has one.
    pub cookie: Option<Cookie>,
    /// Whether it asks how long its connection may be idle.
    pub asks_keepalive: bool,
}

/// A client's cookie and the server's part of it (RFC 7873, RFC 9018).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// What the client made up.
    pub client: [u8; CLIENT_COOKIE],
    /// What we gave it, or zeros where it has none of our form; once checked, what the answer
    /// gives it.
    pub server: [u8; 16],
    /// Whether the client has one for the first time, and shows no server's part at all.
    pub is_first: bool,
    /// Whether it was checked and is ours, made for this client: its address is no forgery.
    pub is_valid: bool,
}

/// The records behind a question are broken; with what could be read of the OPT record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken(pub(super) Option<Edns>);

impl Edns {
    /// What a client says that says nothing special.
    pub fn plain(udp_size: u16) -> Self {
        Self { udp_size, version: 0, dnssec_ok: false, cookie: None, asks_keepalive: false }
    }

    /// Finds the OPT record among the records that follow a question.
    ///
    /// # Errors
    /// Where records are broken, where there are two OPT records or one in a wrong place (RFC 6891
    /// section 6.1.1), or where an option has not its specification's form.
    pub(super) fn find(
        packet: &[u8],
        at: usize,
        header: wire::Header,
    ) -> Result<Option<Self>, Broken> {
        let [_, answers, authorities, _] = header.counts;
        let before = usize::from(answers) + usize::from(authorities);
        let mut edns = None;
        for (number, record) in Records::new(packet, at, header.records()).enumerate() {
            let record = record.map_err(|_| Broken(edns))?;
            if record.rtype != rtype::OPT {
                continue;
            }
            let [_, version, ..] = record.ttl.to_be_bytes();
            let dnssec_ok = record.ttl & DNSSEC_OK != 0;
            let mut found = Self { version, dnssec_ok, ..Self::plain(record.class) };
            let is_additional = number >= before;
            let has_root_owner = packet.get(record.start) == Some(&0);
            let options = packet.get(record.data).unwrap_or_default();
            if !is_additional || !has_root_owner || edns.is_some() || found.read(options).is_none()
            {
                return Err(Broken(Some(found)));
            }
            edns = Some(found);
        }
        Ok(edns)
    }

    /// Reads the options; nothing where they are broken, or more than anybody sends.
    fn read(&mut self, mut rest: &[u8]) -> Option<()> {
        // Another version may give its options another form.
        if self.version > 0 {
            return Some(());
        }
        for _ in 0..MAX_OPTIONS {
            if rest.is_empty() {
                break;
            }
            let end = 4 + usize::from(wire::u16_at(rest, 2)?);
            self.take(wire::u16_at(rest, 0)?, rest.get(4..end)?)?;
            rest = rest.get(end..)?;
        }
        rest.is_empty().then_some(())
    }

    fn take(&mut self, code: u16, data: &[u8]) -> Option<()> {
        match code {
            option::CLIENT_SUBNET if !is_subnet(data) => return None,
            // The first one counts (RFC 7873 section 5.2).
            option::COOKIE if self.cookie.is_none() => self.cookie = Some(Cookie::read(data)?),
            // "The server MUST treat it as FORMERR" (RFC 7828 section 3.2.1).
            option::TCP_KEEPALIVE if !data.is_empty() => return None,
            option::TCP_KEEPALIVE => self.asks_keepalive = true,
            _ => {}
        }
        Some(())
    }
}

impl Cookie {
    /// A client's part of 8 octets, then nothing or a server's part of 8 to 32.
    fn read(data: &[u8]) -> Option<Self> {
        let (client, server) = data.split_first_chunk::<CLIENT_COOKIE>()?;
        let is_well_formed = matches!(server.len(), 0 | 8..=32);
        let is_first = server.is_empty();
        let server = <[u8; 16]>::try_from(server).unwrap_or_default();
        is_well_formed.then_some(Self { client: *client, server, is_first, is_valid: false })
    }
}

/// Whether the data of a client subnet option have their form (RFC 7871 section 6): a family we
/// know, a prefix no longer than its addresses, just the octets that hold it, zeros behind it.
fn is_subnet(data: &[u8]) -> bool {
    let [family_high, family_low, prefix, scope, address @ ..] = data else { return false };
    let longest = match u16::from_be_bytes([*family_high, *family_low]) {
        1 => 32,
        2 => 128,
        _ => return false,
    };
    let unused_bits = (8 - prefix % 8) % 8;
    let has_zeros_behind =
        address.last().is_none_or(|last| u32::from(*last).trailing_zeros() >= unused_bits.into());
    *prefix <= longest
        && *scope == 0
        && address.len() == usize::from(prefix.div_ceil(8))
        && has_zeros_behind
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What these options read as, in a query of EDNS version 0.
    fn read(options: &[u8]) -> Option<Edns> {
        let mut edns = Edns::plain(1232);
        edns.read(options).map(|()| edns)
    }

    fn option(code: u16, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).unwrap();
        [&code.to_be_bytes()[..], &length.to_be_bytes(), data].concat()
    }

    #[test]
    fn r56_options_that_nobody_knows_are_skipped() {
        let options =
            [option(100, b"anything"), option(3, b""), option(65_001, &[0; 300])].concat();

        assert_eq!(read(&options), Some(Edns::plain(1232)));
    }

    #[test]
    fn r68_a_cookie_has_8_octets_or_16_to_40() {
        for length in 0..=41 {
            let read = read(&option(option::COOKIE, &vec![7; length]));
            let is_allowed = matches!(length, 8 | 16..=40);
            assert_eq!(read.is_some(), is_allowed, "{length} octets");
            let server = read.and_then(|edns| edns.cookie).map(|cookie| cookie.server);
            let expected = if length == 24 { [7; 16] } else { [0; 16] };
            assert_eq!(server, is_allowed.then_some(expected), "{length} octets");
        }
    }

    #[test]
    fn r64_the_first_of_several_cookies_counts() {
        let options = [option(option::COOKIE, &[1; 8]), option(option::COOKIE, &[2; 8])].concat();

        assert_eq!(read(&options).unwrap().cookie.unwrap().client, [1; 8]);
    }

    #[test]
    fn r65_a_client_asks_for_keepalive_without_naming_a_time() {
        assert!(read(&option(option::TCP_KEEPALIVE, b"")).unwrap().asks_keepalive);
        assert_eq!(read(&option(option::TCP_KEEPALIVE, b"\0\x64")), None);
    }

    #[test]
    fn r72_a_subnet_of_another_form_is_malformed() {
        for (data, is_well_formed, why) in [
            (&b"\0\x01\x18\0\xc0\0\x02"[..], true, "192.0.2.0/24"),
            (b"\0\x01\0\0", true, "0.0.0.0/0: please tell nobody"),
            (b"\0\x02\x38\0\x20\x01\x0d\xb8\0\0\0", true, "2001:db8::/56"),
            (b"\0\x01\x14\0\xc0\0\x10", true, "192.0.16.0/20"),
            (b"\0\x01\x14\0\xc0\0\x18", false, "a bit behind the prefix"),
            (b"\0\x01\x21\0\xc0\0\x02\x01\0", false, "33 bits of IPv4"),
            (b"\0\x02\x81\0", false, "129 bits of IPv6"),
            (b"\0\x03\x18\0\xc0\0\x02", false, "family 3"),
            (b"\0\x01\x18\x18\xc0\0\x02", false, "a scope in a query"),
            (b"\0\x01\x18\0\xc0\0", false, "an octet too few"),
            (b"\0\x01\x18\0\xc0\0\x02\x01", false, "an octet too many"),
            (b"\0\x01\x18", false, "cut short"),
            (b"", false, "nothing"),
        ] {
            assert_eq!(
                read(&option(option::CLIENT_SUBNET, data)).is_some(),
                is_well_formed,
                "{why}"
            );
        }
    }

    #[test]
    fn r63_more_options_than_anybody_uses_are_malformed() {
        let some = option(100, b"").repeat(MAX_OPTIONS);
        let more = option(100, b"").repeat(MAX_OPTIONS + 1);

        assert!(read(&some).is_some());
        assert_eq!(read(&more), None);
    }

    #[test]
    fn options_cut_short_are_malformed() {
        let whole = [option(100, b"abc"), option(option::COOKIE, &[1; 8])].concat();
        for cut in 1..whole.len() {
            let is_between_two = whole.len() - cut == 7;
            assert_eq!(read(&whole[..whole.len() - cut]).is_some(), is_between_two, "{cut} short");
        }
    }
}
