//! An upstream answer goes in, an entry comes out that any client can be answered from.
//!
//! The message is read once and written anew, without OPT, which is between two neighbours. So
//! what is kept has one meaning: what a policy judges is what every client will read, however the
//! upstream laid out its names. Types we do not know keep their data to the octet.

mod chain;
mod demand;
mod filtered;
mod lifetime;
mod private;
mod reason;
mod restored;
mod targets;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use blocker::Name;
use hickory_proto::{
    op::{Message, MessageType, Query},
    rr::{self, RData, Record, RecordType, rdata::CNAME},
    serialize::binary::BinDecodable as _,
};
use tokio::time::Instant;

use demand::Demand;

use crate::{
    answer::{Rcode, seconds},
    cache::Key,
    wire::{self, Header, Malformed, Records, flag},
};

pub use filtered::UpstreamBlock;
pub use lifetime::Bounds;
pub use reason::Reason;
pub use restored::Noted;
pub use targets::Targets;

/// What stale answers say (RFC 8767 section 4): short, so that clients soon ask again.
const STALE_TTL: u32 = 30;

/// Extended DNS Errors of stale answers (RFC 8914 sections 4.4 and 4.20).
const STALE_ANSWER: u16 = 3;
const STALE_NXDOMAIN: u16 = 19;

/// One CNAME record of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The name that is an alias.
    pub owner: Name,
    /// The name it stands for.
    pub target: Name,
    /// Seconds.
    pub ttl: u32,
}

/// An upstream's answer as it arrived.
#[derive(Clone, Debug)]
pub struct Arrival<'a> {
    /// The message.
    pub answer: &'a [u8],
    /// How old it was when it arrived (RFC 8484 section 5.1).
    pub age: Duration,
    /// When it arrived.
    pub at: Instant,
    /// The URL of the upstream it came from.
    pub upstream: Arc<str>,
}

/// An answer that was taken in, ready to be given out.
#[derive(Debug)]
pub struct Entry {
    /// The message without OPT.
    wire: Box<[u8]>,
    /// Where times to live lie, and what they were when the answer was taken in.
    ttls: Box<[(u16, u32)]>,
    /// The names that the answer points to.
    targets: Targets,
    /// Whether it points to private addresses.
    points_home: bool,
    origin: Origin,
    demand: Demand,
}

/// What stays the same when an answer is written anew.
#[derive(Clone, Debug)]
struct Origin {
    stored: Instant,
    lifetime: Duration,
    /// How long it is kept after its lifetime.
    stale: Duration,
    upstream: Arc<str>,
    reasons: Arc<[Reason]>,
    block: Option<UpstreamBlock>,
}

/// Why an upstream's answer cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is not a DNS message.
    #[error("the answer is not a DNS message")]
    Malformed,
    /// A part of it is missing, for which no client of ours could come back to anybody.
    #[error("the answer is truncated, which no answer over HTTPS has to be")]
    Truncated,
    /// It carries an extended response code, which speaks of EDNS between it and us.
    #[error("the answer complains about EDNS")]
    Edns,
    /// Its aliases lead round in circles, or on for too long.
    #[error("the answer's aliases lead nowhere")]
    Chain,
}

impl Entry {
    /// Takes in what belongs to the question, bounded in time.
    ///
    /// # Errors
    /// Where it is not a message we can stand behind.
    pub fn new(key: &Key, arrival: &Arrival<'_>, bounds: &Bounds) -> Result<Self, Unusable> {
        let mut message = read(arrival.answer)?;
        let reasons = Reason::read_all(&message);
        message.metadata.id = 0;
        message.edns = None;
        message.signature = None;
        chain::keep_what_was_asked(&mut message, key)?;
        for record in &mut message.answers {
            record.ttl = bounds.of(record, arrival.age);
        }
        for record in &mut message.authorities {
            record.ttl = bounds.of_authority(record, arrival.age);
        }
        chain::level_times_to_live(&mut message.answers);
        chain::level_times_to_live(&mut message.authorities);
        let origin = Origin {
            stored: arrival.at,
            lifetime: bounds.lifetime(&message),
            stale: bounds.stale,
            upstream: arrival.upstream.clone(),
            block: UpstreamBlock::of(&message, &reasons),
            reasons,
        };
        Self::written(&message, origin)
    }

