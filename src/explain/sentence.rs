//! An explanation goes in, one sentence comes out.

use super::{Explanation, Outcome, lookup::PrivateAddresses};
use crate::policy::explain::{Does, Finding, Hop, HopKind, StepName};

/// What an explanation comes to.
pub(super) fn of(explanation: &Explanation) -> String {
    let client = &explanation.client;
    match explanation.outcome {
        Outcome::Refused => format!("refused for {client}: {}", note(explanation)),
        Outcome::Local | Outcome::Special => {
            let why =
                explanation.winner.as_ref().map_or_else(|| note(explanation).to_owned(), says);
            format!("answered for {client}: {why}")
        }
        Outcome::Blocked => format!("blocked for {client}: {}", why_blocked(explanation)),
        Outcome::Resolved => format!("resolved for {client}: {}", why_resolved(explanation)),
    }
}

/// What the step that decides has to say.
fn note(explanation: &Explanation) -> &str {
    let step = explanation.steps.iter().find(|step| step.decides);
    step.and_then(|step| step.note.as_deref()).unwrap_or("nothing speaks of it")
}

fn why_blocked(explanation: &Explanation) -> String {
    let lookup = explanation.lookup.as_ref();
    let hop = lookup.and_then(|lookup| lookup.blocking_hop());
    let private = lookup.and_then(|lookup| lookup.private_addresses);
    match (&explanation.winner, hop) {
        (Some(winner), Some(hop)) => format!("{}, and {}", leads_to(hop), says(winner)),
        (Some(winner), None) => says(winner),
        (None, _) if private == Some(PrivateAddresses::Blocked) => {
            "its answer has private addresses only (dns.rebind_protection)".to_owned()
        }
        (None, _) => "no rule was found that says so, which is a defect of ours".to_owned(),
    }
}

fn why_resolved(explanation: &Explanation) -> String {
    let mut text = match &explanation.winner {
        Some(winner) => says(winner),
        None if decided_by_records(explanation) => note(explanation).to_owned(),
        None => "no rule that counts speaks against it".to_owned(),
    };
    let lookup = explanation.lookup.as_ref();
    if lookup.and_then(|lookup| lookup.private_addresses) == Some(PrivateAddresses::LeftOut) {
        text.push_str("; private addresses are left out (dns.rebind_protection)");
    }
    if let Some(domain) = lookup.and_then(|lookup| lookup.route.as_ref()) {
        text.push_str(&format!("; asked of the servers of {domain} (upstream.routes)"));
    }
    if lookup.is_some_and(|lookup| lookup.cached.as_ref().is_some_and(Vec::is_empty)) {
        text.push_str("; nothing is cached, so where its answer leads is unknown");
    }
    text
}

fn decided_by_records(explanation: &Explanation) -> bool {
    explanation.steps.iter().any(|step| step.decides && step.step == StepName::LocalRecords)
}

/// How an answer points to a name.
fn leads_to(hop: &Hop) -> String {
    match hop.kind {
        HopKind::RuleAlias => format!("a rule leads it to {}", hop.name),
        HopKind::LocalAlias | HopKind::Alias => format!("it is an alias of {}", hop.name),
        HopKind::Service => format!("its service is at {}", hop.name),
    }
}

/// What a rule says, and where it stands.
fn says(finding: &Finding) -> String {
    let Finding { line, rule, .. } = finding;
    match (&finding.list, finding.does) {
        (Some(list), Does::Block) => format!("line {line} of `{list}` says {rule}"),
        (Some(list), Does::Allow) => format!("line {line} of `{list}` allows {rule}"),
        (None, Does::Block) => format!("rule {line} denies {rule}"),
        (None, Does::Allow) => format!("rule {line} allows {rule}"),
    }
}

impl Finding {
    /// What it says, and where it stands, in words.
    pub fn words(&self) -> String {
        says(self)
    }
}
