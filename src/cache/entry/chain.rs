//! A response goes in, and only what belongs to its question stays in it.
//!
//! What stays begins at the asked name and follows its aliases; whatever else an upstream tells
//! unasked never reaches a client, so it can neither mislead one nor slip past what policy judges.

use std::collections::HashMap;

use hickory_proto::{
    op::Message,
    rr::{DNSClass, Name, RData, Record, RecordType},
    serialize::binary::BinDecodable as _,
};

use super::Unusable;
use crate::cache::Key;

/// Aliases followed from the asked name; what unbound follows (`max-query-restarts`).
const MAX_LINKS: usize = 11;

/// Drops what does not belong to the question, and what only DNSSEC needs where that was not
/// asked for (RFC 4035 section 3.2.1).
///
/// # Errors
/// Where aliases go round in circles, or on for too long.
pub(super) fn keep_what_was_asked(message: &mut Message, key: &Key) -> Result<(), Unusable> {
    let asked = RecordType::from(key.qtype);
    let question = message.queries.first().ok_or(Unusable::Malformed)?;
    let chain = follow(&message.answers, &question.name, asked)?;
    let is_step = |owner: &Name, rtype| is_step(owner, rtype, &chain, asked);
    message.answers.retain(|record| {
        let covered = covered_type(record).filter(|_| key.dnssec_ok);
        record.dns_class == DNSClass::IN
            && (is_step(&record.name, record.record_type()) && is_followed(record, &chain)
                || covered.is_some_and(|rtype| is_step(&record.name, rtype)))
    });
    message.authorities.retain(|record| match record.record_type() {
        RecordType::SOA | RecordType::NS => chain.iter().any(|name| record.name.zone_of(name)),
        // Proofs are checked by whoever reads them, and lead nobody anywhere.
        rtype => key.dnssec_ok && is_proof(rtype),
    });
    message.additionals.clear();
    Ok(())
}

/// Brings the records of each RRset to its lowest time to live (RFC 2181 section 5.2).
pub(super) fn level_times_to_live(records: &mut [Record]) {
    if records.windows(2).all(|pair| matches!(pair, [one, next] if one.ttl == next.ttl)) {
        return;
    }
    let mut lowest: HashMap<(Name, RecordType), u32> = HashMap::new();
    for record in &*records {
        let ttl = lowest.entry((record.name.clone(), record.record_type())).or_insert(record.ttl);
        *ttl = record.ttl.min(*ttl);
    }
    for record in records {
        let rrset = (record.name.clone(), record.record_type());
        record.ttl = lowest.get(&rrset).copied().unwrap_or(record.ttl);
    }
}

/// The asked name and those its aliases lead to, in their order.
fn follow(answers: &[Record], asked: &Name, qtype: RecordType) -> Result<Vec<Name>, Unusable> {
    let mut chain = vec![asked.clone()];
    while let Some(owner) = chain.last() {
        if of(answers, owner).any(|record| is_asked(record.record_type(), qtype)) {
            break;
        }
        let target = of(answers, owner).find_map(|record| match &record.data {
            RData::CNAME(target) => Some(target.0.clone()),
            _ => None,
        });
        let Some(target) = target else { break };
        if chain.len() > MAX_LINKS || chain.contains(&target) {
            return Err(Unusable::Chain);
        }
        chain.push(target);
    }
    Ok(chain)
}

fn of<'r>(records: &'r [Record], owner: &Name) -> impl Iterator<Item = &'r Record> {
    records.iter().filter(move |record| record.name == *owner && record.dns_class == DNSClass::IN)
}

/// Whether records of this owner and type are the data at the chain's end, an alias on the way
/// there, or what makes such aliases (RFC 6672 section 3.1).
fn is_step(owner: &Name, rtype: RecordType, chain: &[Name], asked: RecordType) -> bool {
    let Some((end, links)) = chain.split_last() else { return false };
    owner == end && is_asked(rtype, asked)
        || rtype == RecordType::CNAME && links.contains(owner)
        || rtype == RecordType::DNAME
            && links.iter().any(|name| owner != name && owner.zone_of(name))
}

/// Whether an alias is the one that was followed: a name has one alias (RFC 2181 section 10.1).
/// What makes aliases is judged by those it made, so it must have made one.
fn is_followed(record: &Record, chain: &[Name]) -> bool {
    let mut links = chain.windows(2).filter_map(<[Name]>::as_array);
    match &record.data {
        RData::CNAME(target) => {
            links.all(|[owner, next]| *owner != record.name || *next == target.0)
        }
        RData::Unknown { code: RecordType::DNAME, rdata } => {
            let target = Name::from_bytes(&rdata.anything);
            target.is_ok_and(|target| {
                links.any(|[owner, next]| {
                    redirect(owner, &record.name, &target).as_ref() == Some(next)
                })
            })
        }
        _ => true,
    }
}

/// The name that one below a DNAME stands for (RFC 6672 section 2.2).
fn redirect(name: &Name, owner: &Name, target: &Name) -> Option<Name> {
    let own_labels = name.iter().len().checked_sub(owner.iter().len())?;
    Name::from_labels(name.iter().take(own_labels).chain(target.iter())).ok()
}

fn is_asked(rtype: RecordType, asked: RecordType) -> bool {
    rtype == asked || asked == RecordType::ANY
}

fn is_proof(rtype: RecordType) -> bool {
    matches!(rtype, RecordType::RRSIG | RecordType::NSEC | RecordType::NSEC3)
}

/// The type that a signature covers: the first of its data (RFC 4034 section 3.1.1).
fn covered_type(record: &Record) -> Option<RecordType> {
    match &record.data {
        RData::Unknown { code: RecordType::RRSIG, rdata } => {
            let covered = rdata.anything.first_chunk()?;
            Some(u16::from_be_bytes(*covered).into())
        }
        _ => None,
    }
}
