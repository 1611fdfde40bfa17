//! A name with wildcards: `banner-*.example`, `*tracker*`, `||ad*.example^`.

use std::borrow::Cow;
use std::fmt;

use crate::NameError;
use crate::format::{check_characters, to_ascii};
use crate::report::Reason;

/// A pattern in which `*` stands for any run of characters, dots and nothing included.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Glob {
    start: Start,
    text: Box<str>,
}

/// Where in a name a glob begins. It always ends at the name's end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Start {
    /// At any label, as `||` says.
    Label,
    /// At the first character.
    Name,
}

impl Glob {
    /// Reads a pattern that has at least one `*`.
    ///
    /// # Errors
    /// When it is too long, has characters that names do not have, or would match every name.
    pub(crate) fn parse(start: Start, text: &str) -> Result<Self, Reason> {
        if text.len() > MAX_GLOB {
            return Err(Reason::BadName(NameError::TooLong));
        }
        let text = &*match check_characters(text, "*") {
            Err(Reason::NotAscii) => ascii_labels(text)?,
            checked => checked.map(|()| Cow::Borrowed(text))?,
        };
        if !text.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Reason::Root);
        }
        // As patterns these match nothing, because no name begins with a dot or has two in a row.
        match text {
            _ if text.starts_with(".*") => return Err(Reason::BareRegex),
            _ if text.starts_with('.') || text.contains("..") => {
                return Err(Reason::BadName(NameError::EmptyLabel));
            }
            _ => {}
        }
        let mut text = text.to_ascii_lowercase();
        while text.contains("**") {
            text = text.replace("**", "*");
        }
        // Where anything may come first, every label is as good as the beginning.
        let start = if text.starts_with('*') { Start::Name } else { start };
        Ok(Self { start, text: text.into() })
    }

    /// The longest run of characters between wildcards, the first of equal ones. A last label
    /// alone, as `.com`, tells so few names apart that any other run is better.
    pub(super) fn literal(&self) -> &str {
        let end = self.text.rsplit('*').next().unwrap_or_default();
        let is_last_label = end.rfind('.') == Some(0);
        let end = if is_last_label { end } else { "" };
        let others = self.text.strip_suffix(end).unwrap_or(&self.text);
        // The last of equal ones is taken, hence from behind.
        let has_letter = |piece: &&str| piece.bytes().any(|byte| byte.is_ascii_alphanumeric());
        let longest = others.rsplit('*').filter(has_letter).max_by_key(|piece| piece.len());
        longest.unwrap_or(end)
    }

    /// Whether the name with this text matches. Takes the leftmost place for each piece, which is
    /// always right as a wildcard follows, so nothing is tried twice.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.remainder(text).is_some()
    }

    /// What is left of `text` for the last wildcard, when all pieces were found.
    fn remainder<'t>(&self, text: &'t str) -> Option<&'t str> {
        let (first, rest) = self.text.split_once('*')?;
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let mut remainder = match self.start {
            Start::Label => after_label_start(text, first)?,
            Start::Name => text.strip_prefix(first)?,
        };
        for piece in middle.split('*') {
            remainder = remainder.split_once(piece)?.1;
        }
        remainder.strip_suffix(last)
    }

    /// Bytes held on the heap.
    pub(super) const fn memory(&self) -> usize {
        self.text.len()
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.start {
            Start::Label => write!(formatter, "||{}^", self.text),
            Start::Name => formatter.write_str(&self.text),
        }
    }
}

/// The pattern with each label in ASCII. One that has both a wildcard and other letters cannot be
/// converted: what the wildcard stands for would change all of its `xn--` form.
fn ascii_labels(text: &str) -> Result<Cow<'_, str>, Reason> {
    let label = |label| match label {
        label if str::is_ascii(label) => Ok(Cow::Borrowed(label)),
        label if label.contains('*') => Err(Reason::NotAscii),
        label => to_ascii(label),
    };
    let labels = text.split('.').map(label).collect::<Result<Vec<_>, _>>()?;
    let text = labels.join(".");
    check_characters(&text, "*")?;
    Ok(Cow::Owned(text))
}

