//! A name goes in, every rule comes out that holds it or a name above it, whoever it is for.

use blocker::Name;
use serde::{Deserialize, Serialize};

use super::{SubjectError, subject};
use crate::policy::{Policy, explain::Finding};

/// A rule that was found.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Found {
    /// The rule, and where it stands.
    #[serde(flatten)]
    pub finding: Finding,
    /// The name that it holds: the one looked for, or one above it.
    pub name: String,
    /// Whether it is about the name that was looked for.
    pub covers: bool,
}

/// Looks for a name and those above it in all rules and lists.
///
/// # Errors
/// Where the text is no name.
pub fn search(policy: &Policy, text: &str) -> Result<Vec<Found>, SubjectError> {
    let asked = subject::parse_name(text)?;
    let mut found: Vec<Found> = Vec::new();
    for name in std::iter::successors(Some(asked), Name::parent).filter(|name| !name.is_root()) {
        for finding in policy.findings(&name) {
            let is_same = |known: &Finding| {
                known.list == finding.list
                    && known.line == finding.line
                    && known.rule == finding.rule
            };
            if !found.iter().map(|found| &found.finding).any(is_same) {
                found.push(Found { finding, name: name.to_string(), covers: name == asked });
            }
        }
    }
    Ok(found)
}
