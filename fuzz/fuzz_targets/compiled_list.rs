//! Any octets go in as the file of a compiled list, whole or with damage in some places; it is refused
//! or asked, and never blocks a name that the list does not have. Where the sums were made to fit the
//! damage it may say anything, as long as it says it.

#![no_main]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a target that cannot be prepared ends"
)]

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use blocker::{
    Action, CompiledList, Compiler, GroupSet, Home, MatcherBuilder, Mode, Name, Question, Seed,
    Source,
};
use libfuzzer_sys::fuzz_target;

const SOURCE: Source<'static> =
    Source { name: "list", action: Action::Block, groups: GroupSet::ALL };

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
    ask(bytes, is_right);
    let mut damaged = WHOLE.clone();
    let changes = bytes.chunks_exact(3);
    let is_sealed = !changes.remainder().is_empty();
    for change in changes {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % damaged.len();
        damaged[at] ^= change[2];
    }
    if is_sealed {
        seal(&mut damaged);
        ask(&damaged, |_, _| true);
    } else {
        ask(&damaged, is_right);
    }
});

/// Whether a rule may be what blocks a name.
fn is_right(name: &str, rule: &str) -> bool {
    name.ends_with(&rule.replace(['|', '^'], "")) || name.contains("banner")
}

/// Makes all sums fit again, as far as the parts are where the front and the table say.
fn seal(octets: &mut [u8]) {
    let number = |octets: &[u8], at: usize| {
        let number =
            octets.get(at..).and_then(<[u8]>::first_chunk).map(|held| u64::from_le_bytes(*held));
        number.and_then(|number| usize::try_from(number).ok())
    };
    let (Some(table), Some(blocks)) = (number(octets, BLOCKS_END), number(octets, BLOCKS)) else {
        return;
    };
    let place = |octets: &[u8], block: usize| {
        let packed =
            number(octets, table.checked_add(block.checked_mul(PLACE)?)?.checked_add(PLACE / 2)?)?;
        Some((packed >> COUNT_BITS, packed & ((1 << COUNT_BITS) - 1)))
    };
    for block in 0..blocks.min(octets.len() / PLACE) {
        let Some((start, count)) = place(octets, block) else { break };
        let last = block + 1 == blocks;
        let end = if last { Some(table) } else { place(octets, block + 1).map(|(start, _)| start) };
        let payload = start + count * ENTRY + SUM;
        seal_part(octets, Some(start), Some(payload));
        seal_part(octets, Some(payload), end);
    }
    let notes =
        blocks.checked_mul(PLACE).and_then(|length| length.checked_add(table)?.checked_add(SUM));
    let end = octets.len();
    seal_part(octets, Some(table), notes);
    seal_part(octets, notes, Some(end));
    seal_part(octets, Some(0), Some(FRONT));
}

/// Writes the sum of a part, which is its last octets, if there is such a part.
fn seal_part(octets: &mut [u8], start: Option<usize>, end: Option<usize>) {
    let part = start.zip(end).and_then(|(start, end)| octets.get_mut(start..end));
    if let Some((part, held)) = part.and_then(<[u8]>::split_last_chunk_mut::<SUM>) {
        *held = sum(part).to_le_bytes();
    }
}

/// CRC-32 as everybody has it, a bit at a time.
fn sum(octets: &[u8]) -> u32 {
    let folded = octets.iter().fold(u32::MAX, |sum, octet| {
        (0..8).fold(sum ^ u32::from(*octet), |sum, _| (sum >> 1) ^ (0xEDB8_8320 * (sum & 1)))
    });
    !folded
}

fn ask(octets: &[u8], is_right: impl Fn(&str, &str) -> bool) {
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
            assert!(is_right(text, &found.rule().to_string()), "{text}");
        }
        let _ = matcher.findings(&question);
    }
}

fn empty(path: &PathBuf) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true).open(path).expect("a file")
}

/// Where the front tells where the blocks end, how many there are, and where it ends itself.
const BLOCKS_END: usize = 52;
const BLOCKS: usize = 60;
const FRONT: usize = 81;
/// Octets of a block in the table, of a rule in a block's columns, and of a sum.
const PLACE: usize = 16;
const ENTRY: usize = 9;
const SUM: usize = 4;
/// Bits of a place that hold a count.
const COUNT_BITS: u32 = 16;
