//! What a configuration means, and what is said of a bad one.

mod upstream;

use std::{net::SocketAddr, time::Duration};

use super::*;

fn parse(text: &str) -> Result<Config, Vec<String>> {
    Config::parse(text, &Environment::default())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn with_environment<const N: usize>(variables: [(&str, &str); N]) -> Result<Config, Vec<Problem>> {
    Config::parse("[cache]\nmax_bytes = '1MiB'", &Environment::from(variables))
}

/// A text has exactly one problem, which says this and shows no secret.
fn is_refused(text: &str, says: &str) {
    let problems = parse(text).unwrap_err();
    let [problem] = problems.as_slice() else { panic!("{text}: {problems:?}") };
    assert!(problem.contains(says), "{text}: {problem}");
    assert!(!problem.contains("secret"), "a secret is shown: {problem}");
}

#[test]
fn the_documented_file_says_what_the_defaults_are() {
    let config = parse(DEFAULT_FILE).unwrap();

    assert_eq!(Config { changed_keys: Vec::new(), ..config }, Config::default());
}

/// The documented file with its examples switched on.
fn with_examples() -> String {
    let mut text = String::new();
    for line in DEFAULT_FILE.lines() {
        let example =
            line.strip_prefix("# ").filter(|rest| rest.contains(" = ") || rest.starts_with("[["));
        let line = example.unwrap_or(line).replace("tcp://10.96.0.10:53", "https://10.96.0.10/q");
        // A list has one source; the file shows a URL that is none.
        text.push_str(&line.replace("url = \"https://...\"", "inline = []"));
        text.push('\n');
    }
    text
}

#[test]
fn the_examples_of_the_documented_file_are_good() {
    let config = parse(&with_examples()).unwrap();

    assert_eq!((config.lists.len(), config.rules.len(), config.records.len()), (1, 1, 1));
    assert_eq!(config.data_dir, Some("/var/lib/dnsward".into()));
}

#[test]
fn the_documented_file_names_every_key() {
    for section in [
        "",
        "dns",
        "dns.rate_limit",
        "dns.limits",
        "dns.tls",
        "upstream",
        "cache",
        "blocking",
        "query_log",
        "admin",
        "metrics",
        "egress",
        "telemetry",
        "log",
    ] {
        let header = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
        let problems = parse(&format!("{header}no_such_key = 1")).unwrap_err();
        let (_, known) = problems[0].rsplit_once("allowed ").unwrap();
        for key in known.trim_end_matches(')').split(", ").filter(|key| !key.ends_with("_file")) {
            let is_told = DEFAULT_FILE.contains(&format!("{key} = "))
                || DEFAULT_FILE.contains(&format!("[{key}]"))
                || DEFAULT_FILE.contains(&format!("{section}.{key}]"));
            assert!(is_told, "{section} {key} is not in the documented file");
        }
    }
}

#[test]
fn five_mistakes_give_five_lines_that_name_key_found_and_allowed() {
    let problems = parse(
        "colour = 'red'\n\
         [dns]\nudp = 'maybe'\nlisten = ['nowhere']\n\
         [cache]\nmax_bytes = '12 apples'\n\
         [[lists]]\nname = 'ads'\n",
    )
    .unwrap_err();

    assert_eq!(
        problems,
        [
            "dns.listen: is out of range (found [\"nowhere\"], allowed a list of at least one \
             address and port, such as [\"0.0.0.0:1053\"])",
            "dns.udp: is not a value this key can have (found \"maybe\", allowed serve, truncate, \
             off)",
            "cache.max_bytes: is out of range (found \"12 apples\", allowed 64KiB to 64GiB)",
            "lists[0].url: is missing (found nothing, allowed exactly one of url, path, inline, \
             service)",
            "colour: is not a key (found `colour`, allowed data_dir, control_socket, dns, \
             upstream, cache, blocking, lists, rules, groups, clients, records, query_log, admin, \
             metrics, egress, telemetry, log)",
        ]
    );
}

#[test]
fn what_is_wrong_with_a_single_key_is_said() {
    for (text, says) in [
        ("[dns", "file: is not TOML"),
        ("[blocking]\nanswer = 'boom'", "allowed null, nxdomain, nodata, refused"),
        ("[[rules]]\naction = 'deny'\nmatch = 'a b c'", "rules[0].match: is not a rule"),
        ("[[rules]]\naction = 'deny'", "rules[0].match: is missing"),
        ("[[records]]\nname = 'x.lan'", "records[0].a: is missing"),
        ("[[records]]\nname='x.lan'\ncname='y.lan'\na=['192.0.2.1']", "records[0].cname: stands"),
        ("[[clients]]\nmatch = 'someone'", "clients[0].match:"),
        ("[admin]\npassword_hash = 'secret'", "admin.password_hash: is not a password hash"),
        ("[admin]\nbase_path = 'dns'", "allowed a path of letters"),
        ("[[groups]]\nname = 'g'\ntime_zone = 'Mars/Utopia'", "such as Europe/Zurich"),
        (
            "[[groups]]\nname = 'g'\nschedule = ['daily 08:00-16:00', 'Mon 8-16']",
            "groups[0].schedule[1]: has times that are none (found `Mon 8-16`, allowed days and",
        ),
        ("[cache]\nmin_ttl = '2d'", "cache.min_ttl: is above cache.max_ttl"),
        (
            "[[lists]]\nname='a'\ninline=[]\n[[lists]]\nname='a'\ninline=[]",
            "lists[1].name: is taken",
        ),
        (
            "[[lists]]\nname='a'\nservice='tik tok'",
            "lists[0].service: is none of the catalogue (found `tik tok`, allowed tiktok, ",
        ),
        ("[[lists]]\nname='a'\nservice=''", "lists[0].service: is none of the catalogue (found ``"),
        ("[[lists]]\nname='a'\nservice='vk'\ninline=[]", "lists[0].url: is one source too many"),
        (
            "[[lists]]\nname='a'\nservice='safe-search-bing'\naction='allow'",
            "lists[0].action: would allow searches that are not safe (found `allow`, allowed block)",
        ),
    ] {
        is_refused(text, says);
    }
}

#[test]
fn more_lists_than_a_matcher_can_have_are_refused() {
    let lists = |count: usize| -> String {
        let list = |number| format!("[[lists]]\nname = '{number}'\ninline = []\n");
        (0..count).map(list).collect()
    };

    assert!(parse(&lists(1024)).is_ok());
    let problems = parse(&lists(1025)).unwrap_err();
    assert_eq!(problems, ["lists: are too many (found 1025, allowed 1024 that are enabled)"]);
    assert!(parse(&format!("{}enabled = false", lists(1025))).is_ok());
}

#[test]
fn the_environment_overrides_every_kind_of_key() {
    let config = with_environment([
        ("DNSWARD__CACHE__MAX_BYTES", "32MiB"),
        ("DNSWARD__CACHE__PREFETCH", "false"),
        ("DNSWARD__DNS__LISTEN", "['127.0.0.1:5300']"),
        ("DNSWARD__DNS__LIMITS__IN_FLIGHT", "7"),
        ("DNSWARD__DNS__THREADS", "2"),
        ("DNSWARD__LISTS", "[{ name = 'x', inline = ['||ads.example^'] }]"),
        ("DNSWARD__BLOCKING__ANSWER", "{ ipv4 = '192.0.2.1' }"),
        ("DNSWARD__DATA_DIR", "/tmp/data"),
    ])
    .unwrap();

    assert_eq!(config.cache.max_bytes, Bytes(32 << 20));
    assert!(!config.cache.prefetch);
    assert_eq!(config.dns.listen, [SocketAddr::from(([127, 0, 0, 1], 5300))]);
    assert_eq!((config.dns.limits.in_flight, config.dns.threads), (7, Threads::Exactly(2)));
    assert_eq!(config.lists[0].name, "x");
    let ipv4 = Some([192, 0, 2, 1].into());
    assert_eq!(config.blocking.answer, BlockAnswer::Addresses { ipv4, ipv6: None });
    assert_eq!(config.data_dir, Some("/tmp/data".into()));
}

#[test]
fn a_variable_that_names_no_key_is_a_problem() {
    let problems = with_environment([("DNSWARD__CACHE__SIZE", "1")]).unwrap_err();

    assert_eq!(problems[0].key(), "DNSWARD__CACHE__SIZE");
}

#[test]
fn a_word_in_the_environment_is_a_block_answer_too() {
    let config = with_environment([("DNSWARD__BLOCKING__ANSWER", "nxdomain")]).unwrap();

    assert_eq!(config.blocking.answer, BlockAnswer::NxDomain);
}

#[test]
fn durations_and_sizes_have_units() {
    let config =
        parse("[cache]\nmax_ttl = '2h'\nstale = '0s'\n[upstream]\ntimeout = '900ms'").unwrap();

    assert_eq!(config.cache.max_ttl, Duration::from_secs(7200));
    assert_eq!(config.cache.stale, Duration::ZERO);
    assert_eq!(config.upstream.timeout, Duration::from_millis(900));
}

#[test]
fn a_secret_comes_from_a_file_and_a_missing_file_is_none() {
    let hash = admin_ui::hash_password("correct horse").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hash");
    std::fs::write(&file, format!("{hash}\n")).unwrap();
    let text =
        |path: &std::path::Path| format!("[admin]\npassword_hash_file = '{}'", path.display());

    assert_eq!(parse(&text(&file)).unwrap().admin.password_hash, hash);
    assert_eq!(parse(&text(&directory.path().join("none"))).unwrap().admin.password_hash, "");
}

#[test]
fn keys_that_do_nothing_yet_are_told_only_where_they_differ_from_their_default() {
    let config = parse(
        "[dns]\ndns64 = '64:ff9b::/96'\n\
         [query_log]\nretention = '1d'\n[[upstream.routes]]\ndomains = ['a']\nservers = ['https://10.0.0.1/q']",
    )
    .unwrap();

    let without = ["dns.dns64", "query_log.retention"];
    assert_eq!(keys_without_effect(&config), without);
    assert!(keys_without_effect(&parse(DEFAULT_FILE).unwrap()).is_empty());
}

#[test]
fn who_allows_in_shadow_mode_is_told_that_it_does_nothing() {
    let config = parse(
        "[[lists]]\nname = 'ours'\naction = 'allow'\ninline = []\nmode = 'shadow'\n\
         [[rules]]\naction = 'allow'\nmatch = 'x.example'\nmode = 'shadow'\n\
         [[rules]]\naction = 'deny'\nmatch = 'y.example'\nmode = 'shadow'",
    )
    .unwrap();

    let cautions = cautions(&config);

    assert_eq!(cautions.len(), 2, "{cautions:?}");
    assert!(
        cautions[0].starts_with("list `ours`:") && cautions[1].starts_with("rule `x.example`:")
    );
}

#[test]
fn groups_exist_by_being_named() {
    let config = parse(
        "[[lists]]\nname = 'a'\ninline = []\ngroups = ['kids']\n\
         [[clients]]\nmatch = '10.0.0.1'\ngroups = ['guests', 'kids']",
    )
    .unwrap();

    assert_eq!(config.group_names(), ["default", "kids", "guests"]);
}

#[test]
fn r70_a_file_of_cookie_secrets_holds_one_or_two_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secrets");
    let text = format!("[dns]\ncookie_secret_file = '{}'", file.display());
    let (first, second) = ("00112233445566778899aabbccddeeff", "FFEEDDCCBBAA99887766554433221100");

    let late = parse(&text).unwrap();
    assert!(late.dns.cookie_secrets.is_empty());
    assert!(cautions(&late).iter().any(|caution| caution.contains("cookie_secret_file")));
    std::fs::write(&file, format!("{first}\n\n{second}\n")).unwrap();
    let secrets = parse(&text).unwrap().dns.cookie_secrets;
    assert_eq!(secrets.iter().map(|secret| secret[0]).collect::<Vec<_>>(), [0, 0xff]);
    for bad in ["", "abc", "+0112233445566778899aabbccddeeff", &format!("{first}\n").repeat(3)] {
        std::fs::write(&file, bad).unwrap();
        let problems = parse(&text).unwrap_err();
        assert!(problems[0].starts_with("dns.cookie_secret_file: "), "{problems:?}");
        assert!(!problems[0].contains("0011"), "a secret is shown: {problems:?}");
    }
}

