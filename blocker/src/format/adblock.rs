//! Adblock lines: anchors around a name, `@@` before it, modifiers after it, or a `/regex/`.

use super::{name, plain};
use crate::pattern::{Expression, Glob, Pattern, Start};
use crate::report::Reason;
use crate::rule::{Rule, Target};
use crate::source::Action;

/// Whether the line has anything of this format.
pub(super) fn is_rule(line: &str) -> bool {
    line.starts_with("@@")
        || line.starts_with(['|', '/'])
        || line.bytes().any(|byte| matches!(byte, b'^' | b'$'))
}

/// Reads one rule. `$important` is taken as if it were not there; other modifiers narrow a rule
/// in ways the DNS cannot see, and to ignore them would block too much.
pub(super) fn parse(line: &str) -> Result<Rule, Reason> {
    let (action, rule) = match line.strip_prefix("@@") {
        Some(rule) => (Action::Allow, rule),
        None => (Action::Block, line),
    };
    let target = if let Some((expression, modifiers)) = split_expression(rule) {
        check_modifiers(modifiers)?;
        Target::Pattern(Pattern::Regex(Expression::parse(expression)?))
    } else {
        let (pattern, modifiers) = rule.split_once('$').unwrap_or((rule, ""));
        // A path is looked for before the modifiers, which often follow one.
        let target = target(pattern)?;
        check_modifiers(modifiers)?;
        target
    };
    Ok(Rule { action, target })
}

/// The expression between slashes and the modifiers behind them.
fn split_expression(rule: &str) -> Option<(&str, &str)> {
    let (expression, rest) = rule.strip_prefix('/')?.rsplit_once('/')?;
    let modifiers = if rest.is_empty() { rest } else { rest.strip_prefix('$')? };
    (!expression.is_empty()).then_some((expression, modifiers))
}

fn check_modifiers(modifiers: &str) -> Result<(), Reason> {
    let mut each = modifiers.split(',').filter(|modifier| !modifier.is_empty());
    match each.find(|modifier| *modifier != HARMLESS_MODIFIER) {
        Some(modifier) => {
            let name = modifier.split('=').next().unwrap_or(modifier);
            Err(Reason::Modifier(name.into()))
        }
        None => Ok(()),
    }
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
    let text = unpiped.strip_suffix('^').unwrap_or(unpiped);
    let has_end = text.len() < rest.len();
    match start {
        None if has_end => glob(Start::Name, format!("*{text}")),
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

/// Raises a rule above others in browsers. Here allow rules beat block rules in any case.
const HARMLESS_MODIFIER: &str = "important";
