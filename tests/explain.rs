//! What `explain` and `lists search` say of names, as people and scripts read it.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::{
    control::{Daemon, dnsward, text},
    lab::{Fake, Lab},
};

/// Rules of every kind that two clients meet.
const CONFIG: &str = r"
    [[lists]]
    name = 'ads'
    inline = ['! our own', '||ads.example^', 'host.example']
    [[lists]]
    name = 'games'
    groups = ['kids']
    inline = ['||games.example^']
    [[lists]]
    name = 'off'
    enabled = false
    inline = ['||www.example^']
    [[rules]]
    action = 'allow'
    match = 'good.ads.example'
    comment = 'the shop needs it'
    [[rules]]
    action = 'deny'
    match = '*.ads.example'
    types = ['AAAA']
    [[clients]]
    match = '10.1.0.0/16'
    groups = ['kids']
    [[clients]]
    match = 'spiffe://td/ns/*'
    groups = ['kids', 'default']
    [[records]]
    name = 'nas.lan'
    a = ['192.168.1.2']
    [[records]]
    name = 'out.lan'
    cname = 'x.ads.example'
";

/// Questions, how their stories end, and exit codes.
const SENTENCES: [(&[&str], &str, i32); 11] = [
    (&["x.ads.example"], "blocked for 127.0.0.1: line 2 of `ads` says ||ads.example^", 1),
    (&["x.ads.example", "AAAA"], "blocked for 127.0.0.1: rule 2 denies *.ads.example", 1),
    (
        &["games.example", "--client", "10.1.2.3"],
        "blocked for 10.1.2.3: line 1 of `games` says ||games.example^",
        1,
    ),
    (
        &["host.example", "--client", "spiffe://td/ns/a"],
        "blocked for spiffe://td/ns/a: line 3 of `ads` says host.example",
        1,
    ),
    (
        &["out.lan"],
        "blocked for 127.0.0.1: it is an alias of x.ads.example, and line 2 of `ads` says \
             ||ads.example^",
        1,
    ),
    (
        &["good.ads.example"],
        "resolved for 127.0.0.1: rule 1 allows good.ads.example; nothing is cached, so where \
             its answer leads is unknown",
        0,
    ),
    (
        &["games.example"],
        "resolved for 127.0.0.1: no rule that counts speaks against it; nothing is cached, so \
             where its answer leads is unknown",
        0,
    ),
    (&["nas.lan"], "answered for 127.0.0.1: [[records]] has 1 of this type", 0),
    (
        &["x.test"],
        "answered for 127.0.0.1: a special name: there is none such, and nobody is asked",
        0,
    ),
    (
        &["www.example", "--client", "192.0.2.1"],
        "refused for 192.0.2.1: the client is not in dns.allow_from",
        1,
    ),
    (&["www.example", "AXFR"], "refused for 127.0.0.1: this type is not served", 1),
];

/// The line that ends a story.
fn last(output: &Output) -> String {
    text(&output.stdout).lines().last().unwrap_or_default().to_owned()
}

/// The line of a story under a title.
fn line<'s>(story: &'s str, title: &str) -> &'s str {
    let line = story.lines().find_map(|line| line.strip_prefix(title));
    line.unwrap_or_else(|| panic!("{title} in {story}")).trim()
}

#[test]
fn an_explanation_ends_in_one_sentence_and_the_code_says_whether_there_is_an_answer() {
    let daemon = Daemon::start(CONFIG);

    for (words, sentence, code) in SENTENCES {
        let output = daemon.run(&[&["explain"], words].concat());
        assert_eq!((last(&output).as_str(), output.status.code()), (sentence, Some(code)));
    }
}

#[test]
fn a_story_tells_every_rule_and_why_it_does_not_count() {
    let daemon = Daemon::start(CONFIG);

    let (blocked, _) = daemon.text(&["explain", "x.ads.example", "--client", "spiffe://td/ns/a"]);
    let (allowed, _) = daemon.text(&["explain", "good.ads.example"]);
    let (other, _) = daemon.text(&["explain", "games.example"]);

    let client = "spiffe://td/ns/a, in kids, default, by row 2 of [[clients]] (spiffe://td/ns/*)";
    assert_eq!(line(&blocked, "client"), client);
    assert_eq!(line(&blocked, "deny rules"), "rule 2 denies *.ads.example, for other types");
    assert_eq!(line(&blocked, "lists"), "line 2 of `ads` says ||ads.example^  <- decides");
    assert_eq!(line(&blocked, "otherwise"), "resolved, not reached");
    let rule = "rule 1 allows good.ads.example # the shop needs it  <- decides";
    assert_eq!(line(&allowed, "allow rules"), rule);
    assert_eq!(line(&allowed, "lists"), "line 2 of `ads` says ||ads.example^, not reached");
    assert_eq!(line(&allowed, "upstreams"), "https://127.0.0.1:9/dns-query (untried)");
    let group = "line 1 of `games` says ||games.example^, for other groups";
    assert_eq!(line(&other, "lists"), group);
    assert!(other.contains("`off` is not asked: enabled = false"), "{other}");
    assert!(blocked.lines().count() <= 14, "{blocked}");
}

