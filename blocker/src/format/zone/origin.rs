//! A name as a zone file writes it goes in, the name that is blocked comes out. Policy zones have
//! every name below their own, and the file says what its names are relative to.

use super::APEX;
use crate::format::name;
use crate::name::Name;
use crate::report::Reason;

/// Where in a zone its lines are.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    /// The name of the zone, as far as it is known.
    apex: Option<Name>,
    /// What names without a final dot are relative to.
    current: Option<Name>,
}

impl Origin {
    /// Notes what later names are relative to. The first one that is not the root is the zone.
    pub(super) fn change(&mut self, text: &str) -> Result<(), Reason> {
        let origin = match (text, self.current) {
            (".", _) => Name::ROOT,
            (_, Some(current)) if !text.ends_with('.') => join(&name(text)?, &current)?,
            _ => name(text)?,
        };
        self.current = Some(origin);
        if self.apex.is_none() && !origin.is_root() {
            self.apex = Some(origin);
        }
        Ok(())
    }

    /// Notes whose the zone's own record is; one that cannot be read changes nothing.
    pub(super) fn found_apex(&mut self, owner: Option<&str>) {
        let apex = match owner {
            Some(APEX) | None => self.current,
            Some(owner) => name(owner).ok().and_then(|apex| match self.current {
                Some(current) if !owner.ends_with('.') => join(&apex, &current).ok(),
                _ => Some(apex),
            }),
        };
        self.apex = apex.filter(|apex| !apex.is_root()).or(self.apex);
    }

    /// The name without the zone's, where it ends in it; the root for the zone itself.
    pub(super) fn cut(&self, name: Name) -> Name {
        let Some(apex) = self.apex.filter(|apex| name.is_within(apex)) else { return name };
        below(&name, &apex).unwrap_or(name)
    }

    /// A relative name, with what the origin has beyond the zone's name.
    pub(super) fn extend(&self, name: Name) -> Result<Name, Reason> {
        match self.current {
            // Without the zone in their names, such files say what they block as it is.
            Some(current) if !current.is_root() => join(&name, &self.cut(current)),
            Some(_) => Ok(self.cut(name)),
            None => Ok(name),
        }
    }
}

/// The labels of `name` in front of those of `apex`.
fn below(name: &Name, apex: &Name) -> Option<Name> {
    let end = name.as_wire().len().checked_sub(apex.as_wire().len())?;
    let mut wire = name.as_wire().get(..end)?.to_vec();
    wire.push(0);
    Name::from_wire(&wire).ok()
}

fn join(first: &Name, last: &Name) -> Result<Name, Reason> {
    if last.is_root() {
        return Ok(*first);
    }
    let labels = first.as_wire().split_last().map_or(&[][..], |(_, labels)| labels);
    Name::from_wire(&[labels, last.as_wire()].concat()).map_err(Reason::BadName)
}
