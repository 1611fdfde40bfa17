//! A reason goes in, an Extended DNS Error option comes out (RFC 8914).

use crate::cache::Reason;

/// Why an answer is not what the client might have expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ede<'t> {
    /// The operator's lists or rules; the text names the one (15).
    Blocked(&'t str),
    /// This client may not ask here (18).
    Prohibited,
    /// No upstream was reached, or none answered in time; the text says which (22).
    NoReachableAuthority(&'t str),
    /// Upstreams were reached, but the exchange failed; the text says how (23).
    NetworkError(&'t str),
    /// Recursion was not asked for, and what others own is not shown without it (20).
    NotAuthoritative,
    /// What the upstream says of its own answer.
    Upstream(&'t Reason),
    /// The failure is one that we remember (13).
    CachedError,
    /// We cannot tell yet, such as while lists load (14).
    NotReady,
}

impl Ede<'_> {
    /// The number that stands for it on the wire.
    pub fn code(&self) -> u16 {
        match self {
            Self::CachedError => 13,
            Self::NotReady => 14,
            Self::Blocked(_) => 15,
            Self::Prohibited => 18,
            Self::NotAuthoritative => 20,
            Self::NoReachableAuthority(_) => 22,
            Self::NetworkError(_) => 23,
            Self::Upstream(reason) => reason.code,
        }
    }

    /// Octets of the option's data.
    pub(super) fn len(&self) -> u16 {
        u16::try_from(2 + self.text().len()).unwrap_or(u16::MAX)
    }

    /// Writes the option's data (RFC 8914 section 2).
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.code().to_be_bytes());
        out.extend_from_slice(self.text().as_bytes());
    }

    /// The text, cut at a character's edge.
    pub fn text(&self) -> &str {
        let text = match self {
            Self::Blocked(text) | Self::NoReachableAuthority(text) | Self::NetworkError(text) => {
                *text
            }
            Self::Upstream(reason) => reason.text.as_ref(),
            Self::NotReady => "lists are loading",
            Self::NotAuthoritative => "ask with recursion desired",
            Self::Prohibited | Self::CachedError => "",
        };
        text.get(..text.floor_char_boundary(Reason::MAX_TEXT)).unwrap_or_default()
    }
}
