//! List lines in, verdict out: which domain names are blocked or allowed, and by which rule.
//!
//! The crate knows nothing of servers or sockets, and chooses no file by itself. Whoever uses it hands
//! over the text of lists, and files to compile them into, and keeps the immutable [`Matcher`] that
//! comes back; asking it takes no lock.
//!
//! ```
//! use blocker::{Action, GroupSet, Matcher, Name, Question, Source};
//!
//! let ads = Source { name: "ads", action: Action::Block, groups: GroupSet::default() };
//! let mut builder = Matcher::builder();
//! let report = builder.add_list(&ads, b"||ads.example^\n0.0.0.0 tracker.example\n");
//! let matcher = builder.build()?;
//!
//! let name = Name::parse("x.ads.example")?;
//! let verdict = matcher.verdict(&Question::new(&name, GroupSet::default()));
//! assert!(verdict.is_block());
//! assert_eq!(report.rules, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a line means
//! | line | matches |
//! |---|---|
//! | `0.0.0.0 a.example b.example` (any address), `a.example` | these names only |
//! | `\|\|a.example^`, `*.a.example`, `.a.example` | the name and everything below it |
//! | `@@` before any adblock form | the same names, allowed |
//! | `\|a.example^` | this name only |
//! | `banner-*.example`, `*tracker*`, `\|\|ad*.example^` | names that look like this |
//! | `/^ad[0-9]+\./` | names in which the regular expression finds something |
//! | `address=/a.example/`, `local-zone: "a.example" refuse` | the name and everything below it |
//! | `a.example CNAME .` | this name only, and what is answered for it |
//!
//! Modifiers (`$dnstype=A`, `$client=10.0.0.0/8`) and Pi-hole's options (`;querytype=A`) narrow a
//! rule. `docs/lists.md` has every form; its tables are this crate's tests.
//!
//! Lines are judged one by one: a bad one is rejected with its [`Reason`] and hurts no other.
//! Allow rules beat block rules wherever both apply to the asker's groups.
//!
//! # The map
//! A list's way in, then a name's way through:
//! - `source`: where rules come from, what they do, whom they concern
//! - `format`: one page for each list format, from line to `rule` and its `terms`
//! - `record_type`: what lists call the types of questions
//! - `report`: what became of the lines
//! - `compiler`: a text becomes a `compiled` list, in a file or in memory
//! - `builder`, `merge`: compiled lists become one matcher, with the special rules that its `budget`
//!   has room for
//! - `name`, `group`, `clients`, `question`: what is asked, and by whom
//! - `matcher`: the verdict, from the `index` of hashes of names, the `specials` and `pattern`
//! - `verdict`: the answer and the rule behind it
//! - `finding`: every rule that a name meets, for who asks why

pub use builder::{BuildError, MatcherBuilder};
pub use clients::KnownClients;
pub use compiled::{CompiledList, Identity};
pub use compiler::{Compiler, Home};
pub use finding::{Finding, Standing};
pub use group::{GroupId, GroupSet};
pub use hash::Seed;
pub use matcher::Matcher;
pub use name::{Name, NameError};
pub use question::{Asker, Marks, Question};
pub use report::{ListReport, Reason, Rejection, RuleKinds};
pub use source::{Action, Mode, Source};
pub use terms::{ClientPattern, Reply};
pub use verdict::{Match, Verdict};

mod budget;
mod builder;
mod candidate;
mod class;
mod clients;
mod compiled;
mod compiler;
mod finding;
mod format;
mod group;
mod hash;
mod index;
mod matcher;
mod merge;
mod name;
mod pattern;
mod question;
mod record_type;
mod report;
mod rule;
mod source;
mod specials;
mod terms;
mod verdict;
