//! Rules for a name that are more than the name: found by its hash, kept whole in memory.

use std::collections::{HashMap, HashSet};

use crate::hash::Seed;
use crate::rule::{Kind, Rule, Target};
use crate::source::{Sources, SpecialId};
use crate::terms::Terms;

/// Special rules for names.
#[derive(Debug, Default)]
pub(crate) struct NamedSpecials(HashMap<u64, Box<[SpecialId]>>);

impl NamedSpecials {
    pub(crate) fn new(seed: Seed, sources: &Sources, ids: &[SpecialId]) -> Self {
        let mut lists: HashMap<u64, Vec<SpecialId>> = HashMap::new();
        for id in ids {
            let special = sources.special(*id).map(|(_, special)| special);
            if let Some(name) = special.and_then(|special| special.rule.target.name()) {
                lists.entry(seed.hash(name.as_octets()).0).or_default().push(*id);
            }
        }
        Self(lists.into_iter().map(|(hash, ids)| (hash, ids.into())).collect())
    }

    /// The rules for names with this hash, which may be other names.
    pub(crate) fn find(&self, hash: u64) -> &[SpecialId] {
        if self.0.is_empty() {
            return &[];
        }
        self.0.get(&hash).map_or(&[], |ids| ids)
    }

    /// Bytes held on the heap.
    pub(crate) fn memory(&self) -> usize {
        let ids: usize = self.0.values().map(|ids| size_of_val(&**ids)).sum();
        ids + self.0.capacity() * size_of::<(u64, Box<[SpecialId]>)>()
    }
}

/// What `$badfilter` rules undo.
#[derive(Debug, Default)]
pub(crate) struct Cancelled {
    names: HashSet<(u64, Kind)>,
    specials: HashSet<SpecialId>,
}

impl Cancelled {
    /// Looks for the rules that others undo, in any list.
    pub(crate) fn new(seed: Seed, sources: &Sources) -> Self {
        let mut cancelled = Self::default();
        for (id, special) in sources.specials() {
            let Some(undone) = undone_by(&special.rule) else { continue };
            cancelled.specials.insert(id);
            match (undone.kind, undone.target.name()) {
                (Some(kind), Some(name)) => {
                    cancelled.names.insert((seed.hash(name.as_octets()).0, kind));
                }
                _ => cancelled.specials.extend(
                    sources
                        .specials()
                        .filter(|(_, other)| undone.is(&other.rule))
                        .map(|(other, _)| other),
                ),
            }
        }
        cancelled
    }

    /// The rules for names that are undone.
    pub(crate) const fn names(&self) -> &HashSet<(u64, Kind)> {
        &self.names
    }

    /// Whether a special rule is undone, or only undoes others.
    pub(crate) fn has(&self, id: SpecialId) -> bool {
        self.specials.contains(&id)
    }
}

/// A rule that another one undoes.
struct Undone<'a> {
    rule: &'a Rule,
    target: &'a Target,
    terms: Terms,
    kind: Option<Kind>,
}

impl Undone<'_> {
    fn is(&self, other: &Rule) -> bool {
        let has_terms = match &other.terms {
            Some(terms) => **terms == self.terms,
            None => self.terms == Terms::default(),
        };
        has_terms && other.action == self.rule.action && *self.target == other.target
    }
}

/// What a rule undoes, if it does nothing else.
fn undone_by(rule: &Rule) -> Option<Undone<'_>> {
    let terms = rule.terms.as_ref().filter(|terms| terms.is_cancelling)?;
    let terms = Terms { is_cancelling: false, ..(**terms).clone() };
    let kind = rule.target.kind(rule.action).and_then(|kind| kind.with(&terms));
    Some(Undone { rule, target: &rule.target, terms, kind })
}
