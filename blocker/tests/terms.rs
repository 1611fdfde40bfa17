//! Rules that say more than a name go in with who asks for what, and each counts for whom and where
//! it says: `$badfilter`, `$client`, `$denyallow`, `$dnstype`, `$dnsrewrite` and policy zones.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::fmt::Write as _;
use std::net::IpAddr;

use blocker::{
    Action, Asker, Compiler, GroupId, GroupSet, Home, Matcher, MatcherBuilder, Mode, Name,
    Question, Reply, Seed, Source, Verdict,
};

const SEED: u64 = 3;
const A: u16 = 1;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const HTTPS: u16 = 65;

const ALL: (Action, Mode, GroupSet) = (Action::Block, Mode::Enforce, GroupSet::ALL);

fn group(number: u8) -> GroupSet {
    GroupSet::single(GroupId::new(number).unwrap())
}

/// A matcher of these lists, whose names are their numbers; every line is a rule.
fn matcher(lists: &[((Action, Mode, GroupSet), &str)]) -> Matcher {
    let mut builder = MatcherBuilder::new(Seed::new(SEED));
    for (number, ((action, mode, groups), text)) in lists.iter().enumerate() {
        let mut compiler = Compiler::new(Seed::new(SEED), Home::Memory).unwrap();
        compiler.read(text.as_bytes()).unwrap();
        let list = compiler.finish([0; 32]).unwrap();
        assert_eq!(list.report().rejected, 0, "{:?}", list.report().samples);
        let name = number.to_string();
        let source = Source { name: &name, action: *action, groups: *groups };
        builder.add(&source, *mode, list.into());
    }
    builder.build().unwrap()
}

/// The verdict as `block list:line`, `allow list:line` or `pass`.
fn verdict(matcher: &Matcher, name: &str, qtype: u16, asker: Asker) -> String {
    let name = Name::parse(name).unwrap();
    let (action, found) = match matcher.verdict(&Question { name: &name, qtype, asker }) {
        Verdict::Pass => return "pass".to_owned(),
        Verdict::Allow(found) => ("allow", found),
        Verdict::Block(found) => ("block", found),
    };
    format!("{action} {}:{}", found.list, found.line)
}

fn anybody() -> Asker {
    Asker { groups: GroupSet::ALL, ..Asker::default() }
}

/// Checks what becomes of names that somebody of these groups asks the address of.
fn check(matcher: &Matcher, groups: GroupSet, cases: &[(&str, &str)]) {
    for (name, expected) in cases {
        let asker = Asker { groups, ..Asker::default() };
        assert_eq!(verdict(matcher, name, A, asker), *expected, "{name} of {groups:?}");
    }
}

/// What is answered, if the rule that blocks says so.
fn reply(matcher: &Matcher, name: &str, qtype: u16) -> Option<Reply> {
    let name = Name::parse(name).unwrap();
    matcher.verdict(&Question { name: &name, qtype, asker: anybody() }).found()?.reply().cloned()
}

#[test]
fn badfilter_undoes_the_same_rule_in_any_list_and_no_other() {
    let rules = "||one.example^\n|two.example^\ntwo.example\n||three.example^$important\n\
                 @@||four.example^\n||four.example^\n||five.example^$dnstype=A\n*six*\n\
                 ||seven.example^$dnsrewrite=NXDOMAIN\n/^eight/\n||nine.example^\n";
    let undoing = "||one.example^$badfilter\n|two.example^$badfilter\n||three.example^$badfilter\n\
                   @@||four.example^$badfilter\n||five.example^$dnstype=A,badfilter\n\
                   *six*$badfilter\n||seven.example^$badfilter\n/^eight/$badfilter\n\
                   ||x.nine.example^$badfilter\n||nine.example^$dnstype=A,badfilter\n";
    let expected = [
        ("one.example", "pass"),
        ("x.one.example", "pass"),
        ("two.example", "pass"),
        // It is another rule that is important.
        ("three.example", "block 0:4"),
        ("four.example", "block 0:6"),
        ("five.example", "pass"),
        ("asix.example", "pass"),
        // It is another rule that has an answer.
        ("seven.example", "block 0:9"),
        ("eight.example", "pass"),
        ("nine.example", "block 0:11"),
        ("x.nine.example", "block 0:11"),
    ];

    check(&matcher(&[(ALL, rules), (ALL, undoing)]), group(0), &expected);
    let both = format!("{rules}{undoing}");
    check(&matcher(&[(ALL, &both)]), group(0), &expected);
}

