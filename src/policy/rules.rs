//! The operator's own rules: a name, a type and groups go in, the rule that counts comes out.
//!
//! Rules use the blocker's matcher like lists do. Those that hold for some types only sit in
//! matchers of their own, one for each set of types, so that the common case asks one matcher.

use std::sync::Arc;

use blocker::{
    Action, KnownClients, Marks, Match, Matcher, MatcherBuilder, Mode, Question, Source,
};

use super::{Block, Groups};
use crate::{config::Rule, query::Client};

/// All rules, by what they do and how strongly.
#[derive(Debug, Default)]
pub(super) struct Rules {
    allow: Vec<Typed>,
    deny: Vec<Typed>,
    deny_by_regex: Vec<Typed>,
    /// Those in shadow mode, in the same two strengths.
    shadow: Vec<Typed>,
    shadow_by_regex: Vec<Typed>,
    /// What each rule is called in answers: its own text.
    reasons: Vec<Arc<str>>,
    /// The clients that rules and lists name.
    clients: KnownClients,
}

/// Rules that hold for the same types; no types: for all.
#[derive(Debug)]
struct Typed {
    types: Vec<u16>,
    matcher: Matcher,
}

impl Rules {
    /// Rules beside lists that name these clients.
    pub(super) fn new(rules: &[Rule], groups: &Groups, clients: &KnownClients) -> Self {
        let mut clients = clients.clone();
        let mut of = |wanted: fn(&Rule) -> bool| build(rules, groups, &mut clients, wanted);
        Self {
            allow: of(|rule| does(rule, Action::Allow, Mode::Enforce)),
            deny: of(|rule| does(rule, Action::Block, Mode::Enforce) && !is_regex(rule)),
            deny_by_regex: of(|rule| does(rule, Action::Block, Mode::Enforce) && is_regex(rule)),
            shadow: of(|rule| does(rule, Action::Block, Mode::Shadow) && !is_regex(rule)),
            shadow_by_regex: of(|rule| does(rule, Action::Block, Mode::Shadow) && is_regex(rule)),
            reasons: rules.iter().map(|rule| Arc::from(rule.pattern.as_str())).collect(),
            clients,
        }
    }

    /// The clients that rules and lists name.
    pub(super) const fn clients(&self) -> &KnownClients {
        &self.clients
    }

    /// Which of the clients that rules and lists name somebody is.
    pub(super) fn marks(&self, client: &Client) -> Marks {
        self.clients.marks(Some(client.address), client.identity.name())
    }

    pub(super) fn allow(&self, question: &Question<'_>) -> bool {
        find(&self.allow, question).is_some()
    }

    pub(super) fn deny(&self, question: &Question<'_>) -> Option<Block<'_>> {
        self.block(find(&self.deny, question)?)
    }

    pub(super) fn deny_by_regex(&self, question: &Question<'_>) -> Option<Block<'_>> {
        self.block(find(&self.deny_by_regex, question)?)
    }

    /// The rule in shadow mode that would deny the name.
    pub(super) fn shadow(&self, question: &Question<'_>) -> Option<&Arc<str>> {
        Some(self.block(find(&self.shadow, question)?)?.reason)
    }

    /// The same by regular expression.
    pub(super) fn shadow_by_regex(&self, question: &Question<'_>) -> Option<&Arc<str>> {
        Some(self.block(find(&self.shadow_by_regex, question)?)?.reason)
    }

    fn block(&self, found: Match<'_>) -> Option<Block<'_>> {
        let place = usize::try_from(found.line).ok()?.checked_sub(1)?;
        Some(Block::by(self.reasons.get(place)?, found))
    }
}

fn does(rule: &Rule, action: Action, mode: Mode) -> bool {
    rule.action == action && rule.mode == mode
}

fn is_regex(rule: &Rule) -> bool {
    rule.pattern.starts_with('/')
}

fn build(
    rules: &[Rule],
    groups: &Groups,
    clients: &mut KnownClients,
    wanted: fn(&Rule) -> bool,
) -> Vec<Typed> {
    let mut builders: Vec<(Vec<u16>, MatcherBuilder)> = Vec::new();
    for (place, rule) in rules.iter().enumerate().filter(|(_, rule)| wanted(rule)) {
        let mut types: Vec<u16> = rule.types.iter().map(|rtype| u16::from(*rtype)).collect();
        types.sort_unstable();
        let source =
            Source { name: "rules", action: rule.action, groups: groups.set(&rule.groups) };
        let line = u32::try_from(place + 1).unwrap_or(u32::MAX);
        let known = builders.iter().position(|(others, _)| *others == types);
        let at = known.unwrap_or_else(|| {
            builders.push((types, Matcher::builder()));
            builders.len() - 1
        });
        if let Some((_, builder)) = builders.get_mut(at)
            && let Err(error) = builder.add_line(&source, line, &rule.pattern)
        {
            // The configuration's check has refused such rules already.
            tracing::error!(rule = %rule.pattern, %error, "a rule does not count");
        }
    }
    let built = builders.into_iter().filter_map(|(types, builder)| {
        // A client has one set of marks, whatever is asked about it.
        match builder.with_known_clients(clients).build() {
            Ok(matcher) => {
                clients.clone_from(matcher.known_clients());
                Some(Typed { types, matcher })
            }
            Err(error) => {
                tracing::error!(%error, "rules do not count; make them fewer or shorter");
                None
            }
        }
    });
    built.collect()
}

fn find<'s>(rules: &'s [Typed], question: &Question<'s>) -> Option<Match<'s>> {
    let holds = |typed: &&Typed| typed.types.is_empty() || typed.types.contains(&question.qtype);
    let mut holding = rules.iter().filter(holds);
    holding.find_map(|typed| typed.matcher.verdict(question).found())
}