#[test]
fn scripts_get_the_same_as_json() {
    let daemon = Daemon::start(CONFIG);

    let (explained, code) = daemon.json(&["explain", "X.Ads.Example.", "--client", "10.1.9.9"]);
    let (blocked, _) = daemon.json(&["explain", "X.Ads.Example."]);

    assert_eq!((&explained["name"], code), (&"x.ads.example".into(), Some(0)));
    assert_eq!(explained["membership"]["groups"], json!([{ "name": "kids", "counts": true }]));
    assert_eq!((&explained["outcome"], &explained["winner"]), (&"resolved".into(), &Value::Null));
    assert_eq!(blocked["outcome"], "blocked");
    let winner = json!({
        "list": "ads", "line": 2, "rule": "||ads.example^", "action": "block", "standing": "wins"
    });
    assert_eq!(blocked["winner"], winner);
    let steps = blocked["steps"].as_array().unwrap();
    let names: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "admission",
            "local-records",
            "allow-rules",
            "special-names",
            "deny-rules",
            "lists",
            "deny-by-regex",
            "otherwise",
        ]
    );
    let decides = steps.iter().find(|step| step["decides"] == true).unwrap();
    assert_eq!(decides["step"], "lists");
}

/// Runs a command against the server of a lab, whose socket is in its data directory.
async fn at_lab(lab: &Lab, words: &[&str]) -> Output {
    let socket = lab.path("data/control.sock").display().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dnsward"));
    command.args(words).args(["--socket", &socket]);
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_is_cached_and_where_it_leads_is_told_and_nobody_is_asked() {
    let fake = Fake::new()
        .ttl(300)
        .cname("shop.example", "cdn.example")
        .cname("cdn.example", "x.ads.example")
        .a("x.ads.example", [192, 0, 2, 1])
        .a("www.example", [192, 0, 2, 2])
        .a("router.example", [192, 168, 1, 1]);
    let lab = Lab::builder().with_data_dir().upstream(fake).config(CONFIG).start().await;
    for name in ["shop.example", "www.example", "router.example"] {
        lab.ask(name, "A").await;
    }
    let asked = lab.upstream_hits();

    let shop = at_lab(&lab, &["explain", "shop.example"]).await;
    let www = at_lab(&lab, &["explain", "www.example", "AAAA"]).await;
    let router = at_lab(&lab, &["explain", "router.example", "--json"]).await;

    let story = text(&shop.stdout);
    assert!(story.contains("cdn.example (alias) passes\n"), "{story}");
    assert!(story.contains("x.ads.example (alias) is blocked\n"), "{story}");
    assert!(line(&story, "cache").starts_with("A NOERROR with 3 records, "), "{story}");
    let why = "it is an alias of x.ads.example, and line 2 of `ads` says ||ads.example^";
    assert_eq!(last(&shop), format!("blocked for 127.0.0.1: {why}"));
    assert_eq!(shop.status.code(), Some(1));
    let cache = text(&www.stdout);
    assert!(line(&cache, "cache").starts_with("A NOERROR with 1 record, "), "{cache}");
    assert!(line(&cache, "cache").contains(" left, from https://"), "{cache}");
    let router: Value = serde_json::from_slice(&router.stdout).unwrap();
    let left_out = (&router["lookup"]["private_addresses"], &router["outcome"]);
    assert_eq!(left_out, (&"blocked".into(), &"blocked".into()));
    assert_eq!(lab.upstream_hits(), asked);
}

#[tokio::test]
async fn a_failure_that_keeps_us_from_asking_is_told() {
    let lab = Lab::builder().with_data_dir().start().await;
    lab.ask("www.example", "A").await;

    let output = at_lab(&lab, &["explain", "www.example"]).await;

    let story = text(&output.stdout);
    assert!(line(&story, "lately").ends_with("no upstream can be reached"), "{story}");
    assert!(line(&story, "upstreams").ends_with("(down)"), "{story}");
}

#[test]
fn offline_tells_the_same_from_files_alone_and_changes_none() {
    let daemon = Daemon::start(CONFIG);
    // A server that starts throws away copies that nobody needs.
    daemon.run(&["lists", "status"]);
    let kept = daemon.path("data/lists").join(format!("{}.txt", "0123456789abcdef".repeat(2)));
    std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
    std::fs::write(&kept, "other.example").unwrap();

    for words in [&["x.ads.example"][..], &["good.ads.example", "AAAA"], &["nas.lan"]] {
        let online = daemon.json(&[&["explain"], words].concat());
        let offline = daemon.json(&[&["explain", "--offline"], words].concat());
        assert_eq!(online.0["steps"], offline.0["steps"], "{words:?}");
        assert_eq!((&online.0["outcome"], online.1), (&offline.0["outcome"], offline.1));
    }
    let (story, _) = daemon.text(&["explain", "--offline", "www.example"]);
    assert_eq!(line(&story, "cache"), "unknown without a server");
    assert!(kept.exists());
}

#[test]
fn a_list_that_has_failed_is_told_where_it_could_have_decided() {
    let daemon = Daemon::start("[[lists]]\nname = 'gone'\npath = 'gone.txt'\n");

    for way in [&["explain", "a.example"][..], &["explain", "a.example", "--offline"]] {
        let (story, code) = daemon.text(way);
        let caution = "list `gone`: nothing in it counts: `gone.txt` cannot be read";
        assert!(line(&story, "caution").starts_with(caution), "{story}");
        assert_eq!(code, Some(0));
    }
}

#[test]
fn search_finds_every_rule_that_holds_a_name_or_one_above_it() {
    let daemon = Daemon::start(CONFIG);
    let rows = |words: &[&str]| {
        let (rows, code) = daemon.json(&[&["lists", "search"], words].concat());
        let row = |row: &Value| json!([row["list"], row["line"], row["rule"], row["covers"]]);
        (rows.as_array().unwrap().iter().map(row).collect::<Vec<_>>(), code)
    };

    let (ads, code) = rows(&["x.ads.example"]);
    assert_eq!(
        ads,
        [json!([null, 2, "*.ads.example", true]), json!(["ads", 2, "||ads.example^", true])]
    );
    assert_eq!(code, Some(0));
    let below = (vec![json!(["ads", 3, "host.example", false])], Some(0));
    assert_eq!(rows(&["a.host.example"]), below);
    assert_eq!(rows(&["a.host.example", "--offline"]), below);
    assert_eq!(rows(&["games.example"]).0, [json!(["games", 1, "||games.example^", true])]);
    assert_eq!(rows(&["nothing.example"]), (vec![], Some(1)));
    let table = daemon.text(&["lists", "search", "a.host.example"]).0;
    assert!(table.ends_with("host.example, and not what is below\n"), "{table}");
}

#[test]
fn no_byte_of_a_name_or_a_list_reaches_the_terminal_as_a_command() {
    let list = "[[lists]]\nname = 'odd'\ninline = [\"/\\u001b\\\\[2J|odd/\"]\n";
    let daemon = Daemon::start(list);

    for words in [
        &["explain", "a\\027[2j.example"][..],
        &["explain", "odd.example"],
        &["explain", "odd.example", "--json"],
        &["explain", "a\u{1b}[2J.example"],
        &["explain", "x", "A", "--client", "\u{1b}[2J"],
        &["lists", "search", "odd.example"],
        &["lists", "search", "a\u{9b}2J"],
    ] {
        let output = daemon.run(words);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(!said.is_empty(), "{words:?}");
        assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{words:?}: {said:?}");
    }
}

#[test]
fn questions_that_are_none_are_told_so_with_and_without_a_server() {
    let daemon = Daemon::start("");

    for (words, told) in [
        (&["a..b"][..], "`a..b` is not a domain name"),
        (&["a.example", "NOPE"], "`NOPE` is not a record type"),
        (&["a.example", "--client", "kids"], "`kids` is not a client"),
    ] {
        for way in [&["explain"][..], &["explain", "--offline"]] {
            let output = daemon.run(&[way, words].concat());
            assert_eq!(output.status.code(), Some(2), "{words:?}");
            assert!(text(&output.stderr).contains(told), "{}", text(&output.stderr));
        }
    }
}

#[test]
fn without_a_server_the_next_step_is_told() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("dnsward.toml"), "control_socket = 'gone'").unwrap();

    for words in [&["explain", "a.example"][..], &["lists", "search", "a.example"]] {
        let output = dnsward(words, directory.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(4));
        assert!(text(&output.stderr).contains("--offline"), "{}", text(&output.stderr));
    }
}

/// The blocks of a page in one language.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let fence = format!("```{language}\n");
    let begun = page.split(fence.as_str()).skip(1);
    begun.map(|rest| rest.split_once("```").expect("an end").0).collect()
}

/// Whoever changes what is printed sees here that the page has to change too.
#[test]
fn the_page_about_explanations_shows_what_is_printed() {
    let page = include_str!("../docs/explain.md");
    let daemon = Daemon::start_with_upstreams(blocks(page, "toml")[0]);

    let mut commands = 0;
    for block in blocks(page, "console") {
        for example in block.split("$ dnsward ").skip(1) {
            let (command, shown) = example.split_once('\n').unwrap();
            let (printed, _) = daemon.text(&command.split(' ').collect::<Vec<_>>());
            assert_eq!(printed, shown, "dnsward {command}");
            commands += 1;
        }
    }
    assert_eq!(commands, 6);
}
