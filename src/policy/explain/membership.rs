//! A client goes in, what groups it is in and why comes out.

use blocker::GroupSet;
use serde::{Deserialize, Serialize};

use crate::{
    config::{Client as Row, ClientMatch},
    policy::Policy,
    query::{Client, Identity},
};

/// What groups a client is in.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Membership {
    /// The groups that its row names.
    pub groups: Vec<GroupOf>,
    /// Which row of `[[clients]]` that is, from one; none: there is none for it.
    pub row: Option<usize>,
    /// What that row matches.
    pub matches: Option<String>,
}

/// A group of a client.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct GroupOf {
    /// Its name.
    pub name: String,
    /// Whether it counts now; one that is switched off does not.
    pub counts: bool,
}

impl Membership {
    pub(super) fn of(policy: &Policy, client: &Client, groups: GroupSet) -> Self {
        let rows = &policy.config.clients;
        let row = row_of(rows, client);
        let named = policy.config.group_names();
        let names: Vec<&str> = match row.and_then(|row| rows.get(row)) {
            Some(row) => row.groups.iter().map(String::as_str).collect(),
            None => named.first().copied().into_iter().collect(),
        };
        let counts = |name: &str| policy.groups.set([name]).intersects(groups);
        Self {
            groups: names
                .into_iter()
                .map(|name| GroupOf { name: name.to_owned(), counts: counts(name) })
                .collect(),
            row: row.map(|row| row + 1),
            matches: row.and_then(|row| rows.get(row)).map(|row| row.matches.to_string()),
        }
    }
}

/// The row that counts: what is known of the identity before the address, the longest of each; of
/// two that say the same the first.
fn row_of(rows: &[Row], client: &Client) -> Option<usize> {
    let by_identity = longest(rows, |row| match (&row.matches, &client.identity) {
        (ClientMatch::Spiffe(pattern), Identity::Spiffe(id)) if pattern.matches(id) => {
            Some(pattern.length())
        }
        (ClientMatch::Unidentified, Identity::Unidentified) => Some(0),
        _ => None,
    });
    by_identity.or_else(|| {
        longest(rows, |row| match &row.matches {
            ClientMatch::Network(network) if network.contains(&client.address) => {
                Some(usize::from(network.prefix_len()))
            }
            _ => None,
        })
    })
}

/// The first row of those that fit best.
fn longest(rows: &[Row], length: impl Fn(&Row) -> Option<usize>) -> Option<usize> {
    let lengths = rows.iter().enumerate().filter_map(|(number, row)| Some((length(row)?, number)));
    lengths.max_by_key(|(length, number)| (*length, std::cmp::Reverse(*number))).map(|(_, row)| row)
}
