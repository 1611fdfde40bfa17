//! Nothing goes in, numbers that nobody can foresee come out: ids and letters of queries that a
//! stranger would have to guess.

use std::io;

/// Bytes from the system's generator.
///
/// # Errors
///
/// When the system has none, which happens on a broken system only. There is no second best: what
/// is sent without them could be answered by anybody.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}
