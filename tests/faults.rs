//! `docs/faults.md` goes in, with the tests of this repository; out comes the same page or a
//! failure: no fault is listed without its test or a reason, and no test stands there that is gone.
//!
//! A test says which fault it is about by beginning its name with the fault's id, as in `t13_...`,
//! and which failure story by `/// Failure story 3: ...` above it. The last column of both tables is
//! written by `UPDATE=1 cargo test faults`, all else by hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::conformance::{ids_with, names_of_tests, read_sources};

/// The faults, in ranges: between them are numbers that were never given out.
const FAULTS: [(u16, u16); 5] = [(1, 8), (10, 21), (30, 37), (40, 45), (50, 63)];

/// How many failure stories there are, counted from 1.
const STORIES: u16 = 22;

/// What stands above the test of a story, with its numbers behind.
const TOLD: &str = "/// Failure story ";

/// Names of tests by the number of what they are about.
type Tests = BTreeMap<u16, BTreeSet<String>>;

/// What the tests say of themselves.
#[derive(Default)]
struct Found {
    all: BTreeSet<String>,
    of_faults: Tests,
    of_stories: Tests,
}

/// A line of a table: `T3` or `S3`, what is written by hand, and whether it may have no test.
struct Row<'d> {
    kind: char,
    id: u16,
    by_hand: Vec<&'d str>,
}

#[test]
fn every_fault_and_every_story_has_its_test_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("docs/faults.md");
    let document = fs::read_to_string(&path).unwrap();
    let found = Found::read(root);
    let rows: Vec<Row<'_>> = document.lines().filter_map(read_row).collect();

    let faults = FAULTS.iter().flat_map(|(first, last)| *first..=*last);
    assert_eq!(ids(&rows, 'T'), faults.collect::<Vec<_>>());
    assert_eq!(ids(&rows, 'S'), Vec::from_iter(1..=STORIES));
    let expected = write_document(&document, &found);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &expected).unwrap();
    } else {
        assert!(document == expected, "it is out of date: UPDATE=1 cargo test faults");
    }
    for row in &rows {
        row.check(&found);
    }
    let is_unknown = |name: &&str| !found.all.contains(*name);
    assert_eq!(named_by_hand(&document).filter(is_unknown).collect::<Vec<_>>(), [""; 0]);
    let is_missing = |target: &&str| !root.join(target).is_file();
    let targets = quoted(&document).filter(|text| text.starts_with("fuzz/"));
    assert_eq!(targets.filter(is_missing).collect::<Vec<_>>(), [""; 0]);
    let strays = |tests: &Tests, kind| {
        let known = ids(&rows, kind);
        tests.keys().copied().filter(|id| !known.contains(id)).collect::<Vec<_>>()
    };
    assert_eq!(strays(&found.of_faults, 'T'), [0; 0], "tests of no fault");
    assert_eq!(strays(&found.of_stories, 'S'), [0; 0], "tests of no story");
}

impl Found {
    fn read(root: &Path) -> Self {
        let mut found = Self::default();
        for source in read_sources(root) {
            for test in names_of_tests(&source) {
                found.all.insert(test.to_owned());
                for id in ids_with('t', test) {
                    found.of_faults.entry(id).or_default().insert(test.to_owned());
                }
            }
            for (story, test) in tests_of_stories(&source) {
                found.of_stories.entry(story).or_default().insert(test.to_owned());
            }
        }
        found
    }

    fn of(&self, row: &Row<'_>) -> Vec<&str> {
        let tests = if row.kind == 'T' { &self.of_faults } else { &self.of_stories };
        tests.get(&row.id).into_iter().flatten().map(String::as_str).collect()
    }
}

impl Row<'_> {
    /// Fails where there is neither a test nor a reason, or both.
    fn check(&self, found: &Found) {
        let state = self.by_hand.last().copied().unwrap_or_default();
        let is_left_out = state.starts_with("left out: ");
        let is_known = is_left_out || self.kind == 'S' || state == "tested" || {
            state.strip_prefix("in part: ").is_some_and(|reason| !reason.is_empty())
        };
        assert!(is_known, "{}{}: no such state: {state}", self.kind, self.id);
        assert_eq!(found.of(self).is_empty(), is_left_out, "{}{}: {state}", self.kind, self.id);
    }
}

fn ids(rows: &[Row<'_>], kind: char) -> Vec<u16> {
    rows.iter().filter(|row| row.kind == kind).map(|row| row.id).collect()
}

/// Reads `| T1 | fault | state | tests |` or `| S1 | story | rule | tests |`.
fn read_row(line: &str) -> Option<Row<'_>> {
    let line = line.strip_prefix("| ")?;
    let kind = line.chars().next().filter(|kind| "TS".contains(*kind))?;
    let mut cells = line[1..].split('|').map(str::trim);
    let id = cells.next()?.parse().ok()?;
    Some(Row { kind, id, by_hand: cells.take(2).collect() })
}

/// The page with the last column of its tables as it should be.
fn write_document(document: &str, found: &Found) -> String {
    let mut out = String::new();
    for line in document.lines() {
        match read_row(line) {
            Some(row) => {
                let tests: Vec<String> =
                    found.of(&row).iter().map(|test| format!("`{test}`")).collect();
                let (by_hand, tests) = (row.by_hand.join(" | "), tests.join("<br>"));
                out.push_str(&format!("| {}{} | {by_hand} | {tests} |", row.kind, row.id));
            }
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// The names of tests in other lines than those of the tables: five words or more with underscores
/// between them.
fn named_by_hand(document: &str) -> impl Iterator<Item = &str> {
    let lines = document.lines().filter(|line| read_row(line).is_none());
    lines
        .flat_map(quoted)
        .filter(|text| !text.contains([' ', '/']) && text.matches('_').count() > 3)
}

/// What stands in quotes of code.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The numbers of the stories above tests, each with the test's name.
fn tests_of_stories(source: &str) -> Vec<(u16, &str)> {
    let (mut stories, mut found) = (Vec::new(), Vec::new());
    for line in source.lines().map(str::trim_start) {
        if let Some(told) = line.strip_prefix(TOLD) {
            stories.extend(numbers(told));
        } else if line.starts_with("fn ") || line.starts_with("async fn ") {
            let name = line.trim_start_matches("async ").trim_start_matches("fn ");
            let name = name.split('(').next().unwrap_or_default();
            found.extend(stories.drain(..).map(|story| (story, name)));
        }
    }
    found
}

/// `3 and 12: ...` are 3 and 12.
fn numbers(told: &str) -> impl Iterator<Item = u16> {
    let words = told.split(' ').filter(|word| *word != "and");
    words.map_while(|word| word.trim_end_matches([':', ',']).parse().ok())
}

#[test]
fn stories_are_read_off_the_lines_above_a_test() {
    let source = "/// Failure story 1 and 20: it broke.\n#[test]\nfn it_works() {}\nfn other() {}\n    \
                  /// Failure story 3, as far as it goes: 4.\n    #[test]\n    async fn t3_too() {}";

    assert_eq!(tests_of_stories(source), [(1, "it_works"), (20, "it_works"), (3, "t3_too")]);
    assert_eq!(ids_with('t', "r77_t05_t06_x").collect::<Vec<_>>(), [5, 6]);
    assert_eq!(named_by_hand("a `a_b_c_d_e`, `a_b`\n| T1 | `x_x_x_x_x` | tested |").count(), 1);
}
