//! A key and its answer go in, octets come out, and the same the other way round.
//!
//! ```text
//! stored u64 | wishes u8 | hits u8 | type u16 | route u64 | name | upstream | reasons u8, each code u16, text | message
//! ```
//!
//! Names and texts have their length before them, a u16. Everything else about an answer is read
//! from its message, as it was when it came.

use std::{str, sync::Arc};

use blocker::Name;
use tokio::time::Instant;

use super::Clocks;
use crate::{
    cache::{Bounds, Entry, Key, Noted, Reason, Unusable},
    route::RouteId,
};

/// The bits of what a client wishes.
const DNSSEC_OK: u8 = 1;
const CHECKING_DISABLED: u8 = 2;

/// An answer as it lies in a file.
pub(in crate::cache) struct Record<'r> {
    /// What it answers.
    pub(in crate::cache) key: Key,
    /// The URL of the upstream that gave it.
    pub(in crate::cache) upstream: &'r str,
    /// When it was taken in; nothing where that is still to come, by a clock that was set back.
    pub(in crate::cache) stored: Option<Instant>,
    hits: u8,
    reasons: Vec<Reason>,
    message: &'r [u8],
}

impl Record<'_> {
    /// The answer, taken in when it was then, and kept for as long as is wished for now.
    ///
    /// # Errors
    /// Where it is none that could have been taken in.
    pub(in crate::cache) fn entry(
        self,
        stored: Instant,
        upstream: Arc<str>,
        bounds: &Bounds,
    ) -> Result<(Key, Entry), Unusable> {
        let Self { key, hits, reasons, message, .. } = self;
        let noted = Noted { stored, upstream, reasons: reasons.into(), hits };
        let entry = Entry::restored(&key, message, noted, bounds)?;
        Ok((key, entry))
    }
}

/// Writes a record; nothing where a part of it is longer than can be told.
pub(super) fn write(key: &Key, entry: &Entry, stored: u64, out: &mut Vec<u8>) -> Option<()> {
    let wish = |is_wished, bit| if is_wished { bit } else { 0 };
    out.extend_from_slice(&stored.to_be_bytes());
    out.push(wish(key.dnssec_ok, DNSSEC_OK) | wish(key.checking_disabled, CHECKING_DISABLED));
    out.push(entry.hits());
    out.extend_from_slice(&key.qtype.to_be_bytes());
    out.extend_from_slice(&key.route.number().to_be_bytes());
    write_octets(key.name.as_wire(), out)?;
    write_octets(entry.upstream().as_bytes(), out)?;
    out.push(u8::try_from(entry.reasons().len()).ok()?);
    for Reason { code, text } in entry.reasons().iter() {
        out.extend_from_slice(&code.to_be_bytes());
        write_octets(text.as_bytes(), out)?;
    }
    out.extend_from_slice(entry.wire());
    Some(())
}

fn write_octets(octets: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(&u16::try_from(octets.len()).ok()?.to_be_bytes());
    out.extend_from_slice(octets);
    Some(())
}

/// Reads a record; nothing where it is none.
pub(super) fn read<'r>(octets: &'r [u8], clocks: &Clocks) -> Option<Record<'r>> {
    let mut rest = Rest(octets);
    let stored = u64::from_be_bytes(*rest.chunk()?);
    let [wishes, hits] = *rest.chunk()?;
    let qtype = u16::from_be_bytes(*rest.chunk()?);
    let route = RouteId::from(u64::from_be_bytes(*rest.chunk()?));
    let name = Name::from_wire(rest.octets()?).ok()?;
    let upstream = rest.text()?;
    let [reasons] = *rest.chunk()?;
    let reasons = (0..reasons).map(|_| rest.reason()).collect::<Option<_>>()?;
    let key = Key {
        name,
        qtype,
        dnssec_ok: wishes & DNSSEC_OK != 0,
        checking_disabled: wishes & CHECKING_DISABLED != 0,
        route,
    };
    let stored = clocks.here_of(stored);
    Some(Record { key, upstream, stored, hits, reasons, message: rest.0 })
}

/// What is left of a record.
struct Rest<'r>(&'r [u8]);

impl<'r> Rest<'r> {
    fn chunk<const N: usize>(&mut self) -> Option<&'r [u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(chunk)
    }

    fn octets(&mut self) -> Option<&'r [u8]> {
        let length = u16::from_be_bytes(*self.chunk()?);
        let (octets, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        Some(octets)
    }

    fn text(&mut self) -> Option<&'r str> {
        str::from_utf8(self.octets()?).ok()
    }

    fn reason(&mut self) -> Option<Reason> {
        let code = u16::from_be_bytes(*self.chunk()?);
        Some(Reason { code, text: self.text()?.into() })
    }
}
