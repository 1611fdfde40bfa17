//! `dnsward proxy-dns`, started as cloudflared was and asked with the real `dig`.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, ChildStderr, Command, Stdio},
};

use crate::{
    dig::dig,
    lab::{Fake, Lab},
};

const PAGE: &str = include_str!("../docs/migrate-from-cloudflared.md");

/// A running forwarder.
struct Forwarder {
    child: Child,
    log: BufReader<ChildStderr>,
    /// What it said until it served.
    said: String,
    port: String,
    metrics: String,
}

impl Forwarder {
    fn start(lab: &Lab, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = command(arguments)
            .env("DNSWARD__UPSTREAM__CA_FILE", ca_file(lab))
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let event = loop {
            let start = said.len();
            assert_ne!(log.read_line(&mut said).unwrap(), 0, "it has ended: {said}");
            let event: serde_json::Value = serde_json::from_str(&said[start..]).expect(&said);
            if event["message"] == "serving" {
                break event;
            }
        };
        assert!(event.get("admin").is_none() && event.get("control").is_none(), "{event}");
        let (_, port) = event["dns"].as_str().unwrap().rsplit_once(':').unwrap();
        let metrics = event["metrics"].as_str().unwrap().to_owned();
        Self { child, log, said, port: port.to_owned(), metrics }
    }

    fn dig(&self, arguments: &[&str]) -> Option<String> {
        dig(&self.port, arguments)
    }

    fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(&self.metrics).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    fn terminate(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
        self.log.read_to_string(&mut self.said).unwrap();
        std::mem::take(&mut self.said)
    }
}

/// A test that ends early leaves nothing running.
impl Drop for Forwarder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ca_file(lab: &Lab) -> PathBuf {
    lab.path("ca.pem")
}

/// The program without what the environment of the tests may say.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dnsward"));
    command.arg("proxy-dns").args(arguments);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TUNNEL_")) {
        command.env_remove(name);
    }
    command
}

async fn lab() -> Lab {
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]).a("nas.example", [10, 0, 0, 1]);
    Lab::builder().upstream(fake).start().await
}

/// Runs what waits for other programs beside the lab.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn a_unit_of_cloudflared_runs_with_one_word_changed() {
    let lab = lab().await;
    let url = lab.upstreams[0].url();

    let arguments = ["--port", "0", "-address", "127.0.0.1", "--upstream", &url];
    let more = ["--max-upstream-conns", "5", "-metrics=127.0.0.1:0"];
    let forwarder = Forwarder::start(&lab, &[&arguments[..], &more[..]].concat(), &[]);

    beside(move || {
        for transport in ["+notcp", "+tcp"] {
            let Some(answer) = forwarder.dig(&["www.example", transport, "+short"]) else { return };
            assert_eq!(answer.trim(), "192.0.2.1", "{transport}");
        }
        // A forwarder changes nothing: this address is one that we would take out otherwise.
        let private = forwarder.dig(&["nas.example", "+short"]).unwrap();
        assert_eq!(private.trim(), "10.0.0.1");
        assert!(forwarder.metrics().contains("dnsward_queries_total"));
        let said = forwarder.terminate();
        assert_eq!(said.matches("--max-upstream-conns has no effect").count(), 1, "{said}");
    })
    .await;
    assert_eq!(lab.upstream_hits(), 2, "the second answer for one name came from the cache");
}

#[tokio::test]
async fn a_container_of_cloudflared_runs_with_its_variables() {
    let lab = lab().await;
    // The first is where nobody listens: they are asked in the order they are given.
    let urls = format!("https://127.0.0.1:9/dns-query,{}", lab.upstreams[0].url());
    let variables = [
        ("TUNNEL_DNS_ADDRESS", "0.0.0.0"),
        ("TUNNEL_DNS_PORT", "0"),
        ("TUNNEL_DNS_UPSTREAM", &urls),
        ("TUNNEL_DNS_BOOTSTRAP", "https://1.1.1.1/dns-query"),
        ("TUNNEL_METRICS", "localhost:"),
    ];

    let forwarder = Forwarder::start(&lab, &[], &variables);

    beside(move || {
        let Some(answer) = forwarder.dig(&["www.example", "+short"]) else { return };
        assert_eq!(answer.trim(), "192.0.2.1");
        assert!(forwarder.metrics.starts_with("127.0.0.1:"), "{}", forwarder.metrics);
    })
    .await;
}

#[test]
fn wrong_flags_are_told_all_at_once() {
    let arguments = ["--port", "70000", "--upstream", "quic://dns.example", "--metrics", "x"];
    let output = command(&arguments).output().unwrap();

    let lines = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{lines}");
    for flag in ["--port: ", "--upstream: ", "--metrics: "] {
        assert!(lines.lines().any(|line| line.starts_with(flag)), "{flag}: {lines}");
    }
}

#[test]
fn every_flag_and_variable_of_the_page_is_in_the_help() {
    let output = command(&["--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();

    let rows = PAGE.lines().filter(|line| line.starts_with("| `--"));
    let codes: Vec<_> = rows.map(|row| row.split('`').collect::<Vec<_>>()).collect();
    assert_eq!(codes.len(), 6, "{codes:?}");
    for row in codes {
        assert!(help.contains(row[1]) && help.contains(row[3]), "{row:?} in {help}");
    }
}

#[tokio::test]
async fn the_metrics_of_the_page_are_there() {
    let lab = lab().await;
    let arguments = ["--port", "0", "--upstream", &lab.upstreams[0].url()];
    let forwarder = Forwarder::start(&lab, &arguments, &[]);

    let metrics = beside(move || forwarder.metrics()).await;

    let rows = PAGE.lines().filter(|line| line.starts_with("| `coredns_"));
    let names: Vec<_> = rows.filter_map(|row| row.split('`').nth(3)).collect();
    assert_eq!(names.len(), 8, "{names:?}");
    for name in names {
        let (family, label) = name.split_once('{').unwrap_or((name, ""));
        let is_there =
            |line: &str| line.starts_with(family) && line.contains(label.trim_end_matches('}'));
        assert!(metrics.lines().any(is_there), "{name} in {metrics}");
    }
}
