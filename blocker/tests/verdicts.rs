//! Lists of several sources go in, and the right one decides: by action, group, place and order.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::sync::Arc;

use blocker::{
    Action, Compiler, GroupId, GroupSet, Home, Matcher, MatcherBuilder, Mode, Name, Question, Seed,
    Source, Verdict,
};

fn group(number: u8) -> GroupSet {
    GroupSet::single(GroupId::new(number).unwrap())
}

fn list(name: &str, action: Action, groups: GroupSet) -> Source<'_> {
    Source { name, action, groups }
}

fn compile(lists: &[(Source<'_>, &str)]) -> Matcher {
    let mut builder: MatcherBuilder = Matcher::builder();
    for (source, text) in lists {
        let report = builder.add_list(source, text.as_bytes());
        assert_eq!(report.rejected, 0, "{:?}", report.samples);
    }
    builder.build().unwrap()
}

/// The verdict as `action list:line rule`, or `pass`.
fn ask(matcher: &Matcher, name: &str, groups: GroupSet) -> String {
    let name = Name::parse(name).unwrap();
    let verdict = matcher.verdict(&Question::new(&name, groups));
    let (action, found) = match verdict {
        Verdict::Pass => return "pass".to_owned(),
        Verdict::Allow(found) => ("allow", found),
        Verdict::Block(found) => ("block", found),
    };
    format!("{action} {}:{} {}", found.list, found.line, found.rule())
}

#[test]
fn an_allow_rule_beats_any_block_rule() {
    let all = GroupSet::default();
    let matcher = compile(&[
        (
            list("block", Action::Block, all),
            "a.ok.example\nads.example\n@@||own.ads.example^\n*x*\n",
        ),
        (list("allow", Action::Allow, all), "||ok.example^\n@@y.ads.example\n/^xy/\n"),
    ]);

    assert_eq!(ask(&matcher, "a.ok.example", all), "allow allow:1 ||ok.example^");
    assert_eq!(ask(&matcher, "z.own.ads.example", all), "allow block:3 ||own.ads.example^");
    assert_eq!(ask(&matcher, "y.ads.example", all), "allow allow:2 y.ads.example");
    assert_eq!(ask(&matcher, "xy", all), "allow allow:3 /^xy/");
    assert_eq!(ask(&matcher, "ads.example", all), "block block:2 ads.example");
    assert_eq!(ask(&matcher, "yx", all), "block block:4 *x*");
}

#[test]
fn the_most_specific_rule_is_reported_then_the_earliest_list() {
    let all = GroupSet::default();
    let matcher = compile(&[
        (list("first", Action::Block, all), "*ads*\n||example^\n||ads.example^\n"),
        (list("second", Action::Block, all), "||ads.example^\nads.example\n||x.ads.example^\n/^q/"),
        (list("third", Action::Block, all), "ads.example\n*q*\n"),
    ]);

    assert_eq!(ask(&matcher, "ads.example", all), "block second:2 ads.example");
    assert_eq!(ask(&matcher, "y.ads.example", all), "block first:3 ||ads.example^");
    assert_eq!(ask(&matcher, "y.x.ads.example", all), "block second:3 ||x.ads.example^");
    assert_eq!(ask(&matcher, "b.example", all), "block first:2 ||example^");
    assert_eq!(ask(&matcher, "ads.test", all), "block first:1 *ads*");
    assert_eq!(ask(&matcher, "q.test", all), "block second:4 /^q/");
}

#[test]
fn only_rules_of_the_askers_groups_count() {
    let both = group(1).union(group(2));
    let matcher = compile(&[
        (list("one", Action::Block, group(1)), "ads.example\n*banner*\n"),
        (list("two", Action::Block, both), "ads.example\n"),
        (list("three", Action::Allow, group(3)), "||ads.example^\n/banner/\n"),
    ]);

    assert_eq!(ask(&matcher, "ads.example", group(1)), "block one:1 ads.example");
    assert_eq!(ask(&matcher, "ads.example", group(2)), "block two:1 ads.example");
    assert_eq!(ask(&matcher, "ads.example", group(3)), "allow three:1 ||ads.example^");
    assert_eq!(ask(&matcher, "ads.example", GroupSet::default()), "pass");
    assert_eq!(ask(&matcher, "ads.example", GroupSet::EMPTY), "pass");
    assert_eq!(ask(&matcher, "banner.test", both), "block one:2 *banner*");
    assert_eq!(ask(&matcher, "banner.test", GroupSet::ALL), "allow three:2 /banner/");
}

#[test]
fn one_table_of_rules_may_serve_several_groups() {
    let mut builder = Matcher::builder();
    let rules = |action, groups| list("rules", action, groups);
    builder.add_line(&rules(Action::Block, group(1)), 1, "*.ads.example").unwrap();
    builder.add_line(&rules(Action::Allow, group(2)), 2, "x.ads.example").unwrap();
    builder.add_line(&rules(Action::Block, group(2)), 3, "*.ads.example").unwrap();
    let matcher = builder.build().unwrap();

    assert_eq!(ask(&matcher, "x.ads.example", group(1)), "block rules:1 ||ads.example^");
    assert_eq!(ask(&matcher, "x.ads.example", group(2)), "allow rules:2 x.ads.example");
    assert_eq!(ask(&matcher, "y.ads.example", group(2)), "block rules:3 ||ads.example^");
}

#[test]
fn among_important_rules_too_the_answer_of_the_family_that_was_asked_for_decides() {
    let all = GroupSet::default();
    let matcher = compile(&[(
        list("ads", Action::Block, all),
        "||a.example^$important,dnsrewrite=192.0.2.1\n||a.example^$important,dnsrewrite=::5\n\
         ||b.example^$important\n||b.example^$important,dnsrewrite=NXDOMAIN\n",
    )]);
    let line = |name: &str, qtype| {
        let name = Name::parse(name).unwrap();
        let question = Question { qtype, ..Question::new(&name, all) };
        matcher.verdict(&question).found().map(|found| found.line)
    };

    assert_eq!((line("a.example", 1), line("a.example", 28)), (Some(1), Some(2)));
    assert_eq!((line("b.example", 1), line("x.b.example", 28)), (Some(4), Some(4)));
}

#[test]
fn a_dot_inside_a_label_is_no_label_boundary() {
    let all = GroupSet::default();
    let matcher = compile(&[(list("ads", Action::Block, all), "||ads.example^\n*a.test\n")]);

    assert_eq!(ask(&matcher, r"x\.ads.example", all), "pass");
    assert_eq!(ask(&matcher, r"ads\.example", all), "pass");
    assert_eq!(ask(&matcher, r"a\.test", all), "pass");
    assert_eq!(ask(&matcher, "x.ADS.example", all), "block ads:1 ||ads.example^");
    assert_eq!(ask(&matcher, ".", all), "pass");
}

#[test]
fn an_empty_matcher_passes_everything_and_holds_next_to_nothing() {
    let matcher = Matcher::default();

    assert_eq!(ask(&matcher, "ads.example", GroupSet::ALL), "pass");
    assert_eq!(matcher.rules(), 0);
    assert!(matcher.memory() < 1_000);
}

#[test]
fn a_rule_costs_less_than_60_bytes() {
    let all = GroupSet::default();
    let text: String = (0..100_000).map(|n| format!("||host-{n}.ads.example^\n")).collect();

    let matcher = compile(&[(list("ads", Action::Block, all), &text)]);

    assert_eq!(matcher.rules(), 100_000);
    assert!(matcher.memory() / matcher.rules() < 60, "{}", matcher.memory());
}

#[test]
fn a_matcher_can_be_shared_by_threads() {
    fn assert_shareable<T: Send + Sync>() {}

    assert_shareable::<Matcher>();
}

#[test]
fn a_rule_that_leads_back_to_the_name_leaves_it_to_the_next() {
    let all = GroupSet::default();
    let matcher = compile(&[
        (list("search", Action::Block, all), "||example^$dnsrewrite=safe.example\n"),
        (list("ads", Action::Block, all), "||safe.example^\n"),
    ]);

    let own = "block search:1 ||example^$dnsrewrite=safe.example.";
    assert_eq!(ask(&matcher, "www.example", all), own);
    assert_eq!(ask(&matcher, "safe.example", all), "block ads:1 ||safe.example^");
}

#[test]
fn a_rule_is_undone_by_its_own_list_and_by_lists_that_decide_for_as_many() {
    let undo = "||ads.example^$badfilter\n*track*$badfilter\n@@ok.example$badfilter\n";
    let text = "||ads.example^\n*track*\n||other.example^\n@@ok.example\n||ok.example^\n";
    let names = ["x.ads.example", "mytracker.example", "other.example", "ok.example"];
    let told = |by: Option<(Action, GroupSet, Mode)>, of: (Action, GroupSet)| {
        let seed = Seed::new(9);
        let compiled = |text: &str| {
            let mut compiler = Compiler::new(seed, Home::Memory).unwrap();
            compiler.read(text.as_bytes()).unwrap();
            Arc::new(compiler.finish([0; 32]).unwrap())
        };
        let own = if by.is_none() { undo } else { "" };
        let mut builder = MatcherBuilder::new(seed);
        let list = compiled(&format!("{text}{own}"));
        builder.add(&self::list("of", of.0, of.1), Mode::Enforce, list);
        if let Some((action, groups, mode)) = by {
            builder.add(&self::list("by", action, groups), mode, compiled(undo));
        }
        let matcher = builder.build().unwrap();
        names.map(|name| ask(&matcher, name, group(1)).split(' ').next().unwrap().to_owned())
    };
    let (block, allow, both) = (Action::Block, Action::Allow, group(1).union(group(2)));
    let undone = ["pass", "pass", "block", "block"];
    let kept = ["block", "block", "block", "allow"];

    assert_eq!(told(None, (block, group(1))), undone);
    assert_eq!(told(Some((block, group(1), Mode::Enforce)), (block, group(1))), undone);
    assert_eq!(told(Some((block, both, Mode::Enforce)), (block, group(1))), undone);
    assert_eq!(told(Some((block, group(1), Mode::Shadow)), (block, group(1))), kept);
    assert_eq!(told(Some((block, group(2), Mode::Enforce)), (block, group(1))), kept);
    assert_eq!(told(Some((block, group(1), Mode::Enforce)), (block, both)), kept);
    assert_eq!(told(Some((block, GroupSet::EMPTY, Mode::Enforce)), (block, group(1))), kept);
    assert_eq!(told(Some((allow, group(1), Mode::Enforce)), (block, group(1))), kept);
}
