//! Random rules in every format go in, and every verdict is the one of a matcher that is nothing but
//! strings and a map: the whole way from text over compiled lists to the index is checked at once.
//!
//! The lists are asked twice: as they are in memory, and opened again from files. Seeds are fixed,
//! so a failure comes back.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a helper that fails fails its test"
)]

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::Arc;

use blocker::{
    Action, CompiledList, Compiler, GroupId, GroupSet, Home, Matcher, MatcherBuilder, Mode, Name,
    Question, Seed, Source, Verdict,
};

/// Lines of all lists together.
const RULES: usize = 20_000;

/// Names that are asked, in each of the two tests.
const QUESTIONS: usize = 100_000;

/// What the lists are, by their numbers.
const LISTS: [(Action, Mode); 6] = [
    (Action::Block, Mode::Enforce),
    (Action::Block, Mode::Enforce),
    (Action::Allow, Mode::Enforce),
    (Action::Block, Mode::Enforce),
    (Action::Block, Mode::Shadow),
    (Action::Allow, Mode::Shadow),
];

/// Lines about one name, and what they mean.
const FORMS: [(&str, Meaning); 40] = [
    ("{}", THIS_NAME),
    ("{}.", THIS_NAME),
    ("  {}\t# remark", THIS_NAME),
    ("0.0.0.0 {}", THIS_NAME),
    ("127.0.0.1\t{} # remark", THIS_NAME),
    (":: {}", THIS_NAME),
    ("0.0.0.0 {} localhost", THIS_NAME),
    ("*.{}", BELOW),
    (".{}", BELOW),
    ("||{}^", BELOW),
    ("||{}", BELOW),
    ("||*.{}^", BELOW),
    ("|{}^", THIS_NAME),
    ("||{}^$all", BELOW),
    ("@@||{}^", Meaning { allows: true, ..BELOW }),
    ("@@{}", Meaning { allows: true, ..THIS_NAME }),
    ("@@|{}^", Meaning { allows: true, ..THIS_NAME }),
    ("||{}^$important", Meaning { is_important: true, ..BELOW }),
    ("|{}^$important", Meaning { is_important: true, ..THIS_NAME }),
    ("@@||{}^$important", Meaning { allows: true, is_important: true, ..BELOW }),
    ("||{}^$important,dnsrewrite=NXDOMAIN", Meaning { is_important: true, ..NO_NAME_BELOW }),
    ("||{}^$dnsrewrite=NXDOMAIN;;", NO_NAME_BELOW),
    ("|{}^$dnsrewrite=NOERROR", Meaning { reply: NO_DATA, ..THIS_NAME }),
    ("address=/{}/0.0.0.0", BELOW),
    ("address=/{}/", BELOW),
    ("server=/{}/", BELOW),
    ("local=/{}/", BELOW),
    ("local-zone: \"{}\" always_nxdomain", BELOW),
    ("local-zone: {}. refuse", BELOW),
    ("local-data: \"{} A 0.0.0.0\"", THIS_NAME),
    ("local-data: '{}. 60 IN AAAA ::1'", THIS_NAME),
    ("{} CNAME .", Meaning { reply: NO_NAME, ..THIS_NAME }),
    ("{} 300 IN CNAME . ; remark", Meaning { reply: NO_NAME, ..THIS_NAME }),
    ("*.{} CNAME .", NO_NAME_BELOW),
    ("{} CNAME *.", Meaning { reply: NO_DATA, ..THIS_NAME }),
    ("*.{} CNAME rpz-drop.", Meaning { reply: NOTHING, ..BELOW }),
    ("{} CNAME rpz-passthru.", Meaning { allows: true, ..THIS_NAME }),
    ("*.{} CNAME rpz-passthru.", Meaning { allows: true, ..BELOW }),
    ("{} A 0.0.0.0", THIS_NAME),
    ("{} AAAA ::", THIS_NAME),
];

/// What a line says of its name.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct Meaning {
    reaches_below: bool,
    allows: bool,
    is_important: bool,
    reply: u8,
}

const THIS_NAME: Meaning =
    Meaning { reaches_below: false, allows: false, is_important: false, reply: 0 };
const BELOW: Meaning = Meaning { reaches_below: true, ..THIS_NAME };
const NO_NAME_BELOW: Meaning = Meaning { reply: NO_NAME, ..BELOW };

/// Replies, in the order in which a list that has several for one name gives them.
const NO_NAME: u8 = 1;
const NO_DATA: u8 = 2;
const NOTHING: u8 = 3;

