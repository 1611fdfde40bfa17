//! Local names: what `[[records]]` say, made ready to be written into answers.
//!
//! Each address also gets a PTR record by itself. A CNAME to another local name is followed when
//! the table is built; one that leads out of the table is an alias, to be resolved.

use std::{collections::HashMap, net::IpAddr};

use blocker::Name;

use crate::{
    answer::{LocalData, seconds},
    cache::Link,
    config::LocalRecord,
    wire::rtype,
};

/// Longest chain of local aliases that is followed: as deep as resolvers of the field go.
const MAX_LINKS: usize = 8;

/// Longest text of one character-string (RFC 1035 section 3.3).
const MAX_STRING: usize = 255;

/// What is known of one local name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LocalName {
    data: Vec<LocalData>,
    links: Vec<Link>,
    /// Where the links end, when that is no local name.
    elsewhere: Option<Name>,
}

/// Where looking a local name up ends.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending<'l> {
    /// With what is known here.
    Here,
    /// With another name, after these aliases.
    Elsewhere(&'l [Link], Name),
}

impl LocalName {
    /// Where looking up this type ends.
    pub fn ending(&self, qtype: u16) -> Ending<'_> {
        match self.elsewhere {
            Some(target) if !matches!(qtype, rtype::CNAME | rtype::ANY) => {
                Ending::Elsewhere(&self.links, target)
            }
            _ => Ending::Here,
        }
    }

    /// The records of a type, aliases first; one who asks for the alias itself gets that alone.
    pub fn records(&self, qtype: u16) -> impl Iterator<Item = &LocalData> {
        self.data.iter().filter(move |record| match (qtype, record.rtype) {
            (rtype::CNAME, rtype::CNAME) => record.owner.is_none(),
            (rtype::ANY, _) | (_, rtype::CNAME) => true,
            (asked, held) => asked == held,
        })
    }
}

/// All local names.
#[derive(Debug, Default)]
pub(super) struct LocalNames(HashMap<Name, LocalName>);

impl LocalNames {
    pub(super) fn new(records: &[LocalRecord]) -> Self {
        let mut names: HashMap<Name, LocalName> = HashMap::new();
        for record in records {
            let ttl = seconds(record.ttl);
            names.entry(record.name).or_default().data.extend(data_of(record, ttl));
            let addresses = record.a.iter().copied().map(IpAddr::from);
            for address in addresses.chain(record.aaaa.iter().copied().map(IpAddr::from)) {
                if let Some(reverse) = reverse_name(address) {
                    let data = record.name.as_wire().to_vec();
                    let ptr = LocalData { owner: None, rtype: rtype::PTR, ttl, data };
                    names.entry(reverse).or_default().data.push(ptr);
                }
            }
        }
        for record in records.iter().filter(|record| record.cname.is_some()) {
            let followed = follow(record, records, &names);
            names.insert(record.name, followed);
        }
        Self(names)
    }

    pub(super) fn find(&self, name: &Name) -> Option<&LocalName> {
        if self.0.is_empty() { None } else { self.0.get(name) }
    }
}

fn data_of(record: &LocalRecord, ttl: u32) -> Vec<LocalData> {
    let one = |rtype, data: Vec<u8>| LocalData { owner: None, rtype, ttl, data };
    let mut data = Vec::new();
    data.extend(record.a.iter().map(|address| one(rtype::A, address.octets().into())));
    data.extend(record.aaaa.iter().map(|address| one(rtype::AAAA, address.octets().into())));
    data.extend(record.txt.iter().map(|text| one(rtype::TXT, character_strings(text))));
    data.extend(record.ptr.iter().map(|name| one(rtype::PTR, name.as_wire().into())));
    data
}

