//! The names that an answer points to go in, what each is judged comes out.

use blocker::{Name, Question};
use serde::{Deserialize, Serialize};

use super::{
    Finding, Standing,
    judged::{Judged, Ruling, settle},
};
use crate::{
    cache::Targets,
    policy::{Block, Path, Policy},
    query::Query,
};

/// A name that an answer points to.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Hop {
    /// The name.
    pub name: String,
    /// How the answer points to it.
    pub kind: HopKind,
    /// What comes of it.
    pub verdict: HopVerdict,
    /// Every rule that speaks of it.
    pub findings: Vec<Finding>,
}

/// How an answer points to a name.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HopKind {
    /// By a rule that names another name.
    RuleAlias,
    /// By an alias of `[[records]]`.
    LocalAlias,
    /// By an alias of the upstream's answer.
    Alias,
    /// As the target of a service.
    Service,
}

/// What is said of a name that an answer points to.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HopVerdict {
    /// Nothing speaks against it.
    Pass,
    /// It is allowed; aliases after it are not judged any more.
    Allow,
    /// It is blocked, and with it the answer.
    Block,
    /// It is not judged.
    NotJudged,
}

/// All names that an answer points to, and what comes of them.
pub struct Hops<'p> {
    /// In the order in which they are judged.
    pub hops: Vec<Hop>,
    /// What blocks the answer, by what decides for everybody.
    pub block: Option<Block<'p>>,
    /// Where that is not what the hops say, which is a defect of ours.
    pub defect: Option<String>,
}

impl Hop {
    /// Nothing that speaks of it decides.
    fn leave_alone(&mut self) {
        self.verdict = HopVerdict::NotJudged;
        let winners = self.findings.iter_mut().filter(|f| f.standing == Standing::Wins);
        winners.for_each(|finding| finding.standing = Standing::Applies);
    }
}

impl Policy {
    /// What is said of the names that an answer points to.
    pub fn explain_targets<'p>(
        &'p self,
        query: &Query,
        path: &Path<'p>,
        targets: &Targets,
    ) -> Hops<'p> {
        let block = self.inspect(query, path, targets).block;
        let mut judges = path.inspects && self.blocking().inspect_cname;
        let mut hops = Vec::new();
        // Where a rule leads elsewhere it comes first; what follows is ours.
        let by_rule = usize::from(path.redirect.is_some());
        let aliases = path.links.iter().enumerate().map(|(number, link)| {
            let kind = if number < by_rule { HopKind::RuleAlias } else { HopKind::LocalAlias };
            (&link.target, kind)
        });
        let aliases = aliases.chain(targets.aliases().iter().map(|name| (name, HopKind::Alias)));
        let services = targets.services().iter().map(|name| (name, HopKind::Service));
        for (name, kind) in aliases.chain(services) {
            let mut hop = self.hop(query, path, (name, kind), block.as_ref());
            if !judges {
                hop.leave_alone();
            }
            // An alias that is allowed frees all that follows, services included.
            let ends = hop.verdict == HopVerdict::Block
                || hop.verdict == HopVerdict::Allow && kind != HopKind::Service;
            judges &= !ends;
            hops.push(hop);
        }
        let told = hops.iter().any(|hop| hop.verdict == HopVerdict::Block);
        let defect = (told != block.is_some()).then(|| {
            let decided = if told { "lets it through" } else { "blocks it" };
            format!("what the answer points to is not judged as told: policy {decided}")
        });
        Hops { hops, block, defect }
    }

    fn hop(
        &self,
        query: &Query,
        path: &Path<'_>,
        (name, kind): (&Name, HopKind),
        block: Option<&Block<'_>>,
    ) -> Hop {
        let question = Question { name, qtype: query.qtype, asker: path.asker };
        let judged: [Judged; 4] = self.judging_steps(&question);
        let ruling = judged.iter().find_map(|judged| judged.ruling);
        // The block may be another hop's; then it marks nothing here.
        let block = block.filter(|_| ruling == Some(Ruling::Block));
        let (steps, _) = settle(judged.into(), block);
        let verdict = match ruling {
            Some(Ruling::Block) => HopVerdict::Block,
            Some(_) => HopVerdict::Allow,
            None => HopVerdict::Pass,
        };
        let findings = steps.into_iter().flat_map(|step| step.findings).collect();
        Hop { name: name.to_string(), kind, verdict, findings }
    }
}
