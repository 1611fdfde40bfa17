//! Lines of every list format go in, their meaning or the reason for their rejection comes out.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use blocker::{Action, GroupSet, Matcher, Name, NameError, Question, Reason, Source, Verdict};

const ADS: Source<'_> = Source { name: "ads", action: Action::Block, groups: GroupSet::ALL };

/// What one line says, in normal form: allow rules carry `@@` here.
fn meaning(line: &str, names: &[&str]) -> Result<Vec<String>, Reason> {
    let mut builder = Matcher::builder();
    builder.add_line(&ADS, 1, line).map_err(|rejection| rejection.reason)?;
    let matcher = builder.build().unwrap();
    let rule = |name: &&str| {
        let name = Name::parse(name).unwrap();
        match matcher.verdict(&Question::new(&name, ADS.groups)) {
            Verdict::Pass => "-".to_owned(),
            Verdict::Allow(found) => format!("@@{}", found.rule()),
            Verdict::Block(found) => found.rule().to_string(),
        }
    };
    Ok(names.iter().map(rule).collect())
}

/// Checks lines against the rule that decides about `x.ads.example`, `ads.example` and
/// `bads.example`.
fn assert_meanings(cases: &[(&str, [&str; 3])]) {
    for (line, expected) in cases {
        let rules = meaning(line, &["x.ads.example", "ads.example", "bads.example"]);
        assert_eq!(rules.as_deref(), Ok(&expected.map(str::to_owned)[..]), "{line}");
    }
}

#[test]
fn plain_and_hosts_lines_mean_these_names_only() {
    assert_meanings(&[
        ("ads.example", ["-", "ads.example", "-"]),
        ("ADS.Example.", ["-", "ads.example", "-"]),
        ("  ads.example\t# with a remark\r", ["-", "ads.example", "-"]),
        ("ads.example#remark", ["-", "ads.example", "-"]),
        ("ads.example ; remark", ["-", "ads.example", "-"]),
        ("0.0.0.0 ads.example", ["-", "ads.example", "-"]),
        ("local-data: \"ads.example 60 IN A 0.0.0.0\"", ["-", "ads.example", "-"]),
        ("ads.example IN A 127.0.0.1", ["-", "ads.example", "-"]),
        ("127.0.0.1\tads.example  x.ads.example", ["x.ads.example", "ads.example", "-"]),
        (":: ads.example # remark", ["-", "ads.example", "-"]),
        ("::1 ads.example", ["-", "ads.example", "-"]),
        ("fe80::1%lo0 ads.example", ["-", "ads.example", "-"]),
        ("0.0.0.0 0.0.0.0 ads.example localhost", ["-", "ads.example", "-"]),
    ]);
}

#[test]
fn adblock_wildcard_and_dnsmasq_lines_mean_everything_below_too() {
    let below = ["||ads.example^", "||ads.example^", "-"];
    assert_meanings(&[
        ("||ads.example^", below),
        ("||ADS.example.^", below),
        ("||ads.example", below),
        ("||*.ads.example^", below),
        ("||ads.example^ ! remark", below),
        ("*.ads.example", below),
        (".ads.example", below),
        ("address=/ads.example/", below),
        ("address=/ads.example/#", below),
        ("address=/ads.example/0.0.0.0", below),
        ("address=/.ads.example/::", below),
        ("address=/*.ads.example/127.0.0.1", below),
        ("address=/other.example/ads.example/0.0.0.0", below),
        ("local-zone: \"ads.example.\" always_null", below),
        ("local-zone: 'ads.example' refuse # remark", below),
        ("server=/ads.example/", below),
        ("server=/other.example/ads.example/", below),
        ("server=/ads.example/0.0.0.0", below),
        ("local=/ads.example/", below),
        ("local=/ads.example", below),
        ("@@||ads.example^", ["@@||ads.example^", "@@||ads.example^", "-"]),
        ("@@ads.example", ["-", "@@ads.example", "-"]),
        ("|ads.example^", ["-", "ads.example", "-"]),
        ("|ads.example|", ["-", "ads.example", "-"]),
    ]);
}

