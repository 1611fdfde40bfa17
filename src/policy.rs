//! A query goes in, a decision comes out: answer it from here, block it, or resolve it.
//!
//! This is the only place that decides, for every transport, cached or not, and for every name
//! that an answer points to. The order is fixed: local records, allow rules, special names, deny
//! rules, lists, deny rules by regular expression.

mod groups;
mod local;
mod rules;
mod special;

use std::sync::Arc;

use blocker::{Asker, GroupSet, Marks, Matcher, Name, Question, Verdict};

use crate::{
    cache::{Entry, Key, Link, Targets},
    config::{Blocking, Config, Dns, UdpMode, UntilLoaded},
    query::{Query, Transport},
    wire::{CLASS_IN, rtype},
};

pub use groups::Groups;
pub use local::{Ending, LocalName};
pub use special::Special;

use local::LocalNames;
use rules::Rules;

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

/// A query that may have an answer of substance, and what groups its client is in.
#[derive(Clone, Copy, Debug)]
pub struct Admitted {
    groups: GroupSet,
}

impl Admitted {
    /// Beside the question, the only thing that what is decided depends on.
    pub fn groups(self) -> GroupSet {
        self.groups
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
    /// The groups of the client.
    groups: GroupSet,
    /// Aliases of ours that lead from the asked name to the one looked up.
    pub links: &'p [Link],
    /// Whether the names that the answer points to are judged; a rule that allows frees them.
    inspects: bool,
}

/// Why a name is blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block<'p> {
    /// The list, or the rule itself.
    pub reason: &'p Arc<str>,
    /// The line of the list; for rules, their place in the configuration, from one.
    pub line: u32,
}

/// Everything a decision depends on; immutable, and replaced as a whole.
#[derive(Debug)]
pub struct Policy {
    config: Arc<Config>,
    local: LocalNames,
    groups: Groups,
    rules: Rules,
    lists: Lists,
}

/// The lists, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    /// All of them, in one matcher.
    pub matcher: Arc<Matcher>,
    /// Their names.
    pub names: Arc<[Arc<str>]>,
    /// Whether each of them has been loaded, or has failed once.
    pub are_loaded: bool,
}

impl Lists {
    fn name(&self, name: &str) -> Option<&Arc<str>> {
        self.names.iter().find(|known| known.as_ref() == name)
    }
}

impl Policy {
    /// The policy that a configuration and its lists make.
    pub fn new(config: Arc<Config>, lists: Lists) -> Self {
        let groups = Groups::new(&config);
        Self {
            local: LocalNames::new(&config.records),
            rules: Rules::new(&config.rules, &groups),
            groups,
            lists,
            config,
        }
    }

    /// Decides whether a query may have an answer of substance; that depends on its client and its
    /// transport, what `decide` says no longer does.
    ///
    /// # Errors
    /// Why it may not.
    pub fn admit(&self, query: &Query) -> Result<Admitted, Refusal> {
        if let Some(refusal) = self.refuse(query) {
            return Err(refusal);
        }
        if query.client.transport == Transport::Udp && self.dns().udp == UdpMode::Truncate {
            return Err(Refusal::OverUdp);
        }
        Ok(Admitted { groups: self.groups.of(&query.client) })
    }

