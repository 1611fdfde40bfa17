//! Rules for a name that are more than the name: found by its hash, kept whole in memory.

use std::collections::{HashMap, HashSet};

use crate::hash::Seed;
use crate::rule::{Kind, Rule, Target};
use crate::source::{Mode, Sources, SpecialId};
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

/// What `$badfilter` rules undo: the same rule in their own list, and in lists that do the same for no
/// more clients, as long as their own list decides.
#[derive(Debug, Default)]
pub(crate) struct Cancelled {
    /// The lists that undo a rule for a name.
    names: HashMap<(u64, Kind), Vec<u16>>,
    specials: HashSet<SpecialId>,
}

impl Cancelled {
    /// Looks for the rules that others undo.
    pub(crate) fn new(seed: Seed, sources: &Sources) -> Self {
        let mut cancelled = Self::default();
        for (id, special) in sources.specials() {
            let Some(undone) = undone_by(&special.rule) else { continue };
            cancelled.specials.insert(id);
            match (undone.kind, undone.target.name()) {
                (Some(kind), Some(name)) => {
                    let key = (seed.hash(name.as_octets()).0, kind);
                    cancelled.names.entry(key).or_default().push(id.list);
                }
                _ => cancelled.specials.extend(
                    sources
                        .specials()
                        .filter(|(other, _)| may_undo(sources, id.list, other.list))
                        .filter(|(_, other)| undone.is(&other.rule))
                        .map(|(other, _)| other),
                ),
            }
        }
        cancelled
    }

    /// Whether a list's rule for the name with this hash is undone.
    pub(crate) fn has_name(&self, hash: u64, kind: Kind, list: u16, sources: &Sources) -> bool {
        if self.names.is_empty() {
            return false;
        }
        let by = self.names.get(&(hash, kind)).map_or(&[][..], Vec::as_slice);
        by.iter().any(|by| may_undo(sources, *by, list))
    }

    /// Whether a special rule is undone, or only undoes others.
    pub(crate) fn has(&self, id: SpecialId) -> bool {
        self.specials.contains(&id)
    }
}

/// Whether a list may undo rules of another: what one group or a trial wants is not everybody's.
fn may_undo(sources: &Sources, by: u16, of: u16) -> bool {
    by == of
        || sources.get(by).zip(sources.get(of)).is_some_and(|(by, of)| {
            by.mode == Mode::Enforce && by.action == of.action && of.groups.is_within(by.groups)
        })
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
