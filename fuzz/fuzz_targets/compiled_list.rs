//! Any octets go in as the file of a compiled list, whole or with damage in one place; it is refused
//! or asked, and never blocks a name that the list does not have.

#![no_main]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a target that cannot be prepared ends")]

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use blocker::{
    Action, CompiledList, Compiler, GroupSet, Home, MatcherBuilder, Mode, Name, Question, Seed, Source,
};
use libfuzzer_sys::fuzz_target;

const SOURCE: Source<'static> = Source { name: "list", action: Action::Block, groups: GroupSet::ALL };

static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = std::env::temp_dir().join(format!("compiled-list-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a temporary directory");
    path
});

/// A good list, in which octets are then changed.
static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let path = DIRECTORY.join("whole");
    let home = Home::Files { list: empty(&path), scratch: empty(&DIRECTORY.join("scratch")) };
    let mut compiler = Compiler::new(Seed::new(1), home).expect("a compiler");
    let text: String = (0..200).map(|number| format!("||n{number}.example^\n")).collect();
    compiler.read(format!("{text}*banner*\na b\n").as_bytes()).expect("a list");
    compiler.finish([0; 32]).expect("a list");
    std::fs::read(path).expect("its file")
});

fuzz_target!(|bytes: &[u8]| {
    ask(bytes);
    let mut damaged = WHOLE.clone();
    for change in bytes.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % damaged.len();
        damaged[at] ^= change[2];
    }
    ask(&damaged);
});

fn ask(octets: &[u8]) {
    let path = DIRECTORY.join("list");
    empty(&path).write_all(octets).expect("a file");
    let Ok(list) = File::open(&path).and_then(CompiledList::open) else { return };
    let mut builder = MatcherBuilder::new(list.seed());
    builder.add(&SOURCE, Mode::Enforce, Arc::new(list));
    let Ok(matcher) = builder.build() else { return };
    for text in ["n7.example", "x.n8.example", "n200.example", "example", "a.banner"] {
        let name = Name::parse(text).expect("a name");
        let question = Question::new(&name, GroupSet::ALL);
        if let Some(found) = matcher.verdict(&question).found() {
            assert!(text.ends_with(&found.rule().to_string().replace(['|', '^'], "")) || text.contains("banner"));
        }
        let _ = matcher.findings(&question);
    }
}

fn empty(path: &PathBuf) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true).open(path).expect("a file")
}
