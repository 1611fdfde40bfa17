//! What became of a list's lines, for the person who has to decide whether to trust the list.

use crate::name::NameError;
use crate::pattern::Pattern;
use crate::rule::{Kind, Reach, Rule, Target};
use crate::source::Action;

/// What a list gave, and what was wrong with it.
///
/// ```
/// # use blocker::{Action, GroupSet, Matcher, Source};
/// # let ads = Source { name: "ads", action: Action::Block, groups: GroupSet::default() };
/// let report = Matcher::builder().add_list(&ads, b"ads.example\nads example\n");
/// assert_eq!((report.rules, report.rejected), (1, 1));
/// assert_eq!(report.samples[0].line, 2);
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ListReport {
    /// Rules that the list gave, each counted once.
    pub rules: usize,
    /// Rules that the list had given before.
    pub duplicates: usize,
    /// Lines that were meant as rules but cannot be used.
    pub rejected: usize,
    /// Lines that are right in a browser but say nothing about names: rules about pages and paths.
    pub not_dns: usize,
    /// What the rules are like.
    pub kinds: RuleKinds,
    /// Octets of the text, as it was read.
    pub bytes: u64,
    /// The first rejected lines, at most ten.
    pub samples: Vec<Rejection>,
    /// Whether the text is a web page, such as a log-in or error page. It gives no rules then.
    pub looks_like_html: bool,
}

/// How many rules of each kind a list gave.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RuleKinds {
    /// For one name.
    pub names: usize,
    /// For a name and everything below it.
    pub subtrees: usize,
    /// For names that look like something.
    pub wildcards: usize,
    /// For names in which a regular expression finds something.
    pub regexes: usize,
    /// Of all these, those that allow.
    pub allowing: usize,
    /// Of all these, those that say more: for whom, for what, with what answer.
    pub with_terms: usize,
}

impl RuleKinds {
    /// Counts a rule.
    pub(crate) fn count(&mut self, rule: &Rule) {
        match &rule.target {
            Target::Exact(_) => self.names += 1,
            Target::Subtree(_) => self.subtrees += 1,
            Target::Pattern(Pattern::Glob(_)) => self.wildcards += 1,
            Target::Pattern(Pattern::Regex(_)) => self.regexes += 1,
        }
        self.allowing += usize::from(rule.action == Action::Allow);
        self.with_terms += usize::from(rule.terms.is_some());
    }

    /// Counts a rule for a name.
    pub(crate) fn count_kind(&mut self, kind: Kind) {
        match kind.reach() {
            Reach::Exact => self.names += 1,
            Reach::Subtree => self.subtrees += 1,
        }
        self.allowing += usize::from(kind.action() == Action::Allow);
        self.with_terms += usize::from(kind.has_terms());
    }
}

impl ListReport {
    /// Counts a line that gave no rule, and keeps the first few as samples.
    pub(crate) fn reject(&mut self, line: u32, text: &[u8], reason: Reason) {
        if reason.is_not_dns() {
            self.not_dns += 1;
            return;
        }
        self.rejected += 1;
        if self.samples.len() < MAX_SAMPLES {
            self.samples.push(Rejection::new(line, text, reason));
        }
    }
}

/// One line that gave no rule, and why.
///
/// ```
/// # use blocker::{Action, GroupSet, Matcher, Source};
/// # let ads = Source { name: "ads", action: Action::Block, groups: GroupSet::default() };
/// let rejection = Matcher::builder().add_line(&ads, 7, "||ads.example^$ctag=tv").unwrap_err();
/// assert_eq!(
///     rejection.to_string(),
///     "line 7: the modifier `ctag` is not supported: `||ads.example^$ctag=tv`",
/// );
/// ```
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {reason}: `{text}`")]
#[non_exhaustive]
pub struct Rejection {
    /// The line's number in its list, from 1.
    pub line: u32,
    /// The line, cut to a readable length.
    pub text: String,
    /// What is wrong with it.
    pub reason: Reason,
}

impl Rejection {
    /// Keeps the readable beginning of `text`.
    pub(crate) fn new(line: u32, text: &[u8], reason: Reason) -> Self {
        // A character has at most four octets, so this much is enough to cut from.
        let beginning = text.get(..4 * MAX_SAMPLE_LENGTH).unwrap_or(text);
        let lossy = String::from_utf8_lossy(beginning);
        let mut characters = lossy.trim().chars();
        let mut text: String = characters.by_ref().take(MAX_SAMPLE_LENGTH).collect();
        if characters.next().is_some() {
            text.push('…');
        }
        Self { line, text, reason }
    }
}

