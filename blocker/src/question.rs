//! What a verdict depends on: the name, the type, and who asks.

use crate::group::GroupSet;
use crate::name::Name;

/// A question and who asks it.
///
/// ```
/// use blocker::{GroupSet, Name, Question};
/// let name = Name::parse("ads.example")?;
/// let question = Question::new(&name, GroupSet::default());
/// assert_eq!(question.qtype, Question::ADDRESS);
/// # Ok::<(), blocker::NameError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The name.
    pub name: &'a Name,
    /// The type (RFC 1035 section 3.2.2).
    pub qtype: u16,
    /// Who asks.
    pub asker: Asker,
}

/// All that rules can tell of who asks.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Asker {
    /// The groups of the client.
    pub groups: GroupSet,
    /// Which of the clients that rules name it is.
    pub marks: Marks,
}

/// Which of the clients that rules name somebody is, a bit for each.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Marks(u64);

impl Marks {
    /// How many clients can be told apart: a bit of a word for each.
    pub(crate) const COUNT: usize = 64;

    /// These and one more, if there is a bit for it.
    pub(crate) fn with(self, bit: usize) -> Option<Self> {
        let bit = u32::try_from(bit).ok().and_then(|bit| 1_u64.checked_shl(bit))?;
        Some(Self(self.0 | bit))
    }

    pub(crate) const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl<'a> Question<'a> {
    /// The type of IPv4 addresses.
    pub const ADDRESS: u16 = 1;

    /// A client of these groups asks for the address of a name.
    #[must_use]
    pub const fn new(name: &'a Name, groups: GroupSet) -> Self {
        Self { name, qtype: Self::ADDRESS, asker: Asker { groups, marks: Marks(0) } }
    }
}
