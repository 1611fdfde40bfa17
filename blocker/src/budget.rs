//! The special rules of all lists go in, those that there is room for come out.
//!
//! Each of them may have to be tried on every name, so there is an end to them. Lists that decide
//! come before those in shadow mode; and every list has its share before any has more, so that no
//! list's rules take the place of those behind it.

use crate::compiled::Special;
use crate::pattern::Pattern;
use crate::rule::{Rule, Target};
use crate::source::{Mode, Sources, SpecialId};

/// What special rules take, or what there is for them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    rules: usize,
    regexes: usize,
    memory: usize,
}

/// The special rules that count.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    /// In order.
    pub(crate) ids: Vec<SpecialId>,
    /// Of each list, how many there was no room for.
    pub(crate) left_out: Box<[usize]>,
}

impl Budget {
    /// What one list may take, and all lists together.
    pub(crate) const MOST: Self =
        Self { rules: MAX_SPECIALS, regexes: MAX_REGEXES, memory: MAX_MEMORY };

    /// What a rule takes, whose normal form has so many octets.
    pub(crate) fn of(rule: &Rule, text: usize) -> Self {
        let is_regex = matches!(rule.target, Target::Pattern(Pattern::Regex(_)));
        let memory = Special::memory_of(rule, text);
        Self { rules: 1, regexes: usize::from(is_regex), memory }
    }

    /// What is left when this is taken, if there is enough.
    pub(crate) fn less(self, taken: Self) -> Option<Self> {
        Some(Self {
            rules: self.rules.checked_sub(taken.rules)?,
            regexes: self.regexes.checked_sub(taken.regexes)?,
            memory: self.memory.checked_sub(taken.memory)?,
        })
    }

    /// Both together.
    pub(crate) const fn and(self, given: Self) -> Self {
        Self {
            rules: self.rules + given.rules,
            regexes: self.regexes + given.regexes,
            memory: self.memory + given.memory,
        }
    }

    /// The share of one of so many lists.
    fn share(self, lists: usize) -> Self {
        let lists = lists.max(1);
        let Self { rules, regexes, memory } = self;
        Self { rules: rules / lists, regexes: regexes / lists, memory: memory / lists }
    }
}

/// Chooses among the special rules of these lists, as far as `counts`.
pub(crate) fn choose(
    sources: &Sources,
    counts: impl Fn(SpecialId) -> bool,
    mut budget: Budget,
) -> Chosen {
    let mut waiting: Vec<Vec<(SpecialId, Budget)>> = vec![Vec::new(); sources.iter().len()];
    for (id, special) in sources.specials().filter(|(id, _)| counts(*id)) {
        let needs = Budget::of(&special.rule, special.text.len());
        if let Some(list) = waiting.get_mut(usize::from(id.list)) {
            list.push((id, needs));
        }
    }
    let mut ids = Vec::new();
    for mode in [Mode::Enforce, Mode::Shadow] {
        let of_mode = || sources.iter().map(|member| member.mode == mode);
        let lists = waiting.iter().zip(of_mode()).filter(|(list, is)| *is && !list.is_empty());
        // First the share of each, then what others have left.
        for share in [budget.share(lists.count()), Budget::MOST] {
            for (list, _) in waiting.iter_mut().zip(of_mode()).filter(|(_, is)| *is) {
                take(list, share, &mut budget, &mut ids);
            }
        }
    }
    ids.sort_unstable();
    Chosen { ids, left_out: waiting.iter().map(Vec::len).collect() }
}

/// Takes the rules of a list that its share and the whole have room for.
fn take(
    waiting: &mut Vec<(SpecialId, Budget)>,
    mut share: Budget,
    whole: &mut Budget,
    taken: &mut Vec<SpecialId>,
) {
    waiting.retain(|(id, needs)| {
        let (Some(of_share), Some(of_whole)) = (share.less(*needs), whole.less(*needs)) else {
            return true;
        };
        (share, *whole) = (of_share, of_whole);
        taken.push(*id);
        false
    });
}

/// Most special rules: each may have to be tried on every name. Lists have hundreds; a list with
/// more has something else in mind.
const MAX_SPECIALS: usize = 20_000;
/// Most regular expressions among them: each may take scratch memory for every thread. People have
/// dozens.
pub(crate) const MAX_REGEXES: usize = 2_000;
/// Most bytes of all of them as compiled, their text and all they name included: room for the
/// largest number of common ones.
const MAX_MEMORY: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::compiler::{Compiler, Home};
    use crate::group::GroupSet;
    use crate::hash::Seed;
    use crate::source::{Action, Member};

    /// How many rules of each list count and how many do not.
    fn chosen(budget: Budget, lists: &[(Mode, usize, &str)]) -> Vec<(usize, usize)> {
        let mut sources = Sources::default();
        for (mode, count, line) in lists {
            let mut compiler = Compiler::new(Seed::new(1), Home::Memory).unwrap();
            for number in 1..=u32::try_from(*count).unwrap() {
                let line = line.replace('#', &number.to_string());
                compiler.add_line(number, &line).unwrap().unwrap();
            }
            let list = Arc::new(compiler.finish([0; 32]).unwrap());
            let (action, groups) = (Action::Block, GroupSet::ALL);
            sources.push(Member { name: "".into(), action, groups, mode: *mode, list });
        }
        let Chosen { ids, left_out } = choose(&sources, |_| true, budget);
        assert!(ids.is_sorted());
        let of_list = |list| ids.iter().filter(|id| usize::from(id.list) == list).count();
        left_out.iter().enumerate().map(|(list, left_out)| (of_list(list), *left_out)).collect()
    }

    const TERMS: &str = "||n#.example^$dnstype=A";
    const ROOM: Budget = Budget { rules: 30, regexes: 10, memory: MAX_MEMORY };

    #[test]
    fn lists_that_decide_come_before_those_that_only_tell() {
        let lists = [(Mode::Shadow, 40, TERMS), (Mode::Enforce, 20, TERMS)];

        assert_eq!(chosen(ROOM, &lists), [(10, 30), (20, 0)]);
    }

    #[test]
    fn each_list_has_its_share_and_then_what_others_leave() {
        let lists =
            [(Mode::Enforce, 40, TERMS), (Mode::Enforce, 0, TERMS), (Mode::Enforce, 5, "*#*")];

        assert_eq!(chosen(ROOM, &lists), [(25, 15), (0, 0), (5, 0)]);
    }

    #[test]
    fn expressions_and_memory_are_counted_over_all_lists() {
        let lists =
            [(Mode::Enforce, 8, "/^a#/"), (Mode::Enforce, 8, "/^b#/"), (Mode::Enforce, 9, TERMS)];
        assert_eq!(chosen(ROOM, &lists), [(7, 1), (3, 5), (9, 0)]);

        let little = Budget { memory: 2_000, ..ROOM };
        let kept = chosen(little, &[(Mode::Enforce, 9, TERMS), (Mode::Enforce, 9, TERMS)]);
        assert!(kept.iter().all(|(kept, left_out)| *kept > 0 && *left_out > 0), "{kept:?}");
    }
}
