//! An explanation goes in, a dozen aligned lines come out that end in one sentence.

use std::{fmt, time::Duration};

use super::super::{
    count::Count,
    shown::Shown,
    span::Span,
    table::{Cell, Table},
};
use crate::{
    explain::{Cached, Explanation, Lookup, Server},
    policy::explain::{Finding, Hop, HopKind, HopVerdict, Membership, Standing, Step, StepName},
};

/// What is said of the step, or the rule in it, that decides.
const DECIDES: &str = "  <- decides";

/// What is said of what would count if nothing before it had decided.
const NOT_REACHED: &str = ", not reached";

/// The lines of a story.
struct Lines(Table);

/// Tells an explanation.
pub(super) fn of(explanation: &Explanation) -> impl fmt::Display {
    let Explanation { name, qtype, client, .. } = explanation;
    let mut lines = Lines(Table::plain());
    lines.add("name", [format!("{name}, type {qtype}")]);
    lines.add("client", [format!("{client}, {}", groups(&explanation.membership))]);
    for step in &explanation.steps {
        lines.add(title(step.step), step_lines(step));
    }
    lines.add("caution", explanation.cautions.iter().cloned());
    if let Some(lookup) = &explanation.lookup {
        lines.tell_lookup(lookup, name);
    }
    format!("{}\n{}", lines.0, Shown::text(&explanation.sentence))
}

impl Lines {
    /// Adds lines under one title; none where there is nothing.
    fn add(&mut self, title: &str, lines: impl IntoIterator<Item = String>) {
        let titles = std::iter::once(title).chain(std::iter::repeat(""));
        for (title, line) in titles.zip(lines) {
            self.0.row([Cell::text(title), Cell::text(&line)]);
        }
    }

    fn tell_lookup(&mut self, lookup: &Lookup, asked: &str) {
        if lookup.name != asked {
            self.add("looked up", [lookup.name.clone()]);
        }
        self.add("leads to", lookup.hops.iter().flat_map(hop_lines));
        match &lookup.cached {
            Some(cached) if cached.is_empty() => self.add("cache", ["nothing".to_owned()]),
            Some(cached) => self.add("cache", cached.iter().map(cached_line)),
            None => self.add("cache", ["unknown without a server".to_owned()]),
        }
        if let Some(failure) = &lookup.failed_lately {
            self.add("lately", [format!("failed, and is not tried again at once: {failure}")]);
        }
        let route = |domain| format!("that of {domain}, by upstream.routes");
        self.add("route", lookup.route.as_ref().map(route));
        self.add("upstreams", lookup.upstreams.iter().map(server_line));
    }
}

fn groups(membership: &Membership) -> String {
    let name = |group: &crate::policy::explain::GroupOf| match group.counts {
        true => group.name.clone(),
        false => format!("{} (which is off now)", group.name),
    };
    let names: Vec<String> = membership.groups.iter().map(name).collect();
    let names = if names.is_empty() {
        "in no group".to_owned()
    } else {
        format!("in {}", names.join(", "))
    };
    match (membership.row, &membership.matches) {
        (Some(row), Some(matches)) => format!("{names}, by row {row} of [[clients]] ({matches})"),
        _ => format!("{names}, as no row of [[clients]] matches"),
    }
}

fn title(step: StepName) -> &'static str {
    match step {
        StepName::Admission => "may ask",
        StepName::LocalRecords => "local records",
        StepName::AllowRules => "allow rules",
        StepName::SpecialNames => "special names",
        StepName::DenyRules => "deny rules",
        StepName::Lists => "lists",
        StepName::DenyByRegex => "deny by regex",
        StepName::Otherwise => "otherwise",
    }
}

fn step_lines(step: &Step) -> Vec<String> {
    let applies = if step.is_too_late { NOT_REACHED } else { "" };
    let mut lines: Vec<String> =
        step.findings.iter().map(|finding| finding_line(finding, applies)).collect();
    lines.extend(step.note.iter().map(|note| match (step.decides, step.is_too_late) {
        (true, _) if step.findings.is_empty() => format!("{note}{DECIDES}"),
        (_, true) => format!("{note}{NOT_REACHED}"),
        _ => note.clone(),
    }));
    if lines.is_empty() {
        lines.push(if step.step == StepName::Admission { "yes" } else { "-" }.to_owned());
    }
    lines
}

/// A rule in words; `applies` is what is said of one that counts and does not decide.
fn finding_line(finding: &Finding, applies: &str) -> String {
    let standing = match finding.standing {
        Standing::Wins => DECIDES,
        Standing::Applies => applies,
        Standing::OtherGroup => ", for other groups",
        Standing::OtherType => ", for other types",
        Standing::OtherClient => ", for other clients",
        Standing::OtherQuestion => ", for other types or not for this name",
        Standing::Disabled => ", but is switched off",
        Standing::Shadow => ", but only counts (mode = \"shadow\")",
    };
    let comment = match finding.comment.as_str() {
        "" => String::new(),
        comment => format!(" # {comment}"),
    };
    format!("{}{comment}{standing}", finding.words())
}

fn hop_lines(hop: &Hop) -> Vec<String> {
    let kind = match hop.kind {
        HopKind::RuleAlias => "alias of that rule",
        HopKind::LocalAlias => "alias of [[records]]",
        HopKind::Alias => "alias",
        HopKind::Service => "service",
    };
    let verdict = match hop.verdict {
        HopVerdict::Pass => "passes",
        HopVerdict::Allow => "is allowed",
        HopVerdict::Block => "is blocked",
        HopVerdict::NotJudged => "is not judged",
    };
    let first = format!("{} ({kind}) {verdict}", hop.name);
    let findings = hop.findings.iter().map(|finding| format!("  {}", finding_line(finding, "")));
    std::iter::once(first).chain(findings).collect()
}

fn cached_line(cached: &Cached) -> String {
    let Cached { qtype, rcode, records, upstream, .. } = cached;
    let left = match cached.is_stale {
        true => "stale".to_owned(),
        false => format!("{} left", Span(Duration::from_secs(cached.ttl_seconds))),
    };
    let wish = match (cached.dnssec_ok, cached.checking_disabled) {
        (false, false) => "",
        (true, false) => ", with DNSSEC",
        (false, true) => ", unchecked",
        (true, true) => ", with DNSSEC, unchecked",
    };
    let records = Count((*records).into(), "record");
    format!("{qtype} {rcode} with {records}, {left}{wish}, from {upstream}")
}

fn server_line(server: &Server) -> String {
    match &server.state {
        Some(state) => format!("{} ({state})", server.server),
        None => server.server.clone(),
    }
}
