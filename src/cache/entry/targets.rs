//! The names that an answer leads to, kept beside it because its verdict depends on them.

use blocker::Name;
use hickory_proto::{
    op::Message,
    rr::{self, RData, Record},
};

/// The targets of an answer's CNAME, HTTPS and SVCB records. (A DNAME comes with the CNAME it makes,
/// RFC 6672 section 3.1.)
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Aliases first.
    names: Box<[Name]>,
    aliases: usize,
}

impl Targets {
    /// Those of an answer that leads nowhere else.
    pub fn none() -> Self {
        Self { names: Box::default(), aliases: 0 }
    }

    pub(super) fn of(message: &Message) -> Self {
        let aliases = message.answers.iter().filter_map(alias);
        let mut names: Vec<Name> = aliases.collect();
        let aliases = names.len();
        names.extend(message.answers.iter().filter_map(service));
        Self { names: names.into(), aliases }
    }

    /// The aliases of the chain that leads to the data, in their order.
    pub fn aliases(&self) -> &[Name] {
        self.names.get(..self.aliases).unwrap_or_default()
    }

    /// The targets of services, each of which a client may choose.
    pub fn services(&self) -> &[Name] {
        self.names.get(self.aliases..).unwrap_or_default()
    }

    pub(super) fn memory(&self) -> usize {
        size_of_val(self.names.as_ref())
    }
}

fn alias(record: &Record) -> Option<Name> {
    match &record.data {
        RData::CNAME(target) => to_name(&target.0),
        _ => None,
    }
}

/// The target of a service; the root stands for the owner itself (RFC 9460 section 2.5.2).
fn service(record: &Record) -> Option<Name> {
    let target = match &record.data {
        RData::HTTPS(service) => to_name(&service.0.target_name),
        RData::SVCB(service) => to_name(&service.target_name),
        _ => None,
    };
    target.filter(|name| *name != Name::ROOT)
}

pub(super) fn to_name(name: &rr::Name) -> Option<Name> {
    let mut wire = Vec::with_capacity(64);
    for label in name.iter() {
        wire.push(u8::try_from(label.len()).ok()?);
        wire.extend_from_slice(label);
    }
    wire.push(0);
    Name::from_wire(&wire).ok()
}
