//! A question goes in, a verdict comes out.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::builder::MatcherBuilder;
use crate::candidate::{Candidate, Found, Rank, Strength};
use crate::class::Say;
use crate::clients::{Clients, KnownClients};
use crate::hash::Seed;
use crate::merge::Names;
use crate::name::Name;
use crate::name::text::Text;
use crate::pattern::Patterns;
use crate::question::{Marks, Question};
use crate::rule::Target;
use crate::source::{Action, Member, Mode, Sources, SpecialId};
use crate::specials::NamedSpecials;
use crate::terms::Terms;
use crate::verdict::{Match, Verdict, Wording};

/// Compiled lists, ready to be asked: immutable, and shared by any number of threads.
///
/// An empty one, which passes every name, is the default. Asking takes no lock. It takes no memory
/// either, unless a rule matches: then the rule is looked up in its compiled list, where a file lies
/// behind it by reading some kilobytes, so that a name which only looks like another one is never
/// blocked for it. Searches of regular expressions may need some scratch memory the first time
/// threads meet in one.
///
/// ```
/// # use blocker::{GroupSet, Matcher, Name, Question};
/// let matcher = Matcher::default();
/// let name = Name::parse("ads.example")?;
/// assert!(matcher.verdict(&Question::new(&name, GroupSet::ALL)).is_pass());
/// # Ok::<(), blocker::NameError>(())
/// ```
#[derive(Debug, Default)]
pub struct Matcher {
    pub(crate) seed: Seed,
    pub(crate) sources: Sources,
    pub(crate) names: Names,
    pub(crate) named: NamedSpecials,
    pub(crate) patterns: Patterns,
    pub(crate) clients: Clients,
    pub(crate) rules: usize,
    /// Of each list.
    pub(crate) left_out: Box<[usize]>,
    /// Whether any list is in shadow mode, so that others pay nothing for it.
    pub(crate) has_shadows: bool,
    pub(crate) unreadable: AtomicU64,
}

impl Matcher {
    /// Starts an empty collection of lists.
    #[must_use]
    pub fn builder() -> MatcherBuilder {
        MatcherBuilder::default()
    }

    /// What the rules for the asker say about a name.
    ///
    /// Important rules beat others, then allow beats block, then a rule with a reply of its own one
    /// without. Among rules of one kind the most specific name is reported: an exact rule, then the
    /// longest suffix, then patterns; among equals the list that was added first. Within a list rules
    /// for the name come before those with more terms; of several answers that policy zones give
    /// NXDOMAIN is taken before no data, and no data before silence. What is left goes by lines.
    #[must_use]
    pub fn verdict<'a>(&'a self, question: &Question<'a>) -> Verdict<'a> {
        match self.decide(question, &[Mode::Enforce]) {
            None => Verdict::Pass,
            Some((Action::Allow, found)) => Verdict::Allow(found),
            Some((Action::Block, found)) => Verdict::Block(found),
        }
    }

    /// The rule of a list in shadow mode that would decide, and block, if all lists were enforced.
    #[must_use]
    pub fn shadow<'a>(&'a self, question: &Question<'a>) -> Option<Match<'a>> {
        let is_shadow = |member: &Member| member.mode == Mode::Shadow;
        if !self.has_shadows {
            return None;
        }
        let (action, found) = self.decide(question, &[Mode::Enforce, Mode::Shadow])?;
        let would_block =
            action == Action::Block && self.sources.get(found.number).is_some_and(is_shadow);
        would_block.then_some(found)
    }

    /// Which of the clients that rules name somebody is.
    #[must_use]
    pub fn marks(&self, address: Option<IpAddr>, name: Option<&str>) -> Marks {
        self.clients.known.marks(address, name)
    }

    /// The clients that rules name, for other matchers whose marks shall be the same.
    #[must_use]
    pub const fn known_clients(&self) -> &KnownClients {
        &self.clients.known
    }

    /// Whether any rule says what is to be answered.
    #[must_use]
    pub fn has_replies(&self) -> bool {
        let special = |terms: &Terms| terms.reply.is_some();
        self.names.classes.kinds().any(|kind| kind.reply().is_some())
            || self
                .sources
                .specials()
                .any(|(_, held)| held.rule.terms.as_deref().is_some_and(special))
    }

    /// How many rules are held, each list's own copy of a rule counted.
    #[must_use]
    pub const fn rules(&self) -> usize {
        self.rules
    }

    /// How many rules of a list, by its number, are for names of which no other list speaks; rules
    /// that are more than a name are counted too.
    #[must_use]
    pub fn unique(&self, list: usize) -> usize {
        let specials = self.sources.iter().nth(list).map_or(0, |member| member.list.specials.len());
        let names = self.names.unique.get(list).and_then(|count| usize::try_from(*count).ok());
        names.unwrap_or(0) + specials
    }

