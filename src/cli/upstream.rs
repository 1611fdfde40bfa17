//! `dnsward upstream`: how upstream servers do, as the running server sees it, and whether they
//! answer when they are asked from here.

mod trial;

use std::io::{self, IsTerminal as _};

use clap::Subcommand;

use super::{
    ConfigFile, Exit, Form,
    control::{self, Reach},
    print,
    shown::Shown,
    sparkline::sparkline,
    table::{Cell, Table},
};
use crate::upstream::{Recent, ServerReport};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say how each server does, as the running server sees it
    Status {
        #[command(flatten)]
        reach: Reach,
        #[command(flatten)]
        form: Form,
    },
    /// Ask each server one question over a connection of its own; no running server is needed
    Test {
        #[command(flatten)]
        request: trial::Request,
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        form: Form,
    },
}

/// Runs one of them.
pub(super) fn run(command: &Command) -> Exit {
    match command {
        Command::Status { reach, form } => status(reach, *form),
        Command::Test { request, config, form } => trial::test(request, config, *form),
    }
}

/// How each server does; no where one is down or left alone.
fn status(reach: &Reach, form: Form) -> Exit {
    let answer =
        reach.send(control::Command::Ask("/upstreams")).and_then(|answer| answer.read(form));
    let rows: Vec<ServerReport> = match answer {
        Ok(rows) => rows,
        Err(exit) => return exit,
    };
    if !form.json {
        print(table(&rows, io::stdout().is_terminal().then_some(sparkline)));
        for line in troubles(&rows) {
            print(Shown::text(&line));
        }
    }
    if rows.iter().any(is_bad) { Exit::No } else { Exit::Ok }
}

fn is_bad(row: &ServerReport) -> bool {
    row.state == "down" || row.breaker == "open"
}

/// The rows, with the last hour where it can be drawn.
fn table(rows: &[ServerReport], draw: Option<fn(&[crate::upstream::Slice]) -> String>) -> Table {
    const TITLES: [&str; 11] = [
        "SERVER",
        "FOR",
        "STATE",
        "OPEN",
        "MEAN",
        "P95",
        "WAITING",
        "SENT",
        "ANSWERED",
        "FAILED",
        "LAST HOUR",
    ];
    let titles = if draw.is_some() {
        &TITLES[..]
    } else {
        TITLES.split_last().map_or(&[][..], |(_, rest)| rest)
    };
    let mut table = Table::titled(titles);
    for row in rows {
        let hour = draw.zip(row.timeline.as_ref());
        let hour = hour.map(|(draw, Recent { slices, .. })| Cell::text(&draw(slices)));
        table.row(cells(row).into_iter().chain(hour));
    }
    table
}

fn cells(row: &ServerReport) -> [Cell; 10] {
    let time = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"));
    [
        Cell::text(&row.server),
        Cell::text(&row.domains.join(" ")),
        Cell::text(state(row)),
        Cell::number(row.connections),
        Cell::number(time(row.round_trip_ms)),
        Cell::number(time(row.p95_ms)),
        Cell::number(format_args!("{}/{}", row.in_flight, row.in_flight_limit)),
        Cell::number(row.sent),
        Cell::number(row.answered),
        Cell::number(row.failed),
    ]
}

/// What is most worth knowing of a server's state.
fn state(row: &ServerReport) -> &str {
    match row.breaker.as_str() {
        "open" => "left alone",
        "half_open" => "being tried",
        _ if row.throttled_seconds.is_some() => "throttled",
        _ => &row.state,
    }
}

/// What went wrong last at each server, and what can be done about it.
fn troubles(rows: &[ServerReport]) -> impl Iterator<Item = String> {
    rows.iter().filter_map(|row| {
        let error = row.last_error.as_ref()?;
        let next = row.next_step.as_deref().map(|next| format!("; {next}")).unwrap_or_default();
        let when = if is_bad(row) { "fails" } else { "failed once" };
        Some(format!("{} {when}: {error}{next}", row.server))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(json: &serde_json::Value) -> ServerReport {
        let mut all = serde_json::json!({
            "server": "https://192.0.2.1/q", "domains": ["."], "state": "up", "breaker": "closed",
            "connections": 1, "connects": 2, "round_trip_ms": 12.34, "p95_ms": 50.0,
            "in_flight": 3, "in_flight_limit": 1024, "throttled_seconds": null, "sent": 12,
            "answered": 10, "failed": 2, "hedges": 1, "hedge_wins": 1, "last_error": null,
            "next_step": null, "tls": ["TLSv1_3", "X25519"],
            "timeline": { "start": 1, "slice_seconds": 30, "slices": [] },
        });
        for (key, value) in json.as_object().unwrap() {
            all[key] = value.clone();
        }
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn a_row_tells_the_state_the_times_and_the_numbers() {
        let rows = [
            row(&serde_json::json!({})),
            row(&serde_json::json!({ "breaker": "open", "state": "down", "round_trip_ms": null })),
            row(&serde_json::json!({ "throttled_seconds": 1.5, "domains": ["corp.example"] })),
        ];

        let text = table(&rows, None).to_string();

        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("SERVER") && lines[0].ends_with("FAILED"), "{text}");
        for word in [" up ", "12.3 ms", "50.0 ms", "3/1024", "12"] {
            assert!(lines[1].contains(word), "{word} in {text}");
        }
        assert!(lines[2].contains("left alone") && lines[2].contains(" - "), "{text}");
        assert!(lines[3].contains("throttled") && lines[3].contains("corp.example"), "{text}");
        assert!(table(&rows, Some(|_| "drawn".to_owned())).to_string().contains("drawn"));
    }

    #[test]
    fn an_error_is_told_with_the_next_step() {
        let error = serde_json::json!({ "last_error": "it is gone", "next_step": "look for it" });
        let lines: Vec<String> = troubles(&[row(&serde_json::json!({})), row(&error)]).collect();
        assert_eq!(lines, ["https://192.0.2.1/q failed once: it is gone; look for it"]);
    }
}