#[test]
fn badfilter_undoes_one_of_two_lines_that_both_allow() {
    let allowing = (Action::Allow, Mode::Enforce, GroupSet::ALL);
    let both = "@@|a.example^\na.example\n";

    for (undoing, expected) in
        [("@@|a.example^$badfilter", "allow 0:2"), ("|a.example^$badfilter", "allow 0:1")]
    {
        let alike = matcher(&[(allowing, both), (allowing, undoing)]);
        check(&alike, group(0), &[("a.example", expected)]);
        // Who only subscribes to a list that blocks keeps what another one allows.
        let other = matcher(&[(allowing, both), (ALL, undoing)]);
        check(&other, group(0), &[("a.example", "allow 0:2")]);
    }
}

#[test]
fn badfilter_undoes_nothing_for_those_whom_its_list_is_not_for() {
    let (kids, all) = (group(1), group(0).union(group(1)));
    let rules = "||one.example^\n||two.example^$dnstype=A";
    let undoing = "||one.example^$badfilter\n||two.example^$dnstype=A,badfilter";
    let blocked = [("one.example", "block 0:1"), ("two.example", "block 0:2")];
    let free = [("one.example", "pass"), ("two.example", "pass")];
    let list = |groups| (Action::Block, Mode::Enforce, groups);

    check(&matcher(&[(list(all), rules), (list(kids), undoing)]), group(0), &blocked);
    check(&matcher(&[(list(kids), rules), (list(all), undoing)]), kids, &free);
    check(&matcher(&[(list(all), rules), (list(all), undoing)]), group(0), &free);
}

#[test]
fn badfilter_in_shadow_mode_undoes_what_is_in_shadow_mode() {
    let rules = "||one.example^\n||two.example^$dnstype=A";
    let undoing = "||one.example^$badfilter\n||two.example^$dnstype=A,badfilter";
    let shadow = (Action::Block, Mode::Shadow, GroupSet::ALL);
    let tells = |matcher: &Matcher| {
        let name = Name::parse("one.example").unwrap();
        matcher.shadow(&Question::new(&name, GroupSet::ALL)).is_some()
    };

    let enforced = matcher(&[(ALL, rules), (shadow, undoing)]);
    check(&enforced, group(0), &[("one.example", "block 0:1"), ("two.example", "block 0:2")]);
    assert!(tells(&matcher(&[(shadow, rules)])));
    assert!(!tells(&matcher(&[(shadow, rules), (shadow, undoing)])));
    assert!(!tells(&matcher(&[(shadow, rules), (ALL, undoing)])));
}

#[test]
fn client_rules_are_for_those_whom_they_name() {
    let matcher = matcher(&[(
        ALL,
        "||a.example^$client=10.0.0.0/8|'Mary\\'s phone'\n\
         ||b.example^$client=~10.1.0.0/16\n\
         ||c.example^$client=10.0.0.0/8|~10.1.0.0/16\n\
         ||d.example^$client=2001:db8::/32|nas\n",
    )]);
    let cases: [(Option<&str>, Option<&str>, &str); 7] = [
        (None, None, "b"),
        (Some("10.1.2.3"), None, "a"),
        (Some("10.2.0.1"), None, "abc"),
        (Some("::ffff:10.2.0.1"), None, "abc"),
        (Some("192.0.2.1"), Some("Mary's phone"), "ab"),
        (Some("2001:db8::7"), Some("mary"), "bd"),
        (Some("10.1.2.3"), Some("nas"), "ad"),
    ];

    for (address, name, expected) in cases {
        let address = address.map(|address| address.parse::<IpAddr>().unwrap());
        let asker = Asker { groups: GroupSet::ALL, marks: matcher.marks(address, name) };
        let meets =
            |letter: &char| verdict(&matcher, &format!("x.{letter}.example"), A, asker) != "pass";
        let met: String = ['a', 'b', 'c', 'd'].iter().filter(|letter| meets(letter)).collect();
        assert_eq!(met, expected, "{address:?} {name:?}");
    }
}

#[test]
fn the_sixty_fifth_client_is_nobody_and_takes_no_other_along() {
    let mut text = String::new();
    for number in 0..70 {
        writeln!(text, "||n{number}.example^$client=10.0.0.{number}").unwrap();
    }
    text += "||not.example^$client=~10.0.0.69\n||again.example^$client=10.0.0.3\n";
    let matcher = matcher(&[(ALL, &text)]);

    for number in 0..70_u8 {
        let marks = matcher.marks(Some([10, 0, 0, number].into()), None);
        let asker = Asker { groups: GroupSet::ALL, marks };
        for other in 0..70 {
            let is_blocked = verdict(&matcher, &format!("n{other}.example"), A, asker) != "pass";
            assert_eq!(is_blocked, number == other && number < 64, "{number} asks for {other}");
        }
        let again = verdict(&matcher, "again.example", A, asker);
        assert_eq!(again != "pass", number == 3, "{number}");
        // There is no bit for whom it spares, and better it blocks nobody.
        assert_eq!(verdict(&matcher, "not.example", A, asker), "pass", "{number}");
    }
}