#[test]
fn a_problem_is_one_line_whatever_was_found() {
    let text = "[log]\nlevel = \"a\\nb\\u001b[31m\"\n\"x\\ny\" = 1";

    let problems = parse(text).unwrap_err();

    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().all(|problem| !problem.contains(char::is_control)), "{problems:?}");
}

#[test]
fn a_rule_that_a_list_may_have_and_the_configuration_may_not_is_told() {
    let rule = |pattern: &str| format!("[[rules]]\naction = 'deny'\nmatch = '{pattern}'");
    let problem = |pattern: &str| parse(&rule(pattern)).map(|_| ()).unwrap_err()[0].to_string();

    assert!(parse(&rule("||a.example^$client=10.0.0.1")).is_ok());
    assert!(problem("||a.example^$badfilter").contains("does nothing"));
    assert!(problem("@@||a.example^").contains("allows by itself"));
    assert!(parse(&rule("||a.example^$dnsrewrite=NXDOMAIN")).is_ok());
    let allow = rule("||a.example^$dnsrewrite=NXDOMAIN").replace("deny", "allow");
    assert!(parse(&allow).unwrap_err()[0].to_string().contains("says what is answered"));
    assert!(problem("0.0.0.0 a.example b.example").contains("is not one rule"));
    assert!(parse(&rule("||a.example^$dnstype=AAAA,denyallow=x.a.example")).is_ok());
}

