//! A response goes in, how long it is good for comes out: what its records say, within bounds.

use std::time::Duration;

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{RData, Record, RecordType},
};

use crate::{answer::seconds, config::CacheSettings};

/// The bounds that times to live are brought into.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Shortest shown and kept.
    pub min: Duration,
    /// Longest.
    pub max: Duration,
    /// Longest for "no such name" and "no such data".
    pub max_negative: Duration,
    /// How long it is kept after that, for when nobody can be asked (RFC 8767).
    pub stale: Duration,
}

impl From<&CacheSettings> for Bounds {
    fn from(settings: &CacheSettings) -> Self {
        Self {
            min: settings.min_ttl,
            max: settings.max_ttl,
            max_negative: settings.max_negative_ttl.min(settings.max_ttl),
            stale: settings.stale,
        }
    }
}

impl Bounds {
    /// How long an answer with bounded times to live may be kept: its shortest.
    pub(super) fn lifetime(&self, message: &Message) -> Duration {
        let shortest = message.all_sections().map(|record| record.ttl).min().unwrap_or(0);
        let shortest = Duration::from_secs(shortest.into());
        let has_data = message.answers.iter().any(|record| {
            message.queries.first().is_some_and(|query| {
                record.record_type() == query.query_type || query.query_type == RecordType::ANY
            })
        });
        let is_soa = |record: &Record| record.record_type() == RecordType::SOA;
        match message.metadata.response_code {
            ResponseCode::NoError if has_data => shortest,
            // Without SOA nobody said for how long (RFC 2308 section 5: "SHOULD NOT be cached").
            ResponseCode::NoError | ResponseCode::NXDomain => {
                let has_soa = message.authorities.iter().any(is_soa);
                if has_soa { shortest } else { Duration::ZERO }
            }
            // Either it is not kept, or nobody said for how long.
            _ => Duration::ZERO,
        }
    }

    /// The time to live of a record, so old already.
    pub(super) fn of(&self, record: &Record, age: Duration) -> u32 {
        self.left(record.ttl, age)
    }

    /// That of a record of the authority section, whose SOA says for how long "no" holds: no
    /// longer than its MINIMUM (RFC 2308 section 5), which has grown as old as all the rest.
    pub(super) fn of_authority(&self, record: &Record, age: Duration) -> u32 {
        match &record.data {
            RData::SOA(soa) => {
                let most = seconds(self.max_negative.max(self.min));
                self.left(record.ttl.min(soa.minimum), age).min(most)
            }
            _ => self.of(record, age),
        }
    }

    fn left(&self, ttl: u32, age: Duration) -> u32 {
        ttl.saturating_sub(seconds(age)).clamp(seconds(self.min), seconds(self.max))
    }
}
