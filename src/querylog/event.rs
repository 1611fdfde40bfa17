//! What is noted of one answer: a record of fixed size, made where the answer is made.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use admin_ui::QueryRow;
use blocker::Name;
use hickory_proto::{op::ResponseCode, rr::RecordType};

use super::unix_milliseconds;
use crate::{
    config::Privacy,
    policy::Block,
    query::{Client, Query, Transport},
};

/// How an answer came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// From local records.
    Local,
    /// Blocked by a rule or a list.
    Blocked,
    /// From the cache.
    Cached,
    /// From the cache although it had expired, because nobody else had an answer.
    Stale,
    /// From an upstream.
    Forwarded,
    /// As a special name's specification asks.
    Special,
    /// Not at all: no upstream gave an answer.
    Failed,
    /// Not at all: the client or the question is not served.
    Refused,
    /// Not yet: the client was sent to TCP, where it counts as what it then gets.
    Truncated,
}

impl Outcome {
    /// Every outcome, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Local,
        Self::Blocked,
        Self::Cached,
        Self::Stale,
        Self::Forwarded,
        Self::Special,
        Self::Failed,
        Self::Refused,
        Self::Truncated,
    ];

    /// The word for it in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Blocked => "blocked",
            Self::Cached => "cached",
            Self::Stale => "stale",
            Self::Forwarded => "forwarded",
            Self::Special => "special",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Truncated => "truncated",
        }
    }
}

impl From<Outcome> for admin_ui::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Local | Outcome::Truncated => Self::Local,
            Outcome::Blocked => Self::Blocked,
            Outcome::Cached | Outcome::Stale => Self::Cached,
            Outcome::Forwarded => Self::Forwarded,
            Outcome::Special => Self::Special,
            Outcome::Failed => Self::Failed,
            Outcome::Refused => Self::Refused,
        }
    }
}

/// What there is to say of an answer beside its bytes.
#[derive(Clone, Debug)]
pub struct Answered {
    /// How it came about.
    pub outcome: Outcome,
    /// Its response code.
    pub rcode: u16,
    reason: Option<(Arc<str>, u32)>,
    upstream: Option<Arc<str>>,
}

impl Answered {
    /// An answer that came about in this way.
    pub fn new(outcome: Outcome, rcode: u16) -> Self {
        Self { outcome, rcode, reason: None, upstream: None }
    }

    /// The same, because of a rule or a list.
    #[must_use]
    pub fn because(mut self, block: &Block<'_>) -> Self {
        self.reason = Some((block.reason.clone(), block.line));
        self
    }

    /// The same, with data of an upstream.
    #[must_use]
    pub fn from_upstream(mut self, server: &Arc<str>) -> Self {
        self.upstream = Some(server.clone());
        self
    }
}

/// One answer as it waits to be collected.
pub(super) struct Event {
    time: SystemTime,
    took: Duration,
    client: Option<Client>,
    transport: Transport,
    name: Option<Name>,
    qtype: u16,
    answered: Answered,
}

impl Event {
    pub(super) fn new(query: &Query, answered: Answered, took: Duration, privacy: Privacy) -> Self {
        Self {
            time: SystemTime::now(),
            took,
            client: (privacy == Privacy::Full).then(|| query.client.clone()),
            transport: query.client.transport,
            name: (privacy != Privacy::HideNames).then_some(query.name),
            qtype: query.qtype,
            answered: match privacy {
                // A rule's text and a list's line tell the name as well.
                Privacy::HideNames => Answered { reason: None, ..answered },
                _ => answered,
            },
        }
    }

    pub(super) fn into_row(self, id: u64) -> QueryRow {
        let Answered { outcome, rcode, reason, upstream } = self.answered;
        let (list, line) = reason.map(|(list, line)| (list.to_string(), line)).unzip();
        QueryRow {
            id,
            time: unix_milliseconds(self.time),
            client: self.client.map(|client| client.to_string()).unwrap_or_default(),
            transport: match self.transport {
                Transport::Udp => admin_ui::Transport::Udp,
                Transport::Tcp => admin_ui::Transport::Tcp,
            },
            name: self.name.map(|name| name.to_string()).unwrap_or_default(),
            qtype: RecordType::from(self.qtype).to_string(),
            outcome: outcome.into(),
            rcode: rcode_word(rcode),
            list,
            line,
            upstream: upstream.map(|server| server.to_string()),
            microseconds: u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// The mnemonic of a response code, as `dig` prints it.
pub(crate) fn rcode_word(rcode: u16) -> String {
    let [high, low] = ((rcode >> 4) << 8 | rcode & 0xf).to_be_bytes();
    match ResponseCode::from(high, low) {
        ResponseCode::NoError => "NOERROR".into(),
        ResponseCode::FormErr => "FORMERR".into(),
        ResponseCode::ServFail => "SERVFAIL".into(),
        ResponseCode::NXDomain => "NXDOMAIN".into(),
        ResponseCode::NotImp => "NOTIMP".into(),
        ResponseCode::Refused => "REFUSED".into(),
        ResponseCode::BADVERS => "BADVERS".into(),
        _ => format!("RCODE{rcode}"),
    }
}