#[test]
fn denyallow_spares_names_and_what_lies_below_them() {
    let matcher = matcher(&[
        (ALL, "||example^$denyallow=good.example|fine.example"),
        (ALL, "*$denyallow=example|org\n||good.example^$denyallow=x.good.example"),
    ]);

    check(
        &matcher,
        group(0),
        &[
            ("example", "block 0:1"),
            ("ads.example", "block 0:1"),
            ("notgood.example", "block 0:1"),
            ("good.example", "block 1:2"),
            ("y.good.example", "block 1:2"),
            ("y.x.good.example", "pass"),
            ("fine.example", "pass"),
            ("x.fine.example", "pass"),
            ("ads.test", "block 1:1"),
            ("ads.org", "pass"),
        ],
    );
}

#[test]
fn dnstype_rules_are_for_questions_of_these_types() {
    let matcher = matcher(&[(
        ALL,
        "||a.example^$dnstype=AAAA|HTTPS\n||b.example^$dnstype=~A\n||c.example^$dnstype=A\n\
         ||c.example^\n@@||d.example^$dnstype=TXT\n||d.example^\n*e.test*$dnstype=AAAA\n",
    )]);

    for (name, expected) in [
        ("a.example", ["pass", "block 0:1", "pass", "block 0:1"]),
        ("b.example", ["pass", "block 0:2", "block 0:2", "block 0:2"]),
        ("c.example", ["block 0:4", "block 0:4", "block 0:4", "block 0:4"]),
        ("d.example", ["block 0:6", "block 0:6", "allow 0:5", "block 0:6"]),
        ("e.test", ["pass", "block 0:7", "pass", "pass"]),
    ] {
        let met = [A, AAAA, TXT, HTTPS].map(|qtype| verdict(&matcher, name, qtype, anybody()));
        assert_eq!(met, expected, "{name}");
    }
}

#[test]
fn each_family_gets_the_address_of_its_own_rule() {
    let v4 = Reply::Addresses("192.0.2.7".parse().ok(), None);
    let v6 = Reply::Addresses(None, "2001:db8::7".parse().ok());
    for (first, second) in [("192.0.2.7", "2001:db8::7"), ("2001:db8::7", "192.0.2.7")] {
        for extra in ["", "important,"] {
            let [first, second] = [first, second]
                .map(|address| format!("||a.example^${extra}dnsrewrite={address}\n"));
            let together = matcher(&[(ALL, &format!("{first}{second}"))]);
            let apart = matcher(&[(ALL, &first), (ALL, &second)]);
            for matcher in [together, apart] {
                assert_eq!(reply(&matcher, "x.a.example", A), Some(v4.clone()), "{first}");
                assert_eq!(reply(&matcher, "x.a.example", AAAA), Some(v6.clone()), "{first}");
            }
        }
    }
}

#[test]
fn a_rule_with_an_answer_comes_before_one_without_important_or_not() {
    for extra in ["$important", ""] {
        let sign = if extra.is_empty() { "$" } else { "," };
        let rewriting = format!("||example^{extra}{sign}dnsrewrite=192.0.2.7\n");
        let matcher = matcher(&[(ALL, &format!("|a.example^{extra}\n")), (ALL, &rewriting)]);

        assert_eq!(verdict(&matcher, "a.example", A, anybody()), "block 1:1", "{extra}");
        // So it does where it has no address of the family that was asked for.
        assert_eq!(verdict(&matcher, "a.example", AAAA, anybody()), "block 1:1", "{extra}");
    }
}

#[test]
fn a_long_policy_zone_is_kept_whole_with_its_answers() {
    let lines = 50_000;
    let text: String = (0..lines)
        .map(|number| match number % 5 {
            0 => format!("n{number}.example CNAME *.\n"),
            1 => format!("*.n{number}.example CNAME rpz-drop.\n"),
            _ => format!("n{number}.example CNAME .\n"),
        })
        .collect();
    let matcher = matcher(&[(ALL, &text)]);

    assert_eq!((matcher.rules(), matcher.left_out()), (lines, 0));
    for number in (0..lines).step_by(7) {
        let (expected, below) = match number % 5 {
            0 => (Reply::NoData, None),
            1 => (Reply::Silence, Some(Reply::Silence)),
            _ => (Reply::NxDomain, None),
        };
        assert_eq!(reply(&matcher, &format!("n{number}.example"), A), Some(expected), "{number}");
        assert_eq!(reply(&matcher, &format!("x.n{number}.example"), A), below, "{number}");
    }
}
