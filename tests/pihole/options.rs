//! Rows 52 to 56 and 61: the options of regular expressions, in lists and in rules alike.

use dnsward::config::{Config, Environment};
use hickory_proto::rr::RData;

use crate::lab::{Fake, Lab, Reply, list};

use super::names::V6;

/// Names with an address of either family and a service.
fn knowing() -> Fake {
    ["fancy", "good"].iter().fold(Fake::new(), |fake, label| {
        let name = format!("{label}.lab.example");
        fake.a(&name, [192, 0, 2, 1])
            .record(&name, RData::AAAA(V6.into()))
            .https(&name, "service.example")
    })
}

/// A list of this line, and a rule of it.
fn either(line: &str) -> [String; 2] {
    let rule = format!("[[rules]]\naction = 'deny'\nmatch = '{line}'\n");
    [list("gravity", &[line]), rule]
}

/// Checks which of these questions are blocked where a list or a rule says this.
async fn assert_blocked(lab: &Lab, line: &str, cases: &[(&str, &str, bool)]) {
    for config in either(line) {
        lab.reload(&config).await;
        for (label, qtype, expected) in cases {
            let reply = lab.ask(&format!("{label}.lab.example"), qtype).await;
            let is_blocked = reply.ede().first().is_some_and(|(code, _)| *code == 15);
            assert_eq!(is_blocked, *expected, "{config}: {label} {qtype}");
        }
    }
}

#[tokio::test]
async fn row_52_row_53_an_expression_may_be_for_some_types_or_all_but_these() {
    let lab = Lab::builder().upstream(knowing()).start().await;
    let all = |blocked: [bool; 3]| {
        let types = ["A", "AAAA", "HTTPS"].into_iter().zip(blocked);
        types.map(|(qtype, is_blocked)| ("fancy", qtype, is_blocked)).collect::<Vec<_>>()
    };

    for (options, blocked) in [
        ("", [true, true, true]),
        (";querytype=A", [true, false, false]),
        (";querytype=AAAA,HTTPS", [false, true, true]),
        (";querytype=!A", [false, true, true]),
        (";querytype=!A,AAAA", [false, false, true]),
        (";querytype=a", [true, false, false]),
    ] {
        assert_blocked(&lab, &format!("/^fancy/{options}"), &all(blocked)).await;
    }
}

#[tokio::test]
async fn row_54_row_55_types_and_a_reply_go_together() {
    let lab = Lab::builder().upstream(knowing()).start().await;
    let rcode = |reply: &Reply| reply.rcode();

    for (options, refused, others) in [
        ("querytype=ANY,HTTPS,SVCB;reply=refused", ["ANY", "HTTPS", "SVCB"], ["A", "AAAA", "TXT"]),
        ("querytype=!ANY,HTTPS,SVCB;reply=refused", ["A", "AAAA", "TXT"], ["ANY", "HTTPS", "SVCB"]),
    ] {
        for config in either(&format!("/^fancy/;{options}")) {
            lab.reload(&config).await;
            for qtype in refused {
                let reply = lab.ask("fancy.lab.example", qtype).await;
                assert_eq!((reply.rcode(), reply.answers().len()), (5, 0), "{config}: {qtype}");
                assert_eq!(reply.ede()[0].0, 15, "{config}: {qtype}");
            }
            for qtype in others {
                let reply = lab.ask("fancy.lab.example", qtype).await;
                assert_eq!((rcode(&reply), reply.ede()), (0, vec![]), "{config}: {qtype}");
            }
        }
    }
}

#[tokio::test]
async fn row_56_an_inverted_expression_is_about_the_names_it_does_not_match() {
    let lab = Lab::builder().upstream(knowing()).start().await;

    for line in ["/^good/;invert", "/^good/;invert;querytype=A"] {
        assert_blocked(&lab, line, &[("fancy", "A", true), ("good", "A", false)]).await;
    }
    assert_blocked(&lab, "/^good/;querytype=A;invert", &[("fancy", "AAAA", false)]).await;
}

#[test]
fn row_61_a_wrong_option_or_expression_is_refused_and_named_before_it_counts() {
    for (line, named) in [
        ("/^a/;querytype=A;querytype=AAAA", "`querytype` stands there twice"),
        ("/^a/;colour=red", "the option `colour=red` is not known"),
        ("/^a/;querytype=BANANA", "`BANANA`"),
        ("/^a/;querytype=", "`querytype` cannot be"),
        ("/^a/;reply=SOON", "`reply` cannot be `SOON`"),
        ("/^a/;reply=NODATA;reply=192.0.2.1", "`reply`"),
        ("/^a/;reply=192.0.2.1;reply=192.0.2.2", "`reply`"),
        ("/a**/", "the regular expression is wrong"),
        ("/[/", "the regular expression is wrong"),
        ("/(/", "the regular expression is wrong"),
        (r"/x\/", "the regular expression is wrong"),
        (r"/(a)\1/", "back references are not supported"),
        ("/(a){~1}/", "approximate matching is not supported"),
    ] {
        let toml = format!("[[rules]]\naction = 'deny'\nmatch = '{line}'\n");
        let problems = Config::parse(&toml, &Environment::default()).unwrap_err();
        let text = problems[0].to_string();
        assert!(text.contains(named) && text.contains("rules[0].match"), "{line}: {text}");
    }
}

#[tokio::test]
async fn row_61_in_a_list_it_is_counted_and_hurts_no_other_line() {
    let lines = ["/^fancy/;colour=red", "/[/", "/^good/;reply=SOON", "good.lab.example"];
    let lab = Lab::builder().upstream(knowing()).list("gravity", &lines).start().await;

    assert_eq!(lab.ask("fancy.lab.example", "A").await.addresses(), ["192.0.2.1"]);
    assert_eq!(lab.ask("good.lab.example", "A").await.addresses(), ["0.0.0.0"]);
}
