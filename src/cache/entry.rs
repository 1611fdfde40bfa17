//! An upstream answer goes in, an entry comes out that any client can be answered from.
//!
//! The bytes stay as the upstream sent them, so that types we do not know pass unharmed; only
//! OPT, which is between two neighbours, is taken off. What a policy must judge, the names that
//! the answer points to, is found once, here.

#[cfg(test)]
mod tests;

use std::time::Duration;

use blocker::Name;
use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{self, RData, Record, RecordType, rdata::CNAME},
    serialize::binary::BinDecodable as _,
};
use tokio::time::Instant;

use crate::{
    answer::seconds,
    config::CacheSettings,
    wire::{self, Header, Records, flag, rtype},
};

/// How long an answer that is neither data nor a clear "no" is remembered: long enough to spare
/// the upstream a storm, short enough to notice that it is over (RFC 9520 section 3.2 asks for
/// at least one second).
const FAILURE_LIFETIME: Duration = Duration::from_secs(1);

/// The bounds that times to live are brought into.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Shortest shown and kept.
    pub min: Duration,
    /// Longest.
    pub max: Duration,
    /// Longest for "no such name" and "no such data".
    pub max_negative: Duration,
}

impl From<&CacheSettings> for Bounds {
    fn from(settings: &CacheSettings) -> Self {
        Self {
            min: settings.min_ttl,
            max: settings.max_ttl,
            max_negative: settings.max_negative_ttl.min(settings.max_ttl),
        }
    }
}

impl Bounds {
    fn clamp(&self, ttl: u32) -> u32 {
        ttl.clamp(seconds(self.min), seconds(self.max))
    }
}

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

/// An answer that was taken in, ready to be given out.
#[derive(Debug)]
pub struct Entry {
    /// The message without OPT.
    wire: Box<[u8]>,
    /// Where times to live lie, and what they were when the answer was taken in.
    ttls: Box<[(u16, u32)]>,
    /// The names that the answer points to.
    targets: Box<[Name]>,
    stored: Instant,
    lifetime: Duration,
    upstream: usize,
}

/// Why an upstream's answer cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is not a DNS message.
    #[error("the answer is not a DNS message")]
    Malformed,
    /// It carries an extended response code, which speaks of EDNS between it and us.
    #[error("the answer complains about EDNS")]
    Edns,
}

impl Entry {
    /// Takes in an answer that arrived now and had `age` when it did (RFC 8484 section 5.1).
    ///
    /// # Errors
    /// Where it is not a message we can stand behind.
    pub fn new(
        answer: &[u8],
        age: Duration,
        bounds: &Bounds,
        upstream: usize,
        now: Instant,
    ) -> Result<Self, Unusable> {
        let message = Message::from_vec(answer).map_err(|_| Unusable::Malformed)?;
        let mut wire = without_opt(answer, &message)?;
        let mut ttls = Vec::new();
        let mut shortest = None;
        for record in records(&wire)? {
            let record = record.map_err(|_| Unusable::Malformed)?;
            let at = u16::try_from(record.ttl_at).map_err(|_| Unusable::Malformed)?;
            let ttl = bounds.clamp(record.ttl.saturating_sub(seconds(age)));
            shortest = shortest.min(Some(ttl)).or(Some(ttl));
            ttls.push((at, ttl));
        }
        for (at, ttl) in &ttls {
            let at = usize::from(*at);
            if let Some(place) = wire.get_mut(at..at + 4) {
                place.copy_from_slice(&ttl.to_be_bytes());
            }
        }
        Ok(Self {
            lifetime: lifetime(&message, shortest, bounds),
            targets: targets(&message),
            wire: wire.into(),
            ttls: ttls.into(),
            stored: now,
            upstream,
        })
    }

    /// The same answer under another name: our CNAME records first, then what the target has.
    ///
    /// # Errors
    /// Where the records together are more than a message holds.
    pub fn under_alias(&self, name: &Name, qtype: u16, links: &[Link]) -> Result<Self, Unusable> {
        let mut message = Message::from_vec(&self.wire).map_err(|_| Unusable::Malformed)?;
        message.queries = vec![Query::query(from_name(name)?, RecordType::from(qtype))];
        let mut answers = Vec::with_capacity(links.len() + message.answers.len());
        for link in links {
            let target = RData::CNAME(CNAME(from_name(&link.target)?));
            answers.push(Record::from_rdata(from_name(&link.owner)?, link.ttl, target));
        }
        answers.append(&mut message.answers);
        message.answers = answers;
        let wire = message.to_vec().map_err(|_| Unusable::Malformed)?;
        let kept = Bounds { min: Duration::ZERO, max: Duration::MAX, max_negative: self.lifetime };
        Self::new(&wire, Duration::ZERO, &kept, self.upstream, self.stored)
    }

