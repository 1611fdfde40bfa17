//! The commands, as a shell sees them: output and exit codes.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use hickory_proto::rr::{RData, rdata::TXT};
use tempfile::tempdir;

use crate::lab::{Fake, Lab};

/// The program, in a directory without configuration.
fn dnsward(arguments: &[&str], directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dnsward"));
    command.args(arguments).current_dir(directory).env_remove("DNSWARD__DATA_DIR");
    command
}

fn run(arguments: &[&str]) -> Output {
    dnsward(arguments, tempdir().unwrap().path()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_default_configuration_is_accepted_by_check() {
    let directory = tempdir().unwrap();
    let default = run(&["config", "default"]);
    std::fs::write(directory.path().join("dnsward.toml"), &default.stdout).unwrap();

    let checked = dnsward(&["check"], directory.path()).output().unwrap();

    assert_eq!((default.status.code(), checked.status.code()), (Some(0), Some(0)));
    assert_eq!(text(&checked.stdout), "dnsward.toml: ok\n");
}

#[test]
fn five_mistakes_are_five_lines_and_exit_code_three() {
    let directory = tempdir().unwrap();
    let bad = "nope = 1\n[dns]\nudp = 'x'\nlisten = 5\n[cache]\nmax_bytes = 1\nprefetch = 'yes'\n";
    std::fs::write(directory.path().join("bad.toml"), bad).unwrap();

    for command in ["check", "serve"] {
        let output =
            dnsward(&[command, "--config", "bad.toml"], directory.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{command}");
        let lines = text(&output.stderr);
        assert_eq!(lines.lines().count(), 5, "{lines}");
        for key in ["nope:", "dns.udp:", "dns.listen:", "cache.max_bytes:", "cache.prefetch:"] {
            assert!(lines.lines().any(|line| line.starts_with(key)), "{key} in {lines}");
        }
        assert!(lines.lines().all(|line| line.contains("(found ") && line.contains(", allowed ")));
    }
}

#[test]
fn keys_that_do_nothing_yet_are_told_by_check() {
    let directory = tempdir().unwrap();
    let mut command = dnsward(&["check", "--json"], directory.path());

    let output = command.env("DNSWARD__DNS__DNS64", "64:ff9b::/96").output().unwrap();

    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["without_effect"], serde_json::json!(["dns.dns64"]));
}

#[test]
fn usage_help_and_version_have_their_codes() {
    assert_eq!(run(&["--help"]).status.code(), Some(0));
    assert_eq!(run(&["frobnicate"]).status.code(), Some(2));
    let version = run(&["version"]);
    assert_eq!(text(&version.stdout), format!("dnsward {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_password_becomes_a_hash_that_the_configuration_accepts() {
    let directory = tempdir().unwrap();
    let mut command = dnsward(&["hash-password"], directory.path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"correct horse\n").unwrap();

    let output = child.wait_with_output().unwrap();

    assert!(admin_ui::is_password_hash(text(&output.stdout).trim()));
}

#[tokio::test]
async fn query_prints_records_and_reasons() {
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]);
    let lab = Lab::builder().upstream(fake).list("ads", &["ads.example"]).start().await;
    let server = lab.dns().to_string();
    let ask = async |name: &'static str, extra: &'static [&'static str]| {
        let arguments = [&["query", name, "--server", &server], extra].concat();
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let run = move || run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(run).await.unwrap()
    };

    let good = ask("www.example", &[]).await;
    let blocked = ask("ads.example", &["--udp"]).await;
    let none = ask("none.example", &["--json"]).await;

    assert!(text(&good.stdout).contains("IN A 192.0.2.1"), "{}", text(&good.stdout));
    assert!(text(&blocked.stdout).contains("; EDE 15: ads"), "{}", text(&blocked.stdout));
    assert_eq!((good.status.code(), blocked.status.code()), (Some(0), Some(0)));
    let json: serde_json::Value = serde_json::from_slice(&none.stdout).unwrap();
    assert_eq!((&json["rcode"], none.status.code()), (&"NXDOMAIN".into(), Some(1)));
}

#[tokio::test]
async fn what_an_answer_holds_never_commands_a_terminal() {
    let text_of = |octets: &[u8]| RData::TXT(TXT::from_bytes(vec![octets]));
    let fake = Fake::new().record("odd.example", text_of("\u{1b}[2J\u{9b}2J\r".as_bytes()));
    let lab = Lab::builder().upstream(fake).start().await;
    let server = lab.dns().to_string();

    for form in [&[][..], &["--json"]] {
        let arguments = [&["query", "odd.example", "TXT", "--server", &server], form].concat();
        let mut command = dnsward(&arguments, &lab.path(""));
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let said = text(&output.stdout);
        assert!(said.contains("[2J"), "{said:?}");
        assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{said:?}");
    }
}

#[tokio::test]
async fn healthcheck_tells_a_server_that_answers_from_one_that_is_gone() {
    let lab = Lab::builder().start().await;
    let server = lab.dns().to_string();
    let check = |server: String| {
        tokio::task::spawn_blocking(move || run(&["healthcheck", "--server", &server]))
    };

    assert_eq!(check(server.clone()).await.unwrap().status.code(), Some(0));
    lab.server.shut_down().await;
    assert_eq!(check(server).await.unwrap().status.code(), Some(4));
}

#[tokio::test]
async fn healthcheck_and_query_speak_proxy_v2_where_the_configuration_asks_for_it() {
    let believed = "dns.proxy_protocol_from = ['127.0.0.0/8']\n";
    let lab = Lab::builder().config(believed).start().await;
    let directory = tempdir().unwrap();
    let config = format!("dns.listen = ['{}']\n{believed}", lab.dns());
    std::fs::write(directory.path().join("dnsward.toml"), config).unwrap();
    let server = lab.dns().to_string();

    let code = async |arguments: &[&str]| {
        let mut command = dnsward(arguments, directory.path());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
        output.unwrap().status.code()
    };
    assert_eq!(code(&["healthcheck"]).await, Some(0));
    assert_eq!(code(&["query", "localhost"]).await, Some(0));
    let beside = ["healthcheck", "--server", &server, "--config", "dnsward.toml"];
    assert_eq!(code(&beside).await, Some(0));
    assert_eq!(code(&["healthcheck", "--server", &server]).await, Some(4), "it knows nothing");
}

#[test]
fn check_says_where_spiffe_ids_can_never_come_from() {
    let directory = tempdir().unwrap();
    let config = "[[clients]]\nmatch = 'spiffe://cluster.local/ns/apps/*'";
    std::fs::write(directory.path().join("dnsward.toml"), config).unwrap();

    let checked = dnsward(&["check"], directory.path()).output().unwrap();

    assert_eq!(checked.status.code(), Some(0));
    assert!(text(&checked.stderr).contains("dns.proxy_protocol_from"));
}

#[tokio::test]
async fn a_taken_port_names_the_address_and_who_holds_it() {
    let lab = Lab::builder().start().await;
    let listen = format!("['{}']", lab.dns());
    let directory = tempdir().unwrap();
    let mut command = dnsward(&["serve"], directory.path());
    command.env("DNSWARD__DNS__LISTEN", &listen);

    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();

    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5));
    assert!(message.contains(&lab.dns().to_string()), "{message}");
    assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
}
