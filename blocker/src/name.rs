//! A domain name as text or wire octets goes in, one canonical value comes out, because a matcher
//! that compares names in two spellings can be walked around.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::hash::Octets;

pub(crate) mod text;

/// A domain name in lower-case wire form, held inline.
///
/// Length-prefixed labels that end in the root's zero, at most 255 octets (RFC 1035 section 3.1).
/// Two names are equal when their octets are; ASCII case is gone by then. A copy moves 256 octets.
///
/// ```
/// let name = blocker::Name::parse("WWW.Example.")?;
/// assert_eq!(name.as_wire(), b"\x03www\x07example\x00");
/// assert_eq!(name.to_string(), "www.example");
/// # Ok::<(), blocker::NameError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Name {
    octets: Octets,
    length: u8,
}

impl Name {
    /// The root of the tree, `.`.
    pub const ROOT: Self = Self { octets: EMPTY, length: 1 };

    /// Reads a name in presentation form; the trailing dot is optional.
    ///
    /// The escapes `\.` (any character) and `\046` (any octet, in decimal) of RFC 1035
    /// section 5.1 are understood.
    ///
    /// # Errors
    /// When a label or the name is empty or too long, an escape is broken, or a character is
    /// neither printable ASCII nor escaped.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        text::parse(text)
    }

    /// Reads one uncompressed name that fills the whole slice.
    ///
    /// # Errors
    /// When the octets are not exactly one name: cut short, compressed, too long or followed by
    /// more.
    #[inline]
    pub fn from_wire(wire: &[u8]) -> Result<Self, NameError> {
        let mut rest = wire;
        loop {
            let (&length, after) = rest.split_first().ok_or(NameError::CutShort)?;
            match length {
                0 if after.is_empty() => break,
                0 => return Err(NameError::OctetsAfter),
                1..=MAX_LABEL => {
                    rest = after.get(usize::from(length)..).ok_or(NameError::CutShort)?;
                }
                0xC0.. => return Err(NameError::Compressed),
                _ => return Err(NameError::LabelTooLong),
            }
        }
        let mut name = Self::from_canonical(wire)?;
        // Length octets are at most 63, below `A`, so one sweep over everything is right.
        name.octets.get_mut(..wire.len()).unwrap_or_default().make_ascii_lowercase();
        Ok(name)
    }

    /// The wire form, the final zero included.
    #[must_use]
    pub fn as_wire(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// The wire form and what is behind it.
    pub(crate) const fn as_octets(&self) -> &Octets {
        &self.octets
    }

    /// The name itself and each of its parents in wire form, down to the top-level label.
    pub fn suffixes(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.as_wire();
        std::iter::from_fn(move || {
            let suffix = rest;
            let (_, parent) = split_label(suffix)?;
            rest = parent;
            Some(suffix)
        })
    }

    /// The labels from left to right, without the root's empty one.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        labels(self.as_wire())
    }

    /// The name without its first label; the root has none.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, parent) = split_label(self.as_wire())?;
        Self::from_canonical(parent).ok()
    }

    /// Whether this is `ancestor` or lies below it, on label boundaries.
    #[must_use]
    pub fn is_within(&self, ancestor: &Self) -> bool {
        ancestor.is_root() || self.suffixes().any(|suffix| suffix == ancestor.as_wire())
    }

    /// Whether this is the root.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.length == 1
    }

    /// Copies octets that are known to be one lower-case name, but for their number.
    #[inline]
    fn from_canonical(wire: &[u8]) -> Result<Self, NameError> {
        let length = u8::try_from(wire.len()).map_err(|_| NameError::TooLong)?;
        let mut name = Self { octets: EMPTY, length };
        // The length fits into an octet, and so does the name into its room.
        name.octets.get_mut(..wire.len()).ok_or(NameError::TooLong)?.copy_from_slice(wire);
        Ok(name)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Name({self})")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(self.as_wire(), formatter)
    }
}

