//! One list line goes in, rules come out. Each format has its own page; this one tells them apart.

use std::net::IpAddr;

use crate::name::Name;
use crate::pattern::Trials;
use crate::report::Reason;
use crate::rule::{Reach, Rule, Target};

pub(crate) use common::WireName;
pub(crate) use idn::to_ascii;

mod adblock;
mod common;
mod dnsmasq;
mod hosts;
mod idn;
mod options;
mod plain;
mod unbound;
mod zone;

#[cfg(test)]
mod tests;

/// Reads the lines of one file in their order.
///
/// What a zone file says of itself is all that one line has to know of those before it, and how many
/// expressions there were. A rule in
/// normal form needs nothing of the kind and is read again alone.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    zone: Option<Box<zone::Zone>>,
    trials: Trials,
}

impl Reader {
    /// Reads a line of a form that nearly all lines have, and says how far its one rule reaches.
    pub(crate) fn read_common(&mut self, line: &[u8], name: &mut WireName) -> Option<Reach> {
        if self.zone.as_ref().is_some_and(|zone| zone.is_inside_record()) {
            return None;
        }
        common::read(line, name)
    }

    /// Adds the rules of one line; a blank line or a comment has none.
    ///
    /// # Errors
    /// When the line cannot be used. It has added no rule then, or ones to be forgotten.
    pub(crate) fn read(&mut self, line: &str, rules: &mut Vec<Rule>) -> Result<(), Reason> {
        if self.zone.as_mut().is_some_and(|zone| zone.takes_up(line)) {
            return Ok(());
        }
        let is_indented = line.starts_with([' ', '\t']);
        if !is_indented && let Some(record) = zone::Record::common(line.trim_ascii()) {
            return self.read_record(&record, rules);
        }
        let text = line.trim().trim_start_matches(BYTE_ORDER_MARK);
        if is_cosmetic(text) {
            return Err(Reason::Cosmetic);
        }
        if is_comment(text) {
            return Ok(());
        }
        let text = without_comment(text);
        if let Some(directive) = zone::Directive::split(text) {
            return directive.apply(self.zone.get_or_insert_default());
        }
        if let Some(directive) = dnsmasq::Directive::split(text) {
            return directive.parse(rules);
        }
        if let Some(clause) = unbound::Clause::split(text) {
            return clause.parse(rules);
        }
        if adblock::is_anchored(text) {
            rules.push(adblock::parse(text, &mut self.trials)?);
            return Ok(());
        }
        self.read_row(text, is_indented, rules)
    }

    /// Reads a line that may be a row of words.
    fn read_row(
        &mut self,
        text: &str,
        is_indented: bool,
        rules: &mut Vec<Rule>,
    ) -> Result<(), Reason> {
        let row = text.split('#').next().unwrap_or(text).trim_end();
        if let Some(names) = hosts::names(row) {
            return hosts::parse(names, rules);
        }
        if let Some(record) = zone::Record::split(text, is_indented) {
            return self.read_record(&record, rules);
        }
        if adblock::is_rule(text) {
            rules.push(adblock::parse(text, &mut self.trials)?);
            return Ok(());
        }
        rules.push(Rule::block(plain::parse(row)?));
        Ok(())
    }

    fn read_record(
        &mut self,
        record: &zone::Record<'_>,
        rules: &mut Vec<Rule>,
    ) -> Result<(), Reason> {
        rules.extend(self.zone.get_or_insert_default().read(record)?);
        Ok(())
    }
}

/// Adds the rules of a line that stands alone.
///
/// # Errors
/// When the line cannot be used. It has added no rule then, or ones to be forgotten.
pub(crate) fn parse(line: &str, rules: &mut Vec<Rule>) -> Result<(), Reason> {
    Reader::default().read(line, rules)
}

/// Whether the text is a web page instead of a list, judged by how it begins.
pub(crate) fn is_html(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    HTML_OPENINGS.iter().any(|opening| {
        text.get(..opening.len()).is_some_and(|start| start.eq_ignore_ascii_case(opening))
    })
}

