//! A name with letters of any script goes in, its `xn--` form comes out, because that is how such
//! names are asked for.

use std::borrow::Cow;

use idna::AsciiDenyList;

use crate::NameError;
use crate::report::Reason;

/// Writes a name, or a label of one, in ASCII (UTS #46, as browsers do). The result may still
/// have characters that names do not have.
///
/// # Errors
/// When it has characters that no name may have in any spelling, or is too long.
pub(crate) fn to_ascii(text: &str) -> Result<Cow<'_, str>, Reason> {
    if text.len() > MAX_TEXT {
        return Err(Reason::BadName(NameError::TooLong));
    }
    let ascii = idna::domain_to_ascii_cow(text.as_bytes(), AsciiDenyList::EMPTY);
    // Refused names are left as they are, so that what is wrong with them is found once.
    ascii.map_err(|_| Reason::NotAscii)
}

/// Most octets that are converted: the longest name has 253 characters, of four octets at most.
/// Converting takes more than linear time.
const MAX_TEXT: usize = 4 * 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_the_dns_has_them() {
        let cases = [
            ("bücher.example", Ok("xn--bcher-kva.example")),
            ("BÜCHER.Example", Ok("xn--bcher-kva.example")),
            ("реклама.рф", Ok("xn--80aanufhx.xn--p1ai")),
            ("広告。example", Ok("xn--4rrt1v.example")),
            ("_dmarc.ä.example", Ok("_dmarc.xn--4ca.example")),
            ("ads.example", Ok("ads.example")),
            ("\u{feff}ads.example", Ok("ads.example")),
            ("ads\u{202e}.example", Err(Reason::NotAscii)),
            ("xn--ü.example", Err(Reason::NotAscii)),
        ];

        for (text, expected) in cases {
            assert_eq!(to_ascii(text).as_deref().map_err(Clone::clone), expected, "{text}");
        }
    }

    #[test]
    fn endless_names_are_not_converted() {
        let endless = "ü".repeat(60_000);

        assert_eq!(to_ascii(&endless), Err(Reason::BadName(NameError::TooLong)));
    }
}
