//! A name, a type and a client go in, why they get what they get comes out: the page that an
//! operator reads at night.
//!
//! It works on a policy alone, as `explain --offline` does, and tells more where it is given the
//! parts of a running server. It asks nobody and changes nothing.

mod lookup;
mod search;
mod sentence;
mod subject;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    cache::Cache,
    config::Config,
    lists::{ListState, ListStatus, ListStore},
    pipeline::Pipeline,
    policy::{
        Decision, Policy,
        explain::{Finding, Membership, Reasons, Standing, Step},
    },
    upstream::Upstream,
};

pub use lookup::{Cached, Lookup, PrivateAddresses, Server};
pub use search::{Found, search};
pub use subject::{Subject, SubjectError};

pub(crate) use subject::parse_name;

/// What explanations are made of.
#[derive(Clone, Copy)]
pub struct Explainer<'s> {
    /// The settings.
    pub config: &'s Config,
    /// The policy that they make.
    pub policy: &'s Policy,
    /// How the lists do that it asks.
    pub lists: &'s [ListStatus],
    /// What only a running server knows; nothing where there is none.
    pub live: Option<Live<'s>>,
}

/// What only a running server knows.
#[derive(Clone, Copy)]
pub struct Live<'s> {
    /// What is remembered.
    pub cache: &'s Cache,
    /// Who is asked.
    pub upstream: &'s Upstream,
    /// The time.
    pub now: Instant,
}

/// Why a question gets what it gets.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Explanation {
    /// The name, in its normal form.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub qtype: String,
    /// Who asks.
    pub client: String,
    /// What groups that client is in.
    pub membership: Membership,
    /// All steps of policy in their order.
    pub steps: Vec<Step>,
    /// What could not be asked, or is not as it should be.
    pub cautions: Vec<String>,
    /// How the name is resolved, where it is.
    pub lookup: Option<Lookup>,
    /// What becomes of it.
    pub outcome: Outcome,
    /// The rule that decides, where one does.
    pub winner: Option<Finding>,
    /// All of that in one sentence.
    pub sentence: String,
    /// Where what is told is not what is decided, which is a defect of ours.
    pub defect: Option<String>,
}

/// What becomes of a question.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is refused.
    Refused,
    /// It is answered from local records.
    Local,
    /// It is answered as its specification asks.
    Special,
    /// It is blocked.
    Blocked,
    /// It is resolved.
    Resolved,
}

/// Explains what a client of a running server gets.
pub fn explain_running(pipeline: &Pipeline, lists: &ListStore, subject: &Subject) -> Explanation {
    let snapshot = pipeline.published.load();
    let (cache, upstream) = (&pipeline.cache, &pipeline.upstream);
    let live = Some(Live { cache, upstream, now: Instant::now() });
    let (config, policy, lists) = (&snapshot.config, &snapshot.policy, &lists.status());
    Explainer { config, policy, lists, live }.explain(subject)
}

impl Explanation {
    /// Whether the client gets an answer of substance, as far as that is known.
    pub fn is_answered(&self) -> bool {
        !matches!(self.outcome, Outcome::Refused | Outcome::Blocked)
    }
}

impl Explainer<'_> {
    /// Explains what a client gets; takes as long as there are `[[rules]]`.
    pub fn explain(&self, subject: &Subject) -> Explanation {
        let query = subject.query(&self.config.dns);
        let reasons = self.policy.explain(&query);
        let lookup = match &reasons.decision {
            Ok(Decision::Resolve(path)) => Some(self.look_up(&query, path)),
            _ => None,
        };
        let outcome = outcome(&reasons, lookup.as_ref());
        let Reasons { membership, steps, defect, .. } = reasons;
        let of_lookup = lookup.as_ref().and_then(|lookup| lookup.defect.clone());
        let winner = winner(&steps, lookup.as_ref());
        let mut explanation = Explanation {
            name: query.name.to_string(),
            qtype: subject.qtype_word(),
            client: subject.client_word(),
            membership,
            steps,
            cautions: self.lists.iter().filter_map(caution).collect(),
            lookup,
            outcome,
            winner,
            sentence: String::new(),
            defect: defect.or(of_lookup),
        };
        explanation.sentence = sentence::of(&explanation);
        explanation
    }
}

/// What a list that is not well means for an explanation.
fn caution(list: &ListStatus) -> Option<String> {
    let ListStatus { name, error, .. } = list;
    let means = match list.state {
        ListState::Ok => return None,
        ListState::Stale => "an older copy is asked",
        ListState::Failed => "nothing in it counts",
    };
    let why = error.as_deref().unwrap_or("its last load failed");
    Some(format!("list `{name}`: {means}: {why}"))
}

fn outcome(reasons: &Reasons<'_>, lookup: Option<&Lookup>) -> Outcome {
    match &reasons.decision {
        Err(_) | Ok(Decision::Refuse(_)) => Outcome::Refused,
        Ok(Decision::Local(_)) => Outcome::Local,
        Ok(Decision::Special(_)) => Outcome::Special,
        Ok(Decision::Block(_)) => Outcome::Blocked,
        Ok(Decision::Resolve(_)) if lookup.is_some_and(Lookup::is_blocked) => Outcome::Blocked,
        Ok(Decision::Resolve(_)) => Outcome::Resolved,
    }
}

/// The rule that decides: of what the answer points to, else of the name itself.
fn winner(steps: &[Step], lookup: Option<&Lookup>) -> Option<Finding> {
    let of_hop = lookup.and_then(Lookup::blocking_hop).map(|hop| &hop.findings);
    let of_steps = steps.iter().flat_map(|step| &step.findings);
    let mut findings = of_hop.into_iter().flatten().chain(of_steps);
    findings.find(|finding| finding.standing == Standing::Wins).cloned()
}
