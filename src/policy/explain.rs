//! A query goes in, every step of policy comes out with all that speaks of the name, so that a
//! person can see why it is decided as it is.
//!
//! Rules are looked at here one by one, and not by what decides; what decides is then asked as
//! well. Where the two differ, that is told and not hidden: an explanation that is wrong would be
//! worse than none.

mod finding;
mod judged;
mod meaning;
mod membership;
mod targets;

use blocker::{Name, Question, Reply};
use serde::{Deserialize, Serialize};

use super::{
    Admitted, Block, Decision, Ending, Path, Policy, Refusal, Special,
    judgement::{self, host_of_key},
};
use crate::{query::Query, route::Way, wire::rtype};

pub use finding::{Does, Finding, Standing};
pub use membership::{GroupOf, Membership};
pub use targets::{Hop, HopKind, HopVerdict, Hops};

use finding::Kind;
use judged::{Judged, Ruling, settle};

/// What policy decides of a query, and why.
#[derive(Debug)]
pub struct Reasons<'p> {
    /// What groups the client is in.
    pub membership: Membership,
    /// All steps in their order, those after the one that decides too.
    pub steps: Vec<Step>,
    /// What is decided, by what decides for everybody.
    pub decision: Result<Decision<'p>, Refusal>,
    /// Where that is not what the steps say, which is a defect of ours.
    pub defect: Option<String>,
}

/// One step, and what it has to say.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Step {
    /// Which one.
    pub step: StepName,
    /// Whether it is this one that decides.
    pub decides: bool,
    /// Whether one before it has decided already.
    pub is_too_late: bool,
    /// What there is to know of it.
    pub note: Option<String>,
    /// Every rule in it that speaks of the name.
    pub findings: Vec<Finding>,
}

/// The steps in their order.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepName {
    /// May this client ask this at all?
    Admission,
    /// `[[records]]`.
    LocalRecords,
    /// `[[rules]]` that allow.
    AllowRules,
    /// Names that have a specification of their own.
    SpecialNames,
    /// `[[rules]]` that deny, but for regular expressions.
    DenyRules,
    /// `[[lists]]`.
    Lists,
    /// `[[rules]]` that deny by regular expression.
    DenyByRegex,
    /// What is done about names of which nothing speaks.
    Otherwise,
}