/// What follows `prefix` at the first label that begins with it.
fn after_label_start<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let mut labels = text;
    loop {
        if let Some(rest) = labels.strip_prefix(prefix) {
            return Some(rest);
        }
        labels = labels.split_once('.')?.1;
    }
}

/// Longest pattern: no name has more characters, RFC 1035 section 2.3.4.
const MAX_GLOB: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_any_run_of_characters() {
        let cases = [
            (Start::Name, "banner-*.example", "banner-1.example", true),
            (Start::Name, "banner-*.example", "banner-a.b.example", true),
            (Start::Name, "banner-*.example", "banner-.example", true),
            (Start::Name, "banner-*.example", "x.banner-1.example", false),
            (Start::Name, "banner-*.example", "banner-1.example.org", false),
            (Start::Name, "*track**er*", "x.trackster.example", true),
            (Start::Name, "*track*er*", "x.track.example", false),
            (Start::Name, "a*a", "a", false),
            (Start::Name, "a*a", "aa", true),
            (Start::Name, "a*b*ab", "aab", false),
            (Start::Name, "a*b*ab", "abab", true),
            (Start::Name, "a*bc*bc", "abcbc", true),
            (Start::Name, "a*bc*bc", "abc", false),
            (Start::Label, "ad*.example", "ads.example", true),
            (Start::Label, "ad*.example", "x.ads.example", true),
            (Start::Label, "ad*.example", "bad.example", false),
            (Start::Label, "ad*.example", "ads.example.org", false),
            (Start::Label, "ads.*", "x.ads.y", true),
            (Start::Label, "*ads.x", "bads.x", true),
        ];

        for (start, pattern, text, expected) in cases {
            let glob = Glob::parse(start, pattern).unwrap();
            assert_eq!(glob.matches(text), expected, "{glob} on {text}");
        }
    }

    #[test]
    fn the_literal_is_the_run_that_tells_most_names_apart() {
        let cases = [
            ("a12*.com", "a12"),
            ("a*.example", "a"),
            ("ads*web", "ads"),
            ("*ads*web*", "ads"),
            ("ad*banner*x.com", "banner"),
            ("ad*.x.com", ".x.com"),
            ("a*banner", "banner"),
            ("ads.*", "ads."),
            ("*.*.com", ".com"),
            ("a*.", "a"),
        ];

        for (text, expected) in cases {
            assert_eq!(Glob::parse(Start::Name, text).unwrap().literal(), expected, "{text}");
        }
    }

    #[test]
    fn only_whole_labels_are_written_in_ascii() {
        let glob = |text| Glob::parse(Start::Name, text).map(|glob| glob.to_string());

        assert_eq!(glob("ads*.bücher.example").as_deref(), Ok("ads*.xn--bcher-kva.example"));
        assert_eq!(glob("ü*.example"), Err(Reason::NotAscii));
        assert_eq!(glob("*.ü .*"), Err(Reason::SeveralNames));
    }

    #[test]
    fn a_glob_must_have_something_to_look_for() {
        for text in ["*", "**", "*.*", "-*"] {
            assert_eq!(Glob::parse(Start::Name, text), Err(Reason::Root), "{text}");
        }
        assert_eq!(Glob::parse(Start::Name, ".*ads.*"), Err(Reason::BareRegex));
        for text in [".ads*", "ads*..example", "*..*x"] {
            let empty = Err(Reason::BadName(NameError::EmptyLabel));
            assert_eq!(Glob::parse(Start::Name, text), empty, "{text}");
        }
        let long = "a*".repeat(128);
        assert!(matches!(Glob::parse(Start::Name, &long), Err(Reason::BadName(_))));
    }
}
