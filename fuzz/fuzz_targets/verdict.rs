//! Octets choose lines of a few lists over a tiny alphabet of labels; every name over it gets the
//! verdict that trying one rule after the other gives.
//!
//! Two octets are a line: its form, then its name in the upper six bits and its list in the lower
//! two. What is beyond `MOST_LINES` is not read.

#![no_main]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a target that cannot be prepared ends"
)]

use std::sync::LazyLock;

use blocker::{
    Action, Asker, Compiler, GroupId, GroupSet, Home, Matcher, MatcherBuilder, Mode, Name,
    Question, Seed, Source, Verdict,
};
use libfuzzer_sys::fuzz_target;

const SEED: u64 = 1;
const A: u16 = 1;
const AAAA: u16 = 28;

/// So many that every two forms can meet, and each input is quick.
const MOST_LINES: usize = 48;

/// Every name of up to three labels.
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let labels = ["a", "b", "ab"];
    let one = labels.map(str::to_owned).to_vec();
    let below = |names: &[String]| -> Vec<String> {
        names.iter().flat_map(|name| labels.map(|label| format!("{label}.{name}"))).collect()
    };
    let two = below(&one);
    let three = below(&two);
    [one, two, three].concat()
});

/// The lists: what they do, whether that counts, and the groups they are for as bits.
const LISTS: [(Action, Mode, u8); 4] = [
    (Action::Block, Mode::Enforce, 0b01),
    (Action::Block, Mode::Enforce, 0b11),
    (Action::Allow, Mode::Enforce, 0b10),
    (Action::Block, Mode::Shadow, 0b11),
];

/// Forms of lines, and what they mean.
const FORMS: [(&str, Meaning); 22] = [
    ("{}", EXACT),
    ("0.0.0.0 {}", EXACT),
    ("||{}^", BELOW),
    ("address=/{}/", BELOW),
    ("*{}*", Meaning { reach: Reach::Anywhere, ..EXACT }),
    ("@@|{}^", Meaning { allows: true, ..EXACT }),
    ("@@||{}^", Meaning { allows: true, ..BELOW }),
    ("@@*{}*", Meaning { allows: true, reach: Reach::Anywhere, ..EXACT }),
    ("||{}^$important", Meaning { is_important: true, ..BELOW }),
    ("@@|{}^$important", Meaning { allows: true, is_important: true, ..EXACT }),
    ("{} CNAME .", Meaning { reply: Reply::Kept(1), ..EXACT }),
    ("*.{} CNAME *.", Meaning { reply: Reply::Kept(2), ..BELOW }),
    (
        "||{}^$important,dnsrewrite=NXDOMAIN",
        Meaning { is_important: true, reply: Reply::Kept(1), ..BELOW },
    ),
    ("||{}^$dnsrewrite=192.0.2.1", Meaning { reply: Reply::Address(A), ..BELOW }),
    ("||{}^$dnsrewrite=2001:db8::1", Meaning { reply: Reply::Address(AAAA), ..BELOW }),
    (
        "|{}^$important,dnsrewrite=2001:db8::1",
        Meaning { is_important: true, reply: Reply::Address(AAAA), ..EXACT },
    ),
    ("||{}^$dnstype=AAAA", Meaning { is_for_aaaa: true, ..BELOW }),
    ("||{}^$denyallow=b.{}", Meaning { spares_b: true, ..BELOW }),
    ("||{}^$badfilter", Meaning { undoes: true, ..BELOW }),
    ("@@|{}^$badfilter", Meaning { undoes: true, allows: true, ..EXACT }),
    ("||{}^$dnstype=AAAA,badfilter", Meaning { undoes: true, is_for_aaaa: true, ..BELOW }),
    ("||{}^$important,badfilter", Meaning { undoes: true, is_important: true, ..BELOW }),
];

