//! What do a million rules cost: to load, and at every name that is asked?
//!
//! The list is compiled into a file, as a server with a data directory has it. No name is asked twice in a sample: one that is asked over and over would find
//! its rule in the processor's nearest cache, where a server's rules are not.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be prepared has nothing to tell")]

mod rules;

use std::{
    fs::File,
    sync::{Arc, LazyLock},
};

use blocker::{
    Action, Compiler, GroupId, GroupSet, Home, Matcher, MatcherBuilder, Mode, Name, Question, Seed,
    Source,
};
use divan::{Bencher, counter::ItemsCount};

use rules::{domain, list};

/// Rules in force while names are asked.
const RULES: u64 = 1_000_000;

/// Names asked in one sample, one after the other: the code is warm then, the rules are not.
const NAMES: u32 = 1_000;

/// Lines of the list whose loading is timed.
const LINES: u64 = 100_000;

/// Labels in front of a deep name: as many as services with a hash in each name have.
const DEPTH: usize = 12;

static MATCHER: LazyLock<Matcher> = LazyLock::new(|| load(&list(RULES)));

fn main() {
    divan::main();
}

#[divan::bench(sample_size = NAMES)]
fn clean_name(bencher: Bencher<'_, '_>) {
    ask(bencher, GroupSet::default(), |number| domain(RULES + number));
}

#[divan::bench(sample_size = NAMES)]
fn blocked_name(bencher: Bencher<'_, '_>) {
    ask(bencher, GroupSet::default(), |number| domain(number % RULES));
}

#[divan::bench(sample_size = NAMES)]
fn name_below_a_blocked_one(bencher: Bencher<'_, '_>) {
    // Even numbers are the rules that reach below their name.
    ask(bencher, GroupSet::default(), |number| format!("www.{}", domain(number * 2 % RULES)));
}

#[divan::bench(sample_size = NAMES)]
fn deep_clean_name(bencher: Bencher<'_, '_>) {
    let labels = "a1b2c3d4.".repeat(DEPTH);
    ask(bencher, GroupSet::default(), |number| format!("{labels}{}", domain(RULES + number)));
}

#[divan::bench(sample_size = NAMES)]
fn blocked_name_of_another_group(bencher: Bencher<'_, '_>) {
    let others = GroupId::new(1).map(GroupSet::single).unwrap();
    ask(bencher, others, |number| domain(number % RULES));
}

#[divan::bench(sample_count = 20)]
fn load_100k_lines(bencher: Bencher<'_, '_>) {
    let text = list(LINES);
    bencher.counter(ItemsCount::new(LINES)).bench(|| load(&text));
}

/// Times the verdict on one name after the other.
fn ask(bencher: Bencher<'_, '_>, groups: GroupSet, name: impl Fn(u64) -> String) {
    let matcher = &*MATCHER;
    let mut number = 0;
    bencher
        .with_inputs(|| {
            // A large odd step, lest neighbours in the list be neighbours in time.
            number += 7919;
            Name::parse(&name(number)).unwrap()
        })
        .bench_local_refs(|name| matcher.verdict(&Question::new(name, groups)).is_block());
}

fn load(text: &str) -> Matcher {
    let directory = tempfile::tempdir().unwrap();
    let file = |name| {
        File::options().read(true).write(true).create_new(true).open(directory.path().join(name))
    };
    let home = Home::Files { list: file("list").unwrap(), scratch: file("scratch").unwrap() };
    let seed = Seed::new(1);
    let mut compiler = Compiler::new(seed, home).unwrap();
    compiler.read(text.as_bytes()).unwrap();
    let list = Arc::new(compiler.finish([0; 32]).unwrap());
    let source = Source { name: "generated", action: Action::Block, groups: GroupSet::default() };
    let mut builder = MatcherBuilder::new(seed);
    builder.add(&source, Mode::Enforce, list);
    builder.build().unwrap()
}
