//! What TLS agreed on comes in as words of rustls's, and is kept as a number, so that it can be
//! replaced without a lock.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The versions there are; anything else is `other`.
const VERSIONS: [&str; 3] = ["TLSv1_3", "TLSv1_2", "other"];

/// The key exchange groups that rustls speaks of; anything else is `other`.
const GROUPS: [&str; 8] = [
    "X25519MLKEM768",
    "X25519",
    "secp256r1",
    "secp384r1",
    "secp521r1",
    "SECP256R1MLKEM768",
    "MLKEM768",
    "other",
];

/// What the last handshake agreed on.
#[derive(Default)]
pub(crate) struct Shaken {
    /// One more than the place of both; zero before the first.
    place: AtomicUsize,
}

impl Shaken {
    pub(super) fn note(&self, version: &str, group: &str) {
        let place = find(&VERSIONS, version) * GROUPS.len() + find(&GROUPS, group);
        self.place.store(place + 1, Ordering::Relaxed);
    }

    /// Version and group, where there was a handshake.
    pub(crate) fn words(&self) -> Option<(&'static str, &'static str)> {
        let place = self.place.load(Ordering::Relaxed).checked_sub(1)?;
        let (version, group) = (place / GROUPS.len(), place % GROUPS.len());
        VERSIONS.get(version).copied().zip(GROUPS.get(group).copied())
    }
}

fn find(words: &[&str], word: &str) -> usize {
    let is_same = |known: &&str| known.eq_ignore_ascii_case(word);
    words.iter().position(is_same).unwrap_or(words.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_handshake_counts_and_words_are_of_a_closed_set() {
        let shaken = Shaken::default();
        assert_eq!(shaken.words(), None);

        shaken.note("TLSv1_3", "X25519MLKEM768");
        assert_eq!(shaken.words(), Some(("TLSv1_3", "X25519MLKEM768")));
        shaken.note("TLSv1_2", "");
        assert_eq!(shaken.words(), Some(("TLSv1_2", "other")));
    }
}
