//! A decision goes in, the answer's bytes come out, with what is noted of it and how long it holds.

use std::time::Duration;

use super::{Asked, front::Validity, recall::Found};
use crate::{
    answer::{self, Ede, LocalData, Rcode},
    policy::{Block, LocalName, Path, Refusal, Special},
    query::Query,
    querylog::{Answered, Outcome},
    upstream::Failure,
};

/// How long a client may remember that a local or special name has no data of a type.
const NEGATIVE_TTL: Duration = Duration::from_secs(60);

/// Time to live of what never changes, such as the loopback names' addresses.
const FIXED_TTL: u32 = 86_400;

/// How long an answer of ours may be given again without looking: for as long as policy stays as it
/// is, so that any time is right.
const WITH_POLICY: Duration = Duration::from_secs(3600);

/// An answer that is written.
pub(super) struct Reply {
    pub(super) answered: Answered,
    /// How long others who ask the same may have the same; where that is nothing, only this once.
    pub(super) validity: Option<Validity>,
}

impl Reply {
    fn once(outcome: Outcome, rcode: Rcode) -> Self {
        Self { answered: Answered::new(outcome, rcode as u16), validity: None }
    }

    /// An answer that depends on nothing but policy.
    fn by_policy(asked: &Asked<'_>, answered: Answered) -> Self {
        let validity = Validity { ages_from: None, until: asked.now + WITH_POLICY };
        Self { answered, validity: Some(validity) }
    }

    /// An answer that holds no longer than what was found, whose times to live count down or not.
    fn by_cache(asked: &Asked<'_>, answered: Answered, found: &Found, counts_down: bool) -> Self {
        let Found { entry, outcome } = found;
        let shown = Duration::from_secs(entry.age(asked.now).into());
        let ages_from = counts_down.then(|| entry.stored() + shown);
        let validity = Validity { ages_from, until: entry.early_until() };
        let holds = *outcome == Outcome::Cached && asked.now < validity.until;
        Self { answered, validity: holds.then_some(validity) }
    }
}

pub(super) fn refused(query: &Query, refusal: Refusal, out: &mut Vec<u8>) -> Reply {
    let (rcode, ede) = match refusal {
        Refusal::OverUdp => return truncated(query, out),
        Refusal::Client => (Rcode::Refused, Some(Ede::Prohibited)),
        Refusal::Question => (Rcode::Refused, None),
        Refusal::NoRecursion => (Rcode::Refused, Some(Ede::NotAuthoritative)),
        Refusal::EdnsVersion => (Rcode::BadVers, None),
        Refusal::NotReady => (Rcode::ServFail, Some(Ede::NotReady)),
    };
    answer::empty(query, rcode, ede, out);
    Reply::once(Outcome::Refused, rcode)
}

fn truncated(query: &Query, out: &mut Vec<u8>) -> Reply {
    answer::truncated(query, out);
    Reply::once(Outcome::Truncated, Rcode::NoError)
}

/// Sends a client to where its address is no forgery: to TCP, or with its first cookie to us again
/// (RFC 7873 section 5.2.3).
pub(super) fn over_the_limit(query: &Query, out: &mut Vec<u8>) -> Reply {
    if query.edns.is_some_and(|edns| edns.cookie.is_some()) {
        answer::empty(query, Rcode::BadCookie, None, out);
        return Reply::once(Outcome::Refused, Rcode::BadCookie);
    }
    truncated(query, out)
}

pub(super) fn local(asked: &Asked<'_>, name: &LocalName, out: &mut Vec<u8>) -> Reply {
    let query = asked.query;
    answer::local(query, name.records(query.qtype), NEGATIVE_TTL, out);
    Reply::by_policy(asked, Answered::new(Outcome::Local, Rcode::NoError as u16))
}

pub(super) fn special(asked: &Asked<'_>, special: Special, out: &mut Vec<u8>) -> Reply {
    let query = asked.query;
    let Some((rtype, data)) = special.data(query.qtype) else {
        let rcode = if special == Special::NxDomain { Rcode::NxDomain } else { Rcode::NoError };
        answer::negative(query, rcode, NEGATIVE_TTL, None, out);
        return Reply::by_policy(asked, Answered::new(Outcome::Special, rcode as u16));
    };
    let record = |data| LocalData { owner: None, rtype, ttl: FIXED_TTL, data };
    let records: Vec<LocalData> = data.into_iter().map(record).collect();
    answer::local(query, records.iter(), NEGATIVE_TTL, out);
    Reply::by_policy(asked, Answered::new(Outcome::Special, Rcode::NoError as u16))
}

/// Says that a name is blocked: by itself, or because of what the answer that was found leads to.
pub(super) fn blocked(
    asked: &Asked<'_>,
    block: &Block<'_>,
    found: Option<&Found>,
    out: &mut Vec<u8>,
) -> Reply {
    let blocking = &asked.snapshot.config.blocking;
    let ede = Ede::Blocked(block.reason);
    let rcode = answer::blocked(asked.query, blocking.answer, blocking.ttl, ede, out);
    let answered = Answered::new(Outcome::Blocked, rcode as u16).because(block);
    match found {
        Some(found) => Reply::by_cache(asked, answered, found, false),
        None => Reply::by_policy(asked, answered),
    }
}

pub(super) fn resolved(
    asked: &Asked<'_>,
    path: &Path<'_>,
    found: &Found,
    out: &mut Vec<u8>,
) -> Reply {
    let Asked { query, now, .. } = *asked;
    let Found { entry, outcome } = found;
    let answered = Answered::new(*outcome, entry.rcode()).from_upstream(entry.upstream());
    if path.links.is_empty() {
        answer::cached(query, entry, None, now, out);
        return Reply::by_cache(asked, answered, found, true);
    }
    match entry.under_alias(&query.name, query.qtype, path.links, now) {
        Ok(aliased) => answer::cached(query, &aliased, None, now, out),
        Err(error) => return failed(query, &Failure::BadAnswer(error.to_string()), out),
    }
    // Records of ours in it do not count down, the others do.
    Reply { answered, validity: None }
}

/// What a public name says of private addresses is left out, and the answer says so.
pub(super) fn without_private_addresses(
    asked: &Asked<'_>,
    found: &Found,
    out: &mut Vec<u8>,
) -> Reply {
    let Asked { query, now, .. } = *asked;
    let Found { entry, outcome } = found;
    let ede = Some(Ede::Blocked("rebinding protection"));
    match entry.without_private_addresses() {
        Ok(rest) if rest.answers() > 0 => {
            answer::cached(query, &rest, ede, now, out);
            let answered = Answered::new(*outcome, rest.rcode()).from_upstream(entry.upstream());
            Reply::by_cache(asked, answered, found, true)
        }
        _ => {
            let ttl = asked.snapshot.config.blocking.ttl;
            answer::negative(query, Rcode::NoError, ttl, ede, out);
            let answered = Answered::new(Outcome::Blocked, Rcode::NoError as u16);
            Reply::by_cache(asked, answered, found, false)
        }
    }
}

/// The one place where an upstream's failure becomes an answer.
pub(super) fn failed(query: &Query, failure: &Failure, out: &mut Vec<u8>) -> Reply {
    let rcode = failure.rcode();
    answer::empty(query, rcode, failure.ede(), out);
    Reply::once(Outcome::Failed, rcode)
}
