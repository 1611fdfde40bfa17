//! What do lists of a quarter of a million, a million and five million rules cost: to compile, to load
//! when they are compiled, in memory, and at each name?
//!
//! Each size is measured in a process of its own, so that memory is that size's alone. Prints one
//! table, in Markdown.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be prepared has nothing to tell")]

mod rules;

use std::{
    env,
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use blocker::{
    Action, CompiledList, Compiler, GroupSet, Home, Matcher, MatcherBuilder, Mode, Name, Question,
    Seed, Source,
};

use rules::{domain, list};

/// Sizes that people have: one good list, several, and all there are.
const SIZES: [u64; 3] = [250_000, 1_000_000, 5_000_000];

/// Names asked, no two alike: their rules do not all fit into the processor's nearest cache.
const NAMES: u64 = 100_000;

/// Passes over them, of which the median counts.
const PASSES: usize = 5;

/// What tells a child process which size is its own.
const SIZE: &str = "DNSWARD_BENCH_RULES";

fn main() {
    if let Ok(rules) = env::var(SIZE) {
        return print(&measure(rules.parse().unwrap()));
    }
    print(
        "| rules | text to serving | compiled to serving | octets a rule | resident | most while \
         compiling | clean name | blocked name |\n|---|---|---|---|---|---|---|---|",
    );
    for rules in SIZES {
        let program = env::current_exe().unwrap();
        let status = Command::new(program).env(SIZE, rules.to_string()).status().unwrap();
        assert!(status.success());
    }
}

/// One row of the table.
fn measure(rules: u64) -> String {
    let directory = tempfile::tempdir().unwrap();
    let (text, compiled) = (directory.path().join("text"), directory.path().join("list"));
    fs::write(&text, list(rules)).unwrap();
    let before = memory("VmRSS");
    reset_peak();

    let started = Instant::now();
    let matcher = matcher(compile(directory.path(), &text, &compiled));
    let from_text = started.elapsed();
    let (resident, peak) = (memory("VmRSS") - before, memory("VmHWM") - before);
    let octets = matcher.memory() as f64 / matcher.rules() as f64;
    drop(matcher);

    let started = Instant::now();
    let matcher = self::matcher(CompiledList::open(File::open(&compiled).unwrap()).unwrap());
    let from_compiled = started.elapsed();

    let clean = ask(&matcher, |number| domain(rules + number));
    let blocked = ask(&matcher, |number| domain(number * 7919 % rules));
    format!(
        "| {rules} | {} ms | {} ms | {octets:.2} | {:.1} MiB | {:.1} MiB | {clean} ns | {blocked} ns |",
        from_text.as_millis(),
        from_compiled.as_millis(),
        resident / 1024.0,
        peak / 1024.0,
    )
}

fn compile(directory: &Path, text: &Path, compiled: &Path) -> CompiledList {
    let new = |path: &Path| File::options().read(true).write(true).create_new(true).open(path);
    let scratch = new(&directory.join("scratch")).unwrap();
    let home = Home::Files { list: new(compiled).unwrap(), scratch };
    let mut compiler = Compiler::new(Seed::new(1), home).unwrap();
    compiler.read(File::open(text).unwrap()).unwrap();
    compiler.finish([0; 32]).unwrap()
}

fn matcher(list: CompiledList) -> Matcher {
    let source = Source { name: "generated", action: Action::Block, groups: GroupSet::default() };
    let mut builder = MatcherBuilder::new(list.seed());
    builder.add(&source, Mode::Enforce, Arc::new(list));
    builder.build().unwrap()
}

/// Nanoseconds of one verdict.
fn ask(matcher: &Matcher, name: impl Fn(u64) -> String) -> u128 {
    let names: Vec<Name> = (0..NAMES).map(|number| Name::parse(&name(number)).unwrap()).collect();
    let mut passes: Vec<Duration> = (0..PASSES)
        .map(|_| {
            let started = Instant::now();
            for name in &names {
                let question = Question::new(name, GroupSet::default());
                std::hint::black_box(matcher.verdict(&question).is_block());
            }
            started.elapsed()
        })
        .collect();
    passes.sort_unstable();
    passes.get(PASSES / 2).unwrap().as_nanos() / u128::from(NAMES)
}

/// A line of the process's status, in KiB.
fn memory(line: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let value = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':')).unwrap();
    value.split_whitespace().next().unwrap().parse().unwrap()
}

/// Forgets how much memory the preparations took (proc(5), `clear_refs`).
fn reset_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

fn print(text: &str) {
    writeln!(io::stdout().lock(), "{text}").unwrap();
}