/// A host name as lists write it: letters, digits, hyphens and underscores. Letters beyond ASCII
/// are written as the DNS has them.
fn name(text: &str) -> Result<Name, Reason> {
    match check_characters(text, "") {
        Ok(()) => ascii_name(text),
        Err(Reason::NotAscii) => {
            let ascii = to_ascii(text)?;
            check_characters(&ascii, "")?;
            ascii_name(&ascii)
        }
        Err(reason) => Err(reason),
    }
}

/// A name whose characters are known to belong there.
fn ascii_name(text: &str) -> Result<Name, Reason> {
    // No top-level label ends in a digit, so few names cost this question.
    let bare = text.strip_suffix('.').unwrap_or(text);
    if bare.ends_with(|last: char| last.is_ascii_digit()) && is_address(bare) {
        return Err(Reason::Address);
    }
    match Name::parse(text).map_err(Reason::BadName)? {
        name if name.is_root() => Err(Reason::Root),
        name => Ok(name),
    }
}

/// The name, or the name with all below it, that zone files and the like write with `*.` before.
fn wild_name(text: &str) -> Result<Target, Reason> {
    match plain::subtree(text) {
        Some(parent) => name(parent).map(Target::Subtree),
        None if text == "*" => Err(Reason::Root),
        None => name(text).map(Target::Exact),
    }
}

/// Refuses text that has characters beyond those of names and `also`, and says what they make it.
pub(crate) fn check_characters(text: &str, also: &str) -> Result<(), Reason> {
    let belongs = |byte: &u8| is_name_byte(*byte) || also.as_bytes().contains(byte);
    let Some(foreign) = text.as_bytes().iter().position(|byte| !belongs(byte)) else {
        return Ok(());
    };
    let character = text.get(foreign..).and_then(|rest| rest.chars().next());
    Err(match character {
        _ if is_address(text) => Reason::Address,
        _ if text.contains('\\') => Reason::BareRegex,
        Some('/' | ':' | '?' | '&' | '=' | '%') => Reason::Path,
        Some('(' | '[' | '{' | '+') => Reason::BareRegex,
        Some('^') if foreign == 0 => Reason::BareRegex,
        Some(character) if character.is_whitespace() => Reason::SeveralNames,
        Some(character) if character.is_ascii() => Reason::BadCharacter(character),
        _ => Reason::NotAscii,
    })
}

const fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.')
}

fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

fn is_comment(line: &str) -> bool {
    line.is_empty() || line.starts_with(['#', '!', ';']) || is_heading(line)
}

/// Whether the line says which program the list is for: `[Adblock Plus 2.0]`.
fn is_heading(line: &str) -> bool {
    let inside = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inside.is_some_and(|inside| !inside.contains(['[', ']']))
}

/// Cuts a remark off the end. The blank before it tells it from `address=/x/#`. Behind a regular
/// expression a semicolon begins an option, which must not get lost.
fn without_comment(line: &str) -> &str {
    let marks: &[u8] = if is_expression(line) { b"#!" } else { b"#!;" };
    let is_remark = |pair: &[u8]| match pair {
        [before, mark] => before.is_ascii_whitespace() && marks.contains(mark),
        _ => false,
    };
    match line.as_bytes().windows(2).position(is_remark) {
        Some(end) => line.get(..end).unwrap_or(line).trim_end(),
        None => line,
    }
}

/// Whether the line can only be a regular expression or a path.
fn is_expression(line: &str) -> bool {
    line.starts_with('/') || line.starts_with("@@/")
}

/// Whether the line hides parts of a page: `example.com##.ad` and its relatives.
fn is_cosmetic(line: &str) -> bool {
    if is_expression(line) {
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
/// What lists that were put together from files have in their midst.
const BYTE_ORDER_MARK: char = '\u{feff}';
