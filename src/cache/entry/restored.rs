//! A message that another run of the server has taken in comes back, and is an entry again.
//!
//! What is kept beside it is read from the message anew, so that a later version that sees more in
//! a message sees it here too.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    Bounds, Demand, Entry, Origin, Reason, Targets, Unusable, UpstreamBlock, private, read,
    targets, ttls,
};
use crate::cache::Key;

/// What is known of a message beside itself.
#[derive(Clone, Debug)]
pub struct Noted {
    /// When it was taken in.
    pub stored: Instant,
    /// The URL of the upstream it came from.
    pub upstream: Arc<str>,
    /// The upstream's Extended DNS Errors.
    pub reasons: Arc<[Reason]>,
    /// Hits that were noted.
    pub hits: u8,
}

impl Entry {
    /// Takes a message in again as it was given out by `wire`; its times to live are bounded already.
    ///
    /// # Errors
    /// Where it cannot have been taken in before.
    pub fn restored(
        key: &Key,
        wire: &[u8],
        noted: Noted,
        bounds: &Bounds,
    ) -> Result<Self, Unusable> {
        let message = read(wire)?;
        let Noted { stored, upstream, reasons, hits } = noted;
        let asked = message.queries.first().and_then(|query| targets::to_name(&query.name));
        let lifetime = bounds.lifetime(&message);
        if asked != Some(key.name) || lifetime.is_zero() {
            return Err(Unusable::Malformed);
        }
        let block = UpstreamBlock::of(&message, &reasons);
        let origin = Origin { stored, lifetime, stale: bounds.stale, upstream, reasons, block };
        Ok(Self {
            targets: Targets::of(&message),
            points_home: message.all_sections().any(private::points_home),
            ttls: ttls(wire)?,
            wire: wire.into(),
            origin,
            demand: Demand::of(hits),
        })
    }
}