impl Eq for Name {}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_wire().hash(state);
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_wire().cmp(other.as_wire())
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_wire() == other.as_wire()
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Why some text or octets are not a domain name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// A backslash is followed by neither a character nor three digits up to 255.
    #[error("a backslash needs a character or three digits up to 255 after it")]
    BadEscape,
    /// A character must be escaped or is not ASCII.
    #[error("`{0}` is not printable ASCII")]
    BadCharacter(char),
    /// The wire form holds a compression pointer.
    #[error("the name is compressed")]
    Compressed,
    /// The wire form ends before the root's zero.
    #[error("the name is cut short")]
    CutShort,
    /// The text has no character at all.
    #[error("the name is empty; the root is `.`")]
    Empty,
    /// Two dots stand together, or one stands first.
    #[error("a label is empty")]
    EmptyLabel,
    /// A label has more than 63 octets (RFC 1035 section 2.3.4).
    #[error("a label has more than {MAX_LABEL} octets")]
    LabelTooLong,
    /// The wire form goes on after the root's zero.
    #[error("there are octets after the name")]
    OctetsAfter,
    /// The name has more than 255 octets (RFC 1035 section 2.3.4).
    #[error("the name has more than {MAX_NAME} octets")]
    TooLong,
}

/// The labels of a name in wire form, which may have more octets after its root.
pub(crate) fn labels(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = wire;
    std::iter::from_fn(move || {
        let (label, parent) = split_label(rest)?;
        rest = parent;
        Some(label)
    })
}

/// The name that these octets begin with, its root included.
pub(crate) fn first(octets: &[u8]) -> &[u8] {
    let length: usize = labels(octets).map(|label| label.len() + 1).sum();
    octets.get(..=length).unwrap_or_default()
}

/// The first label and what follows it; nothing at the root.
fn split_label(wire: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = wire.split_first()?;
    if length == 0 {
        return None;
    }
    rest.split_at_checked(usize::from(length))
}

/// Most octets of a name in wire form: RFC 1035 section 2.3.4.
pub(crate) const MAX_NAME: usize = 255;
/// Room for a name, all zero.
const EMPTY: Octets = [0; size_of::<Octets>()];
/// Most octets of a label: RFC 1035 section 2.3.4.
const MAX_LABEL: u8 = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_within_itself_and_its_parents_only_on_label_boundaries() {
        let name = Name::parse("a.ads.example").unwrap();

        assert!(name.is_within(&name));
        assert!(name.is_within(&Name::parse("ads.example").unwrap()));
        assert!(name.is_within(&Name::ROOT));
        assert!(!name.is_within(&Name::parse("ds.example").unwrap()));
        assert!(!Name::ROOT.is_within(&name));
    }

    #[test]
    fn suffixes_end_at_the_top_level_label() {
        let name = Name::parse("a.b.c").unwrap();

        let suffixes: Vec<_> = name.suffixes().collect();

        assert_eq!(suffixes, [&b"\x01a\x01b\x01c\x00"[..], b"\x01b\x01c\x00", b"\x01c\x00"]);
        assert_eq!(Name::ROOT.suffixes().count(), 0);
    }

    #[test]
    fn parents_lead_to_the_root_which_has_none() {
        let top = Name::parse("example").unwrap();

        assert_eq!(Name::parse("a.example").unwrap().parent(), Some(top));
        assert_eq!(top.parent(), Some(Name::ROOT));
        assert_eq!(Name::ROOT.parent(), None);
    }

    #[test]
    fn wire_octets_must_be_exactly_one_name() {
        let cases: [(&[u8], Result<&str, NameError>); 8] = [
            (b"\x03AdS\x07Example\x00", Ok("ads.example")),
            (b"\x00", Ok(".")),
            (b"", Err(NameError::CutShort)),
            (b"\x03ads", Err(NameError::CutShort)),
            (b"\x04ads", Err(NameError::CutShort)),
            (b"\x03ads\x00\x00", Err(NameError::OctetsAfter)),
            (b"\x03ads\xc0\x0c", Err(NameError::Compressed)),
            (b"\x40", Err(NameError::LabelTooLong)),
        ];

        for (wire, expected) in cases {
            let name = Name::from_wire(wire).map(|name| name.to_string());
            assert_eq!(name.as_deref().map_err(|error| *error), expected, "{wire:?}");
        }
    }

    #[test]
    fn the_longest_wire_name_has_255_octets() {
        let label = |length: u8| [vec![length], vec![b'a'; usize::from(length)]].concat();
        let wire = |last: u8| [label(63).repeat(3), label(last), vec![0]].concat();

        assert_eq!(Name::from_wire(&wire(61)).map(|name| name.as_wire().len()), Ok(255));
        assert_eq!(Name::from_wire(&wire(62)), Err(NameError::TooLong));
    }
}
