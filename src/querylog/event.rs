//! What is noted of one answer: a record of fixed size, made where the answer is made.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use admin_ui::QueryRow;
use blocker::Name;
use hickory_proto::{op::ResponseCode, rr::RecordType};

use super::{
    label::{Label, Labels},
    ring::copy,
    unix_milliseconds,
};
use crate::{
    cache::UpstreamBlock,
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
    /// As an upstream says, which says that it blocks the name.
    BlockedUpstream,
    /// From the cache.
    Cached,
    /// From the cache although it had expired: nobody else had an answer, or it is popular and was
    /// asked for again meanwhile.
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
    pub const ALL: [Self; 10] = [
        Self::Local,
        Self::Blocked,
        Self::BlockedUpstream,
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
            Self::BlockedUpstream => "blocked_upstream",
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
            Outcome::Blocked | Outcome::BlockedUpstream => Self::Blocked,
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
    /// The rule or list, and the line of it; 0 where it has no lines.
    pub(super) reason: Option<(Arc<str>, u32)>,
    pub(super) upstream: Option<Arc<str>>,
    /// What is in shadow mode and would have blocked it.
    pub shadow: Option<Arc<str>>,
}

impl Answered {
    /// An answer that came about in this way.
    pub fn new(outcome: Outcome, rcode: u16) -> Self {
        Self { outcome, rcode, reason: None, upstream: None, shadow: None }
    }

    /// No answer at all, of which there is as much to say.
    pub fn silent(outcome: Outcome) -> Self {
        Self::new(outcome, SILENCE)
    }

    /// The same, because of a rule or a list.
    #[must_use]
    pub fn because(mut self, block: &Block<'_>) -> Self {
        self.reason = Some((block.reason.clone(), block.line));
        self
    }

    /// The same, because an upstream blocks the name, in its way.
    #[must_use]
    pub fn because_upstream(mut self, block: UpstreamBlock) -> Self {
        self.outcome = Outcome::BlockedUpstream;
        self.reason = Some((block.text().into(), 0));
        self
    }

    /// The same, with data of an upstream.
    #[must_use]
    pub fn from_upstream(mut self, server: &Arc<str>) -> Self {
        self.upstream = Some(server.clone());
        self
    }
}

/// The same in a form that is small and owns nothing.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// How it came about.
    pub outcome: Outcome,
    /// Its response code.
    pub rcode: u16,
    pub(super) reason: Option<(Label, u32)>,
    pub(super) upstream: Option<Label>,
    /// What is in shadow mode and would have blocked it.
    pub shadow: Option<Label>,
}

impl Given {
    /// Whether nothing was sent.
    pub fn is_silent(self) -> bool {
        self.rcode == SILENCE
    }
}

/// Stands for a response code where there is no response; real ones have 12 bits.
const SILENCE: u16 = u16::MAX;

/// Octets of a name that are kept in the event itself: all of nearly every name that is asked.
pub(super) const INLINE_NAME: usize = 48;

/// One answer as it waits to be collected, and as it is remembered.
#[derive(Clone)]
pub(super) struct Event {
    /// Nanoseconds since the log was begun.
    at: u64,
    /// Microseconds.
    took: u32,
    given: Given,
    client: Option<Client>,
    qtype: u16,
    transport: Transport,
    /// Octets of the name, 0 where it is hidden.
    pub(super) name_length: u8,
    /// As many of them as fit.
    pub(super) name: [u8; INLINE_NAME],
}

impl Event {
    pub(super) fn new(
        query: &Query,
        given: Given,
        (at, took): (Duration, Duration),
        privacy: Privacy,
    ) -> Self {
        Self {
            at: u64::try_from(at.as_nanos()).unwrap_or(u64::MAX),
            took: u32::try_from(took.as_micros()).unwrap_or(u32::MAX),
            client: (privacy == Privacy::Full).then(|| query.client.clone()),
            transport: query.client.transport,
            qtype: query.qtype,
            given: match privacy {
                // A rule's text and a list's line tell the name as well.
                Privacy::HideNames => Given { reason: None, shadow: None, ..given },
                _ => given,
            },
            name_length: 0,
            name: [0; INLINE_NAME],
        }
    }

    /// The same with a name of this length, and as much of it as fits.
    pub(super) fn of_name(mut self, length: usize, inline: &[u8]) -> Self {
        self.name_length = u8::try_from(length).unwrap_or(0);
        copy(inline, &mut self.name);
        self
    }

    /// When it happened, since the log was begun.
    pub(super) fn at(&self) -> Duration {
        Duration::from_nanos(self.at)
    }

    /// As people read it; `rest` is what of the name did not fit.
    pub(super) fn row(&self, id: u64, time: SystemTime, rest: &[u8], labels: &Labels) -> QueryRow {
        let Given { outcome, rcode, reason, upstream, shadow } = self.given;
        let inline = self.name.get(..usize::from(self.name_length)).unwrap_or(&self.name);
        let name = Name::from_wire(&[inline, rest].concat()).ok();
        let text = |label| labels.text(label).to_owned();
        let (list, line) = reason.map(|(list, line)| (text(list), line)).unzip();
        QueryRow {
            id,
            time: unix_milliseconds(time),
            client: self.client.as_ref().map(Client::to_string).unwrap_or_default(),
            transport: match self.transport {
                Transport::Udp => admin_ui::Transport::Udp,
                Transport::Tcp => admin_ui::Transport::Tcp,
            },
            name: name.map(|name| name.to_string()).unwrap_or_default(),
            qtype: RecordType::from(self.qtype).to_string(),
            outcome: outcome.into(),
            rcode: rcode_word(rcode),
            list,
            line: line.filter(|line| *line > 0),
            upstream: upstream.map(text),
            would_be_blocked_by: shadow.map(text),
            microseconds: self.took.into(),
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
        _ if rcode == SILENCE => "none".into(),
        _ => format!("RCODE{rcode}"),
    }
}
