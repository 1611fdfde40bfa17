//! The name of a well-known service goes in, the rules for its names come out.
//!
//! Exists so that "no TikTok" is one word of a configuration that needs no download and gets better
//! with each release. A service is a list like any other, in a file below `services/`: its first
//! line says what it is; its rules say no more than that, and spare what others share with it.

mod catalogue;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use catalogue::{ALL_SEARCHES, CATALOGUE};

/// Longest row of names in a problem: some twenty, which is more than anybody reads.
const NAMES_LENGTH: usize = 240;

/// Fewest letters that are looked for inside names and titles: fewer are in most of them.
const TELLING_LENGTH: usize = 3;

/// What the names of services begin with that lead to filtered searches in place of blocking.
const SAFE_SEARCH: &str = "safe-search";

/// A service of the catalogue, which is its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    name: &'static str,
    rules: &'static str,
}

impl Service {
    /// The service of this name, where there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|service| service.name == name)
    }

    /// Every service there is.
    pub fn all() -> impl Iterator<Item = Self> {
        CATALOGUE.iter().chain([&ALL_SEARCHES]).copied()
    }

    /// What the configuration calls it.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Its list.
    pub const fn rules(self) -> &'static str {
        self.rules
    }

    /// Whether it leads to a filtered search in place of blocking.
    pub fn is_safe_search(self) -> bool {
        self.name.starts_with(SAFE_SEARCH)
    }

    /// The line that says what it is.
    fn title(self) -> &'static str {
        self.rules.lines().next().unwrap_or_default()
    }
}

/// The names of services, those first that somebody may have meant who wrote this one; as many as
/// fit on a line.
pub fn names_near(wanted: &str) -> String {
    let wanted = wanted.to_lowercase();
    let mut services: Vec<Service> = Service::all().collect();
    services.sort_by(|one, other| by_likeness(*one, *other, &wanted));
    let mut row = String::new();
    for (number, service) in services.iter().enumerate() {
        if row.len() + service.name.len() > NAMES_LENGTH {
            let more = services.len() - number;
            return format!("{row} and {more} more, which docs/lists.md names");
        }
        row.push_str(if number == 0 { "" } else { ", " });
        row.push_str(service.name);
    }
    row
}

/// What speaks of the word comes first, then what is spelt most like it.
fn by_likeness(one: Service, other: Service, wanted: &str) -> Ordering {
    let speaks = |service: Service| {
        wanted.len() >= TELLING_LENGTH
            && (service.name.contains(wanted) || service.title().to_lowercase().contains(wanted))
    };
    let spelling = |service: Service| strsim::jaro_winkler(service.name, wanted);
    let by_word = speaks(other).cmp(&speaks(one));
    by_word.then_with(|| spelling(other).total_cmp(&spelling(one)))
}
