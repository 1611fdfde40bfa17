//! Random input goes in, and what must hold for every input is checked against the obvious way to
//! compute it. Seeds are fixed, so a failure comes back.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

use blocker::{Action, GroupId, GroupSet, Matcher, Name, Question, Source, Verdict};

/// A small generator of even enough numbers (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap_or(0) % bound
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn octet(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or(0)
    }

    /// A name over so few labels that rules and questions meet often.
    fn name(&mut self) -> String {
        let labels: Vec<_> =
            (0..=self.below(4)).map(|_| self.one_of(&["a", "b", "ab", "ads", "x"])).collect();
        labels.join(".")
    }

    fn glob(&mut self) -> String {
        let pieces: Vec<_> = (0..2 + self.below(2))
            .map(|_| self.one_of(&["", "a", "b", "s.", ".a", "ads", "x.b"]))
            .collect();
        pieces.join("*")
    }
}

/// One rule as a person would describe it.
struct Plain {
    form: Form,
    text: String,
    action: Action,
    list: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Exact,
    Subtree,
    Glob,
    LabelGlob,
}

impl Plain {
    fn random(random: &mut Random, list: usize) -> Self {
        let form = random.one_of(&[Form::Exact, Form::Subtree, Form::Glob, Form::LabelGlob]);
        let text = match form {
            Form::Exact | Form::Subtree => random.name(),
            Form::Glob | Form::LabelGlob => random.glob(),
        };
        // `*.a` means `||a^` and is not a glob, in plain lines and behind `||` alike.
        let (form, text) = match text.trim_start_matches('*').strip_prefix('.') {
            Some(parent) if !parent.contains('*') => (Form::Subtree, parent.to_owned()),
            _ => (form, text),
        };
        Self { form, text, action: random.one_of(&[Action::Allow, Action::Block]), list }
    }

    fn line(&self) -> String {
        let sign = if self.action == Action::Allow { "@@" } else { "" };
        match self.form {
            Form::Exact | Form::Glob => format!("{sign}{}", self.text),
            Form::Subtree | Form::LabelGlob => format!("{sign}||{}^", self.text),
        }
    }

    /// How specific a match of `name` is; smaller is more so.
    fn rank(&self, name: &str) -> Option<usize> {
        let is_below = |parent: &str| name.ends_with(&format!(".{parent}"));
        let starts = name.match_indices('.').map(|(dot, _)| dot + 1);
        let matches = match self.form {
            Form::Exact => return (name == self.text).then_some(0),
            Form::Subtree if name == self.text => return Some(1),
            Form::Subtree => return is_below(&self.text).then(|| 1 + name.len() - self.text.len()),
            Form::Glob => glob_matches(&self.text, name),
            Form::LabelGlob => std::iter::once(0)
                .chain(starts)
                .any(|start| glob_matches(&self.text, &name[start..])),
        };
        matches.then_some(1_000)
    }
}

/// The textbook definition, exponential and short.
fn glob_matches(glob: &str, text: &str) -> bool {
    match glob.chars().next() {
        None => text.is_empty(),
        Some('*') => (0..=text.len()).any(|skip| glob_matches(&glob[1..], &text[skip..])),
        Some(first) => text.starts_with(first) && glob_matches(&glob[1..], &text[1..]),
    }
}

/// The list of the rule that has to be reported, and what it does.
fn expected(
    rules: &[Plain],
    groups: &[GroupSet],
    name: &str,
    asker: GroupSet,
) -> Option<(Action, usize)> {
    let best = |action| {
        rules
            .iter()
            .filter(|rule| rule.action == action && groups[rule.list].intersects(asker))
            .filter_map(|rule| Some((rule.rank(name)?, rule.list)))
            .min()
            .map(|(_, list)| (action, list))
    };
    best(Action::Allow).or_else(|| best(Action::Block))
}

fn random_groups(random: &mut Random) -> GroupSet {
    (0..random.below(4)).filter_map(|_| GroupId::new(u8::try_from(random.below(4)).ok()?)).collect()
}

/// Some rules of some lists, and the matcher they compile to.
fn random_lists(random: &mut Random) -> (Vec<Plain>, Vec<GroupSet>, Matcher) {
    let groups: Vec<_> = (0..1 + random.below(4)).map(|_| random_groups(random)).collect();
    let names: Vec<_> = (0..groups.len()).map(|list| list.to_string()).collect();
    let mut builder = Matcher::builder();
    let mut rules = Vec::new();
    for (list, name) in names.iter().enumerate() {
        let source = Source { name, action: Action::Block, groups: groups[list] };
        builder.add_list(&source, b"# even an empty list has its place");
        for line in 0..u32::try_from(random.below(14)).unwrap_or(0) {
            let rule = Plain::random(random, list);
            if builder.add_line(&source, line, &rule.line()).is_ok() {
                rules.push(rule);
            }
        }
    }
    let matcher = builder.build().expect("a handful of rules compiles");
    (rules, groups, matcher)
}