/// A small generator of even enough numbers (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % bound
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn groups(&mut self) -> GroupSet {
        let one = |random: &mut Self| GroupId::new(u8::try_from(random.below(4)).unwrap()).unwrap();
        (0..1 + self.below(2)).map(|_| one(self)).collect()
    }

    /// A name of so few that rules often speak of the same one, or of one below another.
    fn name(&mut self, letter: char) -> String {
        let end = self.one_of(&["example", "test", "co.example"]);
        let labels = (0..1 + self.below(3)).map(|_| format!("{letter}{}.", self.below(60)));
        labels.chain([end.to_owned()]).collect()
    }

    /// A name that rules may be about: one of theirs or next to it, or one far from all of them.
    fn question(&mut self, rules: &[Rule]) -> String {
        let listed = &rules[self.below(rules.len())].name;
        match self.below(8) {
            0 => listed.clone(),
            1 => format!("{}.{listed}", self.one_of(&["www", "a1", "b.c"])),
            2 => listed.split_once('.').unwrap().1.to_owned(),
            3 => {
                let at = self.below(listed.len());
                let is_dot = listed[at..].starts_with('.');
                let letter = if is_dot { "." } else { self.one_of(&["a", "x", "1", "-"]) };
                format!("{}{letter}{}", &listed[..at], &listed[at + 1..])
            }
            _ => self.name('c'),
        }
    }
}

/// What a list says of a name.
struct Rule {
    name: String,
    meaning: Meaning,
    list: usize,
    line: u32,
}

/// How a rule ranks among those that match a name; the least decides.
type Rank = (u8, usize, usize, u8, bool, u32);

impl Rule {
    fn allows(&self) -> bool {
        self.meaning.allows || LISTS[self.list].0 == Action::Allow
    }

    /// Its rank for a name it matches: what is strongest, then nearest to the name, then first. In
    /// a list that allows, lines that say so themselves come behind others.
    fn rank(&self, name: &str) -> Option<Rank> {
        let Meaning { reaches_below, is_important, reply, .. } = self.meaning;
        let in_front = name.len() - self.name.len();
        if in_front > 0 && !reaches_below {
            return None;
        }
        let strength = match (is_important, self.allows(), reply > 0) {
            (true, true, _) => 0,
            (true, false, true) => 1,
            (true, false, false) => 2,
            (false, true, _) => 3,
            (false, false, true) => 4,
            (false, false, false) => 5,
        };
        let distance = if reaches_below { in_front + 1 } else { 0 };
        Some((strength, distance, self.list, reply, self.meaning.allows, self.line))
    }
}

/// The lists as text, as rules, and whom they are for.
struct Lists {
    texts: Vec<String>,
    rules: Vec<Rule>,
    groups: Vec<GroupSet>,
}

impl Lists {
    fn random(random: &mut Random) -> Self {
        let groups = LISTS.iter().map(|_| random.groups()).collect();
        let mut lists = Self { texts: vec![String::new(); LISTS.len()], rules: Vec::new(), groups };
        let mut lines = [0; LISTS.len()];
        for _ in 0..RULES {
            let list = random.below(LISTS.len());
            lines[list] += 1;
            let (form, meaning) = random.one_of(&FORMS);
            let name = random.name('a');
            let written =
                if random.below(9) == 0 { name.to_ascii_uppercase() } else { name.clone() };
            lists.texts[list] += &format!("{}\n", form.replace("{}", &written));
            lists.rules.push(Rule { name, meaning, list, line: lines[list] });
        }
        lists
    }

    /// The line behind a decision, for whoever reads that it is wrong.
    fn line(&self, decision: Decision) -> Option<&str> {
        let (_, list, line) = decision?;
        self.texts[list].lines().nth(usize::try_from(line).unwrap() - 1)
    }

    /// One matcher of all of them, each compiled by this.
    fn matcher(&self, compile: impl Fn(&str) -> CompiledList) -> Matcher {
        let mut builder = MatcherBuilder::new(Seed::new(SEED));
        for (number, (action, mode)) in LISTS.into_iter().enumerate() {
            let name = number.to_string();
            let source = Source { name: &name, action, groups: self.groups[number] };
            let list = compile(&self.texts[number]);
            assert_eq!(
                (list.report().rejected, list.report().not_dns),
                (0, 0),
                "{:?}",
                list.report().samples
            );
            builder.add(&source, mode, Arc::new(list));
        }
        builder.build().unwrap()
    }
}

/// The matcher that everybody can follow.
struct Naive<'a> {
    lists: &'a Lists,
    by_name: HashMap<&'a str, Vec<&'a Rule>>,
}

impl<'a> Naive<'a> {
    fn new(lists: &'a Lists) -> Self {
        let mut by_name: HashMap<&str, Vec<&Rule>> = HashMap::new();
        for rule in &lists.rules {
            by_name.entry(&rule.name).or_default().push(rule);
        }
        Self { lists, by_name }
    }