#[test]
fn patterns_look_at_the_text_of_a_name() {
    assert_meanings(&[
        ("ads*.example", ["-", "ads*.example", "-"]),
        ("*ads*", ["*ads*", "*ads*", "*ads*"]),
        ("*ADS.example", ["*ads.example", "*ads.example", "*ads.example"]),
        ("x.*.example", ["x.*.example", "-", "-"]),
        ("||ad*.example^", ["||ad*.example^", "||ad*.example^", "-"]),
        ("||ads.*^", ["||ads.*^", "||ads.*^", "-"]),
        ("||ads.", ["||ads.*^", "||ads.*^", "-"]),
        ("||*ads.example^", ["*ads.example", "*ads.example", "*ads.example"]),
        ("|ad*.example^", ["-", "ad*.example", "-"]),
        ("ads.example^", ["*ads.example", "*ads.example", "*ads.example"]),
        ("@@*ads*", ["@@*ads*", "@@*ads*", "@@*ads*"]),
        ("/^ads/", ["-", "/^ads/", "-"]),
        (r"/(^|\.)ADS\.[a-z]+$/", [r"/(^|\.)ADS\.[a-z]+$/", r"/(^|\.)ADS\.[a-z]+$/", "-"]),
        ("/a#d|^ads|##/", ["-", "/a#d|^ads|##/", "-"]),
        ("@@/^ads/$all", ["-", "@@/^ads/", "-"]),
        (r"/^[^.]{3}\.example$/", ["-", r"/^[^.]{3}\.example$/", "-"]),
    ]);
}

#[test]
fn lines_without_a_rule_are_no_mistakes() {
    let lines = [
        "",
        "  \t ",
        "# ads.example",
        "## heading",
        "##### heading #####",
        "! ads.example",
        "; ads.example",
        "[Adblock Plus 2.0]",
        "0.0.0.0 localhost",
        "::1 ip6-localhost ip6-loopback",
        "255.255.255.255 BroadcastHost",
        "0.0.0.0 0.0.0.0",
    ];

    for line in lines {
        assert_eq!(Matcher::builder().add_line(&ADS, 1, line), Ok(0), "{line}");
    }
}

#[test]
fn a_line_that_cannot_be_used_says_why() {
    let modifier = |name: &str| Reason::Modifier(name.into());
    let page_only = |name: &str| Reason::PageOnly(name.into());
    let cases = [
        ("||ads.example^$third-party", page_only("third-party")),
        ("||ads.example^$important,ctag=tv", modifier("ctag")),
        ("/ads/$script", page_only("script")),
        ("ads example", Reason::SeveralNames),
        ("ads.example tracker.example", Reason::SeveralNames),
        ("ads.example CNAME rpz-tcp-only.", Reason::ZoneAction("rpz-tcp-only.".into())),
        ("ads!.example", Reason::BadCharacter('!')),
        ("0.0.0.0 good.example ads,.example", Reason::BadCharacter(',')),
        ("<p>", Reason::BadCharacter('<')),
        ("||ads^.example^", Reason::BadCharacter('^')),
        ("ads..example", Reason::BadName(NameError::EmptyLabel)),
        ("ads\u{202e}.example", Reason::NotAscii),
        ("||ads\u{202e}.example^", Reason::NotAscii),
        ("*bücher*", Reason::NotAscii),
        ("192.0.2.1", Reason::Address),
        ("2001:db8::1", Reason::Address),
        ("||192.0.2.1^", Reason::Address),
        (".", Reason::Root),
        ("||.^", Reason::Root),
        ("*", Reason::Root),
        ("*.*", Reason::Root),
        ("||*^", Reason::Root),
        ("address=/#/0.0.0.0", Reason::Root),
        ("address=//0.0.0.0", Reason::BadName(NameError::Empty)),
        ("server=/ads.example/192.0.2.1", Reason::Forward),
        ("server=/ads.example/127.0.0.1#5353", Reason::Forward),
        ("server=/ads.example/#", Reason::Forward),
        ("ipset=/ads.example/vpn", Reason::Directive("ipset".into())),
        ("/((a{100}){100}){100}/", Reason::RegexTooLarge),
        ("ads.example##.banner", Reason::Cosmetic),
        ("ads.example#@#.banner", Reason::Cosmetic),
        ("ads.example#?#div", Reason::Cosmetic),
        ("ads.example$$script[src]", Reason::Cosmetic),
        ("##.banner", Reason::Cosmetic),
        ("||ads.example/banner.js", Reason::Path),
        ("||ads.example/banner$image", page_only("image")),
        ("|https://ads.example^", Reason::Path),
        ("https://ads.example/", Reason::Path),
        ("/banner.js", Reason::Path),
        ("/banner/*$image", page_only("image")),
        ("/banner/*", Reason::Path),
        ("(^|[.])ads[0-9]", Reason::BareRegex),
        ("[a-z]+ads[0-9]", Reason::BareRegex),
        (r"ads?\.example", Reason::BareRegex),
        ("&ad_type=", Reason::Path),
    ];

    for (line, reason) in cases {
        assert_eq!(meaning(line, &[]), Err(reason), "{line}");
    }
    assert!(matches!(meaning("/(/", &[]), Err(Reason::BadRegex(_))));
}

