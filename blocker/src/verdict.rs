//! The answer about a name, with the rule behind it, because a person will ask why.

use std::fmt;

use crate::name::text;
use crate::pattern::Pattern;
use crate::rule::Reach;

/// What the lists say about a name.
///
/// ```
/// # use blocker::{Action, GroupSet, Matcher, Name, Source};
/// # let ads = Source { name: "ads", action: Action::Block, groups: GroupSet::default() };
/// # let mut builder = Matcher::builder();
/// # builder.add_list(&ads, b"||ads.example^");
/// # let matcher = builder.build()?;
/// let verdict = matcher.verdict(&Name::parse("x.ads.example")?, GroupSet::default());
/// let found = verdict.found().unwrap();
/// assert_eq!((found.list, found.line), ("ads", 1));
/// assert_eq!(found.rule().to_string(), "||ads.example^");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Verdict<'a> {
    /// No rule matches.
    Pass,
    /// An allow rule matches, whatever else does.
    Allow(Match<'a>),
    /// A block rule matches and no allow rule does.
    Block(Match<'a>),
}

impl<'a> Verdict<'a> {
    /// Whether no rule matches.
    #[must_use]
    pub const fn is_pass(&self) -> bool {
        matches!(self, Self::Pass)
    }

    /// Whether an allow rule matches.
    #[must_use]
    pub const fn is_allow(&self) -> bool {
        matches!(self, Self::Allow(_))
    }

    /// Whether the name is to be blocked.
    #[must_use]
    pub const fn is_block(&self) -> bool {
        matches!(self, Self::Block(_))
    }

    /// The rule that decided, if any did.
    #[must_use]
    pub const fn found(&self) -> Option<Match<'a>> {
        match self {
            Self::Pass => None,
            Self::Allow(found) | Self::Block(found) => Some(*found),
        }
    }
}

/// The rule that decided about a name.
///
/// ```
/// # use blocker::{Action, GroupSet, Matcher, Name, Source};
/// # let mut builder = Matcher::builder();
/// let rules = Source { name: "rules", action: Action::Allow, groups: GroupSet::default() };
/// builder.add_line(&rules, 12, "/^cdn[0-9]/")?;
/// let matcher = builder.build()?;
/// let verdict = matcher.verdict(&Name::parse("cdn7.example")?, GroupSet::default());
/// assert!(verdict.found().is_some_and(|found| found.line == 12));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Match<'a> {
    /// The name of the list, or of the table of rules.
    pub list: &'a str,
    /// The rule's line there.
    pub line: u32,
    pub(crate) rule: Wording<'a>,
}

impl<'a> Match<'a> {
    /// The rule in normal form: `ads.example`, `||ads.example^`, `||ad*.example^` or `/regex/`.
    ///
    /// An allow rule looks the same; the [`Verdict`] tells which one it is.
    #[must_use]
    pub const fn rule(&self) -> impl fmt::Display + use<'a> {
        self.rule
    }
}

/// What a rule says, borrowed from where it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wording<'a> {
    /// A rule for a name, in wire form.
    Domain(Reach, &'a [u8]),
    /// A rule about the text of names.
    Pattern(&'a Pattern),
}

impl fmt::Display for Wording<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(Reach::Exact, name) => text::write(name, formatter),
            Self::Domain(Reach::Subtree, name) => {
                formatter.write_str("||")?;
                text::write(name, formatter)?;
                formatter.write_str("^")
            }
            Self::Pattern(pattern) => pattern.fmt(formatter),
        }
    }
}
