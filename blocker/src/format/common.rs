//! The forms that nearly all lines have, read in one pass: `name`, `||name^`, `*.name` and
//! `0.0.0.0 name`.
//!
//! A subset of what the formats read, for speed alone: what is odd in any way is left to them.

use crate::hash::Octets;
use crate::rule::Reach;

/// A name in wire form that is written again and again.
#[derive(Debug)]
pub(crate) struct WireName {
    octets: Octets,
}

impl Default for WireName {
    fn default() -> Self {
        Self { octets: [0; size_of::<Octets>()] }
    }
}

impl WireName {
    /// The name, and behind its root what the one before may have left.
    pub(crate) const fn as_octets(&self) -> &Octets {
        &self.octets
    }

    /// Reads a host name of two labels or more; false where it is anything else.
    fn read(&mut self, text: &[u8]) -> bool {
        // Behind each octet of the text comes at most one more of the name.
        if text.len() > LONGEST {
            return false;
        }
        let (mut label, mut labels) = (0, 0);
        for (at, octet) in (1..).zip(text) {
            let lower = *LOWER.get(usize::from(*octet)).unwrap_or(&0);
            if lower == b'.' {
                if !self.end_label(label, at) {
                    return false;
                }
                (label, labels) = (at, labels + 1);
            } else if lower == 0 {
                return false;
            }
            if let Some(place) = self.octets.get_mut(at) {
                *place = lower;
            }
        }
        let end = text.len() + 1;
        // A last label that ends in a digit may be an address's.
        let is_number = text.last().is_none_or(u8::is_ascii_digit);
        if labels == 0 || is_number || !self.end_label(label, end) {
            return false;
        }
        if let Some(place) = self.octets.get_mut(end) {
            *place = 0;
        }
        true
    }

    /// Writes the length of the label in front of it.
    fn end_label(&mut self, start: usize, end: usize) -> bool {
        match (u8::try_from(end - start - 1), self.octets.get_mut(start)) {
            (Ok(length @ 1..=63), Some(place)) => {
                *place = length;
                true
            }
            _ => false,
        }
    }
}

/// Reads a line of one of these forms and how far its rule reaches; nothing for any other line.
pub(super) fn read(line: &[u8], name: &mut WireName) -> Option<Reach> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (text, reach) = if let Some(rest) = line.strip_prefix(b"||") {
        (rest.strip_suffix(b"^")?, Reach::Subtree)
    } else if let Some(rest) = line.strip_prefix(b"*.") {
        (rest, Reach::Subtree)
    } else {
        let hosts = SINKS.iter().find_map(|sink| line.strip_prefix(*sink));
        // Every hosts file has names of the machine itself in it.
        if hosts.is_some_and(|text| text.starts_with(b"local")) {
            return None;
        }
        (hosts.unwrap_or(line), Reach::Exact)
    };
    name.read(text).then_some(reach)
}

/// The octets of host names in lower case, the dot as it is, and zero for all others.
#[expect(clippy::indexing_slicing, reason = "the compiler fills it, and would complain")]
const LOWER: [u8; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 128_u8 {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.') {
            table[octet as usize] = octet.to_ascii_lowercase();
        }
        octet += 1;
    }
    table
};
/// How hosts lines of block lists begin.
const SINKS: [&[u8]; 2] = [b"0.0.0.0 ", b"127.0.0.1 "];
/// Longest text of a name without its last dot (RFC 1035 section 2.3.4).
const LONGEST: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Rule;

    /// Lines in all their small differences; where this page reads one, the formats read the same.
    #[test]
    fn what_is_read_here_is_what_the_formats_read() {
        let fronts =
            ["", "||", "*.", "0.0.0.0 ", "127.0.0.1 ", "0.0.0.0\t", "@@||", " ", "|", "1.1.1.1 "];
        let names = [
            "ads.example",
            "ADS.Example",
            "ads",
            "ads.example.",
            "a..b",
            ".ads.example",
            "-a_.b-c",
            "192.0.2.1",
            "ads.e1",
            "ads.1e",
            "localhost.localdomain",
            "local.example",
            "b\u{fc}.example",
            "a*.example",
            "x.y:80",
            "a/b.example",
            "",
            "a.b c.d",
            "0.0.0.0",
        ];
        let long = [
            format!("{}.example", "a".repeat(63)),
            format!("{}.example", "a".repeat(64)),
            "a.".repeat(126) + "a",
            "a.".repeat(127) + "a",
        ];
        let ends = ["", "^", "\r", "^\r", " ", "^$important", " # x", "#x", "|"];
        let mut wire = WireName::default();
        let mut count = 0;
        for front in fronts {
            for name in names.iter().copied().chain(long.iter().map(String::as_str)) {
                for end in ends {
                    let line = format!("{front}{name}{end}");
                    let Some(reach) = read(line.as_bytes(), &mut wire) else { continue };
                    let mut rules: Vec<Rule> = Vec::new();
                    super::super::parse(&line, &mut rules).unwrap();
                    let [rule] = &rules[..] else { panic!("{line}: {rules:?}") };
                    assert_eq!(rule.kind().map(crate::rule::Kind::reach), Some(reach), "{line}");
                    assert_eq!(
                        rule.target.name().unwrap().as_wire(),
                        crate::name::first(wire.as_octets()),
                        "{line}"
                    );
                    count += 1;
                }
            }
        }
        assert!(count > 50, "{count}");
    }
}
