//! One list line goes in, rules come out. Each format has its own page; this one tells them apart.

use std::net::IpAddr;

use crate::name::Name;
use crate::report::Reason;
use crate::rule::Rule;

mod adblock;
mod dnsmasq;
mod hosts;
mod plain;

/// Adds the rules of one line; a blank line or a comment has none.
///
/// # Errors
/// When the line cannot be used. It has added no rule then, or ones to be forgotten.
pub(crate) fn parse(line: &str, rules: &mut Vec<Rule>) -> Result<(), Reason> {
    let line = line.trim();
    if is_cosmetic(line) {
        return Err(Reason::Cosmetic);
    }
    if is_comment(line) {
        return Ok(());
    }
    let line = without_comment(line);
    if let Some(directive) = dnsmasq::Directive::split(line) {
        return directive.parse(rules);
    }
    if adblock::is_rule(line) {
        rules.push(adblock::parse(line)?);
        return Ok(());
    }
    let line = line.split('#').next().unwrap_or(line).trim_end();
    if let Some(names) = hosts::names(line) {
        return hosts::parse(names, rules);
    }
    rules.push(Rule::block(plain::parse(line)?));
    Ok(())
}

/// Whether the text is a web page instead of a list, judged by how it begins.
pub(crate) fn is_html(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    HTML_OPENINGS.iter().any(|opening| {
        text.get(..opening.len()).is_some_and(|start| start.eq_ignore_ascii_case(opening))
    })
}

/// A host name as lists write it: letters, digits, hyphens and underscores.
fn name(text: &str) -> Result<Name, Reason> {
    check_characters(text, "")?;
    // No top-level label ends in a digit, so few names cost this question.
    if text.ends_with(|last: char| last.is_ascii_digit()) && is_address(text) {
        return Err(Reason::Address);
    }
    match Name::parse(text).map_err(Reason::BadName)? {
        name if name.is_root() => Err(Reason::Root),
        name => Ok(name),
    }
}

/// Refuses text that has characters beyond those of names and `also`, and says what they make it.
pub(crate) fn check_characters(text: &str, also: &str) -> Result<(), Reason> {
    let belongs = |byte: &u8| {
        matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.')
            || also.as_bytes().contains(byte)
    };
    let Some(foreign) = text.as_bytes().iter().position(|byte| !belongs(byte)) else {
        return Ok(());
    };
    let character = text.get(foreign..).and_then(|rest| rest.chars().next());
    Err(match character {
        _ if is_address(text) => Reason::Address,
        Some('/' | ':' | '?' | '&' | '=' | '%') => Reason::Path,
        Some(character) if character.is_whitespace() => Reason::SeveralNames,
        Some(character) if character.is_ascii() => Reason::BadCharacter(character),
        _ => Reason::NotAscii,
    })
}

fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

fn is_comment(line: &str) -> bool {
    line.is_empty() || line.starts_with(['#', '!', ';', '['])
}

/// Cuts a remark off the end. The blank before it tells it from `address=/x/#`.
fn without_comment(line: &str) -> &str {
    let is_remark =
        |pair: &[u8]| matches!(pair, [before, b'#' | b';' | b'!'] if before.is_ascii_whitespace());
    match line.as_bytes().windows(2).position(is_remark) {
        Some(end) => line.get(..end).unwrap_or(line).trim_end(),
        None => line,
    }
}

/// Whether the line hides parts of a page: `example.com##.ad` and its relatives.
fn is_cosmetic(line: &str) -> bool {
    if line.starts_with('/') || line.starts_with("@@/") {
        return false; // A regular expression may hold anything.
    }
    let Some((before, after)) = line.split_once('#') else {
        return line.contains('$') && (line.contains("$$") || line.contains("$@$"));
    };
    if before.is_empty() {
        return is_generic_cosmetic(line);
    }
    !before.ends_with(char::is_whitespace) && after.starts_with(['#', '@', '$', '?', '%'])
}

/// Whether a line that begins with `#` is a cosmetic rule for all sites and not a heading.
fn is_generic_cosmetic(line: &str) -> bool {
    let selector = COSMETIC_MARKS.iter().find_map(|mark| line.strip_prefix(mark));
    selector.and_then(|selector| selector.chars().next()).is_some_and(|first| {
        !first.is_whitespace() && !matches!(first, '#' | '=' | '-' | '*' | '_' | '~')
    })
}

/// How web pages begin.
const HTML_OPENINGS: [&[u8]; 2] = [b"<!doctype", b"<html"];
/// What stands between the sites and the selector of a cosmetic rule.
const COSMETIC_MARKS: [&str; 5] = ["##", "#@#", "#?#", "#$#", "#%#"];
