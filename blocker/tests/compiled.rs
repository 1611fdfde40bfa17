//! Lists are compiled into files, which are closed, damaged, opened again and asked.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::sync::Arc;

use blocker::{
    Action, BuildError, CompiledList, Compiler, GroupSet, Home, Matcher, MatcherBuilder, Mode,
    Name, Question, Seed, Source, Standing,
};

const SEED: u64 = 11;
const ADS: Source<'_> = Source { name: "ads", action: Action::Block, groups: GroupSet::ALL };
const IDENTITY: [u8; 32] = [9; 32];

fn empty_file(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).unwrap()
}

/// Compiles a text into `list` in this directory.
fn compile(directory: &Path, text: &str) -> CompiledList {
    let home = Home::Files {
        list: empty_file(&directory.join("list")),
        scratch: empty_file(&directory.join("scratch")),
    };
    let mut compiler = Compiler::new(Seed::new(SEED), home).unwrap();
    compiler.read(text.as_bytes()).unwrap();
    compiler.finish(IDENTITY).unwrap()
}

fn matcher(lists: &[(&str, &Arc<CompiledList>)]) -> Matcher {
    let mut builder = MatcherBuilder::new(Seed::new(SEED));
    for (name, list) in lists {
        builder.add(&Source { name, ..ADS }, Mode::Enforce, Arc::clone(list));
    }
    builder.build().unwrap()
}

/// The list and line that block a name.
fn blocker_of(matcher: &Matcher, name: &str) -> Option<(String, u32, String)> {
    let name = Name::parse(name).unwrap();
    let found = matcher.verdict(&Question::new(&name, GroupSet::ALL)).found()?;
    Some((found.list.to_owned(), found.line, found.rule().to_string()))
}

/// A list of every kind of line, long enough for several runs and with each tenth name twice.
fn long_list(lines: u32) -> String {
    let names = (0..lines).map(|number| match number % 10 {
        9 => format!("||n{}.example^\n", number - 9),
        0 => format!("||n{number}.example^\n"),
        _ => format!("n{number}.example\n"),
    });
    names.chain(["*banner*\n".into(), "a b\n".into(), "x.example##.ad\n".into()]).collect()
}

#[test]
fn a_list_is_the_same_after_it_was_closed_and_opened() {
    let directory = tempfile::tempdir().unwrap();
    let text = "||ads.example^\n@@ok.ads.example\n*banner*\n/^x[0-9]/\n||i.example^$important\nads example\nads.example\nads.example\n||t.example^$dnstype=AAAA\nr.example CNAME .\n";

    let written = Arc::new(compile(directory.path(), text));
    let file = File::open(directory.path().join("list")).unwrap();
    let read = Arc::new(CompiledList::open(file).unwrap());

    let told = |list: &CompiledList| {
        let report = list.report();
        let samples: Vec<_> = report.samples.iter().map(ToString::to_string).collect();
        ((report.rules, report.duplicates, report.rejected, report.not_dns), samples)
    };
    assert_eq!(told(&written), told(&read));
    assert_eq!(told(&read).0, (8, 1, 1, 0));
    assert_eq!((read.identity(), read.seed()), (&IDENTITY, Seed::new(SEED)));
    let (written, read) = (matcher(&[("ads", &written)]), matcher(&[("ads", &read)]));
    for name in [
        "ads.example",
        "x.ads.example",
        "ok.ads.example",
        "my.banner.example",
        "x1",
        "i.example",
        "t.example",
        "r.example",
        "q",
    ] {
        assert_eq!(blocker_of(&written, name), blocker_of(&read, name), "{name}");
    }
    assert_eq!(blocker_of(&read, "ads.example"), Some(("ads".into(), 7, "ads.example".into())));
    assert_eq!(read.rules(), 8);
}

