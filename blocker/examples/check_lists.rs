//! List files go in by path and names on standard input; what became of the lists, what they cost
//! and a verdict for each name come out, so that a list can be judged before it is used.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::collections::BTreeMap;
use std::io::Read;
use std::time::{Duration, Instant};

use blocker::{Action, GroupSet, Matcher, Name, Question, Source, Verdict};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<_> = std::env::args().skip(1).collect();
    let mut builder = Matcher::builder();
    let mut loading = Duration::ZERO;
    for path in &paths {
        let text = std::fs::read(path)?;
        let source = source(path);
        let start = Instant::now();
        let report = builder.add_list(&source, &text);
        loading += start.elapsed();
        println!(
            "{path}: {} rules, {} duplicates, {} rejected, {} not for the DNS",
            report.rules, report.duplicates, report.rejected, report.not_dns
        );
        for (reason, lines) in reasons(&source, &text) {
            println!("  {lines} lines: {reason}");
        }
    }
    let start = Instant::now();
    let matcher = builder.build()?;
    loading += start.elapsed();
    println!(
        "{} rules in {loading:?}, {} bytes, {} a rule",
        matcher.rules(),
        matcher.memory(),
        matcher.memory() / matcher.rules().max(1)
    );
    judge(&matcher)
}

fn source(name: &str) -> Source<'_> {
    Source { name, action: Action::Block, groups: GroupSet::default() }
}

/// Counts the lines that are no rules, by reason.
fn reasons(source: &Source<'_>, text: &[u8]) -> BTreeMap<String, usize> {
    let mut reasons = BTreeMap::new();
    let mut builder = Matcher::builder();
    for line in String::from_utf8_lossy(text).lines() {
        if let Err(rejection) = builder.add_line(source, 0, line) {
            *reasons.entry(rejection.reason.to_string()).or_default() += 1;
        }
    }
    reasons
}

/// Prints a verdict for each name, then the time that one takes.
fn judge(matcher: &Matcher) -> Result<(), Box<dyn std::error::Error>> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let mut names = Vec::new();
    for line in text.split_whitespace() {
        let name = Name::parse(line)?;
        names.push(name);
        match matcher.verdict(&Question::new(&name, GroupSet::default())) {
            Verdict::Pass => println!("{name} passes"),
            Verdict::Allow(found) => println!("{name} is allowed by {}", found.rule()),
            Verdict::Block(found) => println!("{name} is blocked by {}", found.rule()),
        }
    }
    let start = Instant::now();
    let blocked = (0..ROUNDS).flat_map(|_| &names).filter(|name| {
        matcher.verdict(&Question::new(std::hint::black_box(name), GroupSet::default())).is_block()
    });
    let blocked = blocked.count() / ROUNDS;
    let verdicts = u32::try_from(names.len() * ROUNDS)?.max(1);
    println!("{blocked} of {} blocked, {:?} a verdict", names.len(), start.elapsed() / verdicts);
    Ok(())
}

/// How often each name is asked to measure: long enough to be above the clock's grain.
const ROUNDS: usize = 100;
