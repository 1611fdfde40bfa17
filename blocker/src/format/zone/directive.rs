//! Lines of a zone file that are no records: `$ORIGIN zone.` and `$TTL 300`.

use super::Zone;
use super::record::{split_word, without_comment};
use crate::report::Reason;

/// A line that begins with `$` and a word.
pub(crate) struct Directive<'a> {
    word: &'a str,
    value: &'a str,
}

impl<'a> Directive<'a> {
    /// Takes a line apart, if it is one that zone files have.
    pub(crate) fn split(line: &'a str) -> Option<Self> {
        let word = line.strip_prefix('$')?;
        let (word, value) = split_word(without_comment(word).trim());
        let is_known = DIRECTIVES.iter().any(|known| known.eq_ignore_ascii_case(word));
        is_known.then_some(Self { word, value })
    }

    /// Lets the zone know what later names are relative to; the time to live is the operator's.
    pub(crate) fn apply(self, zone: &mut Zone) -> Result<(), Reason> {
        match self.word.to_ascii_uppercase().as_str() {
            "ORIGIN" => zone.origin.change(self.value),
            "TTL" => Ok(()),
            other => Err(Reason::Directive(format!("${other}").into())),
        }
    }
}

/// The directives of RFC 1035 section 5.1, RFC 2308 section 4 and BIND.
const DIRECTIVES: [&str; 4] = ["GENERATE", "INCLUDE", "ORIGIN", "TTL"];