#[test]
fn a_list_of_several_runs_is_sorted_and_counted_as_one() {
    let directory = tempfile::tempdir().unwrap();
    let lines = 300_000;

    let list = Arc::new(compile(directory.path(), &long_list(lines)));

    let report = list.report();
    assert_eq!(report.rules, 270_000 + 1);
    assert_eq!((report.duplicates, report.rejected, report.not_dns), (30_000, 1, 1));
    let matcher = matcher(&[("long", &list)]);
    for number in (0..lines).step_by(997).filter(|number| number % 10 != 9) {
        let (_, line, _) = blocker_of(&matcher, &format!("n{number}.example")).unwrap();
        assert_eq!(line, number + 1);
        let below = blocker_of(&matcher, &format!("www.n{number}.example"));
        assert_eq!(below.is_some(), number % 10 == 0, "{number}");
    }
    assert_eq!(blocker_of(&matcher, "n300001.example"), None);
    assert!(matcher.memory() < 9 * matcher.rules(), "{}", matcher.memory());
}

#[test]
fn in_memory_a_long_list_is_packed_and_says_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let text = long_list(20_000);
    let in_file = Arc::new(compile(directory.path(), &text));
    let mut compiler = Compiler::new(Seed::new(SEED), Home::Memory).unwrap();
    compiler.read(text.as_bytes()).unwrap();
    let in_memory = Arc::new(compiler.finish(IDENTITY).unwrap());

    assert_eq!(in_memory.report(), in_file.report());
    assert!(in_memory.memory() < 30 * in_memory.report().rules);
    let (a, b) = (matcher(&[("ads", &in_file)]), matcher(&[("ads", &in_memory)]));
    for number in 0..2_000 {
        let name = format!("www.n{number}.example");
        assert_eq!(blocker_of(&a, &name), blocker_of(&b, &name));
    }
}

#[test]
fn a_damaged_list_is_noticed_or_harmless() {
    let directory = tempfile::tempdir().unwrap();
    let whole = compile(directory.path(), &long_list(150));
    let path = directory.path().join("list");
    let octets = fs::read(&path).unwrap();
    let rules: HashSet<_> = (0..150).map(|number| format!("n{number}.example")).collect();
    assert_eq!(whole.report().rules, 136);

    for at in (0..octets.len()).step_by(23) {
        let mut octets = octets.clone();
        octets[at] ^= 0x11;
        fs::write(&path, &octets).unwrap();
        let Ok(list) = CompiledList::open(File::open(&path).unwrap()) else { continue };
        let mut builder = MatcherBuilder::new(Seed::new(SEED));
        builder.add(&ADS, Mode::Enforce, Arc::new(list));
        let Ok(matcher) = builder.build() else { continue };
        // Names and lines are read when they are needed: a block that is not whole blocks nobody.
        for number in 0..160 {
            let name = format!("n{number}.example");
            assert!(blocker_of(&matcher, &name).is_none() || rules.contains(&name));
        }
        assert!(matcher.unreadable() > 0, "octet {at} of {} is not looked at", octets.len());
    }
}

#[test]
fn a_list_that_ends_too_soon_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    drop(compile(directory.path(), &long_list(300)));
    let path = directory.path().join("list");
    let octets = fs::read(&path).unwrap();

    for length in (0..octets.len()).step_by(11) {
        fs::write(&path, &octets[..length]).unwrap();
        assert!(CompiledList::open(File::open(&path).unwrap()).is_err(), "{length}");
    }
    fs::write(&path, [&octets[..], b"more"].concat()).unwrap();
    assert!(CompiledList::open(File::open(&path).unwrap()).is_err());
}

#[test]
fn lists_of_different_seeds_do_not_mix() {
    let directory = tempfile::tempdir().unwrap();
    let list = Arc::new(compile(directory.path(), "ads.example"));
    let mut builder = MatcherBuilder::new(Seed::new(SEED + 1));

    builder.add(&ADS, Mode::Enforce, list);

    assert!(matches!(builder.build(), Err(BuildError::OtherSeed(name)) if &*name == "ads"));
}

