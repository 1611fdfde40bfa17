//! Compiled lists in `data_dir`: what has not changed is not compiled again, and what cannot be
//! written or is damaged stops nobody from blocking.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions, Permissions},
    os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Instant,
};

use tempfile::TempDir;

use crate::lab::{Fake, Lab};

/// Three lists in files beside a directory for data.
struct Lists {
    directory: TempDir,
}

/// Compiled files: which one it is, and when it was written.
type Compiled = BTreeMap<PathBuf, (u64, i64, i64)>;

const NAMES: [&str; 3] = ["one", "two", "three"];

/// Lines before a list's own, so that it has several blocks.
const LINES: usize = 3_000;

impl Lists {
    fn new() -> Self {
        let lists = Self { directory: tempfile::tempdir().unwrap() };
        for name in NAMES {
            lists.write(name, &format!("||{name}.example^"));
        }
        lists
    }

    /// Gives a list this line behind many.
    fn write(&self, name: &str, line: &str) {
        let lines = (0..LINES).map(|number| format!("||n{number}.{name}.many.example^\n"));
        let text: String = lines.chain([format!("{line}\n")]).collect();
        fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn config(&self, data: &Path) -> String {
        let list =
            |name| format!("[[lists]]\nname = '{name}'\npath = '{}'\n", self.path(name).display());
        let lists: String = NAMES.into_iter().map(list).collect();
        format!("data_dir = '{}'\n{lists}", data.display())
    }

    async fn start_with(&self, data: &Path) -> Lab {
        Lab::builder().upstream(Fake::new()).config(&self.config(data)).start().await
    }

    async fn start(&self) -> Lab {
        self.start_with(&self.path("data")).await
    }

    fn compiled(&self) -> Compiled {
        let files = fs::read_dir(self.path("data").join("compiled")).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        let compiled = paths.filter(|path| path.extension().is_some_and(|end| end == "compiled"));
        // One may be removed at this moment.
        let seen = |path: PathBuf| {
            let about = fs::metadata(&path).ok()?;
            Some((path, (about.ino(), about.mtime(), about.mtime_nsec())))
        };
        compiled.filter_map(seen).collect()
    }
}

/// How many of the same files have been written since.
fn changed(before: &Compiled, after: &Compiled) -> usize {
    let is_new = |(path, about): &(&PathBuf, _)| before.get(*path).is_some_and(|old| old != *about);
    after.iter().filter(is_new).count()
}

async fn blocks(lab: &Lab, name: &str) -> bool {
    lab.ask(name, "A").await.ede().first().is_some_and(|(code, _)| *code == 15)
}

async fn assert_all_block(lab: &Lab) {
    for name in NAMES {
        assert!(blocks(lab, &format!("x.{name}.example")).await, "{name}");
        assert!(blocks(lab, &format!("n7.{name}.many.example")).await, "{name}");
    }
    assert!(!blocks(lab, "four.example").await);
}

#[tokio::test]
async fn the_second_start_compiles_nothing_and_blocks_at_once() {
    let lists = Lists::new();
    assert_all_block(&lists.start().await).await;
    let compiled = lists.compiled();
    assert_eq!(compiled.len(), 3);

    let lab = lists.start().await;

    assert_all_block(&lab).await;
    assert_eq!(lab.sample("dnsward_rules").await, 3 * (LINES as u64 + 1));
    assert_eq!(lists.compiled(), compiled);
    lab.reload(&lists.config(&lists.path("data"))).await;
    assert_eq!(lists.compiled(), compiled);
}

#[tokio::test]
async fn of_three_lists_only_the_one_that_changed_is_compiled_again() {
    let lists = Lists::new();
    let lab = lists.start().await;
    let first = lists.compiled();

    lists.write("two", "||new.example^");
    lab.comes_to_block("new.example").await;

    let second = lists.compiled();
    assert_eq!(changed(&first, &second), 1);
    assert!(!blocks(&lab, "two.example").await);
    drop(lab);

    lists.write("three", "||newer.example^");
    let lab = lists.start().await;

    assert!(blocks(&lab, "newer.example").await && blocks(&lab, "new.example").await);
    assert!(blocks(&lab, "one.example").await && !blocks(&lab, "three.example").await);
    assert_eq!(changed(&second, &lists.compiled()), 1);
}

// A file stands where the directory would be: so it cannot be written whoever runs the server.
#[tokio::test]
async fn a_server_that_can_write_nothing_blocks_all_the_same() {
    for data in ["one", "none/at/all"] {
        let lists = Lists::new();
        fs::write(lists.path("none"), "").unwrap();
        let lab = lists.start_with(&lists.path(data)).await;

        assert_all_block(&lab).await;
        lists.write("two", "||new.example^");
        lab.comes_to_block("new.example").await;
        assert!(!lists.path(data).is_dir());
    }
}

#[tokio::test]
async fn what_was_compiled_before_the_directory_became_read_only_counts() {
    let lists = Lists::new();
    drop(lists.start().await);
    let compiled = lists.compiled();
    for directory in [lists.path("data").join("compiled"), lists.path("data")] {
        fs::set_permissions(directory, Permissions::from_mode(0o555)).unwrap();
    }

    let lab = lists.start().await;

    assert_all_block(&lab).await;
    assert_eq!(lists.compiled(), compiled);
    for directory in [lists.path("data"), lists.path("data").join("compiled")] {
        fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
    }
}

/// Overwrites what lies between the first and the last part of a file, in place.
fn damage(path: &Path) {
    let octets = fs::read(path).unwrap();
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let damaged: Vec<u8> = octets.iter().map(|octet| octet ^ 0x55).collect();
    let (start, end) = (octets.len() / 20, octets.len() * 3 / 4);
    file.write_all_at(&damaged[start..end], start as u64).unwrap();
}

#[tokio::test]
async fn lists_that_are_damaged_under_a_running_server_are_soon_made_again() {
    let lists = Lists::new();
    let lab = lists.start().await;
    assert!(blocks(&lab, "n1.one.many.example").await);
    let before = lists.compiled();

    before.keys().for_each(|path| damage(path));

    // It is noticed when a name is asked for whose rule cannot be read.
    let started = Instant::now();
    for number in (0..LINES).cycle() {
        let name = format!("n{number}.two.many.example");
        lab.ask(&name, "A").await;
        assert!(!blocks(&lab, &format!("x{name}")).await, "x{name} is in no list");
        if changed(&before, &lists.compiled()) == NAMES.len() {
            break;
        }
        assert!(started.elapsed().as_secs() < 20, "they are not compiled again");
    }
    for name in NAMES {
        lab.comes_to_block(&format!("x.{name}.example")).await;
        lab.comes_to_block(&format!("n7.{name}.many.example")).await;
    }
    assert_all_block(&lab).await;
    assert_eq!(changed(&before, &lists.compiled()), 3);
}
