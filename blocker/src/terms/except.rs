//! Names that a rule does not hold for go in; whether a name is one of them or below one comes out,
//! at the same cost for one and for hundreds.

use std::fmt::{self, Display, Formatter, Write};

use crate::name::{Name, text};

/// Names in wire form, in the order of their octets, each once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Except(Box<[Box<[u8]>]>);

impl Except {
    pub(crate) fn new(names: &[Name]) -> Self {
        let mut wires: Vec<Box<[u8]>> = names.iter().map(|name| name.as_wire().into()).collect();
        wires.sort_unstable();
        wires.dedup();
        Self(wires.into())
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the name is one of these or lies below one.
    pub(crate) fn covers(&self, name: &Name) -> bool {
        let has = |suffix: &[u8]| self.0.binary_search_by(|wire| (**wire).cmp(suffix)).is_ok();
        !self.is_empty() && name.suffixes().any(has)
    }

    /// Bytes held on the heap.
    pub(super) fn memory(&self) -> usize {
        let wires: usize = self.0.iter().map(|wire| wire.len()).sum();
        wires + size_of_val(&*self.0)
    }
}

impl Display for Except {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for (place, wire) in self.0.iter().enumerate() {
            if place > 0 {
                formatter.write_char('|')?;
            }
            text::write(wire, formatter)?;
        }
        Ok(())
    }
}

/// Most names that one rule spares: several times what a person writes, and ten steps to look for
/// one. More are rules of their own, `@@||name^`.
pub(crate) const MAX_EXCEPT: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn except(names: &[&str]) -> Except {
        Except::new(&names.iter().map(|name| Name::parse(name).unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn names_and_what_lies_below_them_are_covered() {
        let except = except(&["net", "ok.example", "a.ok.example", "net"]);
        let covers = |name: &str| except.covers(&Name::parse(name).unwrap());

        assert_eq!(except.to_string(), "a.ok.example|ok.example|net");
        assert!(covers("net") && covers("x.net") && covers("ok.example") && covers("b.ok.example"));
        assert!(!covers("example") && !covers("nook.example") && !covers("com"));
        assert!(!Except::default().covers(&Name::parse("net").unwrap()));
    }
}
