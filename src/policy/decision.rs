//! What policy says of a query: how it is answered, or what has to be looked up for it.

use std::{borrow::Cow, sync::Arc};

use blocker::{Asker, GroupSet, Match, Reply};

use super::{LocalName, Special};
use crate::cache::{Key, Link};

/// What is to be done about a query.
#[derive(Debug)]
pub enum Decision<'p> {
    /// It gets no answer of substance.
    Refuse(Refusal),
    /// It is answered from local records.
    Local(&'p LocalName),
    /// It is answered as its specification asks.
    Special(Special),
    /// It is blocked.
    Block(Block<'p>),
    /// It is resolved.
    Resolve(Path<'p>),
}

/// A query that may have an answer of substance, and all that rules can tell of who asks.
#[derive(Clone, Copy, Debug)]
pub struct Admitted {
    pub(super) asker: Asker,
}

impl Admitted {
    /// Beside the question, the only thing that what is decided depends on.
    pub fn asker(self) -> Asker {
        self.asker
    }

    /// The groups of the client.
    pub fn groups(self) -> GroupSet {
        self.asker.groups
    }
}

/// Why a query is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The client is not in `dns.allow_from`.
    Client,
    /// It came over UDP, and `dns.udp` says to send it to TCP.
    OverUdp,
    /// We do not serve this class or type.
    Question,
    /// The client speaks a version of EDNS that we do not.
    EdnsVersion,
    /// The client wants to know what is remembered, not what is so (it did not set RD).
    NoRecursion,
    /// The lists are not loaded, and `blocking.until_loaded` says to wait for them.
    NotReady,
}

/// How a name is resolved.
#[derive(Debug)]
pub struct Path<'p> {
    /// What is looked up.
    pub key: Key,
    /// Who asks.
    pub(super) asker: Asker,
    /// Aliases of ours that lead from the asked name to the one looked up.
    pub links: Cow<'p, [Link]>,
    /// Whether the names that the answer points to are judged; a rule that allows frees them.
    pub(super) inspects: bool,
    /// The rule that leads from the asked name to the one looked up, where one does.
    pub redirect: Option<Block<'p>>,
    /// What is in shadow mode and would have blocked the name.
    pub shadow: Option<&'p Arc<str>>,
}

/// What policy says of the names that an answer leads to.
#[derive(Debug, Default)]
pub struct Inspection<'p> {
    /// Why it must not be given.
    pub block: Option<Block<'p>>,
    /// What is in shadow mode and would have blocked it, or the name that was asked.
    pub shadow: Option<&'p Arc<str>>,
}

impl<'p> Path<'p> {
    /// The name itself is looked up, and the answer is judged by what it points to.
    pub(super) fn judged(key: Key, asker: Asker) -> Self {
        Self { key, asker, links: Cow::Borrowed(&[]), inspects: true, redirect: None, shadow: None }
    }

    /// The same, which this would have blocked if it were not in shadow mode.
    pub(super) fn shadowed_by(self, shadow: Option<&'p Arc<str>>) -> Self {
        Self { shadow, ..self }
    }

    /// A rule leads to another name, which is looked up and judged, by way of these aliases.
    pub(crate) fn redirected(
        key: Key,
        asker: Asker,
        links: Cow<'p, [Link]>,
        block: Block<'p>,
    ) -> Self {
        Self { links, redirect: Some(block), ..Self::judged(key, asker) }
    }

    /// The name itself is looked up, and whatever comes is right.
    pub(super) fn free(key: Key, asker: Asker) -> Self {
        Self { inspects: false, ..Self::judged(key, asker) }
    }
}

/// Why a name is blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block<'p> {
    /// The list, or the rule itself.
    pub reason: &'p Arc<str>,
    /// The line of the list; for rules, their place in the configuration, from one.
    pub line: u32,
    /// What the rule itself wants to be answered; nothing: what is configured. A copy, as what is
    /// found may borrow from the question; few rules have any.
    pub reply: Option<Reply>,
}

impl<'p> Block<'p> {
    /// A block by what was found in a matcher.
    pub(super) fn by(reason: &'p Arc<str>, found: Match<'_>) -> Self {
        Self { reason, line: found.line, reply: found.reply().cloned() }
    }
}