    /// The message, with id 0 and without OPT.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// The response code.
    pub fn rcode(&self) -> u16 {
        Header::read(&self.wire).map_or(0, |header| header.flags & flag::RCODE)
    }

    /// The names that the answer points to, in the order they appear.
    pub fn targets(&self) -> &[Name] {
        &self.targets
    }

    /// The upstream it came from, by its place among the servers.
    pub fn upstream(&self) -> usize {
        self.upstream
    }

    /// Seconds since it was taken in.
    pub fn age(&self, now: Instant) -> u32 {
        seconds(now.saturating_duration_since(self.stored))
    }

    /// How long it is good for from the moment it was taken in.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
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
            + size_of_val(self.targets.as_ref())
    }
}

/// The message with OPT cut off; where OPT is not the last record, the message is made anew.
fn without_opt(answer: &[u8], message: &Message) -> Result<Vec<u8>, Unusable> {
    if message.metadata.response_code.high() != 0 {
        return Err(Unusable::Edns);
    }
    if message.edns.is_none() {
        return Ok(answer.to_vec());
    }
    let mut last = None;
    for record in records(answer)? {
        last = Some(record.map_err(|_| Unusable::Malformed)?);
    }
    match last {
        Some(opt) if opt.rtype == rtype::OPT => {
            let mut wire = answer.get(..opt.start).unwrap_or_default().to_vec();
            let additionals = wire::u16_at(&wire, 10).unwrap_or(1).saturating_sub(1);
            if let Some(place) = wire.get_mut(10..12) {
                place.copy_from_slice(&additionals.to_be_bytes());
            }
            Ok(wire)
        }
        _ => {
            let mut message = message.clone();
            message.edns = None;
            message.to_vec().map_err(|_| Unusable::Malformed)
        }
    }
}

fn records(message: &[u8]) -> Result<Records<'_>, Unusable> {
    let header = Header::read(message).ok_or(Unusable::Malformed)?;
    let question_end = wire::skip_name(message, wire::HEADER).ok_or(Unusable::Malformed)? + 4;
    Ok(Records::new(message, question_end, header.records()))
}

/// How long an answer may be kept: its shortest time to live, for "no" answers that of the SOA
/// and no longer than its MINIMUM (RFC 2308 section 5).
fn lifetime(message: &Message, shortest: Option<u32>, bounds: &Bounds) -> Duration {
    let shortest = Duration::from_secs(shortest.unwrap_or(0).into());
    let has_data = message.answers.iter().any(|record| {
        message.queries.first().is_some_and(|query| {
            record.record_type() == query.query_type || query.query_type == RecordType::ANY
        })
    });
    match message.metadata.response_code {
        ResponseCode::NoError if has_data => shortest,
        ResponseCode::NoError | ResponseCode::NXDomain => {
            let minimum = message.authorities.iter().find_map(|record| match &record.data {
                RData::SOA(soa) => Some(Duration::from_secs(soa.minimum.into())),
                _ => None,
            });
            // Without SOA nobody said for how long (RFC 2308 section 5: "SHOULD NOT be cached").
            minimum.map_or(Duration::ZERO, |minimum| {
                minimum.min(shortest).min(bounds.max_negative).max(bounds.min)
            })
        }
        _ => FAILURE_LIFETIME,
    }
}

/// Every name the answer section leads to: CNAME, DNAME, HTTPS and SVCB targets.
fn targets(message: &Message) -> Box<[Name]> {
    let mut targets = Vec::new();
    for record in &message.answers {
        let target = match &record.data {
            RData::CNAME(name) => &name.0,
            RData::HTTPS(service) => &service.0.target_name,
            RData::SVCB(service) => &service.target_name,
            _ => continue,
        };
        if let Some(target) = to_name(target).filter(|name| *name != Name::ROOT) {
            targets.push(target);
        }
    }
    targets.into()
}

fn from_name(name: &Name) -> Result<rr::Name, Unusable> {
    rr::Name::from_bytes(name.as_wire()).map_err(|_| Unusable::Malformed)
}

fn to_name(name: &rr::Name) -> Option<Name> {
    let mut wire = Vec::with_capacity(64);
    for label in name.iter() {
        wire.push(u8::try_from(label.len()).ok()?);
        wire.extend_from_slice(label);
    }
    wire.push(0);
    Name::from_wire(&wire).ok()
}
