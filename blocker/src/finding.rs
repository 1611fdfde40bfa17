//! Every rule that a name meets, because a person asks why.

use crate::candidate::{Candidate, Found};
use crate::matcher::Matcher;
use crate::name::text::Text;
use crate::question::Question;
use crate::source::{Action, Mode};
use crate::verdict::Match;

/// A rule whose names include the one that was asked, and whether it counts.
#[derive(Clone, Copy, Debug)]
pub struct Finding<'a> {
    /// The rule and where it stands.
    pub found: Match<'a>,
    /// What it does.
    pub action: Action,
    /// Whether it counts.
    pub standing: Standing,
}

/// Whether a rule counts, or why it does not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Standing {
    /// It decides.
    Wins,
    /// It would decide if those before it were not there.
    Applies,
    /// Its list is in shadow mode.
    Shadow,
    /// Its list is not for the asker's groups.
    OtherGroup,
    /// It is for other types, or excepts this name.
    OtherQuestion,
    /// It is for other clients.
    OtherClient,
}

impl Matcher {
    /// Every rule for the name, in order of precedence, whether or not it counts for the asker.
    ///
    /// Takes memory and time for each of them; meant for people, not for queries.
    #[must_use]
    pub fn findings<'a>(&'a self, question: &Question<'a>) -> Vec<Finding<'a>> {
        let mut candidates: Vec<Candidate<'a>> = Vec::new();
        self.visit_names(question, &mut |candidate| candidates.push(candidate));
        let text = Text::new(question.name);
        self.visit_patterns(question, text.as_str(), &mut |candidate| {
            if let Found::Special(id) = candidate.found
                && self.looks_like(id, text.as_str())
            {
                candidates.push(candidate);
            }
        });
        candidates.sort_by_key(|candidate| candidate.rank);
        let mut findings: Vec<_> = candidates
            .iter()
            .filter_map(|candidate| {
                Some(Finding {
                    found: self.verify(candidate)?,
                    action: candidate.rank.strength.action(),
                    standing: self.standing(candidate, question),
                })
            })
            .collect();
        let first = findings.iter_mut().find(|finding| finding.standing == Standing::Applies);
        if let Some(first) = first {
            first.standing = Standing::Wins;
        }
        findings
    }

    fn standing(&self, candidate: &Candidate<'_>, question: &Question<'_>) -> Standing {
        let Some(member) = self.sources.get(candidate.rank.list) else {
            return Standing::OtherGroup;
        };
        if !member.groups.intersects(question.asker.groups) {
            return Standing::OtherGroup;
        }
        if let Found::Special(id) = candidate.found
            && let Some((_, special)) = self.sources.special(id)
            && let Some(terms) = &special.rule.terms
        {
            if !terms.hold(question.name, question.qtype) {
                return Standing::OtherQuestion;
            }
            if !self.clients.hold(id, question.asker.marks) {
                return Standing::OtherClient;
            }
        }
        match member.mode {
            Mode::Enforce => Standing::Applies,
            Mode::Shadow => Standing::Shadow,
        }
    }
}