#[test]
fn verdicts_are_those_of_trying_every_rule() {
    let mut random = Random(0x5EED);
    let mut matched = 0;
    for _ in 0..3_000 {
        let (rules, groups, matcher) = random_lists(&mut random);
        for _ in 0..20 {
            let (name, asker) = (random.name(), random_groups(&mut random));

            let asked = Name::parse(&name).unwrap();
            let verdict = match matcher.verdict(&Question::new(&asked, asker)) {
                Verdict::Pass => None,
                Verdict::Allow(found) => Some((Action::Allow, found.list.parse().unwrap())),
                Verdict::Block(found) => Some((Action::Block, found.list.parse().unwrap())),
            };

            let lines: Vec<_> = rules.iter().map(|rule| (rule.list, rule.line())).collect();
            assert_eq!(verdict, expected(&rules, &groups, &name, asker), "{name}: {lines:?}");
            matched += usize::from(verdict.is_some());
        }
    }
    assert!(matched > 5_000, "questions and rules must meet to prove anything: {matched}");
}

#[test]
fn the_search_for_literals_changes_no_regular_expression() {
    let mut random = Random(0x5EA);
    let pieces = ["a", "B", "ads", "b?", "(ab)+", "(a|x)", "[as]", "x*", r"\.", "(b){2}", "^", "$"];
    let mut matched = 0;
    for _ in 0..500 {
        let expression: String = (0..1 + random.below(5)).map(|_| random.one_of(&pieces)).collect();
        let guarded = one_rule(&format!("/{expression}/"));
        // Nothing need occur in both branches, so this one has no literal and is always tried.
        let unguarded = one_rule(&format!("/(?:{expression})|[0-9]{{9}}/"));

        for _ in 0..20 {
            let name = Name::parse(&random.name()).unwrap();
            let is_match = unguarded.verdict(&Question::new(&name, GroupSet::ALL)).is_block();
            let verdict = guarded.verdict(&Question::new(&name, GroupSet::ALL));
            assert_eq!(verdict.is_block(), is_match, "{expression} on {name}");
            matched += usize::from(is_match);
        }
    }
    assert!(matched > 1_000, "expressions and names must meet to prove anything: {matched}");
}

fn one_rule(line: &str) -> Matcher {
    let source = Source { name: "one", action: Action::Block, groups: GroupSet::ALL };
    let mut builder = Matcher::builder();
    builder.add_line(&source, 1, line).expect("a good line");
    builder.build().expect("a single rule compiles")
}

#[test]
fn a_name_comes_back_from_its_text_and_its_wire_form() {
    let mut random = Random(0xBADC_0FFE);
    for _ in 0..20_000 {
        let wire = random_wire(&mut random);

        let name = Name::from_wire(&wire).unwrap();

        assert_eq!(name.as_wire(), wire.to_ascii_lowercase());
        assert_eq!(name.to_string().parse(), Ok(name));
        assert_eq!(Name::parse(&format!("{name}.")).is_ok(), !name.is_root());
        let rebuilt: Vec<u8> = name
            .labels()
            .flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label].concat())
            .chain([0])
            .collect();
        assert_eq!(name.as_wire(), rebuilt);
        let parents = std::iter::successors(name.parent(), Name::parent);
        assert!(parents.into_iter().all(|parent| name.is_within(&parent)));
    }
}

fn random_wire(random: &mut Random) -> Vec<u8> {
    let mut wire = Vec::new();
    for _ in 0..random.below(6) {
        let length = 1 + random.below(40);
        wire.push(u8::try_from(length).unwrap_or(1));
        wire.extend((0..length).map(|_| random.octet()));
    }
    wire.push(0);
    wire
}

#[test]
fn any_octets_are_a_list() {
    let mut random = Random(0xF00D);
    let words: [&[u8]; 24] = [
        b"\n",
        b"\r\n",
        b" ",
        b"\t",
        b"#",
        b"##",
        b"$",
        b"^",
        b"|",
        b"||",
        b"@@",
        b"/",
        b"*",
        b".",
        b"ads",
        b"example",
        b"0.0.0.0 ",
        b"::1 ",
        b"address=/",
        b"server=/",
        b"(",
        b"\\",
        b"{9}",
        b"\xC3\xBC",
    ];
    for _ in 0..3_000 {
        let mut text = Vec::new();
        for _ in 0..random.below(60) {
            match random.below(8) {
                0 => text.push(random.octet()),
                _ => text.extend(random.one_of(&words)),
            }
        }
        let source = Source { name: "any", action: Action::Block, groups: GroupSet::default() };
        let mut builder = Matcher::builder();

        let report = builder.add_list(&source, &text);

        let lines = text.split(|&octet| octet == b'\n').count();
        assert!(report.rejected + report.not_dns <= lines);
        let matcher = builder.build().unwrap();
        assert_eq!(matcher.rules(), report.rules);
        let name = Name::parse(&random.name()).unwrap();
        let _ = matcher.verdict(&Question::new(&name, GroupSet::ALL));
    }
}

#[test]
fn any_text_is_a_name_or_says_why_not() {
    let mut random = Random(0xACE);
    for _ in 0..50_000 {
        let text: String = (0..random.below(12))
            .map(|_| random.one_of(&['a', 'B', '.', '\\', '2', '5', 'ü', ' ']))
            .collect();

        if let Ok(name) = Name::parse(&text) {
            assert_eq!(Name::parse(&name.to_string()), Ok(name), "{text}");
            assert_eq!(Name::from_wire(name.as_wire()), Ok(name), "{text}");
        }
    }
}
