//! `dnsward status`: how the running server does, in one page.

use std::time::Duration;

use super::{
    Exit, Form,
    control::{Command, Reach},
    count::Count,
    print,
    span::Span,
    table::{Cell, Table},
};
use crate::control::{Lists, Queries, Status, Upstream};

/// How the server does.
pub(super) fn run(reach: &Reach, form: Form) -> Exit {
    let answer = reach.send(Command::Ask("/status")).and_then(|answer| answer.read(form));
    let status: Status = match answer {
        Ok(status) => status,
        Err(exit) => return exit,
    };
    if form.json { Exit::Ok } else { print(page(&status)) }
}

fn page(status: &Status) -> Table {
    let mut page = Table::plain();
    let mut line = |title: &str, text: &str| page.row([Cell::text(title), Cell::text(text)]);
    let up = Span(Duration::from_secs(status.uptime_seconds));
    let ready = status.not_ready.as_deref().unwrap_or("ready");
    line("server", &format!("dnsward {}, process {}, up for {up}", status.version, status.pid));
    line("state", &format!("{ready}, generation {}", status.generation));
    line("blocking", if status.blocking { "on" } else { "off (blocking.enabled)" });
    line("lists", &rules(&status.lists));
    line("queries", &shares(&status.queries));
    line(
        "cache",
        &format!("{} in {} KiB", Count(status.cache_entries, "answer"), status.cache_bytes >> 10),
    );
    line("waiting", &format!("{} for an upstream", status.waiting));
    for upstream in &status.upstreams {
        line("upstream", &health(upstream));
    }
    page
}

fn rules(lists: &Lists) -> String {
    let Lists { rules, bytes, ok, stale, failed } = lists;
    let rules = Count(*rules, "rule");
    format!("{rules} in {} KiB; {ok} ok, {stale} stale, {failed} failed", bytes >> 10)
}

fn shares(queries: &Queries) -> String {
    let Queries { answered, blocked, cached, forwarded, failed, .. } = queries;
    let percent = queries.blocked_share * 100.0;
    format!(
        "{answered}, of which {blocked} blocked ({percent:.1} %), {cached} from the cache, \
         {forwarded} forwarded, {failed} failed"
    )
}

/// How an upstream does, in a line.
fn health(upstream: &Upstream) -> String {
    let Upstream { server, domains, state, answered, failed, .. } = upstream;
    let is_for_all = domains.iter().all(|domain| domain == ".");
    let mut text = match is_for_all {
        true => format!("{server} is {state}"),
        false => format!("{server} for {} is {state}", domains.join(", ")),
    };
    text.push_str(&format!(": {answered} answered, {failed} failed"));
    if let Some(milliseconds) = upstream.milliseconds {
        text.push_str(&format!(", last in {milliseconds:.1} ms"));
    }
    if let Some(error) = &upstream.last_error {
        text.push_str(&format!("; last error: {error}"));
    }
    text
}
