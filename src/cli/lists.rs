//! `dnsward lists`: how each list does, and what can be done about it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::{
    Exit, Form,
    control::{Command, Reach},
    print,
    shown::Shown,
    span::Span,
    table::{Cell, Table},
};
use crate::lists::Kinds;

/// How one list does, as far as it is shown in a table.
#[derive(Deserialize)]
struct Row {
    name: String,
    #[serde(default)]
    action: String,
    rules: u64,
    rejected: u64,
    state: String,
    error: Option<String>,
    updated: Option<u64>,
    /// When it is downloaded next, where that is known.
    #[serde(default)]
    next: Option<u64>,
    /// Lines that were no rules, and why.
    #[serde(default)]
    samples: Vec<String>,
    #[serde(default)]
    bytes: u64,
    /// Rules that no other list has.
    #[serde(default)]
    unique: u64,
    #[serde(default)]
    kinds: Kinds,
}

/// How each list does; no where one has failed.
pub(super) fn status(reach: &Reach, form: Form) -> Exit {
    show(reach, Command::Ask("/lists"), form, |list| list.state == "failed")
}

/// Reads and downloads every list now; no where that did not work for one.
pub(super) fn update(reach: &Reach, form: Form) -> Exit {
    show(reach, Command::Do("/lists/update"), form, |list| list.state != "ok")
}

fn show(reach: &Reach, command: Command<'_>, form: Form, is_bad: fn(&Row) -> bool) -> Exit {
    let rows: Vec<Row> = match reach.send(command).and_then(|answer| answer.read(form)) {
        Ok(rows) => rows,
        Err(exit) => return exit,
    };
    if !form.json {
        if rows.is_empty() {
            print("no list is configured; add a [[lists]] block to the configuration");
        } else {
            print(table(&rows));
            for line in kinds(&rows).chain(samples(&rows)) {
                print(Shown::text(&line));
            }
        }
    }
    if rows.iter().any(is_bad) { Exit::No } else { Exit::Ok }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::titled(&[
        "NAME", "ACTION", "RULES", "UNIQUE", "REJECTED", "BYTES", "STATE", "UPDATED", "NEXT",
        "ERROR",
    ]);
    for row in rows {
        let updated = row.updated.map(|at| format!("{} ago", Span(distance(at))));
        let next = row.next.map(|at| format!("in {}", Span(distance(at))));
        table.row([
            Cell::text(&row.name),
            Cell::text(&row.action),
            Cell::number(row.rules),
            Cell::number(row.unique),
            Cell::number(row.rejected),
            Cell::number(row.bytes),
            Cell::text(&row.state),
            Cell::text(updated.as_deref().unwrap_or("never")),
            Cell::text(next.as_deref().unwrap_or("-")),
            Cell::text(row.error.as_deref().unwrap_or_default()),
        ]);
    }
    table
}

/// What the rules of each list are like.
fn kinds(rows: &[Row]) -> impl Iterator<Item = String> {
    let with_rules = rows.iter().filter(|row| row.rules > 0);
    with_rules.map(|row| format!("{}: {}", row.name, words(&row.kinds)))
}

fn words(kinds: &Kinds) -> String {
    let Kinds { names, subtrees, wildcards, regexes, allowing, with_terms } = *kinds;
    let words = [
        (names, "for one name"),
        (subtrees, "for a name and all below it"),
        (wildcards, "with wildcards"),
        (regexes, "regular expressions"),
        (allowing, "of these allow"),
        (with_terms, "of these with terms"),
    ];
    let told = words.iter().filter(|(count, _)| *count > 0);
    told.map(|(count, words)| format!("{count} {words}")).collect::<Vec<_>>().join(", ")
}

/// What lines of lists are no rules, as far as samples go.
fn samples(rows: &[Row]) -> impl Iterator<Item = String> {
    rows.iter().flat_map(|row| row.samples.iter().map(|sample| format!("{}: {sample}", row.name)))
}

/// The time between now and so many milliseconds after 1970.
fn distance(milliseconds: u64) -> Duration {
    let at = UNIX_EPOCH + Duration::from_millis(milliseconds);
    SystemTime::now().duration_since(at).unwrap_or_else(|until| until.duration())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_any_version_becomes_a_line() {
        let now = u64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
        let json = serde_json::json!([
            { "name": "a", "rules": 1, "rejected": 0, "state": "ok", "error": null, "updated": null },
            { "name": "b", "action": "block", "rules": 2, "rejected": 1, "state": "stale",
              "error": "no", "updated": now - 65_000, "next": now + 7_260_500,
              "samples": ["line 3: `?` is no name"], "other": 5, "bytes": 70, "unique": 1,
              "kinds": { "names": 1, "subtrees": 0, "wildcards": 0, "regexes": 1,
                         "allowing": 1, "with_terms": 0 } },
        ]);
        let rows: Vec<Row> = serde_json::from_value(json).unwrap();

        let lines: Vec<Vec<String>> = table(&rows)
            .to_string()
            .lines()
            .map(|line| {
                line.split("  ").filter(|w| !w.is_empty()).map(|w| w.trim().into()).collect()
            })
            .collect();
        assert_eq!(lines[1], ["a", "1", "0", "0", "0", "ok", "never", "-"]);
        let second =
            ["b", "block", "2", "1", "1", "70", "stale", "1 m 5 s ago", "in 2 h 1 m", "no"];
        assert_eq!(lines[2], second);
        assert_eq!(
            kinds(&rows).collect::<Vec<_>>(),
            ["a: ", "b: 1 for one name, 1 regular expressions, 1 of these allow"]
        );
        assert_eq!(samples(&rows).collect::<Vec<_>>(), ["b: line 3: `?` is no name"]);
    }
}