    /// How many rules there are, and of each list those for names of which no other speaks; what a
    /// list says twice is one rule.
    fn counts(&self) -> (usize, Vec<usize>) {
        let mut counts = (0, vec![0; LISTS.len()]);
        for rules in self.by_name.values() {
            let different: HashSet<_> =
                rules.iter().map(|rule| (rule.list, rule.meaning)).collect();
            counts.0 += different.len();
            if rules.iter().all(|rule| rule.list == rules[0].list) {
                counts.1[rules[0].list] += different.len();
            }
        }
        counts
    }

    /// The list and line that decide among lists in these modes, and how.
    fn decide(&self, name: &str, groups: GroupSet, modes: &[Mode]) -> Decision {
        let starts = [0].into_iter().chain(name.match_indices('.').map(|(dot, _)| dot + 1));
        let rules = starts.filter_map(|start| self.by_name.get(&name[start..])).flatten();
        let (_, rule) = rules
            .filter(|rule| modes.contains(&LISTS[rule.list].1))
            .filter(|rule| self.lists.groups[rule.list].intersects(groups))
            .filter_map(|rule| Some((rule.rank(name)?, rule)))
            .min_by_key(|(rank, _)| *rank)?;
        let action = if rule.allows() { Action::Allow } else { Action::Block };
        Some((action, rule.list, rule.line))
    }
}

type Decision = Option<(Action, usize, u32)>;

const SEED: u64 = 7;

fn decided(matcher: &Matcher, question: &Question<'_>) -> Decision {
    let verdict = matcher.verdict(question);
    let action = match verdict {
        Verdict::Allow(_) => Action::Allow,
        Verdict::Block(_) | Verdict::Pass => Action::Block,
    };
    verdict.found().map(|found| (action, found.number(), found.line))
}

/// Asks so many names, and counts what becomes of them: allowed, blocked, blocked in shadow mode.
fn compare(lists: &Lists, matcher: &Matcher, random: &mut Random) -> [usize; 3] {
    let naive = Naive::new(lists);
    let unique = (0..LISTS.len()).map(|list| matcher.unique(list)).collect();
    assert_eq!((matcher.rules(), unique), naive.counts());
    let mut counts = [0; 3];
    for _ in 0..QUESTIONS {
        let (text, groups) = (random.question(&lists.rules), random.groups());
        let name = Name::parse(&text).unwrap();
        let question = Question::new(&name, groups);

        let expected = naive.decide(&text, groups, &[Mode::Enforce]);
        let decided = decided(matcher, &question);
        assert_eq!(decided, expected, "{text}: {:?}", [decided, expected].map(|it| lists.line(it)));
        let shadow = naive.decide(&text, groups, &[Mode::Enforce, Mode::Shadow]);
        let shadow = shadow
            .filter(|(action, list, _)| *action == Action::Block && LISTS[*list].1 == Mode::Shadow);
        let found = matcher.shadow(&question);
        let found = found.map(|found| (Action::Block, found.number(), found.line));
        assert_eq!(found, shadow, "{text} of {groups:?} in shadow mode");

        let is = |decision: Decision, wanted| decision.is_some_and(|(action, ..)| action == wanted);
        counts[0] += usize::from(is(expected, Action::Allow));
        counts[1] += usize::from(is(expected, Action::Block));
        counts[2] += usize::from(shadow.is_some());
    }
    counts
}

fn assert_all_met(counts: [usize; 3]) {
    let fewest = QUESTIONS / 200;
    assert!(counts.iter().all(|count| *count > fewest), "rules and names must meet: {counts:?}");
}

fn in_memory(text: &str) -> CompiledList {
    let mut compiler = Compiler::new(Seed::new(SEED), Home::Memory).unwrap();
    compiler.read(text.as_bytes()).unwrap();
    compiler.finish([0; 32]).unwrap()
}

/// Compiles into a file, closes it, and opens it again.
fn in_a_file(directory: &Path, text: &str) -> CompiledList {
    let path = directory.join(text.len().to_string());
    let empty = |path: &Path| -> File {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).open(path).unwrap()
    };
    let home = Home::Files { list: empty(&path), scratch: empty(&directory.join("scratch")) };
    let mut compiler = Compiler::new(Seed::new(SEED), home).unwrap();
    compiler.read(text.as_bytes()).unwrap();
    drop(compiler.finish([0; 32]).unwrap());
    CompiledList::open(File::open(path).unwrap()).unwrap()
}

#[test]
fn lists_in_memory_decide_as_plain_strings_do() {
    let mut random = Random(0x5EED);
    let lists = Lists::random(&mut random);

    let counts = compare(&lists, &lists.matcher(in_memory), &mut random);

    assert_all_met(counts);
}

#[test]
fn lists_that_were_compiled_into_files_and_opened_again_decide_as_plain_strings_do() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random(0xF11E);
    let lists = Lists::random(&mut random);

    let matcher = lists.matcher(|text| in_a_file(directory.path(), text));
    let counts = compare(&lists, &matcher, &mut random);

    assert_all_met(counts);
    assert_eq!(matcher.unreadable(), 0);
}