    /// Special rules (patterns, and those with terms) that do not count because all lists together
    /// have too many.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out.iter().sum()
    }

    /// The same of one list, by its number. Lists that decide come before those in shadow mode, and
    /// each has its share before any has more.
    #[must_use]
    pub fn left_out_of(&self, list: usize) -> usize {
        self.left_out.get(list).copied().unwrap_or(0)
    }

    /// How often a rule could not be looked up in its compiled list. Such rules do not count; the
    /// list must be compiled again.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    /// Bytes held in memory, without the scratch memory of regular expressions.
    #[must_use]
    pub fn memory(&self) -> usize {
        size_of::<Self>()
            + self.sources.memory()
            + self.names.index.memory()
            + self.names.classes.memory()
            + self.named.memory()
            + self.patterns.memory()
            + self.clients.memory()
            + size_of_val(&*self.left_out)
    }

    /// The rule that decides, among those of lists in these modes.
    fn decide<'a>(
        &'a self,
        question: &Question<'a>,
        modes: &[Mode],
    ) -> Option<(Action, Match<'a>)> {
        let mut below = None;
        loop {
            let candidate = self.best(question, modes, below)?;
            if let Some(found) = self.verify(&candidate) {
                return Some((candidate.rank.strength.action(), found));
            }
            // Another name that looks the same; the next best rule may be for this one.
            below = Some(candidate.rank);
        }
    }

    /// The first rule in order of precedence that counts for the asker, behind this one.
    fn best<'a>(
        &self,
        question: &Question<'a>,
        modes: &[Mode],
        below: Option<Rank>,
    ) -> Option<Candidate<'a>> {
        let mut best: Option<Candidate<'a>> = None;
        // Written once: there may be thousands of patterns to try on it.
        let text = (!self.patterns.is_empty()).then(|| Text::new(question.name));
        let text = text.as_ref().map_or("", Text::as_str);
        let mut offer = |candidate: Candidate<'a>| {
            let is_better = best.as_ref().is_none_or(|best| candidate.rank < best.rank)
                && below.is_none_or(|below| candidate.rank > below);
            if is_better && self.counts(&candidate, question, text, modes) {
                best = Some(candidate);
            }
        };
        self.visit_names(question, &mut offer);
        if !self.patterns.is_empty() {
            self.visit_patterns(question, text, &mut offer);
        }
        best
    }

    /// Calls `visit` with every rule for the name or a parent of it.
    pub(crate) fn visit_names<'a>(
        &self,
        question: &Question<'a>,
        visit: &mut impl FnMut(Candidate<'a>),
    ) {
        let name = question.name;
        let mut labels = 0;
        self.seed.walk(name.as_octets(), |hash, distance| {
            labels += 1;
            if labels >= self.names.fewest_labels {
                for class in self.names.index.find(hash) {
                    self.visit_class(class, (hash, distance), name, visit);
                }
            }
            for id in self.named.find(hash) {
                self.visit_named(*id, distance, question, visit);
            }
        });
    }

    fn visit_class<'a>(
        &self,
        class: u16,
        (hash, distance): (u64, usize),
        name: &'a Name,
        visit: &mut impl FnMut(Candidate<'a>),
    ) {
        let suffix = name.as_wire().get(distance..).unwrap_or_default();
        for say in self.names.classes.says(class) {
            if say.kind.reaches(distance == 0)
                && let Some(member) = self.sources.get(say.list)
            {
                let action = member.does(say.kind.action());
                visit(Candidate::name(hash, suffix, distance, (*say, action)));
            }
        }
    }

    fn visit_named<'a>(
        &self,
        id: SpecialId,
        distance: usize,
        question: &Question<'_>,
        visit: &mut impl FnMut(Candidate<'a>),
    ) {
        let suffix = question.name.as_wire().get(distance..).unwrap_or_default();
        let rule = self.sources.special(id).map(|(_, special)| &special.rule);
        let is_it = rule.is_some_and(|rule| match &rule.target {
            Target::Exact(name) => distance == 0 && name.as_wire() == suffix,
            Target::Subtree(name) => name.as_wire() == suffix,
            Target::Pattern(_) => false,
        });
        if is_it {
            visit(self.special(id, Some(distance), question.qtype));
        }
    }

    /// Calls `visit` with every pattern rule that the name's text may match.
    pub(crate) fn visit_patterns<'a>(
        &self,
        question: &Question<'_>,
        text: &str,
        visit: &mut impl FnMut(Candidate<'a>),
    ) {
        self.patterns.for_each_candidate(text, |id| {
            visit(self.special(id, None, question.qtype));
        });
    }

    fn special<'a>(&self, id: SpecialId, distance: Option<usize>, qtype: u16) -> Candidate<'a> {
        let special = self.sources.special(id);
        let (action, rule) = match special {
            Some((member, special)) => (member.does(special.rule.action), Some(&special.rule)),
            None => (Action::Allow, None),
        };
        let terms = rule.and_then(|rule| rule.terms.as_deref());
        let is_exact = rule.is_some_and(|rule| matches!(rule.target, Target::Exact(_)));
        let is_important = terms.is_some_and(|terms| terms.is_important);
        let reply = terms.and_then(|terms| terms.reply.as_ref());
        let strength = Strength::new(action, is_important, reply, qtype);
        Candidate::special(id, strength, distance, is_exact)
    }

    /// Whether a rule counts for who asks. What is cheap to find out is found out first.
    fn counts(
        &self,
        candidate: &Candidate<'_>,
        question: &Question<'_>,
        text: &str,
        modes: &[Mode],
    ) -> bool {
        let member = self.sources.get(candidate.rank.list);
        let is_meant = member.is_some_and(|member| {
            modes.contains(&member.mode) && member.groups.intersects(question.asker.groups)
        });
        is_meant
            && match candidate.found {
                Found::Name { .. } => true,
                Found::Special(id) => self.special_holds(id, question, text),
            }
    }

    fn special_holds(&self, id: SpecialId, question: &Question<'_>, text: &str) -> bool {
        let Some((_, special)) = self.sources.special(id) else { return false };
        let terms = special.rule.terms.as_deref();
        let holds = terms.is_none_or(|terms| {
            terms.hold(question.name, question.qtype) && self.clients.hold(id, question.asker.marks)
        });
        holds && self.looks_like(id, text)
    }

    /// Whether a pattern matches the text of a name, as far as it is one.
    pub(crate) fn looks_like(&self, id: SpecialId, text: &str) -> bool {
        self.sources.special(id).is_some_and(|(_, special)| match &special.rule.target {
            Target::Pattern(pattern) => {
                let terms = special.rule.terms.as_deref();
                pattern.matches(text) != terms.is_some_and(|terms| terms.is_inverted)
            }
            Target::Exact(_) | Target::Subtree(_) => true,
        })
    }

    /// Looks a rule up in its list, octet by octet; nothing where it is for another name.
    pub(crate) fn verify<'a>(&'a self, candidate: &Candidate<'a>) -> Option<Match<'a>> {
        let member = self.sources.get(candidate.rank.list)?;
        let (line, rule) = match candidate.found {
            Found::Name { hash, suffix, say } => {
                (self.line(hash, suffix, say)?, Wording::Name(say.kind, suffix))
            }
            Found::Special(id) => {
                let (_, special) = self.sources.special(id)?;
                (special.line, Wording::Special(&special.rule))
            }
        };
        Some(Match { list: &member.name, number: candidate.rank.list, line, rule })
    }

    fn line(&self, hash: u64, suffix: &[u8], say: Say) -> Option<u32> {
        let member = self.sources.get(say.list)?;
        let found = member.list.blocks.find(hash, say.kind, suffix);
        found.unwrap_or_else(|_| {
            self.unreadable.fetch_add(1, Ordering::Relaxed);
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::group::GroupSet;
    use crate::source::Source;

    /// Two names of one label that an index of few names does not tell apart.
    fn look_alikes(seed: Seed) -> (Name, Name) {
        let mut seen = HashMap::new();
        (0..)
            .find_map(|number: u32| {
                let name = Name::parse(&format!("n{number}")).unwrap();
                let (hash, _) = seed.hash(name.as_octets());
                // The lower half and the bits that choose a bucket.
                let print = (hash >> 62, hash & u64::from(u32::MAX));
                seen.insert(print, name).map(|other| (other, name))
            })
            .unwrap()
    }

    #[test]
    fn a_rule_for_another_name_that_looks_the_same_hides_none() {
        let seed = Seed::new(1);
        let (one, other) = look_alikes(seed);
        let mut builder = MatcherBuilder::new(seed);
        let list = Source { name: "zone", action: Action::Block, groups: GroupSet::ALL };
        builder.add_list(&list, format!("{one} CNAME *.\n{other} CNAME .\n").as_bytes());
        let matcher = builder.build().unwrap();

        for (name, line) in [(one, 1), (other, 2)] {
            let found = matcher.verdict(&Question::new(&name, GroupSet::ALL)).found();
            assert_eq!(found.map(|found| found.line), Some(line), "{name}");
        }
    }
}
