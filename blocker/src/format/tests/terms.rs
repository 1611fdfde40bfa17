//! Rules with terms go in and come out as lines again; whatever is read is shown so that it can be
//! read again.

use super::read;
use crate::report::Reason;
use crate::rule::Rule;

/// The normal form of a line's only rule.
fn normal(line: &str) -> Result<String, Reason> {
    let rules = read(line)?;
    assert_eq!(rules.len(), 1, "{line}");
    Ok(rules[0].to_string())
}

/// Lines, and the normal form of each.
const NORMAL_FORMS: [(&str, &str); 39] = [
    ("||ads.example^$important,dnstype=AAAA|A", "||ads.example^$important,dnstype=A|AAAA"),
    ("||ads.example^$dnstype=TYPE65", "||ads.example^$dnstype=HTTPS"),
    ("||ads.example^$dnstype=type65280", "||ads.example^$dnstype=TYPE65280"),
    ("||ads.example^$dnstype=~a|~txt", "||ads.example^$dnstype=~A|~TXT"),
    ("||ads.example^$dnstype=A|AAAA|~A", "||ads.example^$dnstype=AAAA"),
    ("||ads.example^$client=10.1.2.3/8", "||ads.example^$client=10.0.0.0/8"),
    ("||ads.example^$client=tv|~10.0.0.1", "||ads.example^$client='tv'|~10.0.0.1/32"),
    (r"||ads.example^$client=a\, b\|c", r"||ads.example^$client='a\, b\|c'"),
    ("||ads.example^$client=\"a, b|c\"", r"||ads.example^$client='a\, b\|c'"),
    ("||ads.example^$denyallow=bücher.example", "||ads.example^$denyallow=xn--bcher-kva.example"),
    ("||ads.example^$denyallow=net|a.com|net|com", "||ads.example^$denyallow=a.com|com|net"),
    ("||ads.example^$client=tv|10.0.0.1|tv|10.0.0.1", "||ads.example^$client='tv'|10.0.0.1/32"),
    ("||ads.example^$dnsrewrite=0.0.0.0", "||ads.example^$dnsrewrite=0.0.0.0"),
    ("||ads.example^$dnsrewrite=::", "||ads.example^$dnsrewrite=0.0.0.0"),
    (
        "||ads.example^$dnsrewrite=::1,dnsrewrite=127.0.0.1",
        "||ads.example^$dnsrewrite=127.0.0.1,dnsrewrite=::1",
    ),
    ("||ads.example^$dnsrewrite=NOERROR", "||ads.example^$dnsrewrite=NODATA"),
    ("||ads.example^$dnsrewrite=NOERROR;;", "||ads.example^$dnsrewrite=NODATA"),
    ("||ads.example^$dnsrewrite=REFUSED;;", "||ads.example^$dnsrewrite=REFUSED"),
    ("||ads.example^$dnsrewrite=SERVFAIL", "||ads.example^$dnsrewrite=SERVFAIL"),
    ("||ads.example^$dnsrewrite=NOERROR;AAAA;::5", "||ads.example^$dnsrewrite=::5"),
    ("||ads.example^$dnsrewrite=NOERROR;CNAME;a.b", "||ads.example^$dnsrewrite=a.b."),
    ("||ads.example^$dnsrewrite=refused.", "||ads.example^$dnsrewrite=refused."),
    ("@@||ads.example^$badfilter,important", "@@||ads.example^$important,badfilter"),
    ("||ads.example^$all,___,", "||ads.example^"),
    ("||ads.example^*", "||ads.example^"),
    ("ads.example$dnstype=A", "ads.example$dnstype=A"),
    ("$dnstype=A", "/./$dnstype=A"),
    ("*^$denyallow=com|net", "/./$denyallow=com|net"),
    ("@@||*^$client=tv", "@@/./$client='tv'"),
    ("/^ads/$client=10.0.0.0/8", "/^ads/$client=10.0.0.0/8"),
    ("/^ads/;querytype=a,Aaaa", "/^ads/$dnstype=A|AAAA"),
    ("/^ads/;QueryType=!A;Invert", "/^ads/;invert;querytype=!A"),
    ("/^ads/;reply=fe80::1;reply=1.2.3.4;invert", "/^ads/;invert;reply=1.2.3.4;reply=fe80::1"),
    ("/^ads/;reply=none;invert", "/^ads/;invert;reply=NONE"),
    ("/^ads/;reply=cname,a.b;invert", "/^ads/;invert;reply=CNAME,a.b"),
    ("/^ads/;invert;reply=ip", "/^ads/;invert;reply=0.0.0.0"),
    ("@@/^ads/;querytype=A", "@@/^ads/$dnstype=A"),
    ("/^ads/ ;querytype=A # remark", "/^ads/$dnstype=A"),
    ("*.ads.example CNAME rpz-drop.", "||ads.example^$dnsrewrite=DROP"),
];

#[test]
fn every_modifier_has_one_normal_form() {
    for (line, expected) in NORMAL_FORMS {
        assert_eq!(normal(line).as_deref(), Ok(expected), "{line}");
    }
}

#[test]
fn the_normal_form_means_the_same() {
    for (line, _) in NORMAL_FORMS {
        let (first, again) = (&read(line).unwrap()[0], &read(&normal(line).unwrap()).unwrap()[0]);

        assert!(is_same(first, again), "{line}: {first} {again}");
    }
}

