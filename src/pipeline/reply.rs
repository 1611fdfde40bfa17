//! A decision goes in, the answer's bytes and what is noted of it come out.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    answer::{self, Ede, LocalData, Rcode},
    cache::Entry,
    config::Blocking,
    policy::{Block, LocalName, Path, Refusal, Special},
    query::Query,
    querylog::{Answered, Outcome},
    upstream::Failure,
};

/// How long a client may remember that a local or special name has no data of a type.
const NEGATIVE_TTL: Duration = Duration::from_secs(60);

/// Time to live of what never changes, such as the loopback names' addresses.
const FIXED_TTL: u32 = 86_400;

pub(super) fn refused(query: &Query, refusal: Refusal, out: &mut Vec<u8>) -> Answered {
    let (rcode, ede) = match refusal {
        Refusal::Client => (Rcode::Refused, Some(Ede::Prohibited)),
        Refusal::Question => (Rcode::Refused, None),
        Refusal::NoRecursion => (Rcode::Refused, Some(Ede::NotAuthoritative)),
        Refusal::EdnsVersion => (Rcode::BadVers, None),
        Refusal::NotReady => (Rcode::ServFail, Some(Ede::NotReady)),
    };
    answer::empty(query, rcode, ede, out);
    Answered::new(Outcome::Refused, rcode as u16)
}

pub(super) fn truncated(query: &Query, out: &mut Vec<u8>) -> Answered {
    answer::truncated(query, out);
    Answered::new(Outcome::Truncated, Rcode::NoError as u16)
}

/// Sends a client to where its address is no forgery: to TCP, or with its first cookie to us again
/// (RFC 7873 section 5.2.3).
pub(super) fn over_the_limit(query: &Query, out: &mut Vec<u8>) -> Answered {
    if query.edns.is_some_and(|edns| edns.cookie.is_some()) {
        answer::empty(query, Rcode::BadCookie, None, out);
        return Answered::new(Outcome::Refused, Rcode::BadCookie as u16);
    }
    truncated(query, out)
}

pub(super) fn local(query: &Query, name: &LocalName, out: &mut Vec<u8>) -> Answered {
    answer::local(query, name.records(query.qtype), NEGATIVE_TTL, out);
    Answered::new(Outcome::Local, Rcode::NoError as u16)
}

pub(super) fn special(query: &Query, special: Special, out: &mut Vec<u8>) -> Answered {
    let Some((rtype, data)) = special.data(query.qtype) else {
        let rcode = if special == Special::NxDomain { Rcode::NxDomain } else { Rcode::NoError };
        answer::negative(query, rcode, NEGATIVE_TTL, None, out);
        return Answered::new(Outcome::Special, rcode as u16);
    };
    let record = |data| LocalData { owner: None, rtype, ttl: FIXED_TTL, data };
    let records: Vec<LocalData> = data.into_iter().map(record).collect();
    answer::local(query, records.iter(), NEGATIVE_TTL, out);
    Answered::new(Outcome::Special, Rcode::NoError as u16)
}

pub(super) fn blocked(
    query: &Query,
    block: &Block<'_>,
    blocking: &Blocking,
    out: &mut Vec<u8>,
) -> Answered {
    let ede = Ede::Blocked(block.reason);
    let rcode = answer::blocked(query, blocking.answer, blocking.ttl, ede, out);
    Answered::new(Outcome::Blocked, rcode as u16).because(block)
}

pub(super) fn resolved(
    query: &Query,
    path: &Path<'_>,
    entry: &Entry,
    outcome: Outcome,
    out: &mut Vec<u8>,
) -> Answered {
    let now = Instant::now();
    if path.links.is_empty() {
        answer::cached(query, entry, None, now, out);
    } else {
        match entry.under_alias(&query.name, query.qtype, path.links, now) {
            Ok(aliased) => answer::cached(query, &aliased, None, now, out),
            Err(error) => return failed(query, &Failure::BadAnswer(error.to_string()), out),
        }
    }
    Answered::new(outcome, entry.rcode()).from_upstream(entry.upstream())
}

/// What a public name says of private addresses is left out, and the answer says so.
pub(super) fn without_private_addresses(
    query: &Query,
    entry: &Entry,
    outcome: Outcome,
    blocking: &Blocking,
    out: &mut Vec<u8>,
) -> Answered {
    let ede = Some(Ede::Blocked("rebinding protection"));
    match entry.without_private_addresses() {
        Ok(rest) if rest.answers() > 0 => {
            answer::cached(query, &rest, ede, Instant::now(), out);
            Answered::new(outcome, rest.rcode()).from_upstream(entry.upstream())
        }
        _ => {
            answer::negative(query, Rcode::NoError, blocking.ttl, ede, out);
            Answered::new(Outcome::Blocked, Rcode::NoError as u16)
        }
    }
}

/// The one place where an upstream's failure becomes an answer.
pub(super) fn failed(query: &Query, failure: &Failure, out: &mut Vec<u8>) -> Answered {
    let rcode = failure.rcode();
    answer::empty(query, rcode, failure.ede(), out);
    Answered::new(Outcome::Failed, rcode as u16)
}