/// What a line says of its name.
#[derive(Clone, Copy, PartialEq)]
struct Meaning {
    reach: Reach,
    allows: bool,
    is_important: bool,
    reply: Reply,
    is_for_aaaa: bool,
    spares_b: bool,
    undoes: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Reach {
    Exact,
    Below,
    Anywhere,
}

#[derive(Clone, Copy, PartialEq)]
enum Reply {
    Configured,
    /// One of those that rules for names can have, in their order.
    Kept(usize),
    /// For questions of this type.
    Address(u16),
}

const EXACT: Meaning = Meaning {
    reach: Reach::Exact,
    allows: false,
    is_important: false,
    reply: Reply::Configured,
    is_for_aaaa: false,
    spares_b: false,
    undoes: false,
};
const BELOW: Meaning = Meaning { reach: Reach::Below, ..EXACT };

struct Rule {
    text: String,
    meaning: Meaning,
    name: &'static str,
    list: usize,
    line: u32,
}

type Decision = Option<(Action, usize, u32)>;

fuzz_target!(|bytes: &[u8]| {
    let mut rules: Vec<Rule> = Vec::new();
    for line in bytes.chunks_exact(2).take(MOST_LINES) {
        let (form, meaning) = FORMS[usize::from(line[0]) % FORMS.len()];
        let name = NAMES[usize::from(line[1] >> 2) % NAMES.len()].as_str();
        let list = usize::from(line[1] & 0b11);
        let lines = rules.iter().filter(|rule| rule.list == list).count();
        let line = u32::try_from(lines + 1).unwrap_or(u32::MAX);
        rules.push(Rule { text: form.replace("{}", name), meaning, name, list, line });
    }
    let matcher = compile(&rules);
    for text in NAMES.iter() {
        let name = Name::parse(text).expect("a name");
        for (qtype, bits) in [(A, 0b01), (AAAA, 0b10), (A, 0b11)] {
            let asker = Asker { groups: groups(bits), ..Asker::default() };
            check(&matcher, &rules, &Question { name: &name, qtype, asker }, (text, bits));
        }
    }
});

fn check(matcher: &Matcher, rules: &[Rule], question: &Question<'_>, (name, bits): (&str, u8)) {
    let verdict = matcher.verdict(question);
    let action = if matches!(verdict, Verdict::Allow(_)) { Action::Allow } else { Action::Block };
    let decided = verdict.found().map(|found| (action, found.number(), found.line));
    let shadow = matcher.shadow(question).map(|found| (Action::Block, found.number(), found.line));

    let expected = |modes: &[Mode]| naive(rules, modes, name, question.qtype, bits);
    let all = expected(&[Mode::Enforce, Mode::Shadow]);
    let in_shadow =
        all.filter(|(action, list, _)| *action == Action::Block && LISTS[*list].1 == Mode::Shadow);
    let lines = || rules.iter().map(|rule| (rule.list, &rule.text)).collect::<Vec<_>>();
    assert_eq!(
        decided,
        expected(&[Mode::Enforce]),
        "{name} {} {bits:02b} {:?}",
        question.qtype,
        lines()
    );
    assert_eq!(shadow, in_shadow, "{name} {} {bits:02b} {:?}", question.qtype, lines());
}

fn compile(rules: &[Rule]) -> Matcher {
    let mut builder = MatcherBuilder::new(Seed::new(SEED));
    for (number, (action, mode, bits)) in LISTS.into_iter().enumerate() {
        let lines =
            rules.iter().filter(|rule| rule.list == number).map(|rule| format!("{}\n", rule.text));
        let mut compiler = Compiler::new(Seed::new(SEED), Home::Memory).expect("a compiler");
        compiler.read(lines.collect::<String>().as_bytes()).expect("a text");
        let list = compiler.finish([0; 32]).expect("a list");
        assert_eq!(
            (list.report().rejected, list.report().not_dns),
            (0, 0),
            "{:?}",
            list.report().samples
        );
        builder.add(&Source { name: "list", action, groups: groups(bits) }, mode, list.into());
    }
    builder.build().expect("a matcher")
}

fn groups(bits: u8) -> GroupSet {
    (0..2).filter(|bit| bits & (1 << bit) != 0).filter_map(GroupId::new).collect()
}

/// The list and line that decide among lists in these modes, by trying every rule.
fn naive(rules: &[Rule], modes: &[Mode], name: &str, qtype: u16, bits: u8) -> Decision {
    let counts = |rule: &&Rule| {
        let (_, mode, groups) = LISTS[rule.list];
        modes.contains(&mode)
            && groups & bits != 0
            && !rule.meaning.undoes
            && !is_undone(rules, rule)
    };
    let matching = rules.iter().filter(counts).filter(|rule| matches(rule, name, qtype));
    let rule = matching.min_by_key(|rule| rank(rule, name, qtype))?;
    Some((if allows(rule) { Action::Allow } else { Action::Block }, rule.list, rule.line))
}

fn allows(rule: &Rule) -> bool {
    rule.meaning.allows || LISTS[rule.list].0 == Action::Allow
}

fn is_undone(rules: &[Rule], rule: &Rule) -> bool {
    let (action, mode, groups) = LISTS[rule.list];
    rules.iter().any(|other| {
        let (other_action, other_mode, other_groups) = LISTS[other.list];
        other.name == rule.name
            && other.meaning == Meaning { undoes: true, ..rule.meaning }
            && (other_mode == Mode::Enforce || mode == Mode::Shadow)
            && action == other_action
            && groups & !other_groups == 0
    })
}

fn matches(rule: &Rule, name: &str, qtype: u16) -> bool {
    let is_within = |parent: &str| name == parent || name.ends_with(&format!(".{parent}"));
    let reaches = match rule.meaning.reach {
        Reach::Exact => name == rule.name,
        Reach::Below => is_within(rule.name),
        Reach::Anywhere => name.contains(rule.name),
    };
    reaches
        && (!rule.meaning.is_for_aaaa || qtype == AAAA)
        && !(rule.meaning.spares_b && is_within(&format!("b.{}", rule.name)))
}

/// The least decides: what is strongest, then nearest to the name, then in the first list. There
/// rules for names come first, by what they answer, and where all allow those last that say so.
fn rank(rule: &Rule, name: &str, qtype: u16) -> (usize, usize, usize, usize, bool, u32) {
    let Meaning { reach, is_important, reply, is_for_aaaa, spares_b, .. } = rule.meaning;
    let answer = match reply {
        Reply::Kept(_) => 0,
        Reply::Address(family) => usize::from(family != qtype),
        Reply::Configured => 2,
    };
    let strength = match (is_important, allows(rule)) {
        (true, true) => 0,
        (true, false) => 1 + answer,
        (false, true) => 4,
        (false, false) => 5 + answer,
    };
    let distance = match reach {
        Reach::Exact => 0,
        Reach::Below => 1 + name.len() - rule.name.len(),
        Reach::Anywhere => usize::MAX,
    };
    let is_special =
        is_for_aaaa || spares_b || reach == Reach::Anywhere || matches!(reply, Reply::Address(_));
    let (kind, says_allow) = match reply {
        _ if is_special => (usize::MAX, false),
        Reply::Kept(number) => (number, rule.meaning.allows),
        Reply::Configured | Reply::Address(_) => (0, rule.meaning.allows),
    };
    (strength, distance, rule.list, kind, says_allow, rule.line)
}
