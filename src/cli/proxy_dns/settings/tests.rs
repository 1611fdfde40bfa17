//! What cloudflared understood, and what becomes of it here.

use clap::Parser;

use super::*;
use crate::config::{Config, Environment};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    flags: Flags,
}

fn read(line: &str, variables: &[(&str, &str)]) -> Result<Settings, Vec<Problem>> {
    let arguments = std::iter::once("proxy-dns").chain(line.split_whitespace());
    let flags = Line::try_parse_from(arguments).unwrap_or_else(|error| panic!("{error}")).flags;
    let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
    Settings::read(flags, |name| find(name).map(|(_, value)| (*value).to_owned()))
}

fn config(line: &str, variables: &[(&str, &str)]) -> Config {
    let settings = read(line, variables).unwrap_or_else(|problems| panic!("{problems:?}"));
    let text = settings.to_toml();
    Config::parse(&text, &Environment::default()).unwrap_or_else(|all| panic!("{all:?} in {text}"))
}

fn shown(texts: &[impl ToString]) -> String {
    texts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn without_flags_it_is_what_cloudflared_was() {
    let config = config("", &[]);

    assert_eq!(shown(&config.dns.listen), "127.0.0.1:53");
    let upstream = &config.upstream;
    assert_eq!(shown(&upstream.servers), "https://1.1.1.1/dns-query https://1.0.0.1/dns-query");
    assert!(upstream.bootstrap.is_empty() && config.lists.is_empty());
    let any_port = crate::config::Listen::Address("127.0.0.1:0".parse().unwrap());
    assert_eq!(config.metrics.listen, any_port);
    assert_eq!(config.admin.listen, crate::config::Listen::Off);
    assert!(!config.blocking.enabled && !config.dns.rebind_protection);
    assert_eq!(config.query_log.privacy, crate::config::Privacy::Off);
    assert_eq!(config.cache, Config::default().cache);
}

#[test]
fn flags_repeat_and_go_before_variables() {
    let variables = [
        ("TUNNEL_DNS_ADDRESS", "0.0.0.0"),
        ("TUNNEL_DNS_PORT", "5053"),
        ("TUNNEL_DNS_UPSTREAM", "https://9.9.9.9/dns-query,https://149.112.112.112/dns-query"),
        ("TUNNEL_METRICS", ":8081"),
        ("TUNNEL_DNS_BOOTSTRAP", ""),
    ];
    let config_of = |line| {
        let config = config(line, &variables);
        (shown(&config.dns.listen), shown(&config.upstream.servers))
    };

    let (listen, servers) = config_of("");
    assert_eq!(listen, "0.0.0.0:5053");
    assert_eq!(servers, "https://9.9.9.9/dns-query https://149.112.112.112/dns-query");
    let (listen, servers) =
        config_of("--port=54 --port 55 --upstream https://a.test/q#::1,::2,https://1.1.1.1/q");
    assert_eq!(listen, "0.0.0.0:55");
    assert_eq!(servers, "https://a.test/q https://1.1.1.1/q");
    let twice = "--upstream https://1.1.1.1/q --address ::1 --upstream https://1.0.0.1/q";
    assert_eq!(
        config_of(twice),
        ("[::1]:5053".into(), "https://1.1.1.1/q https://1.0.0.1/q".into())
    );
}

#[test]
fn every_address_means_what_it_meant() {
    for (address, listen) in [
        ("localhost", "127.0.0.1:53"),
        ("0.0.0.0", "0.0.0.0:53"),
        ("::", "[::]:53 0.0.0.0:53"),
        ("[::1]", "[::1]:53"),
        ("172.30.0.2", "172.30.0.2:53"),
    ] {
        let config = config("", &[("TUNNEL_DNS_ADDRESS", address)]);
        assert_eq!(shown(&config.dns.listen), listen, "{address}");
    }
    for (metrics, listen) in [
        ("localhost:", "127.0.0.1:0"),
        ("localhost:8081", "127.0.0.1:8081"),
        ("0.0.0.0:33301", "0.0.0.0:33301"),
        (":8081", "0.0.0.0:8081"),
        ("[::1]:8081", "[::1]:8081"),
    ] {
        let settings = read("", &[("TUNNEL_METRICS", metrics)]).unwrap();
        assert_eq!(settings.metrics.to_string(), listen, "{metrics}");
    }
}

#[test]
fn bootstrap_resolvers_are_asked_only_for_names_that_nobody_knows() {
    let upstream = |line| config(line, &[]).upstream;

    let known = upstream("--upstream https://dns.google/dns-query");
    let unknown = upstream("--upstream https://doh.example/q");
    let named = upstream("--upstream https://doh.example/q --bootstrap https://9.9.9.9/dns-query");

    assert!(known.bootstrap.is_empty());
    assert_eq!(unknown.bootstrap.len(), 4);
    assert_eq!(shown(&unknown.bootstrap[2..3]), "https://[2606:4700:4700::1111]/dns-query");
    assert_eq!(shown(&named.bootstrap), "https://9.9.9.9/dns-query");
}

#[test]
fn a_limit_of_connections_is_taken_and_told_to_have_no_effect() {
    for number in ["0", "5", "100"] {
        let settings = read("", &[("TUNNEL_DNS_MAX_UPSTREAM_CONNS", number)]).unwrap();
        assert_eq!(settings.remarks().len(), 1, "{number}");
    }
    assert!(read("", &[]).unwrap().remarks().is_empty());
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_names_its_flag() {
    let problems = read(
        "--address nowhere.example --port 70000 --upstream ftp://x --upstream https://me:secret@x/q \
         --bootstrap https://me:secret@9.9.9.9/q --max-upstream-conns many --metrics 9090",
        &[],
    )
    .unwrap_err();

    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    for flag in
        ["--address", "--port", "--upstream", "--bootstrap", "--max-upstream-conns", "--metrics"]
    {
        assert!(
            lines.iter().any(|line| line.starts_with(&format!("{flag}: "))),
            "{flag}: {lines:?}"
        );
    }
    assert_eq!(lines.len(), 7, "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("(found ") && line.contains(", allowed ")));
    assert!(!lines.iter().any(|line| line.contains("secret")), "{lines:?}");
}
