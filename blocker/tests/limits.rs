//! Lists that want more than their share go in; what others have and how long it takes stays bounded.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::sync::Arc;

use blocker::{
    Action, Compiler, GroupSet, Home, Matcher, MatcherBuilder, Mode, Name, Question, Seed, Source,
};

const ADS: Source<'_> = Source { name: "ads", action: Action::Block, groups: GroupSet::ALL };

/// The rule that blocks a name.
fn blocker_of(matcher: &Matcher, name: &str) -> Option<String> {
    let name = Name::parse(name).unwrap();
    let found = matcher.verdict(&Question::new(&name, GroupSet::ALL)).found()?;
    Some(found.rule().to_string())
}

/// As many lines, each with its number where `#` stands.
fn lines(count: usize, line: &str) -> String {
    (0..count).map(|number| line.replace('#', &number.to_string()) + "\n").collect()
}

#[test]
fn thousands_of_rules_are_undone_at_once() {
    let mut builder = Matcher::builder();
    let undone = lines(8_000, "||n#.example^$dnstype=A|AAAA");
    let undoing = lines(8_000, "||n#.example^$badfilter,dnstype=AAAA|A");
    builder.add_list(&ADS, format!("{undone}*kept*\n").as_bytes());
    builder.add_list(&ADS, format!("{undoing}*other*$badfilter\n").as_bytes());

    let start = std::time::Instant::now();
    let matcher = builder.build().unwrap();

    assert_eq!(matcher.rules(), 1);
    assert_eq!(blocker_of(&matcher, "n7.example"), None);
    assert_eq!(blocker_of(&matcher, "kept.example").as_deref(), Some("*kept*"));
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_list_in_shadow_mode_takes_no_place_of_those_that_decide() {
    let mut builder = MatcherBuilder::new(Seed::new(1));
    let shadow = lines(20_000, "||n#.example^$dnstype=A");
    for (mode, text) in [(Mode::Shadow, &*shadow), (Mode::Enforce, "/^ads[0-9]/\n")] {
        let mut compiler = Compiler::new(Seed::new(1), Home::Memory).unwrap();
        compiler.read(text.as_bytes()).unwrap();
        builder.add(&ADS, mode, Arc::new(compiler.finish([0; 32]).unwrap()));
    }

    let matcher = builder.build().unwrap();

    assert_eq!(blocker_of(&matcher, "ads7.example").as_deref(), Some("/^ads[0-9]/"));
    assert_eq!((matcher.left_out(), matcher.left_out_of(0), matcher.left_out_of(1)), (1, 1, 0));
}

#[test]
fn patterns_that_repeat_take_no_room() {
    let mut builder = Matcher::builder();
    let repeated = "*a*\n".repeat(20_010);

    let report = builder.add_list(&ADS, format!("{repeated}*b*\n").as_bytes());

    assert_eq!((report.rules, report.duplicates, report.rejected), (2, 20_009, 0));
}
