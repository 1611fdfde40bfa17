//! A query goes in, a decision comes out: answer it from here, block it, or resolve it.
//!
//! This is the only place that decides, for every transport, cached or not, and for every name
//! that an answer points to. The order is fixed: local records, allow rules, special names, deny
//! rules, lists, deny rules by regular expression.

mod decision;
pub mod explain;
mod groups;
mod judgement;
mod local;
mod rules;
mod schedule;
mod special;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use blocker::{Asker, Match, Matcher, Name, Question, Reply};
use jiff::Timestamp;

use crate::{
    answer::seconds,
    cache::{Entry, Key, Link, Targets},
    config::{Blocking, Config, Dns, UdpMode, UntilLoaded},
    query::{Client, Query, Transport},
    route::{Routes, Way},
    wire::{CLASS_IN, rtype},
};

pub use decision::{Admitted, Block, Decision, Inspection, Path, Refusal};
pub use groups::Groups;
pub use local::{Ending, LocalName};
pub use special::Special;

use judgement::{Finding, Judgement};
use local::LocalNames;
use rules::Rules;

/// Everything a decision depends on; immutable, and replaced as a whole.
#[derive(Debug)]
pub struct Policy {
    config: Arc<Config>,
    local: LocalNames,
    routes: Routes,
    groups: Groups,
    rules: Rules,
    lists: Lists,
}

/// The lists, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    /// All of them, in one matcher.
    pub matcher: Arc<Matcher>,
    /// Their names, in the order in which the matcher has them.
    pub names: Arc<[Arc<str>]>,
    /// Whether each of them has been loaded, or has failed once.
    pub are_loaded: bool,
}

impl Lists {
    /// The name of the list that a match is of.
    fn name(&self, found: Match<'_>) -> Option<&Arc<str>> {
        self.names.get(found.number())
    }
}

impl Policy {
    /// The policy that a configuration and its lists make at a time.
    pub fn new(config: Arc<Config>, lists: Lists, now: Timestamp) -> Self {
        let groups = Groups::at(&config, now);
        Self {
            local: LocalNames::new(&config.records),
            routes: Routes::new(&config.upstream.routes),
            rules: Rules::new(&config.rules, &groups, lists.matcher.known_clients()),
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
        Ok(Admitted { asker: self.asker(&query.client) })
    }

    /// Decides about a query that was admitted.
    pub fn decide(&self, query: &Query, admitted: Admitted) -> Decision<'_> {
        match self.decide_with_recursion(query, admitted.asker) {
            // What the cache holds tells what others asked for.
            Decision::Resolve(_) if !query.is_recursion_desired() => {
                Decision::Refuse(Refusal::NoRecursion)
            }
            decision => decision,
        }
    }

