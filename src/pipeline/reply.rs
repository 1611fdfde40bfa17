//! A decision goes in, the answer's bytes come out, with what is noted of it and how long it holds.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use super::{Asked, front::Validity, recall::Found};
use crate::{
    answer::{self, BlockForm, Ede, LocalData, Rcode},
    cache::{Entry, Reason, UpstreamBlock},
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

    /// The same, which this would have blocked if it were not in shadow mode.
    pub(super) fn shadowed_by(mut self, shadow: Option<&Arc<str>>) -> Self {
        self.answered.shadow = shadow.cloned();
        self
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
    let form = match (BlockForm::of(block.reply.as_ref(), blocking.answer), found) {
        // An alias is followed from the name that is asked, and from no other.
        (BlockForm::Alias(_), Some(_)) => blocking.answer.into(),
        (form, _) => form,
    };
    let ede = Some(Ede::Blocked(block.reason));
    let Some(rcode) = answer::blocked(asked.query, form, blocking.ttl, ede, out) else {
        let answered = Answered::silent(Outcome::Blocked).because(block);
        return Reply { answered, validity: None };
    };
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
    let mut answered = Answered::new(*outcome, entry.rcode()).from_upstream(entry.upstream());
    if let Some(block) = entry.block() {
        answered = answered.because_upstream(block);
    }
    if let Some(block) = &path.redirect {
        answered = answered.because(block);
        answered.outcome = Outcome::Blocked;
    }
    let by_rule = path.redirect.as_ref().map(|block| Ede::Blocked(block.reason));
    let ede = by_rule.or_else(|| blocked_upstream(entry));
    if path.links.is_empty() {
        answer::cached(query, entry, ede, now, out);
        return Reply::by_cache(asked, answered, found, true);
    }
    match entry.under_alias(&query.name, query.qtype, &path.links, now) {
        Ok(aliased) => answer::cached(query, &aliased, ede, now, out),
        Err(error) => return failed(query, &Failure::BadAnswer(error.to_string()), out),
    }
    // Records of ours in it do not count down, the others do.
    Reply { answered, validity: None }
}

/// What an upstream gives the unspecified address is blocked, and answered as what we block: as an
/// address it would point clients to themselves.
pub(super) fn nullified(asked: &Asked<'_>, found: &Found, out: &mut Vec<u8>) -> Reply {
    let blocking = &asked.snapshot.config.blocking;
    let entry = &found.entry;
    let told = entry.reasons().iter().find(|reason| reason.is_block()).map(Ede::Upstream);
    let ede = told.or_else(|| blocked_upstream(entry));
    let form = blocking.answer.into();
    let rcode = answer::blocked(asked.query, form, blocking.ttl, ede, out);
    let rcode = rcode.unwrap_or(Rcode::NoError);
    let answered = Answered::new(found.outcome, rcode as u16)
        .from_upstream(entry.upstream())
        .because_upstream(UpstreamBlock::NullAddress);
    Reply::by_cache(asked, answered, found, false)
}

/// What there is to say of an upstream's block, where the upstream itself says nothing.
fn blocked_upstream(entry: &Entry) -> Option<Ede<'static>> {
    let is_told = entry.reasons().iter().any(Reason::is_block);
    entry.block().filter(|_| !is_told).map(|block| Ede::Blocked(block.text()))
}

/// What a public name says of private addresses is left out, and the answer says so.
pub(super) fn without_private_addresses(
    asked: &Asked<'_>,
    path: &Path<'_>,
    found: &Found,
    out: &mut Vec<u8>,
) -> Reply {
    let Asked { query, now, .. } = *asked;
    let Found { entry, outcome } = found;
    let ede = Some(Ede::Blocked("rebinding protection"));
    match entry.without_private_addresses() {
        Ok(rest) if rest.answers() > 0 && path.links.is_empty() => {
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
