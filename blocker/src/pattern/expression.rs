//! A regular expression rule: `/^ad[0-9]+\./`, compiled alone so that a bad one harms no other.

use std::fmt;

use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use regex_syntax::hir::{Class, Hir, HirKind};
use regex_syntax::{Error, ParserBuilder};

use crate::budget::MAX_REGEXES;
use crate::report::Reason;

mod dialect;

/// A regular expression over the text of a name, without regard to ASCII case.
///
/// Searching takes time linear in the name. It borrows scratch memory from a pool: threads never
/// wait for each other there, and the pool allocates only when more of them meet than before.
#[derive(Debug)]
pub(crate) struct Expression {
    text: Box<str>,
    regex: Regex,
    literal: Option<Box<str>>,
}

/// How many more expressions of a text may be compiled, whatever comes of them.
#[derive(Debug)]
pub(crate) struct Trials(usize);

impl Default for Trials {
    fn default() -> Self {
        Self(MAX_TRIALS)
    }
}

impl Trials {
    fn take(&mut self) -> Result<(), Reason> {
        self.0 = self.0.checked_sub(1).ok_or(Reason::TooManyPatterns)?;
        Ok(())
    }
}

impl Expression {
    /// Compiles the text between the slashes.
    ///
    /// # Errors
    /// When it is no regular expression, can only match addresses of pages, takes too much memory,
    /// or is one too many.
    pub(crate) fn parse(text: &str, trials: &mut Trials) -> Result<Self, Reason> {
        if text.len() > MAX_REGEX_LENGTH {
            return Err(Reason::RegexTooLarge);
        }
        let mut parser = ParserBuilder::new();
        parser.unicode(false).utf8(false).case_insensitive(true).nest_limit(MAX_REGEX_NESTING);
        let hir =
            parser.build().parse(&dialect::translate(text)?).map_err(|error| bad_regex(&error))?;
        let literals = Literals::of(&hir);
        if literals.has_slash {
            return Err(Reason::Path);
        }
        trials.take()?;
        let config = Regex::config()
            .nfa_size_limit(Some(MAX_REGEX_SIZE))
            .hybrid_cache_capacity(MAX_REGEX_CACHE)
            .utf8_empty(false);
        let regex = Regex::builder()
            .configure(config)
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .build_from_hir(&hir)
            .map_err(|error| match error.size_limit() {
                Some(_) => Reason::RegexTooLarge,
                None => Reason::BadRegex(error.to_string().into()),
            })?;
        Ok(Self { text: text.into(), regex, literal: literals.longest() })
    }

    /// Text that occurs in every match, if the expression has any.
    pub(super) fn literal(&self) -> Option<&str> {
        self.literal.as_deref()
    }

    /// Whether anything in the name's text matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Bytes held on the heap, but for the scratch memory of searches.
    pub(super) fn memory(&self) -> usize {
        let literal = self.literal.as_deref().map_or(0, str::len);
        self.text.len() + literal + self.regex.memory_usage()
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "/{}/", self.text)
    }
}

/// The parser's complaint in one line, without its drawing of where it stopped.
fn bad_regex(error: &Error) -> Reason {
    let complaint = match error {
        Error::Parse(error) => error.kind().to_string(),
        Error::Translate(error) => error.kind().to_string(),
        _ => error.to_string(),
    };
    Reason::BadRegex(complaint.into())
}

/// Runs of characters that occur in every match, collected from left to right.
#[derive(Default)]
struct Literals {
    run: String,
    longest: String,
    /// Whether every match has a slash or a colon in it, as the addresses of pages have.
    has_slash: bool,
}

impl Literals {
    fn of(hir: &Hir) -> Self {
        let mut literals = Self::default();
        literals.collect(hir);
        literals.end_run();
        literals
    }

    fn longest(self) -> Option<Box<str>> {
        (!self.longest.is_empty()).then(|| self.longest.into())
    }