pub(super) fn is_same(one: &Rule, other: &Rule) -> bool {
    one.action == other.action
        && one.terms == other.terms
        && one.target.to_string() == other.target.to_string()
}

#[test]
fn a_value_that_cannot_be_used_is_named() {
    let bad = |option, found: &str| (option, found.to_owned());
    let cases = [
        ("||a.example^$dnstype", bad("dnstype", "")),
        ("||a.example^$dnstype=A|", bad("dnstype", "")),
        ("||a.example^$dnstype=A|~A", bad("dnstype", "A|~A")),
        ("||a.example^$client", bad("client", "")),
        ("||a.example^$client='open,important", bad("client", "'open,important")),
        ("||a.example^$dnsrewrite", bad("dnsrewrite", "")),
        ("||a.example^$dnsrewrite=NOERROR;A;::1", bad("dnsrewrite", "NOERROR;A;::1")),
        ("||a.example^$dnsrewrite=NOERROR;MX;1 a.b", bad("dnsrewrite", "NOERROR;MX;1 a.b")),
        ("||a.example^$dnsrewrite=NXDOMAIN;A;1.2.3.4", bad("dnsrewrite", "NXDOMAIN;A;1.2.3.4")),
        ("||a.example^$dnsrewrite=WHAT;;", bad("dnsrewrite", "WHAT;;")),
        ("/a/;querytype=A,,B", bad("querytype", "")),
        ("/a/;querytype=!", bad("querytype", "")),
        ("/a/;reply=DNAME,a.b", bad("reply", "DNAME,a.b")),
        ("/a/;reply=", bad("reply", "")),
        ("a.example A ::1", bad("A", "::1")),
        ("a.example AAAA a.b", bad("AAAA", "a.b")),
    ];

    for (line, expected) in cases {
        match read(line) {
            Err(Reason::BadValue { option, found, .. }) => {
                assert_eq!((option, found.into_string()), expected, "{line}");
            }
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn one_rule_has_room_for_so_many_values() {
    let cases = [
        ("||example^$denyallow=", "denyallow", 1_000, "n#.example", "|"),
        ("||example^$client=", "client", 64, "10.0.0.#", "|"),
        ("||example^$dnstype=", "dnstype", 64, "TYPE3#", "|"),
        ("/ads/;querytype=", "querytype", 64, "TYPE3#", ","),
    ];

    for (line, option, most, value, bar) in cases {
        let values = |count: usize| {
            let value = |number: usize| value.replace('#', &number.to_string());
            (0..count).map(value).collect::<Vec<_>>().join(bar)
        };
        assert!(read(&format!("{line}{}", values(most))).is_ok(), "{option}");
        let refused = read(&format!("{line}{}", values(most + 1)));
        assert_eq!(refused.map(|_| ()), Err(Reason::TooManyValues { option, most }), "{option}");
    }
}

#[test]
fn all_that_a_rule_names_is_counted_as_memory() {
    let memory = |line: &str| read(line).unwrap()[0].memory();
    let bare = memory("||example^$dnstype=A");

    let names: Vec<_> = (0..1_000).map(|number| format!("n{number}.example")).collect();
    assert!(memory(&format!("||example^$dnstype=A,denyallow={}", names.join("|"))) > bare + 25_000);
    assert!(memory(&format!("||example^$dnstype=A,client={}", "x".repeat(500))) > bare + 500);
    assert!(memory("||example^$dnstype=A,dnsrewrite=a.example") > bare + 200);
}

#[test]
fn contradictions_and_unknown_words_are_named() {
    let unknown = |option: &str| Reason::UnknownOption(option.into());
    let cases = [
        ("||a.example^$dnstype=A,dnstype=AAAA", Reason::Twice("dnstype")),
        ("||a.example^$client=a,client=b", Reason::Twice("client")),
        ("||a.example^$denyallow=b,denyallow=c", Reason::Twice("denyallow")),
        ("||a.example^$dnsrewrite=1.2.3.4,dnsrewrite=1.2.3.5", Reason::Twice("dnsrewrite")),
        ("||a.example^$dnsrewrite=NXDOMAIN,dnsrewrite=::1", Reason::Twice("dnsrewrite")),
        ("/a/;querytype=A;querytype=A", Reason::Twice("querytype")),
        ("/a/;invert;invert", Reason::Twice("invert")),
        ("/a/;reply=NXDOMAIN;reply=NODATA", Reason::Twice("reply")),
        ("/a/;invert=no", unknown("invert=no")),
        ("/a/;", unknown("")),
        ("/a/ ; remark", unknown("remark")),
        ("/a/;querytype=A;why", unknown("why")),
        ("@@/a/;reply=NXDOMAIN", Reason::AllowWithReply),
        ("||a.example^$denyallow=", Reason::BadName(crate::NameError::Empty)),
        ("*$important", Reason::Root),
        ("*$dnsrewrite=NXDOMAIN", Reason::Root),
        ("* CNAME .", Reason::Root),
        ("||a.example^$Important", Reason::Modifier("Important".into())),
        ("||192.0.2.1^$script", Reason::PageOnly("script".into())),
        ("*$script,domain=a.b,denyallow=c.d", Reason::PageOnly("script".into())),
        ("||a.example/banner$ctag=tv", Reason::Path),
        (r"/\/banner[0-9]/$~script", Reason::PageOnly("~script".into())),
    ];

    for (line, reason) in cases {
        assert_eq!(read(line).map(|_| ()), Err(reason), "{line}");
    }
}