#[test]
fn servers_of_every_kind_are_taken_and_bootstrap_resolvers_have_addresses() {
    let config = parse(
        "[upstream]\n\
         servers = ['tls://dns.google', 'h2c://10.0.0.1:8053/q', 'https://a.example/q{?dns}']\n\
         bootstrap = ['9.9.9.9', '2620:fe::9', '[2620:fe::9]:5353', 'https://1.1.1.1/dns-query']\n\
         [[upstream.routes]]\ndomains = ['lan']\n\
         servers = ['udp://10.0.0.1', 'sdns://AAAAAAAAAAAABzkuOS45Ljk']",
    )
    .unwrap();

    let shown = |servers: &[doh_client::Server]| -> Vec<String> {
        servers.iter().map(ToString::to_string).collect()
    };
    let upstream = &config.upstream;
    assert_eq!(
        shown(&upstream.servers),
        ["tls://dns.google", "h2c://10.0.0.1:8053/q", "https://a.example/q{?dns}"]
    );
    assert_eq!(
        shown(&upstream.bootstrap),
        [
            "udp://9.9.9.9",
            "udp://[2620:fe::9]",
            "udp://[2620:fe::9]:5353",
            "https://1.1.1.1/dns-query"
        ]
    );
    assert_eq!(shown(&upstream.routes[0].servers), ["udp://10.0.0.1", "udp://9.9.9.9"]);
}
