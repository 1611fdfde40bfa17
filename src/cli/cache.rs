//! `dnsward cache`: how the cache does, and how it forgets.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{
    Exit, Form,
    control::{Command, Reach, encoded},
    count::Count,
    print,
    span::Span,
    table::{Cell, Table},
};
use crate::control::{CacheStats, Flushed};

/// How the cache does.
pub(super) fn stats(reach: &Reach, form: Form) -> Exit {
    let answer = reach.send(Command::Ask("/cache")).and_then(|answer| answer.read(form));
    let stats: CacheStats = match answer {
        Ok(stats) => stats,
        Err(exit) => return exit,
    };
    if form.json { Exit::Ok } else { print(page(&stats)) }
}

/// Forgets a name and all below it, or everything.
pub(super) fn flush(name: Option<&str>, reach: &Reach, form: Form) -> Exit {
    let target = match name {
        Some(name) => format!("/cache/flush?name={}", encoded(name)),
        None => "/cache/flush".to_owned(),
    };
    let answer = reach.send(Command::Do(&target)).and_then(|answer| answer.read(form));
    let Flushed { answers, failures } = match answer {
        Ok(flushed) => flushed,
        Err(exit) => return exit,
    };
    if form.json {
        return Exit::Ok;
    }
    let (answers, failures) = (Count(answers, "answer"), Count(failures, "failure"));
    print(format_args!("{answers} and {failures} forgotten"))
}

fn page(stats: &CacheStats) -> Table {
    let mut page = Table::plain();
    let mut line = |title: &str, text: &str| page.row([Cell::text(title), Cell::text(text)]);
    let CacheStats { entries, bytes, max_bytes, hits, stale, misses, .. } = stats;
    let full = *bytes as f64 / (*max_bytes).max(1) as f64 * 100.0;
    let held = Count(*entries, "answer");
    line("holds", &format!("{held} in {} of {} KiB ({full:.1} %)", bytes >> 10, max_bytes >> 10));
    line("evictions", &stats.evictions.to_string());
    let percent = stats.hit_ratio * 100.0;
    line("hits", &format!("{hits}, and {stale} by stale answers ({percent:.1} % of all)"));
    line("misses", &misses.to_string());
    line("prefetches", &stats.prefetches.to_string());
    let oldest = stats.oldest_seconds.map(|seconds| ago(Duration::from_secs(seconds)));
    line("oldest", oldest.as_deref().unwrap_or("-"));
    line("on disk", &kept(stats));
    page
}

/// What is on the disk, in words.
fn kept(stats: &CacheStats) -> String {
    if !stats.persist {
        return "nothing (cache.persist, data_dir, query_log.privacy)".to_owned();
    }
    let written = stats.persisted.map(|at| {
        let at = UNIX_EPOCH + Duration::from_millis(at);
        format!("written {}", ago(SystemTime::now().duration_since(at).unwrap_or_default()))
    });
    let restored = Count(stats.restored, "answer");
    format!("{}; {restored} of the last run", written.as_deref().unwrap_or("not yet"))
}

fn ago(time: Duration) -> String {
    format!("{} ago", Span(time))
}
