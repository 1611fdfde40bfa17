//! Which lists say what of a name, as one small number: most names of a million share a few sets.

use std::collections::HashMap;

use crate::rule::Kind;

/// One list's say on a name.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Say {
    pub(crate) list: u16,
    pub(crate) kind: Kind,
}

/// Every set of says that occurs, by its number.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    /// Where each set ends in `says`; it begins where the one before ends.
    ends: Vec<u32>,
    says: Vec<Say>,
    /// The numbers of sets of one, which are asked for most, by list and kind.
    of_one: Vec<Option<u16>>,
    of_several: HashMap<Box<[Say]>, u16>,
}

impl Classes {
    /// The says of a set.
    pub(crate) fn says(&self, class: u16) -> &[Say] {
        let class = usize::from(class);
        let end = |class: usize| self.ends.get(class).and_then(|end| usize::try_from(*end).ok());
        let start = class.checked_sub(1).and_then(end).unwrap_or(0);
        end(class).and_then(|end| self.says.get(start..end)).unwrap_or_default()
    }

    /// Every kind that occurs, some of them several times.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.says.iter().map(|say| say.kind)
    }

    /// The number of a set, whose says are in order; nothing when there are too many sets already.
    pub(crate) fn number(&mut self, says: &[Say]) -> Option<u16> {
        let [say] = says else { return self.number_of_several(says) };
        let place = usize::from(say.list) * Kind::COUNT + usize::from(say.kind.octet());
        if let Some(Some(number)) = self.of_one.get(place) {
            return Some(*number);
        }
        let number = self.add(says)?;
        self.of_one.resize(self.of_one.len().max(place + 1), None);
        if let Some(known) = self.of_one.get_mut(place) {
            *known = Some(number);
        }
        Some(number)
    }

    fn number_of_several(&mut self, says: &[Say]) -> Option<u16> {
        if let Some(number) = self.of_several.get(says) {
            return Some(*number);
        }
        if self.of_several.len() >= FOR_SETS_OF_SEVERAL {
            return None;
        }
        let number = self.add(says)?;
        self.of_several.insert(says.into(), number);
        Some(number)
    }

    fn add(&mut self, says: &[Say]) -> Option<u16> {
        let number = u16::try_from(self.ends.len()).ok()?;
        let end = u32::try_from(self.says.len() + says.len()).ok()?;
        self.says.extend_from_slice(says);
        self.ends.push(end);
        Some(number)
    }

    /// Forgets what only building needs.
    pub(crate) fn shrink(&mut self) {
        self.of_one = Vec::new();
        self.of_several = HashMap::new();
        self.ends.shrink_to_fit();
        self.says.shrink_to_fit();
    }

    /// Bytes held on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.ends.capacity() * size_of::<u32>() + self.says.capacity() * size_of::<Say>()
    }
}

/// Sets of several lists that are numbered. Names that would need more have one entry for each list
/// instead: a few octets more, and the same verdict.
const FOR_SETS_OF_SEVERAL: usize = 1 << 15;
/// Most lists of one matcher, so that each has a set of one for each kind of rule.
pub(crate) const MAX_LISTS: u16 = 1 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Reach;
    use crate::source::Action;

    #[test]
    fn the_same_set_has_the_same_number() {
        let kind = Kind::new(Action::Block, Reach::Subtree);
        let say = |list| Say { list, kind };
        let mut classes = Classes::default();

        let both = classes.number(&[say(1), say(2)]).unwrap();
        let one = classes.number(&[say(1)]).unwrap();

        assert_eq!(classes.number(&[say(1), say(2)]), Some(both));
        assert_eq!(classes.says(both), [say(1), say(2)]);
        assert_eq!(classes.says(one), [say(1)]);
        assert!(classes.says(9).is_empty());
    }

    #[test]
    fn sets_of_one_have_room_when_sets_of_several_have_none() {
        let kind = Kind::new(Action::Block, Reach::Exact);
        let mut classes = Classes::default();
        let pairs = (0..300).flat_map(|a| (a + 1..300).map(move |b| (a, b)));
        let numbered = pairs.filter(|&(a, b)| {
            classes.number(&[Say { list: a, kind }, Say { list: b, kind }]).is_some()
        });

        assert_eq!(numbered.count(), FOR_SETS_OF_SEVERAL);
        let one = classes.number(&[Say { list: 1_000, kind }]).unwrap();
        assert_eq!(classes.says(one), [Say { list: 1_000, kind }]);
    }
}