/// Why a line gave no rule.
///
/// ```
/// # use blocker::Reason;
/// assert!(Reason::Cosmetic.is_not_dns());
/// assert_eq!(Reason::Root.to_string(), "the rule would match every name");
/// ```
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// An address stands where a name should.
    #[error("this is an address, not a name")]
    Address,
    /// A rule that lets names through and says what to answer for them.
    #[error("a rule that allows cannot say what is answered; leave out `dnsrewrite` or `reply`")]
    AllowWithReply,
    /// A regular expression that allows for misspellings, which Pi-hole's may.
    #[error("approximate matching is not supported; write the spellings out: `(ads|adz)`")]
    Approximate,
    /// A regular expression that refers to what it has found.
    #[error("back references are not supported; write the repeated part out")]
    BackReference,
    /// A character that no host name has.
    #[error("`{}` does not belong in a name", .0.escape_default())]
    BadCharacter(char),
    /// The name breaks a rule of the DNS.
    #[error("{0}")]
    BadName(#[source] NameError),
    /// The regular expression cannot be read.
    #[error("the regular expression is wrong: {0}")]
    BadRegex(Box<str>),
    /// A modifier or an option has a value that it does not take.
    #[error("`{option}` cannot be `{found}`; it takes {wanted}")]
    BadValue {
        /// The modifier or option.
        option: &'static str,
        /// What it was set to.
        found: Box<str>,
        /// What it may be.
        wanted: &'static str,
    },
    /// A regular expression without its slashes.
    #[error("write a regular expression between slashes: `/^ads[0-9]/`")]
    BareRegex,
    /// A rule that hides parts of a page.
    #[error("cosmetic rules say nothing about names")]
    Cosmetic,
    /// An option of dnsmasq, unbound or BIND that blocks nothing.
    #[error("the option `{0}` blocks nothing")]
    Directive(Box<str>),
    /// A dnsmasq line that says where to send the name.
    #[error("this line forwards the name, it does not block it")]
    Forward,
    /// The line is longer than any rule.
    #[error("the line has more than {MAX_LINE} octets")]
    LineTooLong,
    /// An unbound line that gives a name data of its own.
    #[error("this line gives the name data, it does not block it; write a local record")]
    LocalData,
    /// An adblock modifier that changes when the rule applies.
    #[error("the modifier `{0}` is not supported")]
    Modifier(Box<str>),
    /// The name has letters outside ASCII that have no `xn--` form.
    #[error("the name is not ASCII and has no `xn--` form")]
    NotAscii,
    /// The line's octets are no text.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// An adblock modifier that only makes sense inside a browser.
    #[error("the modifier `{0}` is about parts of pages, and says nothing about names")]
    PageOnly(Box<str>),
    /// A rule for part of a web site.
    #[error("path rules say nothing about names")]
    Path,
    /// The regular expression would take too much memory.
    #[error("the regular expression is too large")]
    RegexTooLarge,
    /// The rule has no part that tells names apart.
    #[error("the rule would match every name")]
    Root,
    /// Something follows a plain name.
    #[error("only the names of a hosts line may stand in a row, after an address")]
    SeveralNames,
    /// What was found out when the list was compiled.
    #[error("{0}")]
    Told(Box<str>),
    /// The matcher has as many lists as it can number.
    #[error("there are too many lists; merge some")]
    TooManyLists,
    /// The matcher has as many wildcard and regular expression rules as it can search quickly.
    #[error("there are too many wildcard and regular expression rules; use `||name^`")]
    TooManyPatterns,
    /// The matcher has as many rules as it can number.
    #[error("there are too many rules; remove a list")]
    TooManyRules,
    /// A modifier or an option of one rule has more values than a rule may have.
    #[error("`{option}` takes at most {most} values; leave some out")]
    TooManyValues {
        /// The modifier or option.
        option: &'static str,
        /// How many it takes.
        most: usize,
    },
    /// A policy zone's rule about something other than the name that is asked for.
    #[error("`{0}` triggers are not supported; only names are")]
    Trigger(Box<str>),
    /// A modifier or an option stands in one rule again.
    #[error("`{0}` stands there twice; write one with both values, or two rules")]
    Twice(&'static str),
    /// Something other than Pi-hole's options follows a regular expression.
    #[error("the option `{0}` is not known; there are `querytype`, `invert` and `reply`")]
    UnknownOption(Box<str>),
    /// A policy zone's rule that asks for something we do not do.
    #[error("the policy zone action `{0}` is not supported")]
    ZoneAction(Box<str>),
    /// A policy zone's record that is neither an address nor another name.
    #[error("`{0}` records in a policy zone are not supported; write a local record")]
    ZoneRecord(Box<str>),
    /// An unbound zone whose names are answered as if it were not there.
    #[error("a local zone of type `{0}` blocks nothing; write `@@||name^` to allow names")]
    ZoneType(Box<str>),
}

impl Reason {
    /// Whether the line is a good rule for browsers that has no meaning for the DNS.
    #[must_use]
    pub const fn is_not_dns(&self) -> bool {
        matches!(self, Self::Cosmetic | Self::PageOnly(_) | Self::Path)
    }
}

/// Refuses more values of an option than one rule may have.
pub(crate) const fn check_count(
    option: &'static str,
    count: usize,
    most: usize,
) -> Result<(), Reason> {
    if count > most { Err(Reason::TooManyValues { option, most }) } else { Ok(()) }
}

/// Longest line: dnsmasq lines with hundreds of names pass, a file without line ends does not.
pub(crate) const MAX_LINE: usize = 64 * 1024;
/// Rejected lines kept per list: enough to see the pattern, few enough to show.
const MAX_SAMPLES: usize = 10;
/// Characters kept of a rejected line: one line of a terminal or a table.
const MAX_SAMPLE_LENGTH: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let rejection = Rejection::new(1, "ü".repeat(100).as_bytes(), Reason::NotAscii);

        assert_eq!(rejection.text, format!("{}…", "ü".repeat(80)));
    }

    #[test]
    fn ten_samples_are_kept_and_all_lines_counted() {
        let mut report = ListReport::default();

        (1..=30).for_each(|line| report.reject(line, b"x", Reason::Root));
        report.reject(31, b"a##b", Reason::Cosmetic);

        assert_eq!((report.rejected, report.not_dns, report.samples.len()), (30, 1, 10));
    }
}