/// Follows a chain of aliases through the table.
fn follow(
    first: &LocalRecord,
    records: &[LocalRecord],
    names: &HashMap<Name, LocalName>,
) -> LocalName {
    let mut local = LocalName::default();
    let mut here = Some(first);
    while let Some((record, target)) = here.and_then(|record| Some((record, record.cname?))) {
        let (owner, ttl) = (record.name, seconds(record.ttl));
        let shown = (owner != first.name).then_some(owner);
        let data = target.as_wire().to_vec();
        local.data.push(LocalData { owner: shown, rtype: rtype::CNAME, ttl, data });
        local.links.push(Link { owner, target, ttl });
        if local.links.len() > MAX_LINKS {
            tracing::warn!(name = %first.name, "aliases go round in circles; they end nowhere");
            return LocalName::default();
        }
        here = records.iter().find(|record| record.name == target && record.cname.is_some());
        if here.is_none() {
            match names.get(&target) {
                None => local.elsewhere = Some(target),
                Some(end) => local.data.extend(
                    end.data.iter().map(|data| LocalData { owner: Some(target), ..data.clone() }),
                ),
            }
        }
    }
    local
}

/// A text as TXT data: character-strings of at most 255 octets.
fn character_strings(text: &str) -> Vec<u8> {
    if text.is_empty() {
        return vec![0];
    }
    let one = |part: &[u8]| [&[u8::try_from(part.len()).unwrap_or(u8::MAX)], part].concat();
    text.as_bytes().chunks(MAX_STRING).flat_map(one).collect()
}

/// The name that an address is looked up by (RFC 1035 section 3.5, RFC 3596 section 2.5).
fn reverse_name(address: IpAddr) -> Option<Name> {
    let text = match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let nibbles =
                address.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            let digits: String = nibbles.map(|nibble| format!("{nibble:x}.")).collect();
            format!("{digits}ip6.arpa")
        }
    };
    Name::parse(&text).ok()
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Environment};

    use super::*;

    fn names(toml: &str) -> LocalNames {
        LocalNames::new(&Config::parse(toml, &Environment::default()).unwrap().records)
    }

    fn types(names: &LocalNames, name: &str, qtype: u16) -> Vec<u16> {
        let local = names.find(&Name::parse(name).unwrap()).expect(name);
        local.records(qtype).map(|record| record.rtype).collect()
    }

    #[test]
    fn an_address_gets_its_reverse_name() {
        let names = names("[[records]]\nname = 'nas.lan'\na = ['192.168.1.2']\naaaa = ['fd00::2']");

        assert_eq!(types(&names, "2.1.168.192.in-addr.arpa", rtype::PTR), [rtype::PTR]);
        let v6 = format!("2.{}0.0.d.f.ip6.arpa", "0.".repeat(27));
        assert_eq!(types(&names, &v6, rtype::PTR), [rtype::PTR]);
        assert!(types(&names, "nas.lan", rtype::TXT).is_empty());
    }

    #[test]
    fn aliases_are_followed_within_the_table_and_end_outside_it() {
        let names = names(
            "[[records]]\nname = 'a.lan'\ncname = 'b.lan'\n\
             [[records]]\nname = 'b.lan'\ncname = 'c.lan'\n\
             [[records]]\nname = 'c.lan'\na = ['192.168.1.3']\n\
             [[records]]\nname = 'out.lan'\ncname = 'www.example.com'\n\
             [[records]]\nname = 'loop.lan'\ncname = 'loop.lan'",
        );

        let chain = [rtype::CNAME, rtype::CNAME, rtype::A];
        assert_eq!(types(&names, "a.lan", rtype::A), chain);
        let out = names.find(&Name::parse("out.lan").unwrap()).unwrap();
        assert!(matches!(out.ending(rtype::A), Ending::Elsewhere([_], _)));
        assert_eq!(out.ending(rtype::CNAME), Ending::Here);
        assert_eq!(types(&names, "a.lan", rtype::CNAME), [rtype::CNAME]);
        assert!(types(&names, "loop.lan", rtype::A).is_empty());
    }
}
