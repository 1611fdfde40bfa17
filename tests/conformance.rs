//! The table in `docs/conformance.md` goes in, with the names of all tests; out comes the same table
//! or a failure: no line of an RFC is claimed without a test, and no test proves an unknown line.
//!
//! A test says what it proves by beginning its name with ids, as in `r13_r11_...`. The first three
//! columns and the reasons of what is left out are written by hand, the rest by
//! `UPDATE=1 cargo test conformance`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// How many lines the table has, counted from 1.
const LINES: u16 = 103;

/// Where tests are looked for.
const PLACES: [&str; 5] = ["src", "tests", "blocker", "doh-client", "admin-ui"];

const LEFT_OUT: &str = "left out: ";

/// Names of tests by the lines they prove.
type Proofs = BTreeMap<u16, Vec<String>>;

/// A line of the table, as it is written by hand.
struct Row<'d> {
    id: u16,
    rfc: &'d str,
    behaviour: &'d str,
    left_out: Option<&'d str>,
}

#[test]
fn every_line_of_the_conformance_table_is_proved_or_left_out_with_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("docs/conformance.md");
    let document = fs::read_to_string(&path).unwrap();
    let rows: Vec<Row<'_>> = document.lines().filter_map(read_row).collect();
    let proofs = read_proofs(root);

    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), Vec::from_iter(1..=LINES));
    let strays: Vec<_> = proofs.iter().filter(|(id, _)| !(1..=LINES).contains(*id)).collect();
    assert!(strays.is_empty(), "tests that prove no line of the table: {strays:?}");
    let is_claimed_twice = |row: &&Row<'_>| row.left_out.is_some() && proofs.contains_key(&row.id);
    assert_eq!(ids(rows.iter().filter(is_claimed_twice)), [0; 0], "left out, and yet proved");
    let expected = write_document(&document, &rows, &proofs);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &expected).unwrap();
    } else {
        assert!(document == expected, "it is out of date: UPDATE=1 cargo test conformance");
    }
    let is_open = |row: &&Row<'_>| row.left_out.is_none() && !proofs.contains_key(&row.id);
    assert_eq!(ids(rows.iter().filter(is_open)), [0; 0], "neither proved nor left out");
}

fn ids<'r>(rows: impl Iterator<Item = &'r Row<'r>>) -> Vec<u16> {
    rows.map(|row| row.id).collect()
}

/// Reads `| R1 | 1035 | behaviour | state | tests |`; nothing of a line that is no such row.
fn read_row(line: &str) -> Option<Row<'_>> {
    let mut cells = line.strip_prefix("| R")?.split('|').map(str::trim);
    let id = cells.next()?.parse().ok()?;
    let (rfc, behaviour, state) = (cells.next()?, cells.next()?, cells.next()?);
    let left_out = state.strip_prefix(LEFT_OUT).filter(|reason| !reason.is_empty());
    Some(Row { id, rfc, behaviour, left_out })
}

/// The document with its counts and its last two columns as they should be.
fn write_document(document: &str, rows: &[Row<'_>], proofs: &Proofs) -> String {
    let mut rows_left = rows.iter();
    let mut out = String::new();
    for line in document.lines() {
        if line.starts_with("**") && line.ends_with(" left out.**") {
            out.push_str(&summary(rows, proofs));
        } else if read_row(line).is_some() {
            out.extend(rows_left.next().map(|row| write_row(row, proofs)));
        } else {
            out.push_str(line);
        }
        out.push('\n');
    }
    out
}

fn summary(rows: &[Row<'_>], proofs: &Proofs) -> String {
    let left_out = rows.iter().filter(|row| row.left_out.is_some()).count();
    let mut tests: Vec<&String> = proofs.values().flatten().collect();
    tests.sort();
    tests.dedup();
    let (lines, proved, tests) = (rows.len(), proofs.len(), tests.len());
    format!("**{lines} lines: {proved} proved by {tests} tests, {left_out} left out.**")
}

fn write_row(row: &Row<'_>, proofs: &Proofs) -> String {
    let tests = proofs.get(&row.id).map_or(&[][..], Vec::as_slice);
    let state = match row.left_out {
        Some(reason) => format!("{LEFT_OUT}{reason}"),
        None => "proved".to_owned(),
    };
    let tests: Vec<String> = tests.iter().map(|test| format!("`{test}`")).collect();
    format!("| R{} | {} | {} | {state} | {} |", row.id, row.rfc, row.behaviour, tests.join("<br>"))
}

/// All tests whose names begin with ids.
fn read_proofs(root: &Path) -> Proofs {
    let mut proofs = Proofs::new();
    for source in read_sources(root) {
        for test in names_of_tests(&source) {
            for id in ids_of(test) {
                proofs.entry(id).or_default().push(test.to_owned());
            }
        }
    }
    proofs.values_mut().for_each(|tests| tests.sort());
    proofs
}

/// All files in which tests may stand.
pub(crate) fn read_sources(root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    PLACES.iter().for_each(|place| find_sources(&root.join(place), &mut files));
    files.into_iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

fn find_sources(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let is_foreign = path.ends_with("node_modules") || path.ends_with("target");
        if path.is_dir() && !is_foreign {
            find_sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The functions that follow `#[test]` or `#[tokio::test]`.
pub(crate) fn names_of_tests(source: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim_start) {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let signature = line.strip_prefix("async ").unwrap_or(line);
        if let Some((name, _)) = signature.strip_prefix("fn ").and_then(|rest| rest.split_once('('))
        {
            names.extend(is_test.then_some(name));
            is_test = false;
        }
    }
    names
}

/// The ids at the beginning of a test's name, those of [`crate::faults`] passed over.
fn ids_of(test: &str) -> impl Iterator<Item = u16> {
    ids_with('r', test)
}

/// The numbers behind one letter among the ids at the beginning of a test's name, as in
/// `r77_t05_...`.
pub(crate) fn ids_with(letter: char, test: &str) -> impl Iterator<Item = u16> {
    let id = |word: &str| {
        let number = word.get(1..)?.parse().ok()?;
        word.chars().next().filter(|letter| "rt".contains(*letter)).map(|letter| (letter, number))
    };
    test.split('_').map_while(id).filter(move |(found, _)| *found == letter).map(|(_, id)| id)
}

#[test]
fn ids_are_read_off_the_beginning_of_a_tests_name() {
    let source = "#[test]\nfn r01_r103_it_works() {}\nfn r02_is_no_test() {}\n\
                  #[tokio::test(start_paused = true)]\n    async fn r7_too() {}";

    let names = names_of_tests(source);

    assert_eq!(names, ["r01_r103_it_works", "r7_too"]);
    assert_eq!(ids_of(names[0]).collect::<Vec<_>>(), [1, 103]);
}
