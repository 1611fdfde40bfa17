//! What do a million rules cost: to load, and at every name that is asked?
//!
//! Rules and names are made up by a generator that always makes the same ones, so that runs can
//! be compared. No name is asked twice in a sample: one that is asked over and over would find
//! its rule in the processor's nearest cache, where a server's rules are not.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be prepared has nothing to tell")]

use std::{fmt::Write as _, sync::LazyLock};

use blocker::{Action, GroupId, GroupSet, Matcher, Name, Question, Source};
use divan::{Bencher, counter::ItemsCount};

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
    let generated =
        Source { name: "generated", action: Action::Block, groups: GroupSet::default() };
    let mut builder = Matcher::builder();
    builder.add_list(&generated, text.as_bytes());
    builder.build().unwrap()
}

/// So many lines, half of them in each of the two forms that lists have most.
fn list(lines: u64) -> String {
    let mut text = String::new();
    for number in 0..lines {
        let domain = domain(number);
        let _ = if number % 2 == 0 {
            writeln!(text, "||{domain}^")
        } else {
            writeln!(text, "0.0.0.0 {domain}")
        };
    }
    text
}

/// The made-up domain of a number: two to four labels, 8 to 24 characters, no two alike.
fn domain(number: u64) -> String {
    const ENDINGS: [&str; 8] = ["com", "net", "org", "io", "info", "ru", "xyz", "co.uk"];
    let [ending, form, letters @ ..] = scramble(number).to_le_bytes();
    let ending = ENDINGS.get(usize::from(ending) % ENDINGS.len()).unwrap();
    let word: String = letters.iter().map(|letter| char::from(b'a' + letter % 26)).collect();
    match form % 3 {
        0 => format!("{word}{number:x}.{ending}"),
        1 => format!("{word}.{number:x}.{ending}"),
        _ => format!("cdn.{word}-{number:x}.{ending}"),
    }
}

/// A number that looks random and is the same every time (splitmix64).
fn scramble(number: u64) -> u64 {
    let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}