impl Policy {
    /// Everything there is to say of a query; takes as long as there are rules, so it is nothing
    /// for a thread that answers.
    pub fn explain(&self, query: &Query) -> Reasons<'_> {
        let admitted = self.admit(query);
        let asker = admitted.map_or_else(|_| self.asker(&query.client), Admitted::asker);
        let question = Question { name: &query.name, qtype: query.qtype, asker };
        let mut judged = vec![admission(admitted.err()), self.local_step(query)];
        judged.extend(self.steps_of_name(&question));
        judged.push(self.otherwise(query.qtype));
        let decision = admitted.map(|admitted| self.decide(query, admitted));
        let is_block = judged.iter().find_map(|judged| judged.ruling) == Some(Ruling::Block);
        let block = self.block_behind(&decision, is_block.then_some(&question));
        let decided = match block {
            Some(_) => Ruling::Block,
            None => Ruling::of(&decision),
        };
        let (steps, told) = settle(judged, block.as_ref());
        let defect = (told != Some(decided)).then(|| {
            format!(
                "the steps come to {told:?}, but what is decided is {decided:?}; please report it"
            )
        });
        let membership = Membership::of(self, &query.client, asker.groups);
        Reasons { membership, steps, decision, defect }
    }

    /// The block that a decision is, or that has led to it by a rule which names another name.
    fn block_behind<'p>(
        &'p self,
        decision: &Result<Decision<'p>, Refusal>,
        question: Option<&Question<'_>>,
    ) -> Option<Block<'p>> {
        match decision {
            Ok(Decision::Block(block) | Decision::Resolve(Path { redirect: Some(block), .. })) => {
                Some(block.clone())
            }
            _ => match self.judge_asked(question?).finding {
                judgement::Finding::Block(block) => {
                    let is_alias = matches!(&block.reply, Some(Reply::Alias(_)));
                    is_alias.then_some(block)
                }
                _ => None,
            },
        }
    }

    /// What allow rules, special names, deny rules and lists say of a name.
    fn steps_of_name(&self, question: &Question<'_>) -> Vec<Judged> {
        let [allow, mut deny, mut lists, mut regex] = self.judging_steps(question);
        let special = self.special_step(question.name);
        let is_free = first_ruling(&[&deny, &lists, &regex]).is_some_and(Ruling::is_free);
        if let Some(host) = host_of_key(question.name).filter(|_| !is_free) {
            let of_host = self.judging_steps(&Question { name: &host, ..*question });
            let [allow, of_deny, of_lists, of_regex] = of_host;
            let ruling = first_ruling(&[&of_deny, &of_lists, &of_regex]);
            if allow.ruling.is_none() && ruling == Some(Ruling::Block) {
                [deny, lists, regex] =
                    [of_deny, of_lists, of_regex].map(|judged| judged.about_key_of(&host));
            }
        }
        let lists = match lists.ruling {
            // Whoever asks for everything gets a short answer, be it allowed or not.
            Some(Ruling::Resolve { .. }) if question.qtype == rtype::ANY => {
                Judged { ruling: Some(Ruling::Special(Special::Any)), ..lists }
            }
            _ => lists,
        };
        vec![allow, special, deny, lists, regex]
    }

    /// The steps that also judge the names an answer points to.
    fn judging_steps(&self, question: &Question<'_>) -> [Judged; 4] {
        let rules = |kind| self.rule_findings(kind, question);
        [
            Judged::by_findings(StepName::AllowRules, rules(Kind::Allow)),
            self.where_blocking(Judged::by_findings(StepName::DenyRules, rules(Kind::Deny))),
            self.where_blocking(self.lists_step(question)),
            self.where_blocking(Judged::by_findings(StepName::DenyByRegex, rules(Kind::Regex))),
        ]
    }

    fn local_step(&self, query: &Query) -> Judged {
        let Some(local) = self.local.find(&query.name) else {
            return Judged::silent(StepName::LocalRecords);
        };
        match local.ending(query.qtype) {
            Ending::Here => {
                let number = local.records(query.qtype).count();
                let note = match number {
                    0 => "[[records]] has the name, and nothing of this type".to_owned(),
                    _ => format!("[[records]] has {number} of this type"),
                };
                Judged::noted(StepName::LocalRecords, note, Ruling::Local)
            }
            Ending::Elsewhere(_, target) => {
                let way = self.routes.find(&target);
                let ruling = match Special::of(&target, self.honours_signals(), way) {
                    Some(special) => Ruling::Special(special),
                    None if self.must_wait() => Ruling::Refuse(Refusal::NotReady),
                    None => Ruling::Resolve { inspects: true },
                };
                let note = format!("[[records]] makes it an alias of {target}");
                Judged::noted(StepName::LocalRecords, note, ruling)
            }
        }
    }

    fn special_step(&self, name: &Name) -> Judged {
        let of = |way| Special::of(name, self.honours_signals(), way);
        let way = self.routes.find(name);
        match (of(way), of(Way::default())) {
            (Some(special), _) => {
                let note = special.meaning().to_owned();
                Judged::noted(StepName::SpecialNames, note, Ruling::Special(special))
            }
            (None, Some(_)) => Judged::remarked(
                StepName::SpecialNames,
                "would be a special name, but upstream.routes says who knows it".to_owned(),
            ),
            (None, None) => Judged::silent(StepName::SpecialNames),
        }
    }

    fn lists_step(&self, question: &Question<'_>) -> Judged {
        let findings = self.list_findings(question);
        let wins = findings.iter().find(|finding| finding.standing == Standing::Wins);
        let ruling = wins.map(|finding| finding.does.ruling());
        let off = self.config.lists.iter().filter(|list| !list.enabled);
        let mut notes: Vec<String> =
            off.map(|list| format!("`{}` is not asked: enabled = false", list.name)).collect();
        if !self.lists.are_loaded {
            notes.push("some have not been loaded yet".to_owned());
        }
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        Judged { step: Step::new(StepName::Lists, note, findings), ruling }
    }

    fn otherwise(&self, qtype: u16) -> Judged {
        if qtype == rtype::ANY {
            let note = Special::Any.meaning().to_owned();
            return Judged::noted(StepName::Otherwise, note, Ruling::Special(Special::Any));
        }
        if self.must_wait() {
            let note = "waits for the lists: blocking.until_loaded is \"servfail\"".to_owned();
            let ruling = Ruling::Refuse(Refusal::NotReady);
            return Judged::noted(StepName::Otherwise, note, ruling);
        }
        let ruling = Ruling::Resolve { inspects: true };
        Judged::noted(StepName::Otherwise, "resolved".to_owned(), ruling)
    }

    /// A step that counts only while blocking is on.
    fn where_blocking(&self, mut judged: Judged) -> Judged {
        if !self.blocking().enabled {
            judged.ruling = None;
            judged.step.note = Some("blocking.enabled is false".to_owned());
            for finding in &mut judged.step.findings {
                finding.standing = Standing::Disabled;
            }
        }
        judged
    }
}

/// What the first of these steps decides that decides anything.
fn first_ruling(judged: &[&Judged]) -> Option<Ruling> {
    judged.iter().find_map(|judged| judged.ruling)
}

fn admission(refusal: Option<Refusal>) -> Judged {
    match refusal {
        Some(refusal) => {
            let note = refusal.meaning().to_owned();
            Judged::noted(StepName::Admission, note, Ruling::Refuse(refusal))
        }
        None => Judged::silent(StepName::Admission),
    }
}

#[cfg(test)]
mod tests;
