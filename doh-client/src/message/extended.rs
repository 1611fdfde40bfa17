//! An answer that says SERVFAIL goes in, whether it says so because DNSSEC fails comes out (RFC 8914).
//! Whoever validates finds the same: such an answer is final, and asking elsewhere would only help
//! who tampers.

/// The type of the pseudo-record that carries options (RFC 6891 section 6.1.2).
const OPT: u16 = 41;

/// The option of extended errors (RFC 8914 section 2).
const EXTENDED_ERROR: u16 = 15;

/// DNSSEC Bogus, Signature Expired, Signature Not Yet Valid, DNSKEY Missing, RRSIGs Missing, No Zone
/// Key Bit Set and NSEC Missing (RFC 8914 sections 4.7 to 4.13).
const BOGUS: [u16; 7] = [6, 7, 8, 9, 10, 11, 12];

/// Where the header counts the records of the three sections behind the question.
const COUNTS: std::ops::Range<usize> = 6..12;

/// Length bytes from here on begin a pointer of two octets (RFC 1035 section 4.1.4).
const POINTER: u8 = 0xc0;

/// Longest label (RFC 1035 section 2.3.4).
const MAX_LABEL: u8 = 63;

/// Whether one of the reasons is that DNSSEC fails; `records_at` is where its question ends. Damage
/// ends the search. Each record takes 11 octets at least, which bounds it.
pub(super) fn is_bogus(answer: &[u8], records_at: usize) -> bool {
    let counts = answer.get(COUNTS).unwrap_or_default();
    let records = counts.chunks_exact(2).filter_map(<[u8]>::first_chunk::<2>);
    let count = records.map(|count| u32::from(u16::from_be_bytes(*count))).sum::<u32>();
    let mut rest = Reader(answer.get(records_at..).unwrap_or_default());
    let options = (0..count).map_while(|_| rest.record()).find(|(kind, _)| *kind == OPT);
    options.is_some_and(|(_, options)| has_bogus(Reader(options)))
}

fn has_bogus(mut options: Reader<'_>) -> bool {
    std::iter::from_fn(|| {
        let code = options.number()?;
        let length = options.number()?;
        Some((code, options.take(usize::from(length))?))
    })
    .filter(|(code, _)| *code == EXTENDED_ERROR)
    .filter_map(|(_, text)| Reader(text).number())
    .any(|reason| BOGUS.contains(&reason))
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Type and data of a record.
    fn record(&mut self) -> Option<(u16, &'a [u8])> {
        self.skip_name()?;
        let kind = self.number()?;
        // Class and time to live.
        self.take(6)?;
        let length = self.number()?;
        Some((kind, self.take(usize::from(length))?))
    }

    fn skip_name(&mut self) -> Option<()> {
        loop {
            match *self.take(1)?.first()? {
                0 => return Some(()),
                length if length <= MAX_LABEL => self.take(usize::from(length))?,
                length if length >= POINTER => return self.take(1).map(|_| ()),
                _ => return None,
            };
        }
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk::<2>().map(|octets| u16::from_be_bytes(*octets))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Merit, Query};

    const QUESTION_END: usize = 12 + 3 + 4;

    /// A SERVFAIL for `a.` with two records of other types before its OPT.
    fn servfail(options: &[u8]) -> Vec<u8> {
        let mut message = b"\0\0\x81\x82\0\x01\0\x01\0\x01\0\x01\x01a\0\0\x01\0\x01".to_vec();
        message.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\x7f\0\0\x01");
        message.extend(b"\x01b\xc0\x0c\0\x02\0\x01\0\0\0\x05\0\x02\xc0\x0c");
        message.extend(b"\0\0\x29\x04\xd0\0\0\0\0");
        message.extend(u16::try_from(options.len()).unwrap().to_be_bytes());
        message.extend(options);
        message
    }

    fn error(reason: u16) -> Vec<u8> {
        let text = b"why";
        let mut option = EXTENDED_ERROR.to_be_bytes().to_vec();
        option.extend(u16::try_from(2 + text.len()).unwrap().to_be_bytes());
        option.extend(reason.to_be_bytes());
        option.extend(text);
        option
    }

    #[test]
    fn t55_only_reasons_of_dnssec_make_it_final() {
        for reason in 0..40 {
            let expected = (6..=12).contains(&reason);
            assert_eq!(is_bogus(&servfail(&error(reason)), QUESTION_END), expected, "{reason}");
        }
        assert!(!is_bogus(&servfail(b""), QUESTION_END));
    }

    #[test]
    fn t55_a_servfail_for_that_reason_is_as_good_as_an_answer() {
        let query = Query::parse(b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01").unwrap();

        assert_eq!(query.judge(&servfail(&error(6))), Ok(Merit::Good));
        assert_eq!(query.judge(&servfail(&error(22))), Ok(Merit::Unhelpful));
        let mut refused = servfail(&error(6));
        refused[3] = 0x85;
        assert_eq!(query.judge(&refused), Ok(Merit::Unhelpful));
    }

    #[test]
    fn t55_all_options_are_looked_through() {
        let cookie = b"\0\x0a\0\x08\x00\x06\0\x06\0\x06\0\x06";
        let options = [cookie.as_slice(), &error(22), &error(7)].concat();

        assert!(is_bogus(&servfail(&options), QUESTION_END));
        assert!(!is_bogus(&servfail(cookie), QUESTION_END));
    }

    #[test]
    fn damage_is_no_reason() {
        let whole = servfail(&error(6));
        for length in 0..whole.len() - b"why".len() {
            assert!(!is_bogus(&whole[..length], QUESTION_END), "{length}");
        }
        let mut endless = whole[..QUESTION_END].to_vec();
        endless[6..12].fill(0xff);
        endless.resize(65_535, 0);
        assert!(!is_bogus(&endless, QUESTION_END));
        assert!(!is_bogus(&[], 0));
    }
}
