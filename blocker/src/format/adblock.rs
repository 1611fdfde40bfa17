//! Adblock lines: anchors around a name, `@@` before it, modifiers after it, or a `/regex/`.

use super::{name, options, plain};
use crate::pattern::{Expression, Glob, Pattern, Start, Trials};
use crate::report::Reason;
use crate::rule::{Rule, Target};
use crate::source::Action;
use crate::terms::Terms;

pub(super) use rewrite::{join, reply};

mod clients;
mod modifiers;
mod pages;
mod rewrite;
mod split;

/// Whether the line begins like no other format's.
pub(super) fn is_anchored(line: &str) -> bool {
    line.starts_with("@@") || line.starts_with(['|', '/'])
}

/// Whether the line has anything of this format.
pub(super) fn is_rule(line: &str) -> bool {
    is_anchored(line) || line.bytes().any(|byte| matches!(byte, b'^' | b'$'))
}

/// Reads one rule.
///
/// What narrows a rule in ways that we cannot tell is never left out, as the rule would block too
/// much without it.
pub(super) fn parse(line: &str, trials: &mut Trials) -> Result<Rule, Reason> {
    let (action, rule) = match line.strip_prefix("@@") {
        Some(rule) => (Action::Allow, rule),
        None => (Action::Block, line),
    };
    let (body, rest) = Body::split(rule);
    if matches!(body, Body::Name(name) if rest == "$" && !name.starts_with('|')) {
        return Err(Reason::BareRegex);
    }
    let terms = match rest.strip_prefix(';') {
        Some(options) => options::parse(options),
        None => modifiers::parse(rest.strip_prefix('$').unwrap_or(rest)),
    };
    let terms = match terms {
        // What is about pages is no mistake, whatever its names look like.
        Err(reason) if reason.is_not_dns() => return Err(reason),
        terms => terms,
    };
    let known = terms.as_ref().ok().and_then(Option::as_deref);
    let target = body.target(known, trials)?;
    let terms = terms?;
    if action == Action::Allow && terms.as_ref().is_some_and(|terms| terms.reply.is_some()) {
        return Err(Reason::AllowWithReply);
    }
    Ok(Rule { action, target, terms })
}

/// What a rule is about, without its modifiers.
enum Body<'a> {
    /// What stands between slashes.
    Expression(&'a str),
    /// A name with anchors.
    Name(&'a str),
}

impl<'a> Body<'a> {
    /// Takes the body from the modifiers or options behind it, which keep their first character.
    fn split(rule: &'a str) -> (Self, &'a str) {
        let expression = rule.strip_prefix('/').and_then(split_expression);
        if let Some((expression, rest)) = expression {
            return (Self::Expression(expression), rest);
        }
        let end = rule.find('$').unwrap_or(rule.len());
        let (name, rest) = rule.split_at_checked(end).unwrap_or((rule, ""));
        (Self::Name(name), rest)
    }

    fn target(&self, terms: Option<&Terms>, trials: &mut Trials) -> Result<Target, Reason> {
        match self {
            Self::Expression(text) => Expression::parse(text, trials).map(regex),
            Self::Name("" | "*" | "*^" | "||*" | "||*^")
                if terms.is_some_and(Terms::are_narrow) =>
            {
                Expression::parse(EVERY_NAME, trials).map(regex)
            }
            Self::Name(text) => target(text),
        }
    }
}

/// The expression between slashes, and what follows. An expression may hold slashes, and so may
/// what follows, which begins with the last slash that something can follow.
fn split_expression(rest: &str) -> Option<(&str, &str)> {
    rest.rmatch_indices('/').find_map(|(place, _)| {
        let (expression, after) = (rest.get(..place)?, rest.get(place + 1..)?.trim_start());
        let is_end = after.is_empty() || after.starts_with(['$', ';']);
        (is_end && !expression.is_empty()).then_some((expression, after))
    })
}

/// Reads a name with the anchors `||`, `|` and `^`.
fn target(pattern: &str) -> Result<Target, Reason> {
    let (start, rest) = match pattern.strip_prefix("||") {
        Some(rest) => (Some(Start::Label), rest),
        None => match pattern.strip_prefix('|') {
            Some(rest) => (Some(Start::Name), rest),
            None => (None, pattern),
        },
    };
    let unpiped = rest.strip_suffix('|').unwrap_or(rest);
    // `^*` is the end of the name and whatever follows it in an address.
    let text = unpiped.strip_suffix("^*").or_else(|| unpiped.strip_suffix('^')).unwrap_or(unpiped);
    let has_end = text.len() < rest.len();
    match start {
        None if has_end && plain::subtree(text).is_none() => glob(Start::Name, format!("*{text}")),
        None => plain::parse(text),
        // `||ads.` means every name with a label `ads` in it; `||ads.example` lacks its `^`.
        Some(start) if !has_end && text.ends_with(['.', '-']) => glob(start, format!("{text}*")),
        Some(start) => anchored(start, text),
    }
}

/// Reads what stands between a starting anchor and the end of the name.
fn anchored(start: Start, text: &str) -> Result<Target, Reason> {
    match (start, plain::subtree(text)) {
        (Start::Label, Some(parent)) => name(parent).map(Target::Subtree),
        _ if text.contains('*') => glob(start, text),
        (Start::Label, None) => name(text).map(Target::Subtree),
        (Start::Name, _) => name(text).map(Target::Exact),
    }
}

fn glob(start: Start, text: impl AsRef<str>) -> Result<Target, Reason> {
    Ok(Target::Pattern(Pattern::Glob(Glob::parse(start, text.as_ref())?)))
}

const fn regex(expression: Expression) -> Target {
    Target::Pattern(Pattern::Regex(expression))
}

/// An expression that finds something in every name, for rules that only their terms narrow.
const EVERY_NAME: &str = ".";
