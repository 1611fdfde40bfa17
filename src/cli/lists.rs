//! `dnsward lists`: how each list does, and what can be done about it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::{
    Exit, Form,
    control::{Command, Reach},
    print,
    span::Span,
    table::{Cell, Table},
};

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
        }
    }
    if rows.iter().any(is_bad) { Exit::No } else { Exit::Ok }
}

fn table(rows: &[Row]) -> Table {
    let mut table =
        Table::titled(&["NAME", "ACTION", "RULES", "REJECTED", "STATE", "UPDATED", "ERROR"]);
    for row in rows {
        let updated = match row.updated {
            Some(milliseconds) => format!("{} ago", Span(since(milliseconds))),
            None => "never".to_owned(),
        };
        table.row([
            Cell::text(&row.name),
            Cell::text(&row.action),
            Cell::number(row.rules),
            Cell::number(row.rejected),
            Cell::text(&row.state),
            Cell::text(&updated),
            Cell::text(row.error.as_deref().unwrap_or_default()),
        ]);
    }
    table
}

/// The time since so many milliseconds after 1970.
fn since(milliseconds: u64) -> Duration {
    let then = UNIX_EPOCH + Duration::from_millis(milliseconds);
    SystemTime::now().duration_since(then).unwrap_or_default()
}
