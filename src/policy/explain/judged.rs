//! Steps and what each would decide go in, the one that decides and the rule in it come out.

use blocker::Name;

use super::{Does, Finding, Standing, Step, StepName};
use crate::policy::{Block, Decision, Refusal, Special};

/// What a step decides, in terms that can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    Refuse(Refusal),
    Local,
    Special(Special),
    Block,
    Resolve { inspects: bool },
}

/// A step, and what it decides where it is reached.
pub(super) struct Judged {
    pub(super) step: Step,
    pub(super) ruling: Option<Ruling>,
}

impl Judged {
    pub(super) fn noted(name: StepName, note: String, ruling: Ruling) -> Self {
        Self { step: Step::new(name, Some(note), Vec::new()), ruling: Some(ruling) }
    }

    pub(super) fn silent(name: StepName) -> Self {
        Self { step: Step::new(name, None, Vec::new()), ruling: None }
    }

    /// A step that has something to say, and decides nothing.
    pub(super) fn remarked(name: StepName, note: String) -> Self {
        Self { step: Step::new(name, Some(note), Vec::new()), ruling: None }
    }

    /// The same, told of the host whose encryption key a name is.
    pub(super) fn about_key_of(mut self, host: &Name) -> Self {
        if !self.step.findings.is_empty() {
            self.step.note = Some(format!("the name is the encryption key of {host}"));
        }
        self
    }

    /// A step in which any rule that counts decides.
    pub(super) fn by_findings(name: StepName, findings: Vec<Finding>) -> Self {
        let ruling = findings.iter().find(|finding| finding.counts()).map(|f| f.does.ruling());
        Self { step: Step::new(name, None, findings), ruling }
    }
}

impl Ruling {
    /// Whether a name is let through, whatever comes after.
    pub(super) fn is_free(self) -> bool {
        matches!(self, Self::Resolve { inspects: false })
    }

    pub(super) fn of(decision: &Result<Decision<'_>, Refusal>) -> Self {
        match decision {
            Err(refusal) | Ok(Decision::Refuse(refusal)) => Self::Refuse(*refusal),
            Ok(Decision::Local(_)) => Self::Local,
            Ok(Decision::Special(special)) => Self::Special(*special),
            Ok(Decision::Block(_)) => Self::Block,
            Ok(Decision::Resolve(path)) => Self::Resolve { inspects: path.inspects },
        }
    }
}

impl Does {
    pub(super) fn ruling(self) -> Ruling {
        match self {
            Self::Allow => Ruling::Resolve { inspects: false },
            Self::Block => Ruling::Block,
        }
    }
}

impl Step {
    pub(super) fn new(step: StepName, note: Option<String>, findings: Vec<Finding>) -> Self {
        Self { step, decides: false, is_too_late: false, note, findings }
    }

    /// Marks the rule that decides: the one that blocks, or one that allows. Whether there is one.
    fn mark_winner(&mut self, block: Option<&Block<'_>>) -> bool {
        let decides = |finding: &Finding| match block {
            Some(block) => finding.counts() && finding.is(block),
            None => finding.counts() && finding.does == Does::Allow,
        };
        let winner = |finding: &Finding| decides(finding) && finding.standing == Standing::Wins;
        let place = self.findings.iter().position(winner);
        let place = place.or_else(|| self.findings.iter().position(decides));
        self.forget_winner();
        match place.and_then(|place| self.findings.get_mut(place)) {
            Some(finding) => {
                finding.standing = Standing::Wins;
                true
            }
            None => block.is_none(),
        }
    }

    fn forget_winner(&mut self) {
        let winners = self.findings.iter_mut().filter(|f| f.standing == Standing::Wins);
        winners.for_each(|finding| finding.standing = Standing::Applies);
    }
}

/// Finds the step that decides, and the rule in it; what they come to, where that is anything.
pub(super) fn settle(
    judged: Vec<Judged>,
    block: Option<&Block<'_>>,
) -> (Vec<Step>, Option<Ruling>) {
    let deciding = judged.iter().position(|judged| judged.ruling.is_some());
    let mut told = None;
    let mut steps = Vec::with_capacity(judged.len());
    for (number, Judged { mut step, ruling }) in judged.into_iter().enumerate() {
        step.decides = Some(number) == deciding;
        step.is_too_late = deciding.is_some_and(|deciding| deciding < number);
        if !step.decides {
            step.forget_winner();
        } else if step.mark_winner(block) {
            told = ruling;
        }
        steps.push(step);
    }
    (steps, told)
}