    /// Writes a message; what is noted beside it is read from what is written.
    fn written(message: &Message, origin: Origin) -> Result<Self, Unusable> {
        let wire = message.to_vec().map_err(|_| Unusable::Malformed)?;
        Ok(Self {
            targets: Targets::of(message),
            points_home: message.all_sections().any(private::points_home),
            ttls: ttls(&wire)?,
            wire: wire.into(),
            origin,
            demand: Demand::default(),
        })
    }

    /// The same answer under another name: our CNAME records first, then what the target has. With
    /// records of ours it is no longer what the upstream has validated.
    ///
    /// # Errors
    /// Where the records together are more than a message holds.
    pub fn under_alias(
        &self,
        name: &Name,
        qtype: u16,
        links: &[Link],
        now: Instant,
    ) -> Result<Self, Unusable> {
        let mut message = Message::from_vec(&self.wire).map_err(|_| Unusable::Malformed)?;
        message.queries = vec![Query::query(from_name(name)?, RecordType::from(qtype))];
        let mut answers = Vec::with_capacity(links.len() + message.answers.len());
        for link in links {
            let target = RData::CNAME(CNAME(from_name(&link.target)?));
            // Ours do not age with what was cached.
            let ttl = link.ttl.saturating_add(self.age(now));
            answers.push(Record::from_rdata(from_name(&link.owner)?, ttl, target));
        }
        message.metadata.authentic_data &= links.is_empty();
        answers.append(&mut message.answers);
        message.answers = answers;
        Self::written(&message, self.origin.clone())
    }

    /// Whether it points to private addresses.
    pub fn points_home(&self) -> bool {
        self.points_home
    }

    /// The same answer without private addresses, those in HTTPS and SVCB hints included; no
    /// longer what the upstream has validated.
    ///
    /// # Errors
    /// Never in practice: what is kept was read before.
    pub fn without_private_addresses(&self) -> Result<Self, Unusable> {
        let mut message = Message::from_vec(&self.wire).map_err(|_| Unusable::Malformed)?;
        private::remove(&mut message);
        message.metadata.authentic_data = false;
        Self::written(&message, self.origin.clone())
    }

    /// The same answer as clients get it once it has expired: good for a moment, and saying so.
    #[must_use]
    pub fn gone_stale(&self, now: Instant) -> Self {
        let mut wire = self.wire.clone();
        for (at, _) in self.ttls() {
            if let Some(ttl) = wire.get_mut(at..at + 4) {
                ttl.copy_from_slice(&STALE_TTL.to_be_bytes());
            }
        }
        let is_no = self.rcode() == Rcode::NxDomain as u16;
        let why = Reason::plain(if is_no { STALE_NXDOMAIN } else { STALE_ANSWER });
        // The upstream's may have been stale before.
        let is_other = |known: &&Reason| ![STALE_ANSWER, STALE_NXDOMAIN].contains(&known.code);
        let others = self.origin.reasons.iter().filter(is_other).cloned();
        let reasons = std::iter::once(why).chain(others).collect();
        Self {
            wire,
            ttls: self.ttls.iter().map(|(at, _)| (*at, STALE_TTL)).collect(),
            targets: self.targets.clone(),
            points_home: self.points_home,
            origin: Origin { stored: now, reasons, ..self.origin.clone() },
            demand: Demand::default(),
        }
    }

    /// How many records the answer section has.
    pub fn answers(&self) -> u16 {
        Header::read(&self.wire).map_or(0, |header| header.counts[1])
    }

    /// The message, with id 0 and without OPT.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// The response code.
    pub fn rcode(&self) -> u16 {
        Header::read(&self.wire).map_or(0, |header| header.flags & flag::RCODE)
    }

