//! Every row of the tables in `docs/lists.md` goes in and must mean what the page says, so that
//! page and code cannot differ.

use super::{Asked, read};
use crate::group::GroupSet;
use crate::matcher::Matcher;
use crate::question::{Asker, Question};
use crate::source::{Action, Source};
use crate::verdict::Verdict;

const PAGE: &str = include_str!("../../../../docs/lists.md");
const MEANINGS: &str = "| line | blocks | allows | leaves alone | meaning |";
const REASONS: &str = "| line | counted as | reason |";

/// The rows of all tables with this heading, each cell without its escapes.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut is_inside = false;
    for line in PAGE.lines() {
        is_inside = line == heading || (is_inside && line.starts_with('|'));
        if is_inside && line != heading && !line.starts_with("|---") {
            let row = line.strip_prefix('|').and_then(|row| row.strip_suffix('|'));
            let row = row.expect("a row ends in a bar").replace(r"\|", "\0");
            rows.push(row.split('|').map(|cell| cell.trim().replace('\0', "|")).collect());
        }
    }
    rows
}

/// The text between a cell's backticks.
fn code(cell: &str) -> &str {
    cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).expect("code in backticks")
}

/// The questions of a cell, each with the answer that stands behind its arrow.
fn questions(cell: &str) -> Vec<(Asked, Option<&str>)> {
    let items = cell.split(", ").filter(|item| !item.is_empty());
    items
        .map(|item| match item.split_once(" → ") {
            Some((asked, answer)) => (Asked::parse(code(asked)), Some(code(answer))),
            None => (Asked::parse(code(item)), None),
        })
        .collect()
}

#[test]
fn lines_mean_what_the_page_says() {
    let rows = rows(MEANINGS);

    assert!(rows.len() > 60, "only {} rows were found", rows.len());
    for row in &rows {
        let [line, blocks, allows, leaves_alone, meaning] = &row[..] else {
            panic!("five cells: {row:?}");
        };
        let line = code(line);
        let rules = read(line).unwrap_or_else(|reason| panic!("{line}: {reason}"));
        for (asked, answer) in questions(blocks) {
            let decided = asked.decide(&rules);
            let is_block = decided.as_ref().is_some_and(|(action, _)| *action == Action::Block);
            assert!(is_block, "{line} must block {asked:?}");
            let reply = decided.and_then(|(_, reply)| reply);
            let reply = reply.map(|reply| asked.answer(&reply));
            assert_eq!(reply.as_deref(), answer, "{line} on {asked:?}");
        }
        for (asked, _) in questions(allows) {
            assert_eq!(asked.decide(&rules), Some((Action::Allow, None)), "{line} on {asked:?}");
        }
        for (asked, _) in questions(leaves_alone) {
            assert_eq!(asked.decide(&rules), None, "{line} must not touch {asked:?}");
        }
        assert!(!meaning.is_empty(), "{line}: what it means is missing");
    }
}

#[test]
fn the_matcher_agrees_with_the_page() {
    for row in rows(MEANINGS) {
        let matcher = compile(code(&row[0]));
        for (cell, wanted) in row[1..4].iter().zip(["block", "allow", "pass"]) {
            for (asked, answer) in questions(cell) {
                let client = asked.client.as_deref();
                let address = client.and_then(|client| client.parse().ok());
                let marks = matcher.marks(address, client);
                let asker = Asker { groups: GroupSet::default(), marks };
                let question = Question { name: &asked.name, qtype: asked.rtype, asker };
                let verdict = matcher.verdict(&question);
                let (word, found) = match verdict {
                    Verdict::Block(found) => ("block", Some(found)),
                    Verdict::Allow(found) => ("allow", Some(found)),
                    Verdict::Pass => ("pass", None),
                };
                assert_eq!(word, wanted, "{} on {asked:?}", row[0]);
                let reply = found.and_then(|found| found.reply()).map(|reply| asked.answer(reply));
                assert_eq!(reply.as_deref(), answer, "{} on {asked:?}", row[0]);
            }
        }
    }
}

fn compile(line: &str) -> Matcher {
    let source = Source { name: "page", action: Action::Block, groups: GroupSet::ALL };
    let mut builder = Matcher::builder();
    builder.add_line(&source, 1, line).expect("a line of the page");
    builder.build().expect("one line compiles")
}

#[test]
fn lines_without_a_rule_are_rejected_in_the_pages_words() {
    let rows = rows(REASONS);

    assert!(rows.len() > 30, "only {} rows were found", rows.len());
    for row in &rows {
        let [line, kind, words] = &row[..] else { panic!("three cells: {row:?}") };
        let reason = read(code(line)).expect_err(line);
        assert_eq!(reason.to_string(), *words, "{line}");
        let expected = if reason.is_not_dns() { "not DNS" } else { "rejected" };
        assert_eq!(kind, expected, "{line}");
    }
}
