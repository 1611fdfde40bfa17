//! Rules for a name that are more than the name: found by its hash, kept whole in memory.

use std::collections::{HashMap, HashSet};

use crate::hash::Seed;
use crate::rule::{Kind, Rule, Target};
use crate::source::{Action, Member, Mode, Sources, SpecialId};
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
pub(crate) struct Cancelled<'a> {
    /// The rules for names, and the lists that undo them.
    names: HashMap<(u64, Kind), Vec<&'a Member>>,
    specials: HashSet<SpecialId>,
}

impl<'a> Cancelled<'a> {
    /// Looks for the rules that others undo, in any list.
    pub(crate) fn new(seed: Seed, sources: &'a Sources) -> Self {
        let mut cancelled = Self::default();
        let mut forms = None;
        for (id, special) in sources.specials() {
            let Some(undone) = undone_by(&special.rule) else { continue };
            cancelled.specials.insert(id);
            let Some(by) = sources.get(id.list) else { continue };
            match (undone.kind, undone.target.name()) {
                (Some(kind), Some(name)) => {
                    let key = (seed.hash(name.as_octets()).0, kind);
                    cancelled.names.entry(key).or_default().push(by);
                }
                _ => {
                    let forms = forms.get_or_insert_with(|| by_form(sources));
                    let same = forms.get(&*undone.form()).into_iter().flatten().copied();
                    let may = |id: &SpecialId| {
                        sources.get(id.list).is_some_and(|member| may_undo(by, member))
                    };
                    cancelled.specials.extend(same.filter(may));
                }
            }
        }
        cancelled
    }

    /// Whether a list's rule for a name is undone.
    pub(crate) fn has_name(&self, hash: u64, kind: Kind, member: &Member) -> bool {
        let lists = self.names.get(&(hash, kind));
        lists.is_some_and(|lists| lists.iter().any(|by| may_undo(by, member)))
    }

    /// Whether a special rule is undone, or only undoes others.
    pub(crate) fn has(&self, id: SpecialId) -> bool {
        self.specials.contains(&id)
    }
}

/// Whether a list can undo rules of another. One that decides nothing does not decide this either,
/// nobody loses a rule to a list that is not for them, and a list that blocks does not get round one
/// that allows.
fn may_undo(by: &Member, other: &Member) -> bool {
    let decides = by.mode == Mode::Enforce || other.mode == Mode::Shadow;
    decides && by.action == other.action && by.groups.contains_all(other.groups)
}

/// A rule that another one undoes.
struct Undone<'a> {
    rule: &'a Rule,
    target: &'a Target,
    terms: Terms,
    kind: Option<Kind>,
}

impl Undone<'_> {
    /// The normal form, which only rules that mean the same have.
    fn form(&self) -> String {
        let sign = if self.rule.action == Action::Allow { "@@" } else { "" };
        format!("{sign}{}{}", self.target, self.terms)
    }
}

/// The special rules of all lists by their normal forms.
fn by_form(sources: &Sources) -> HashMap<&str, Vec<SpecialId>> {
    let mut forms: HashMap<&str, Vec<SpecialId>> = HashMap::new();
    for (id, special) in sources.specials() {
        forms.entry(&special.text).or_default().push(id);
    }
    forms
}

/// What a rule undoes, if it does nothing else.
fn undone_by(rule: &Rule) -> Option<Undone<'_>> {
    let terms = rule.terms.as_ref().filter(|terms| terms.is_cancelling)?;
    let terms = Terms { is_cancelling: false, ..(**terms).clone() };
    let kind = rule.target.kind(rule.action).and_then(|kind| kind.with(&terms));
    Some(Undone { rule, target: &rule.target, terms, kind })
}
