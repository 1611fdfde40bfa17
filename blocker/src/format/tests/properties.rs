//! Random lines of all formats go in; whatever is read as a rule is shown and read again, and must
//! be the same. Seeds are fixed, so a failure comes back.

use super::read;
use super::terms::is_same;
use crate::format::Reader;
use crate::rule::Rule;

/// What lines of all formats are made of.
const WORDS: [&str; 78] = [
    " ",
    "\t",
    ".",
    ",",
    ";",
    "#",
    "##",
    "!",
    "$",
    "^",
    "|",
    "||",
    "@@",
    "@",
    "/",
    "*",
    "*.",
    "\\",
    "'",
    "\"",
    "~",
    "=",
    ":",
    "(",
    ")",
    "[",
    "]",
    "{2}",
    "+",
    "-",
    "?",
    "ü",
    "\u{feff}",
    "a",
    "ads",
    "example",
    "ads.example",
    "xn--",
    "0.0.0.0",
    "192.0.2.1",
    "::",
    "fe80::1",
    "10.0.0.0/8",
    "important",
    "badfilter",
    "all",
    "script",
    "ctag=tv",
    "dnstype=",
    "client=",
    "denyallow=",
    "dnsrewrite=",
    "A",
    "AAAA",
    "HTTPS",
    "TYPE9",
    "NXDOMAIN",
    "NOERROR",
    "querytype=",
    "invert",
    "reply=",
    "NONE",
    "IP",
    "CNAME",
    "SOA",
    "IN",
    "300",
    "rpz-drop.",
    "rpz-ip",
    "$ORIGIN ",
    "$TTL ",
    "address=/",
    "server=/",
    "local-zone: ",
    "local-data: ",
    "always_null",
    "\\1",
    "(?#",
];

/// Beginnings that lead further into a format than chance would.
const OPENINGS: [&str; 12] = [
    "",
    "||ads.example^$",
    "||ads.example^$client=",
    "||ads.example^$dnsrewrite=",
    "@@||ads.example^$dnstype=",
    "/^ads/;",
    "/^ads/$client=",
    "/ads",
    "ads.example CNAME ",
    "ads.example 300 IN ",
    "local-zone: \"ads.example",
    "*",
];

/// A small generator of even enough numbers (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap_or(0) % bound
    }

    fn line(&mut self) -> String {
        let mut line = OPENINGS[self.below(OPENINGS.len())].to_owned();
        for _ in 0..self.below(7) {
            line.push_str(WORDS[self.below(WORDS.len())]);
        }
        line
    }
}

/// Checks that a rule which was read from `line` can be read again, alone.
fn assert_read_again(rule: &Rule, line: &str) {
    let shown = rule.to_string();

    let again = read(&shown).unwrap_or_else(|reason| panic!("{line}: {shown}: {reason}"));

    assert!(again.len() == 1 && is_same(rule, &again[0]), "{line}: {shown}: {again:?}");
    assert_eq!(again[0].to_string(), shown, "{line}");
}

#[test]
fn every_rule_is_read_again_from_its_normal_form() {
    let mut random = Random(0x0DD5_EED5);
    let mut with_terms = 0;
    for _ in 0..40_000 {
        let line = random.line();
        for rule in read(&line).unwrap_or_default() {
            assert_read_again(&rule, &line);
            with_terms += usize::from(rule.terms.is_some());
        }
    }
    assert!(with_terms > 1_000, "lines must be rules to prove anything: {with_terms}");
}

#[test]
fn any_lines_are_a_file() {
    let mut random = Random(0xF11E);
    for _ in 0..2_000 {
        let mut reader = Reader::default();
        let mut rules = Vec::new();
        for _ in 0..20 {
            let line = random.line();
            rules.clear();
            if reader.read(&line, &mut rules).is_ok() {
                rules.iter().for_each(|rule| assert_read_again(rule, &line));
            }
        }
        rules.clear();
        // The longest record that one of the lines may have opened.
        for _ in 0..17 {
            reader.read("0.0.0.0 last.example", &mut rules).expect("a hosts line");
        }
        assert!(!rules.is_empty());
    }
}