    /// Walks what must be matched; the parser has bounded the depth.
    fn collect(&mut self, hir: &Hir) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => {
                literal.0.iter().for_each(|&octet| self.push(octet));
            }
            HirKind::Class(class) => match single_letter(class) {
                Some(letter) => self.push(letter),
                None => self.end_run(),
            },
            HirKind::Capture(capture) => self.collect(&capture.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.collect(part)),
            HirKind::Repetition(repetition) => {
                self.end_run();
                if repetition.min > 0 {
                    self.collect(&repetition.sub);
                    self.end_run();
                }
            }
            HirKind::Alternation(_) => self.end_run(),
        }
    }

    fn push(&mut self, octet: u8) {
        self.has_slash |= matches!(octet, b'/' | b':');
        if octet.is_ascii() {
            self.run.push(char::from(octet.to_ascii_lowercase()));
        } else {
            self.end_run();
        }
    }

    fn end_run(&mut self) {
        if self.run.len() > self.longest.len() {
            self.longest.clone_from(&self.run);
        }
        self.run.clear();
    }
}

/// The letter of a class that only folds its case, as in `[Aa]`.
fn single_letter(class: &Class) -> Option<u8> {
    let Class::Bytes(class) = class else { return None };
    let mut ranges = class.iter();
    let first = ranges.next().filter(|range| range.start() == range.end())?.start();
    let is_same = |range: &regex_syntax::hir::ClassBytesRange| {
        range.start() == range.end() && range.start().eq_ignore_ascii_case(&first)
    };
    ranges.all(is_same).then(|| first.to_ascii_lowercase())
}

/// Longest expression: ten times the longest one seen in public lists.
const MAX_REGEX_LENGTH: usize = 2_000;
/// Expressions of a text that are compiled: as many as a list may have and some to refuse. Finding
/// out that one is too large takes as long as making another.
const MAX_TRIALS: usize = MAX_REGEXES + 200;
/// Deepest nesting of groups, which bounds the parser's and our own recursion.
const MAX_REGEX_NESTING: u32 = 50;
/// Bytes of one compiled expression: common ones take 2-20 KiB, `(a{100}){100}` far more.
const MAX_REGEX_SIZE: usize = 128 * 1024;
/// Scratch bytes that a thread may keep for one expression, for states it meets while searching.
const MAX_REGEX_CACHE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Expression, Reason> {
        Expression::parse(text, &mut Trials::default())
    }

    #[test]
    fn the_literal_is_what_every_match_contains() {
        let cases = [
            (r"^ads?\.", Some("ad")),
            (r"^(.+\.)?Tracker[0-9]+\.", Some("tracker")),
            (r"(ads|banners)\.", Some(".")),
            (r"^metrics\.example$", Some("metrics.example")),
            (r"(count){2,}er", Some("countcount")),
            (r"(count){0,2}er", Some("er")),
            (r"(?:(ab)c)d", Some("abcd")),
            (r"[0-9]{5}", None),
            (r"ads|banners", None),
            (r".*", None),
        ];

        for (text, expected) in cases {
            let expression = parse(text).unwrap();
            let literal = expression.literal();
            let is_right = literal == expected
                || expected.zip(literal).is_some_and(|(whole, part)| whole.contains(part));
            assert!(is_right && literal.is_some() == expected.is_some(), "{text}: {literal:?}");
        }
    }

    #[test]
    fn a_hostile_expression_is_refused() {
        let nested = format!("{}a{}", "(".repeat(200), ")".repeat(200));
        let long = "a".repeat(3_000);
        let cases = ["((a{100}){100}){100}", &long];

        for text in cases {
            assert_eq!(parse(text).unwrap_err(), Reason::RegexTooLarge);
        }
        for text in ["(", "[", "a**", "a{", r"x\", &nested] {
            assert!(matches!(parse(text), Err(Reason::BadRegex(_))), "{text}");
        }
    }

    #[test]
    fn expressions_over_addresses_of_pages_are_told_from_those_over_names() {
        for (text, expected) in [
            (r"^https?:\/\/ads\.", true),
            (r"\/banner[0-9]+\.js", true),
            (r"^(https?://)?ads\.", false),
            (r"^ads[./]", false),
        ] {
            assert_eq!(parse(text).is_err_and(|error| error == Reason::Path), expected, "{text}");
        }
    }

    #[test]
    fn classes_are_those_of_ascii() {
        let expression = parse(r"^[[:alpha:]]+\d\D*\.EXAMPLE(?#one)$").unwrap();

        assert!(expression.matches("ad1.example"));
        assert!(expression.matches("ad1x.example"));
        assert!(!expression.matches("ad12.example"));
        assert!(!expression.matches("1.example"));
    }
}