    fn decide_with_recursion(&self, query: &Query, asker: Asker) -> Decision<'_> {
        if let Some(local) = self.local.find(&query.name) {
            return match local.ending(query.qtype) {
                Ending::Here => Decision::Local(local),
                Ending::Elsewhere(links, target) => {
                    let (key, way) = self.key(query, target);
                    self.follow(Path { links: links.into(), ..Path::judged(key, asker) }, way)
                }
            };
        }
        let (key, way) = self.key(query, query.name);
        let question = Question { name: &query.name, qtype: query.qtype, asker };
        if self.rules.allow(&question) {
            return Decision::Resolve(Path::free(key, asker));
        }
        if let Some(special) = Special::of(&query.name, self.honours_signals(), way) {
            return Decision::Special(special);
        }
        let Judgement { finding, shadow } = self.judge_asked(&question);
        match finding {
            Finding::Block(block) => self.block(query, asker, block),
            _ if query.qtype == rtype::ANY => Decision::Special(Special::Any),
            Finding::Allow => Decision::Resolve(Path::free(key, asker).shadowed_by(shadow)),
            Finding::Pass if self.must_wait() => Decision::Refuse(Refusal::NotReady),
            Finding::Pass => Decision::Resolve(Path::judged(key, asker).shadowed_by(shadow)),
        }
    }

    /// Judges the names that an answer points to. Aliases lead to one another, so an allowed one
    /// frees what follows; of services a client chooses one, so each is judged for itself.
    pub fn inspect<'p>(
        &'p self,
        query: &Query,
        path: &Path<'p>,
        targets: &Targets,
    ) -> Inspection<'p> {
        let mut shadow = path.shadow;
        if !path.inspects || !self.blocking().inspect_cname {
            return Inspection { block: None, shadow };
        }
        let about = |name| Question { name, qtype: query.qtype, asker: path.asker };
        for alias in path.links.iter().map(|link| &link.target).chain(targets.aliases()) {
            let judgement = self.judge_target(&about(alias));
            shadow = shadow.or(judgement.shadow);
            match judgement.finding {
                Finding::Block(block) => return Inspection { block: Some(block), shadow: None },
                Finding::Allow => return Inspection { block: None, shadow },
                Finding::Pass => {}
            }
        }
        for service in targets.services() {
            let judgement = self.judge_target(&about(service));
            shadow = shadow.or(judgement.shadow);
            if let Finding::Block(block) = judgement.finding {
                return Inspection { block: Some(block), shadow: None };
            }
        }
        Inspection { block: None, shadow }
    }

    /// Whether an answer points into this network, and must not: public names have no business there,
    /// local names, routed ones and exempt ones may; a rule's alias makes none of these.
    pub fn guards_against_rebinding(&self, query: &Query, path: &Path<'_>, answer: &Entry) -> bool {
        let is_exempt = |domain: &Name| query.name.is_within(domain);
        let is_ours = !path.links.is_empty() || path.key.route.is_routed();
        answer.points_home()
            && self.dns().rebind_protection
            && (!is_ours || path.redirect.is_some())
            && !self.dns().rebind_exempt.iter().any(is_exempt)
    }

    /// Whether no schedule of a group makes another policy of it at this time.
    pub fn is_right_at(&self, now: Timestamp) -> bool {
        self.groups.are_right_at(&self.config, now)
    }

    /// When a schedule makes another policy of it next.
    pub fn next_edge(&self, now: Timestamp) -> Option<Timestamp> {
        let scheduled = self.config.groups.iter().filter(|group| group.enabled);
        scheduled.filter_map(|group| schedule::next_edge(group, now)).min()
    }

    /// The domain whose route a name takes; nothing where it has none.
    pub fn routed_domain(&self, name: &Name) -> Option<Name> {
        self.routes.find(name).domain(name)
    }

    /// The lists this policy asks.
    pub fn lists(&self) -> &Lists {
        &self.lists
    }

    /// All that rules can tell of a client.
    fn asker(&self, client: &Client) -> Asker {
        Asker { groups: self.groups.of(client), marks: self.rules.marks(client) }
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

    /// A name is blocked, or leads elsewhere where the rule says so and more is asked than that.
    fn block<'p>(&'p self, query: &Query, asker: Asker, block: Block<'p>) -> Decision<'p> {
        let target = match &block.reply {
            Some(Reply::Alias(target)) if !matches!(query.qtype, rtype::CNAME | rtype::ANY) => {
                **target
            }
            _ => return Decision::Block(block),
        };
        let ttl = seconds(self.blocking().ttl);
        let mut links = vec![Link { owner: query.name, target, ttl }];
        let mut end = target;
        if let Some(local) = self.local.find(&target) {
            match local.ending(query.qtype) {
                Ending::Here => return Decision::Local(local),
                Ending::Elsewhere(more, elsewhere) => {
                    links.extend_from_slice(more);
                    end = elsewhere;
                }
            }
        }
        let (key, way) = self.key(query, end);
        self.follow(Path::redirected(key, asker, links.into(), block), way)
    }

    /// What is looked up for a query that ends at a name, and where that name is led.
    fn key(&self, query: &Query, name: Name) -> (Key, Way) {
        let way = self.routes.find(&name);
        (Key { name, route: way.route, ..Key::of(query) }, way)
    }

    /// An alias leads here: what it leads to is special, or resolved and judged by `inspect`.
    fn follow<'p>(&'p self, path: Path<'p>, way: Way) -> Decision<'p> {
        if let Some(special) = Special::of(&path.key.name, self.honours_signals(), way) {
            return Decision::Special(special);
        }
        if self.must_wait() {
            return Decision::Refuse(Refusal::NotReady);
        }
        Decision::Resolve(path)
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
}