#[test]
fn one_compiled_list_serves_many_matchers() {
    let directory = tempfile::tempdir().unwrap();
    let list = Arc::new(compile(directory.path(), "||ads.example^"));
    let more =
        Arc::new(compile(tempfile::tempdir().unwrap().path(), "more.example\n@@x.ads.example"));

    let (one, both) = (matcher(&[("a", &list)]), matcher(&[("a", &list), ("b", &more)]));

    assert_eq!(blocker_of(&one, "more.example"), None);
    assert_eq!(blocker_of(&both, "more.example").unwrap().0, "b");
    assert_eq!(blocker_of(&both, "y.ads.example").unwrap().0, "a");
    assert_eq!(blocker_of(&both, "x.ads.example").unwrap().2, "x.ads.example");
}

#[test]
fn a_list_in_shadow_mode_decides_nothing_and_tells_what_it_would_have_blocked() {
    let directory = tempfile::tempdir().unwrap();
    let list = Arc::new(compile(directory.path(), "||ads.example^\n@@ok.ads.example\n*banner*"));
    let mut builder = MatcherBuilder::new(Seed::new(SEED));
    builder.add(&Source { name: "new", ..ADS }, Mode::Shadow, list);
    let ours = Source { name: "ours", action: Action::Allow, ..ADS };
    builder.add_list(&ours, b"||fine.ads.example^");
    let matcher = builder.build().unwrap();
    let shadow = |name: &str| {
        let name = Name::parse(name).unwrap();
        let question = Question::new(&name, GroupSet::ALL);
        assert!(!matcher.verdict(&question).is_block());
        matcher.shadow(&question).map(|found| (found.list.to_owned(), found.line))
    };

    assert_eq!(shadow("x.ads.example"), Some(("new".into(), 1)));
    assert_eq!(shadow("ok.ads.example"), None);
    assert_eq!(shadow("fine.ads.example"), None);
    assert_eq!(shadow("abanner.example"), Some(("new".into(), 3)));
    assert_eq!(shadow("example"), None);
}

#[test]
fn findings_tell_every_rule_in_order_and_why_it_does_not_count() {
    let seed = Seed::new(SEED);
    let mut builder = MatcherBuilder::new(seed);
    let others = GroupSet::single(blocker::GroupId::new(5).unwrap());
    let ours = GroupSet::default();
    builder.add_list(&Source { groups: others, ..ADS }, b"||ads.example^\n");
    builder.add_list(
        &Source { name: "more", groups: ours, ..ADS },
        b"*ads*\n||example^\nx.ads.example\n",
    );
    let matcher = builder.build().unwrap();
    let name = Name::parse("x.ads.example").unwrap();

    let findings: Vec<_> = matcher
        .findings(&Question::new(&name, ours))
        .iter()
        .map(|finding| (finding.found.list.to_owned(), finding.found.line, finding.standing))
        .collect();

    assert_eq!(
        findings,
        [
            ("more".into(), 3, Standing::Wins),
            ("ads".into(), 1, Standing::OtherGroup),
            ("more".into(), 2, Standing::Applies),
            ("more".into(), 1, Standing::Applies),
        ]
    );
}

#[test]
fn a_zone_is_read_as_a_whole_and_its_rules_are_kept_one_by_one() {
    let directory = tempfile::tempdir().unwrap();
    let zone = "$ORIGIN rpz.test.\n@ SOA a. b. (\n1 2 3\n4 5 )\na.example A 192.0.2.7\n  AAAA ::7\n\
        b.example A 192.0.2.7\n  AAAA ::7\n$ORIGIN example.rpz.test.\nc CNAME .\n";

    let list = compile(directory.path(), zone);

    assert_eq!((list.report().rules, list.report().rejected), (5, 0));
    let file = File::open(directory.path().join("list")).unwrap();
    let again = matcher(&[("zone", &Arc::new(CompiledList::open(file).unwrap()))]);
    assert_eq!(blocker_of(&again, "c.example").unwrap().1, 10);
    assert_eq!(blocker_of(&again, "b.example").unwrap().2, "b.example$dnsrewrite=192.0.2.7");
}
