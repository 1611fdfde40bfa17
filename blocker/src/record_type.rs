//! A record type's mnemonic goes in and its number comes out, or the other way round, because
//! lists speak of types by name and questions carry numbers.

use std::fmt;

/// The number of a type, whatever case its name has; `TYPE65` is understood for any (RFC 3597
/// section 5).
pub(crate) fn number(text: &str) -> Option<u16> {
    // Most words that are tried are no types and do not even look like one.
    if !text.starts_with(|first: char| first.is_ascii_alphabetic()) || text.len() > LONGEST {
        return None;
    }
    let known = KNOWN.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    known.map(|(_, number)| *number).or_else(|| {
        let (prefix, number) = text.split_at_checked(UNKNOWN.len())?;
        let is_number = prefix.eq_ignore_ascii_case(UNKNOWN) && !number.starts_with('+');
        is_number.then(|| number.parse().ok())?
    })
}

/// Shows a type's number by its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mnemonic(pub(crate) u16);

impl fmt::Display for Mnemonic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match KNOWN.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => formatter.write_str(name),
            None => write!(formatter, "{UNKNOWN}{}", self.0),
        }
    }
}

/// IPv4 addresses.
pub(crate) const A: u16 = 1;
/// The servers of a zone.
pub(crate) const NS: u16 = 2;
/// Another name for the name.
pub(crate) const CNAME: u16 = 5;
/// What a zone says of itself.
pub(crate) const SOA: u16 = 6;
/// IPv6 addresses.
pub(crate) const AAAA: u16 = 28;
/// Types with which DNSSEC signs a zone, DS to DNSKEY (RFC 4034) and NSEC3 (RFC 5155).
pub(crate) const SIGNING: [u16; 6] = [43, 46, 47, 48, 50, 51];

/// What comes before the number of a type without a name.
const UNKNOWN: &str = "TYPE";
/// Length of the longest name of a type, `OPENPGPKEY` and `NSEC3PARAM`.
const LONGEST: usize = 10;
/// The types that are asked for, from IANA's register.
const KNOWN: [(&str, u16); 43] = [
    ("A", A),
    ("NS", NS),
    ("CNAME", CNAME),
    ("SOA", SOA),
    ("NULL", 10),
    ("PTR", 12),
    ("HINFO", 13),
    ("MX", 15),
    ("TXT", 16),
    ("RP", 17),
    ("AFSDB", 18),
    ("SIG", 24),
    ("KEY", 25),
    ("AAAA", AAAA),
    ("LOC", 29),
    ("SRV", 33),
    ("NAPTR", 35),
    ("KX", 36),
    ("CERT", 37),
    ("DNAME", 39),
    ("APL", 42),
    ("DS", 43),
    ("SSHFP", 44),
    ("IPSECKEY", 45),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("DHCID", 49),
    ("NSEC3", 50),
    ("NSEC3PARAM", 51),
    ("TLSA", 52),
    ("SMIMEA", 53),
    ("HIP", 55),
    ("CDS", 59),
    ("CDNSKEY", 60),
    ("OPENPGPKEY", 61),
    ("CSYNC", 62),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("SPF", 99),
    ("ANY", 255),
    ("URI", 256),
    ("CAA", 257),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_written_and_read_again() {
        for wanted in 0..=u16::MAX {
            let text = Mnemonic(wanted).to_string();

            assert_eq!(number(&text), Some(wanted), "{text}");
            assert_eq!(number(&text.to_ascii_lowercase()), Some(wanted), "{text}");
        }
    }

    #[test]
    fn other_words_are_no_types() {
        for text in ["", "AAA", "TYPE", "TYPE65536", "TYPE-1", "TYPE+1", "BANANA", "ÄÄÄÄ1"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
