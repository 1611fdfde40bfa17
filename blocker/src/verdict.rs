//! The answer about a name, with the rule behind it, because a person will ask why.

use std::fmt;

use crate::name::text;
use crate::rule::{Kind, Reach, Rule};
use crate::terms::Reply;

/// What the lists say about a name.
///
/// ```
/// # use blocker::{Action, GroupSet, Matcher, Name, Question, Source};
/// # let ads = Source { name: "ads", action: Action::Block, groups: GroupSet::default() };
/// # let mut builder = Matcher::builder();
/// # builder.add_list(&ads, b"||ads.example^");
/// # let matcher = builder.build()?;
/// let name = Name::parse("x.ads.example")?;
/// let verdict = matcher.verdict(&Question::new(&name, GroupSet::default()));
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
/// # use blocker::{Action, GroupSet, Matcher, Name, Question, Source};
/// # let mut builder = Matcher::builder();
/// let rules = Source { name: "rules", action: Action::Allow, groups: GroupSet::default() };
/// builder.add_line(&rules, 12, "/^cdn[0-9]/")?;
/// let matcher = builder.build()?;
/// let name = Name::parse("cdn7.example")?;
/// let verdict = matcher.verdict(&Question::new(&name, GroupSet::default()));
/// assert!(verdict.found().is_some_and(|found| found.line == 12));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Match<'a> {
    /// The name of the list, or of the table of rules.
    pub list: &'a str,
    /// The rule's line there.
    pub line: u32,
    pub(crate) number: u16,
    pub(crate) rule: Wording<'a>,
}

impl<'a> Match<'a> {
    /// The number of the list, in the order in which lists were added.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number.into()
    }

    /// What the rule wants to be answered, if it says so.
    #[must_use]
    pub fn reply(&self) -> Option<&'a Reply> {
        match self.rule {
            Wording::Name(kind, _) => kind.reply(),
            Wording::Special(rule) => rule.terms.as_ref()?.reply.as_ref(),
        }
    }

    /// The rule in normal form: `ads.example`, `||ads.example^`, `||ad*.example^` or `/regex/`.
    ///
    /// An allow rule looks the same; the [`Verdict`] tells which one it is.
    #[must_use]
    pub fn rule(&self) -> impl fmt::Display + use<'a> {
        self.rule
    }
}

/// What a rule says, borrowed from where it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wording<'a> {
    /// A rule for a name, in wire form.
    Name(Kind, &'a [u8]),
    /// A rule that is more than that.
    Special(&'a Rule),
}

impl fmt::Display for Wording<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(kind, name) => {
                let (start, end) = match kind.reach() {
                    Reach::Exact => ("", ""),
                    Reach::Subtree => ("||", "^"),
                };
                formatter.write_str(start)?;
                text::write(name, formatter)?;
                formatter.write_str(end)?;
                match (kind.is_important(), kind.reply()) {
                    (true, Some(reply)) => write!(formatter, "$important,dnsrewrite={reply}"),
                    (false, Some(reply)) => write!(formatter, "$dnsrewrite={reply}"),
                    (true, None) => formatter.write_str("$important"),
                    (false, None) => Ok(()),
                }
            }
            Self::Special(Rule { target, terms, .. }) => {
                target.fmt(formatter)?;
                terms.as_ref().map_or(Ok(()), |terms| terms.fmt(formatter))
            }
        }
    }
}