    /// The names that the answer points to.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The URL of the upstream it came from.
    pub fn upstream(&self) -> &Arc<str> {
        &self.origin.upstream
    }

    /// The upstream's Extended DNS Errors.
    pub fn reasons(&self) -> &Arc<[Reason]> {
        &self.origin.reasons
    }

    /// How the upstream said that it blocks the name, where it did.
    pub fn block(&self) -> Option<UpstreamBlock> {
        self.origin.block
    }

    /// Seconds since it was taken in.
    pub fn age(&self, now: Instant) -> u32 {
        seconds(now.saturating_duration_since(self.origin.stored))
    }

    /// How long it is good for from the moment it was taken in.
    pub fn lifetime(&self) -> Duration {
        self.origin.lifetime
    }

    /// Whether it says something of the name, and not that the upstream could not or would not.
    pub fn is_of_use(&self) -> bool {
        const YXDOMAIN: u16 = 6;
        [Rcode::NoError as u16, Rcode::NxDomain as u16, YXDOMAIN].contains(&self.rcode())
    }

    /// Whether it says, and still does, that the very name that was asked does not exist.
    pub fn denies_name(&self, now: Instant) -> bool {
        self.rcode() == Rcode::NxDomain as u16 && self.answers() == 0 && self.is_fresh(now)
    }

    /// Whether the upstream has validated it.
    pub fn is_authentic(&self) -> bool {
        Header::read(&self.wire).is_some_and(|header| header.flags & flag::AD != 0)
    }

    /// When it was taken in.
    pub fn stored(&self) -> Instant {
        self.origin.stored
    }

    /// How long it is kept from the moment it was taken in.
    pub fn kept(&self) -> Duration {
        self.origin.lifetime + self.origin.stale
    }

    /// Whether not even a stale answer may be made of it any more.
    pub fn is_useless(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.origin.stored) >= self.kept()
    }

    /// Whether it is still good.
    pub fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.origin.stored) < self.origin.lifetime
    }

    /// Where times to live lie, and what they were when it was taken in.
    pub fn ttls(&self) -> impl Iterator<Item = (usize, u32)> {
        self.ttls.iter().map(|(at, ttl)| (usize::from(*at), *ttl))
    }

    /// Bytes it holds.
    pub fn memory(&self) -> usize {
        size_of::<Self>()
            + self.wire.len()
            + size_of_val(self.ttls.as_ref())
            + self.targets.memory()
            + self.origin.reasons.iter().map(|r| size_of_val(r) + r.text.len()).sum::<usize>()
    }
}

/// Whether an answer is one that an entry can be made of, as far as that can be told without what
/// was asked.
pub fn is_usable(answer: &[u8]) -> bool {
    read(answer).is_ok()
}

fn read(answer: &[u8]) -> Result<Message, Unusable> {
    let message = Message::from_vec(answer).map_err(|_| Unusable::Malformed)?;
    if message.metadata.message_type != MessageType::Response || message.queries.len() != 1 {
        return Err(Unusable::Malformed);
    }
    if message.metadata.response_code.high() != 0 {
        return Err(Unusable::Edns);
    }
    if message.metadata.truncation {
        return Err(Unusable::Truncated);
    }
    Ok(message)
}

/// Where the times to live of a message lie, and what they are.
fn ttls(wire: &[u8]) -> Result<Box<[(u16, u32)]>, Unusable> {
    let header = Header::read(wire).ok_or(Unusable::Malformed)?;
    let question_end = wire::skip_name(wire, wire::HEADER).ok_or(Unusable::Malformed)? + 4;
    let place = |record: Result<wire::Record, Malformed>| {
        let record = record.ok()?;
        Some((u16::try_from(record.ttl_at).ok()?, record.ttl))
    };
    let ttls: Option<_> = Records::new(wire, question_end, header.records()).map(place).collect();
    ttls.ok_or(Unusable::Malformed)
}

fn from_name(name: &Name) -> Result<rr::Name, Unusable> {
    rr::Name::from_bytes(name.as_wire()).map_err(|_| Unusable::Malformed)
}
