//! List lines in, verdict out: which domain names are blocked or allowed, and by which rule.
//!
//! The crate knows nothing of servers, sockets or files. Whoever uses it hands over the text of
//! lists and keeps the immutable [`Matcher`] that comes back; asking it takes no lock.
//!
//! ```
//! use blocker::{Action, GroupSet, Matcher, Name, Source};
//!
//! let ads = Source { name: "ads", action: Action::Block, groups: GroupSet::default() };
//! let mut builder = Matcher::builder();
//! let report = builder.add_list(&ads, b"||ads.example^\n0.0.0.0 tracker.example\n");
//! let matcher = builder.build()?;
//!
//! let verdict = matcher.verdict(&Name::parse("x.ads.example")?, GroupSet::default());
//! assert!(verdict.is_block());
//! assert_eq!(report.rules, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a line means
//! | line | matches |
//! |---|---|
//! | `0.0.0.0 a.example b.example` (any address) | these names only |
//! | `a.example` | this name only |
//! | `\|\|a.example^`, `\|\|a.example` | the name and everything below it |
//! | `*.a.example`, `.a.example` | the same |
//! | `address=/a.example/0.0.0.0`, `server=/a.example/`, `local=/a.example/` | the same |
//! | `@@` before any adblock form | the same names, allowed |
//! | `\|a.example^` | this name only |
//! | `banner-*.example`, `*tracker*` | names that look like this from end to end |
//! | `\|\|ad*.example^` | the same, beginning at any label |
//! | `/^ad[0-9]+\./` | names in which the regular expression finds something |
//!
//! Lines are judged one by one: a bad one is rejected with its [`Reason`] and hurts no other.
//! Allow rules beat block rules wherever both apply to the asker's groups.
//!
//! # The map
//! A list's way in, then a name's way through:
//! - `source`: where rules come from, what they do, whom they concern
//! - `format`: one page for each list format, from line to `rule`
//! - `report`: what became of the lines
//! - `builder`: collects rules and compiles them
//! - `name`, `group`: what is asked
//! - `matcher`: the verdict, from `domains` (hash table) and `pattern` (text search)
//! - `verdict`: the answer and the rule behind it

pub use builder::{BuildError, MatcherBuilder};
pub use group::{GroupId, GroupSet};
pub use matcher::Matcher;
pub use name::{Name, NameError};
pub use report::{ListReport, Reason, Rejection};
pub use source::{Action, Source};
pub use verdict::{Match, Verdict};

mod builder;
mod domains;
mod format;
mod group;
mod matcher;
mod name;
mod pattern;
mod report;
mod rule;
mod source;
mod verdict;
