//! One line of a zone file comes apart into whose record it is, of what type, and its data
//! (RFC 1035 section 5.1).

use crate::format::is_name_byte;
use crate::record_type;

/// A record: `owner [ttl] [class] type data`.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Record<'a> {
    /// Whose it is; without, it belongs to the owner of the record before.
    pub(crate) owner: Option<&'a str>,
    /// Its type's number.
    pub(crate) rtype: u16,
    /// What follows the type; never empty.
    pub(crate) data: &'a str,
}

impl<'a> Record<'a> {
    /// Takes a line of the form that nearly all lines of policy zones have apart: a name, a type
    /// and one word, perhaps with TTL and class between them. It is not indented.
    pub(crate) fn common(line: &'a str) -> Option<Self> {
        let (owner, rest) = split_word(line);
        let belongs = |byte: u8| is_name_byte(byte) || matches!(byte, b'*' | b':');
        if rest.is_empty() || owner.contains(':') || !owner.bytes().all(belongs) {
            return None;
        }
        let (rtype, data) = type_and_data(without_comment(rest).trim_end())?;
        data.bytes().all(belongs).then_some(Self { owner: Some(owner), rtype, data })
    }

    /// Takes a line apart, if it has this form. An indented line more likely has no owner.
    pub(crate) fn split(line: &'a str, is_indented: bool) -> Option<Self> {
        let line = without_comment(line).trim();
        let owned = || {
            let (owner, rest) = split_word(line);
            type_and_data(rest).map(|(rtype, data)| Self { owner: Some(owner), rtype, data })
        };
        let ownerless =
            || type_and_data(line).map(|(rtype, data)| Self { owner: None, rtype, data });
        if is_indented { ownerless().or_else(owned) } else { owned().or_else(ownerless) }
    }
}

/// The line up to its remark, which a zone file need not put a blank before.
pub(super) fn without_comment(line: &str) -> &str {
    line.split(';').next().unwrap_or(line)
}

/// Reads what follows the owner; TTL and class, in any order, say nothing here.
fn type_and_data(text: &str) -> Option<(u16, &str)> {
    let mut rest = text;
    for _ in 0..=MOST_BEFORE_TYPE {
        let (word, after) = split_word(rest);
        if after.is_empty() {
            return None;
        }
        if let Some(rtype) = record_type::number(word) {
            return Some((rtype, after));
        }
        if !is_ttl(word) && !CLASSES.iter().any(|class| class.eq_ignore_ascii_case(word)) {
            return None;
        }
        rest = after;
    }
    None
}

/// Whether the word is a number of seconds, or of the larger units that BIND knows: `1h30m`.
fn is_ttl(word: &str) -> bool {
    let is_part = |byte: u8| {
        matches!(byte.to_ascii_lowercase(), b'0'..=b'9' | b's' | b'm' | b'h' | b'd' | b'w')
    };
    word.starts_with(|first: char| first.is_ascii_digit()) && word.bytes().all(is_part)
}

/// The first word and what follows it.
pub(super) fn split_word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

/// The classes of RFC 1035 section 3.2.4 that are in use.
const CLASSES: [&str; 3] = ["IN", "CH", "HS"];
/// A TTL and a class.
const MOST_BEFORE_TYPE: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owner_ttl_and_class_may_be_missing() {
        let record = |owner, rtype, data| Some(Record { owner, rtype, data });
        let cases = [
            ("ads.example CNAME .", record(Some("ads.example"), 5, ".")),
            ("ads.example 300 IN CNAME . ; why", record(Some("ads.example"), 5, ".")),
            ("ads.example\tin 1h30m cname *.;why", record(Some("ads.example"), 5, "*.")),
            ("@ SOA ns. me. ( 1", record(Some("@"), 6, "ns. me. ( 1")),
            ("NS localhost.", record(None, 2, "localhost.")),
            ("a A 192.0.2.1", record(Some("a"), 1, "192.0.2.1")),
            ("IN A 192.0.2.1", record(Some("IN"), 1, "192.0.2.1")),
            ("ads.example CNAME", None),
            ("ads.example 1 2 3 CNAME .", None),
            ("ads.example tracker.example", None),
            ("ads.example", None),
            ("", None),
        ];

        for (line, expected) in cases {
            assert_eq!(Record::split(line, false), expected, "{line}");
        }
        assert_eq!(Record::split("IN A 192.0.2.1", true), record(None, 1, "192.0.2.1"));
        assert_eq!(Record::split("ads A 192.0.2.1", true), record(Some("ads"), 1, "192.0.2.1"));
    }
}