#[test]
fn a_rejected_hosts_line_adds_none_of_its_names() {
    let mut builder = Matcher::builder();

    builder.add_line(&ADS, 1, "0.0.0.0 good.example b!d.example").unwrap_err();

    assert_eq!(builder.build().unwrap().rules(), 0);
}

#[test]
fn names_of_one_label_are_legal() {
    assert_eq!(meaning("||zip^", &["a.zip", "zip"]).unwrap(), ["||zip^", "||zip^"]);
    assert_eq!(meaning("zip", &["a.zip", "zip"]).unwrap(), ["-", "zip"]);
}

#[test]
fn a_bad_line_hurts_no_other() {
    let list = b"\xEF\xBB\xBFa.example\r\n\xFF\xFE\x00\r\nb.example\r\nb.example\n\
        c.example##.x\nB.example c.example\r\n\r\n||d.example^";
    let mut builder = Matcher::builder();

    let report = builder.add_list(&ADS, list);

    assert_eq!((report.rules, report.duplicates), (3, 1));
    assert_eq!((report.rejected, report.not_dns), (2, 1));
    let samples: Vec<_> = report.samples.iter().map(|one| (one.line, &one.reason)).collect();
    assert_eq!(samples, [(2, &Reason::NotUtf8), (6, &Reason::SeveralNames)]);
    assert_eq!(report.samples[1].text, "B.example c.example");
    assert_eq!(builder.build().unwrap().rules(), 3);
}

#[test]
fn a_web_page_gives_no_rules() {
    for page in ["<!DOCTYPE html>\nads.example", "\u{feff}\n <HTML lang=en>\nads.example"] {
        let report = Matcher::builder().add_list(&ADS, page.as_bytes());

        assert!(report.looks_like_html);
        assert_eq!((report.rules, report.rejected), (0, 0));
    }
}

#[test]
fn a_line_without_end_is_refused_as_one() {
    let endless = format!("{}\nads.example", "a".repeat(1_000_000));

    let report = Matcher::builder().add_list(&ADS, endless.as_bytes());

    assert_eq!((report.rules, report.rejected), (1, 1));
    assert_eq!(report.samples[0].reason, Reason::LineTooLong);
    assert!(report.samples[0].text.len() < 100);
}

#[test]
fn patterns_have_a_limit_and_rules_for_names_go_on() {
    let mut builder = Matcher::builder();
    let list: String = (0..20_001).map(|number| format!("*x{number}x*y\n")).collect();

    let report = builder.add_list(&ADS, list.as_bytes());

    assert_eq!((report.rules, report.rejected), (20_000, 1));
    assert_eq!(report.samples[0].reason, Reason::TooManyPatterns);
    assert_eq!(builder.add_line(&ADS, 1, "ads.example"), Ok(1));
    let matcher = builder.build().unwrap();
    let name = Name::parse("ax19999x.y").unwrap();
    let verdict = matcher.verdict(&Question::new(&name, GroupSet::ALL));
    assert_eq!(verdict.found().unwrap().rule().to_string(), "*x19999x*y");
}

#[test]
fn more_lists_than_rules_can_name_do_not_compile() {
    let mut builder = Matcher::builder();
    for number in 0..=u16::MAX {
        builder.add_list(&Source { name: &number.to_string(), ..ADS }, b"");
    }

    assert!(builder.build().is_err());
}
