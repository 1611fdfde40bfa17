//! A question goes in, what the deny rules and lists say of its name comes out.

use std::sync::Arc;

use blocker::{Name, Question, Reply, Verdict};

use super::{Block, Lists, Policy};

/// What the deny rules and lists say of a name.
pub(super) struct Judgement<'p> {
    pub(super) finding: Finding<'p>,
    /// What is in shadow mode and would have blocked the name, which nothing else did.
    pub(super) shadow: Option<&'p Arc<str>>,
}

/// What those of them say that decide.
pub(super) enum Finding<'p> {
    Pass,
    Allow,
    Block(Block<'p>),
}

impl<'p> Judgement<'p> {
    fn pass(shadow: Option<&'p Arc<str>>) -> Self {
        Self { finding: Finding::Pass, shadow }
    }

    /// A block, beside which it does not matter what else would have been one.
    fn block(block: Block<'p>) -> Self {
        Self { finding: Finding::Block(block), shadow: None }
    }
}

/// Below a host's name, the key by which clients hide from us that they mean that host.
const ESNI: &[u8] = b"\x05_esni";

impl Policy {
    /// What they say of the name that a client asks.
    pub(super) fn judge_asked(&self, question: &Question<'_>) -> Judgement<'_> {
        let judgement = self.judge(question);
        let Some(host) = host_of_key(question.name) else { return judgement };
        let of_host = Question { name: &host, ..*question };
        let is_free = matches!(judgement.finding, Finding::Allow);
        if is_free || self.rules.allow(&of_host) {
            return judgement;
        }
        match self.judge(&of_host).finding {
            // Who is told that there is no key asks in the open.
            Finding::Block(block) => {
                Judgement::block(Block { reply: Some(Reply::NxDomain), ..block })
            }
            Finding::Allow | Finding::Pass => judgement,
        }
    }

    /// What they and the allow rules say of a name that another leads to.
    pub(super) fn judge_target(&self, question: &Question<'_>) -> Judgement<'_> {
        match self.rules.allow(question) {
            true => Judgement { finding: Finding::Allow, shadow: None },
            false => self.judge(question),
        }
    }

    /// What they say of any name.
    fn judge(&self, question: &Question<'_>) -> Judgement<'_> {
        if !self.blocking().enabled {
            return Judgement::pass(None);
        }
        if let Some(block) = self.rules.deny(question) {
            return Judgement::block(block);
        }
        let Lists { matcher, .. } = &self.lists;
        let in_list = || self.lists.name(matcher.shadow(question)?);
        let shadow = self.rules.shadow(question).or_else(in_list);
        let block = match matcher.verdict(question) {
            Verdict::Allow(_) => return Judgement { finding: Finding::Allow, shadow },
            Verdict::Block(found) => self.lists.name(found).map(|list| Block::by(list, found)),
            Verdict::Pass => self.rules.deny_by_regex(question),
        };
        match block {
            Some(block) => Judgement::block(block),
            None => Judgement::pass(shadow.or_else(|| self.rules.shadow_by_regex(question))),
        }
    }
}

/// The host whose encryption key a name is.
pub(super) fn host_of_key(name: &Name) -> Option<Name> {
    let is_key = name.as_wire().starts_with(ESNI);
    is_key.then(|| name.parent()).flatten()
}
