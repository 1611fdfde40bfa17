//! The `[cache]` section: how much is remembered, and for how long.

use std::time::Duration;

use super::{Config, Privacy, section::Section, setting::Bytes};

/// Longest time to live that may be configured: RFC 8767 section 4 suggests at most a week.
const MAX_TTL: Duration = Duration::from_secs(7 * 86_400);
const DAY: Duration = Duration::from_secs(86_400);

/// What the answer cache keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct CacheSettings {
    /// Most bytes held.
    pub max_bytes: Bytes,
    /// Shortest time to live shown and kept.
    pub min_ttl: Duration,
    /// Longest.
    pub max_ttl: Duration,
    /// Longest for answers that say "no such name" or "no such data" (RFC 2308 section 5).
    pub max_negative_ttl: Duration,
    /// How long an expired answer may still be used (RFC 8767).
    pub stale: Duration,
    /// Whether popular answers are renewed before they expire.
    pub prefetch: bool,
    /// Whether the cache outlives a restart.
    pub persist: bool,
}

impl Config {
    /// Whether answers may lie on the disk. They tell which names were asked for, so where the query
    /// log is to keep none, neither does the cache.
    pub fn may_keep_answers(&self) -> bool {
        let are_names_kept = matches!(self.query_log.privacy, Privacy::Full | Privacy::HideClients);
        self.cache.persist && are_names_kept
    }

    /// Why `cache.persist` keeps nothing, where it does not.
    pub(super) fn nothing_is_kept(&self) -> Option<&'static str> {
        if !self.cache.persist {
            return None;
        }
        if !self.may_keep_answers() {
            return Some(
                "cache.persist: keeps nothing, for query_log.privacy wants no names kept; choose \
                 full or hide-clients there, or leave it out",
            );
        }
        let is_at_home = self.data_dir.is_some();
        (!is_at_home).then_some("cache.persist: keeps nothing without a data_dir; name one")
    }
}

impl CacheSettings {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let settings = Self {
            max_bytes: section.checked("max_bytes", Bytes(64 << 20), "64KiB to 64GiB", |bytes| {
                (64 << 10..=64 << 30).contains(&bytes.0)
            }),
            min_ttl: section.checked("min_ttl", Duration::ZERO, "0s to 7d", |ttl| *ttl <= MAX_TTL),
            max_ttl: section.checked("max_ttl", DAY, "0s to 7d", |ttl| *ttl <= MAX_TTL),
            max_negative_ttl: section.checked(
                "max_negative_ttl",
                Duration::from_secs(3600),
                "0s to 7d",
                |ttl| *ttl <= MAX_TTL,
            ),
            stale: section.checked("stale", DAY, "0s to 7d", |stale| *stale <= MAX_TTL),
            prefetch: section.value("prefetch", true),
            persist: section.value("persist", false),
        };
        if settings.min_ttl > settings.max_ttl {
            let found = format_args!("{} s", settings.min_ttl.as_secs());
            section.problem("min_ttl", "is above cache.max_ttl", found, "at most cache.max_ttl");
        }
        settings
    }
}
