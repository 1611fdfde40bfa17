//! Group numbers go in, a set that is compared in one instruction comes out, because every rule
//! that touches a name asks whether it is meant for the asker.

/// One of the 64 groups that clients and lists belong to.
///
/// ```
/// use blocker::GroupId;
/// assert_eq!(GroupId::new(0), Some(GroupId::DEFAULT));
/// assert_eq!(GroupId::new(64), None);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct GroupId(u8);

impl GroupId {
    /// The group `default`, to which whoever names no group belongs.
    pub const DEFAULT: Self = Self(0);
    /// How many groups there can be: one for each bit of a word.
    pub const COUNT: u8 = 64;

    /// The group with this number, if it is below [`Self::COUNT`].
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number < Self::COUNT { Some(Self(number)) } else { None }
    }

    /// The group's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// A set of groups; the default is the group `default` alone.
///
/// ```
/// use blocker::{GroupId, GroupSet};
/// let mut kids = GroupSet::default();
/// kids.insert(GroupId::new(5).unwrap());
/// assert!(kids.intersects(GroupSet::single(GroupId::DEFAULT)));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct GroupSet(u64);

impl GroupSet {
    /// No group: no rule applies.
    pub const EMPTY: Self = Self(0);
    /// Every group.
    pub const ALL: Self = Self(u64::MAX);

    /// The set of one group.
    #[must_use]
    pub const fn single(group: GroupId) -> Self {
        Self(1 << group.0)
    }

    /// Adds a group.
    pub const fn insert(&mut self, group: GroupId) {
        self.0 |= Self::single(group).0;
    }

    /// Whether the group is in the set.
    #[must_use]
    pub const fn contains(self, group: GroupId) -> bool {
        self.intersects(Self::single(group))
    }

    /// Whether the sets share a group.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether every group of another set is in this one.
    #[must_use]
    pub const fn contains_all(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether no group is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The groups of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Default for GroupSet {
    fn default() -> Self {
        Self::single(GroupId::DEFAULT)
    }
}

impl FromIterator<GroupId> for GroupSet {
    fn from_iter<I: IntoIterator<Item = GroupId>>(groups: I) -> Self {
        groups.into_iter().fold(Self::EMPTY, |set, group| set.union(Self::single(group)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_inserted_and_nothing_else() {
        let last = GroupId::new(63).unwrap();
        let mut set = GroupSet::EMPTY;

        set.insert(last);

        assert!(set.contains(last));
        assert!(!set.contains(GroupId::DEFAULT));
        assert_eq!(set, [last].into_iter().collect());
    }

    #[test]
    fn sets_intersect_only_when_they_share_a_group() {
        let first = GroupSet::default();
        let second = GroupSet::single(GroupId::new(1).unwrap());

        assert!(!first.intersects(second));
        assert!(first.union(second).intersects(second));
        assert!(!GroupSet::EMPTY.intersects(GroupSet::ALL));
        assert!(first.union(second).contains_all(second));
        assert!(!first.contains_all(first.union(second)));
    }
}