    /// Decides about a query that was admitted.
    pub fn decide(&self, query: &Query, admitted: Admitted) -> Decision<'_> {
        match self.decide_with_recursion(query, admitted.groups) {
            // What the cache holds tells what others asked for.
            Decision::Resolve(_) if !query.is_recursion_desired() => {
                Decision::Refuse(Refusal::NoRecursion)
            }
            decision => decision,
        }
    }

    fn decide_with_recursion(&self, query: &Query, groups: GroupSet) -> Decision<'_> {
        if let Some(local) = self.local.find(&query.name) {
            return match local.ending(query.qtype) {
                Ending::Here => Decision::Local(local),
                Ending::Elsewhere(links, target) => self.follow(query, groups, links, target),
            };
        }
        let key = Key::of(query);
        if self.rules.allow(&query.name, query.qtype, groups) {
            return Decision::Resolve(Path { key, groups, links: &[], inspects: false });
        }
        if let Some(special) = Special::of(&query.name, self.honours_signals()) {
            return Decision::Special(special);
        }
        match self.judge(&query.name, query.qtype, groups) {
            Judgement::Block(block) => Decision::Block(block),
            _ if query.qtype == rtype::ANY => Decision::Special(Special::Any),
            Judgement::Allow => {
                Decision::Resolve(Path { key, groups, links: &[], inspects: false })
            }
            Judgement::Pass if self.must_wait() => Decision::Refuse(Refusal::NotReady),
            Judgement::Pass => Decision::Resolve(Path { key, groups, links: &[], inspects: true }),
        }
    }

    /// Judges the names that an answer points to. Aliases lead to one another, so an allowed one
    /// frees what follows; of services a client chooses one, so each is judged for itself.
    pub fn inspect(&self, query: &Query, path: &Path<'_>, targets: &Targets) -> Option<Block<'_>> {
        if !path.inspects || !self.blocking().inspect_cname {
            return None;
        }
        let judge = |target| match self.rules.allow(target, query.qtype, path.groups) {
            true => Judgement::Allow,
            false => self.judge(target, query.qtype, path.groups),
        };
        for alias in path.links.iter().map(|link| &link.target).chain(targets.aliases()) {
            match judge(alias) {
                Judgement::Block(block) => return Some(block),
                Judgement::Allow => return None,
                Judgement::Pass => {}
            }
        }
        targets.services().iter().find_map(|service| match judge(service) {
            Judgement::Block(block) => Some(block),
            Judgement::Allow | Judgement::Pass => None,
        })
    }

    /// Whether an answer points into this network, and must not: public names have no business there,
    /// local names and exempt ones may.
    pub fn guards_against_rebinding(&self, query: &Query, path: &Path<'_>, answer: &Entry) -> bool {
        let is_exempt = |domain: &Name| query.name.is_within(domain);
        answer.points_home()
            && self.dns().rebind_protection
            && path.links.is_empty()
            && !self.dns().rebind_exempt.iter().any(is_exempt)
    }

    /// The lists this policy asks.
    pub fn lists(&self) -> &Lists {
        &self.lists
    }

    fn refuse(&self, query: &Query) -> Option<Refusal> {
        if !self.dns().allows(query.client.address) {
            return Some(Refusal::Client);
        }
        if query.edns.is_some_and(|edns| edns.version > 0) {
            return Some(Refusal::EdnsVersion);
        }
        let is_meta = (rtype::FIRST_META..=rtype::LAST_META).contains(&query.qtype);
        let is_meta = is_meta || matches!(query.qtype, rtype::RESERVED | rtype::OPT);
        let is_ours = query.qclass == CLASS_IN && !is_meta;
        (!is_ours).then_some(Refusal::Question)
    }

    /// A local alias leads here: what it leads to is special, or resolved and judged by
    /// `inspect`.
    fn follow<'p>(
        &'p self,
        query: &Query,
        groups: GroupSet,
        links: &'p [Link],
        target: Name,
    ) -> Decision<'p> {
        if let Some(special) = Special::of(&target, self.honours_signals()) {
            return Decision::Special(special);
        }
        if self.must_wait() {
            return Decision::Refuse(Refusal::NotReady);
        }
        let key = Key { name: target, ..Key::of(query) };
        Decision::Resolve(Path { key, groups, links, inspects: true })
    }

    fn honours_signals(&self) -> bool {
        self.blocking().enabled && self.blocking().special_names
    }

    fn must_wait(&self) -> bool {
        !self.lists.are_loaded && self.blocking().until_loaded == UntilLoaded::ServFail
    }

    fn dns(&self) -> &Dns {
        &self.config.dns
    }

    fn blocking(&self) -> &Blocking {
        &self.config.blocking
    }

    fn judge(&self, name: &Name, qtype: u16, groups: GroupSet) -> Judgement<'_> {
        if !self.blocking().enabled {
            return Judgement::Pass;
        }
        if let Some(block) = self.rules.deny(name, qtype, groups) {
            return Judgement::Block(block);
        }
        let asker = Asker { groups, marks: Marks::default() };
        match self.lists.matcher.verdict(&Question { name, qtype, asker }) {
            Verdict::Allow(_) => Judgement::Allow,
            Verdict::Block(found) => match self.lists.name(found.list) {
                Some(reason) => Judgement::Block(Block { reason, line: found.line }),
                None => Judgement::Pass,
            },
            Verdict::Pass => match self.rules.deny_by_regex(name, qtype, groups) {
                Some(block) => Judgement::Block(block),
                None => Judgement::Pass,
            },
        }
    }
}

/// What the deny rules and lists say of a name.
enum Judgement<'p> {
    Pass,
    Allow,
    Block(Block<'p>),
}
