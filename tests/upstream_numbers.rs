//! What is told of upstream servers: numbers for monitoring, a page for people, JSON for the admin
//! page, and a test of each server from the command line.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;
use tokio::sync::Notify;

use crate::{
    control::{Daemon, dnsward, text},
    lab::{Fake, Lab},
};

/// The value of a sample of the first upstream.
async fn of_first(lab: &Lab, name: &str, labels: &str) -> u64 {
    let own = format!("upstream=\"{}\"", lab.upstreams[0].url());
    // Bounds of histograms come first, all else behind.
    let labels = match labels.starts_with("le=") {
        true => format!("{{{labels},{own}}}"),
        false => format!("{{{own}{labels}}}"),
    };
    lab.sample(&format!("dnsward_upstream_{name}{labels}")).await
}

#[tokio::test]
async fn what_was_asked_and_answered_is_counted_once_for_its_server() {
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]);
    let lab = Lab::builder().upstream(fake).start().await;

    for name in ["www.example", "www.example", "none.example"] {
        lab.ask(name, "A").await;
    }

    for (name, labels, count) in [
        ("queries_total", ",outcome=\"good\"", 2),
        ("queries_total", ",outcome=\"failed\"", 0),
        ("answered_total", "", 2),
        ("failed_total", "", 0),
        ("up", "", 1),
        ("sends_total", ",kind=\"first\"", 2),
        ("sends_total", ",kind=\"retry\"", 0),
        ("round_trip_seconds_count", "", 2),
        ("round_trip_seconds_bucket", "le=\"+Inf\"", 2),
        ("http_responses_total", ",code=\"2xx\"", 2),
        ("connects_total", ",result=\"ok\",family=\"ipv4\"", 1),
        ("connect_seconds_count", ",phase=\"tcp\"", 1),
        ("connect_seconds_count", ",phase=\"tls\"", 1),
        ("tls_handshakes_total", ",kind=\"full\"", 1),
        ("tls_info", ",version=\"TLSv1_3\",group=\"X25519MLKEM768\"", 1),
        ("connections_open", "", 1),
        ("breaker_state", ",state=\"closed\"", 1),
        ("breaker_state", ",state=\"open\"", 0),
        ("in_flight", "", 0),
    ] {
        assert_eq!(of_first(&lab, name, labels).await, count, "{name}{labels}");
    }
}

/// Failure story 9: a server that asks for fewer queries is seen to do so.
#[tokio::test]
async fn failures_are_counted_by_their_kind() {
    let lab = Lab::builder().upstream(Fake::new().status(503)).start().await;

    lab.ask("www.example", "A").await;

    let sent = of_first(&lab, "failed_total", "").await;
    assert!((1..=3).contains(&sent), "{sent}");
    assert_eq!(of_first(&lab, "errors_total", ",class=\"throttled\"").await, sent);
    assert_eq!(of_first(&lab, "http_responses_total", ",code=\"503\"").await, sent);
    assert!(of_first(&lab, "throttled_total", "").await > 0);
    assert_eq!(of_first(&lab, "up", "").await, 0);
}

#[tokio::test]
async fn a_connect_that_is_refused_is_counted_by_its_result() {
    let lab = Lab::builder().start().await;

    lab.ask("www.example", "A").await;

    let labels = "{upstream=\"https://127.0.0.1:9/dns-query\",result=\"failed\",family=\"ipv4\"}";
    assert!(lab.sample(&format!("dnsward_upstream_connects_total{labels}")).await > 0);
}

/// Failure story 4: what many ask at once is asked once, and that can be seen.
#[tokio::test]
async fn t56_queries_that_join_another_are_counted() {
    let gate = Arc::new(Notify::new());
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]).gated(&gate);
    let lab = Lab::builder().upstream(fake).start().await;
    let all_wait = async {
        while lab.sample("dnsward_queries_waiting").await < 3 {}
        gate.notify_one();
    };

    let ask = || lab.ask("www.example", "A");
    let (first, second, third, ()) = tokio::join!(ask(), ask(), ask(), all_wait);

    assert!([first, second, third].iter().all(|reply| reply.addresses() == ["192.0.2.1"]));
    assert_eq!(lab.sample("dnsward_upstream_coalesced_total").await, 2);
    assert_eq!(of_first(&lab, "sends_total", ",kind=\"first\"").await, 1);
}

#[tokio::test]
async fn a_reload_keeps_what_was_counted_of_a_server_that_stays() {
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]);
    let lab = Lab::builder().upstream(fake).with_data_dir().start().await;
    lab.ask("www.example", "A").await;

    // Another timeout needs another client, with other connections.
    lab.reload("upstream.timeout = '4s'").await;
    lab.ask("other.example", "A").await;

    assert_eq!(of_first(&lab, "queries_total", ",outcome=\"good\"").await, 2);
    assert_eq!(of_first(&lab, "answered_total", "").await, 2);
    assert_eq!(of_first(&lab, "connects_total", ",result=\"ok\",family=\"ipv4\"").await, 2);
    let rows = lab.get_json("/api/v1/upstreams", &lab.log_in().await).await;
    assert_eq!((&rows[0]["connects"], &rows[0]["answered"]), (&2.into(), &2.into()));
}

#[tokio::test]
async fn a_server_of_two_routes_has_one_row_with_the_sum_of_both() {
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]).a("www.corp.example", [192, 0, 2, 2]);
    let lab = Lab::builder().upstream(fake).with_data_dir().start().await;
    let url = lab.upstreams[0].url();
    let route = format!("[[upstream.routes]]\ndomains = ['corp.example']\nservers = ['{url}']\n");
    lab.reload(&route).await;

    lab.ask("www.example", "A").await;
    lab.ask("www.corp.example", "A").await;

    assert_eq!(of_first(&lab, "queries_total", ",outcome=\"good\"").await, 2);
    let rows = lab.get_json("/api/v1/upstreams", &lab.log_in().await).await;
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
    assert_eq!(rows[0]["domains"], serde_json::json!([".", "corp.example"]));
    assert_eq!((&rows[0]["answered"], &rows[0]["connections"]), (&2.into(), &2.into()));
}

#[tokio::test]
async fn the_admin_page_is_told_the_last_hour_of_each_server() {
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]);
    let lab = Lab::builder().upstream(fake).start().await;
    lab.ask("www.example", "A").await;

    let rows = lab.get_json("/api/v1/upstreams", &lab.log_in().await).await;

    let row = &rows[0];
    assert_eq!(row["server"], lab.upstreams[0].url());
    assert_eq!((&row["state"], &row["breaker"]), (&"up".into(), &"closed".into()));
    assert_eq!(row["timeline"]["slice_seconds"], 30);
    let slices = row["timeline"]["slices"].as_array().unwrap();
    let sum = |key: &str| slices.iter().filter_map(|slice| slice[key].as_u64()).sum::<u64>();
    assert_eq!((sum("sent"), sum("answered"), sum("failed")), (1, 1, 0));
    assert!(slices.iter().any(|slice| slice["p95_ms"].as_f64() > Some(0.0)), "{row}");
}

#[test]
fn upstream_status_tells_how_each_server_does_and_what_to_do() {
    let daemon = Daemon::start("");
    let (rows, before) = daemon.json(&["upstream", "status"]);
    daemon.run(&["query", "www.example", "--server", daemon.dns()]);

    let (after, code) = daemon.json(&["upstream", "status"]);
    let (page, _) = daemon.text(&["upstream", "status"]);

    assert_eq!((&rows[0]["state"], before), (&"untried".into(), Some(0)));
    assert_eq!((&after[0]["state"], code), (&"down".into(), Some(1)), "{after}");
    assert!(after[0]["failed"].as_u64() > Some(0), "{after}");
    assert!(after[0]["next_step"].as_str().unwrap().contains("firewall"), "{after}");
    for words in ["SERVER", "https://127.0.0.1:9/dns-query", "cannot connect to 127.0.0.1:9"] {
        assert!(page.contains(words), "{words} in {page}");
    }
    assert!(!page.contains("LAST HOUR"), "nothing is drawn where nobody looks: {page}");
}

/// Runs `upstream test` with these settings, where a lab's servers can still answer meanwhile.
async fn test_upstreams(config: String, arguments: &[&str]) -> (String, String, Option<i32>) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("dnsward.toml"), config).unwrap();
    let mut command = dnsward(&[&["upstream", "test"], arguments].concat(), directory.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

#[tokio::test]
async fn a_good_server_passes_its_test_without_a_running_dnsward() {
    let lab = Lab::builder().upstream(Fake::new()).start().await;
    let url = lab.upstreams[0].url();

    let (json, _, code) = test_upstreams(lab.preamble().to_owned(), &["--json"]).await;
    let (page, _, _) = test_upstreams(lab.preamble().to_owned(), &[&url]).await;

    let rows: Value = serde_json::from_str(&json).unwrap();
    let row = &rows[0];
    assert_eq!((&row["ok"], code), (&true.into(), Some(0)), "{json}");
    assert_eq!((&row["server"], &row["question"]), (&url.as_str().into(), &". NS".into()));
    assert_eq!(row["tls_version"], "TLSv1_3");
    assert_eq!(row["tls_group"], "X25519MLKEM768");
    for key in ["tcp_ms", "tls_ms", "round_trip_ms"] {
        assert!(row[key].as_f64() > Some(0.0), "{key} in {json}");
    }
    assert!(page.contains("NXDOMAIN") && page.contains("TLSv1_3 X25519MLKEM768"), "{page}");
}

#[tokio::test]
async fn t30_t40_dead_and_untrusted_servers_fail_their_test_with_a_next_step() {
    let lab = Lab::builder().upstream(Fake::new()).start().await;
    let url = lab.upstreams[0].url();
    let dead = "https://127.0.0.1:9/dns-query";
    let config = format!("upstream.servers = ['{url}', '{dead}']");

    let (json, _, code) = test_upstreams(config.clone(), &["--json"]).await;
    let (page, _, _) = test_upstreams(config, &[dead]).await;

    let rows: Value = serde_json::from_str(&json).unwrap();
    let told = |row: usize, key: &str| rows[row][key].as_str().unwrap_or_default().to_owned();
    assert_eq!((&rows[0]["ok"], &rows[1]["ok"], code), (&false.into(), &false.into(), Some(1)));
    assert!(told(0, "error").contains("unknown authority"), "{json}");
    assert!(told(0, "next_step").contains("authority"), "{json}");
    assert!(told(1, "error").contains("cannot connect to 127.0.0.1:9"), "{json}");
    assert!(told(1, "next_step").contains("firewall"), "{json}");
    assert!(page.contains("none") && !page.contains(&url), "{page}");
}

#[tokio::test]
async fn a_server_that_answers_nothing_of_use_fails_its_test_and_one_good_one_does_not_help_it() {
    let refusing = Fake::new().failing(hickory_proto::op::ResponseCode::Refused);
    let lab = Lab::builder().upstream(Fake::new()).upstream(refusing).start().await;

    let (json, _, code) = test_upstreams(lab.preamble().to_owned(), &["--json"]).await;
    let (_, told, usage) = test_upstreams(lab.preamble().to_owned(), &["gopher://x"]).await;

    let rows: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&rows[0]["ok"], &rows[1]["ok"], code), (&true.into(), &false.into(), Some(1)));
    assert_eq!(rows[1]["rcode"], "REFUSED");
    assert!(usage == Some(2) && told.contains("configured are: https://"), "{told}");
}

/// A proxy leads out of the network, where a routed server is not, and nobody is at this one.
#[tokio::test]
async fn a_routed_server_is_asked_directly_for_its_own_domain() {
    let lab = Lab::builder().upstream(Fake::new()).start().await;
    let inside = Fake::new().a("www.corp.example", [192, 0, 2, 1]).start().await;
    let url = inside.url();
    let route = format!("[[upstream.routes]]\ndomains = ['corp.example']\nservers = ['{url}']\n");
    let proxy = "upstream.proxy = 'http://127.0.0.1:9'\n";
    let config = format!("{}\n{proxy}{route}", lab.preamble());

    let (json, _, code) = test_upstreams(config.clone(), &["--json"]).await;
    let (_, _, of_route) = test_upstreams(config, &[&url]).await;

    let rows: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&rows[0]["ok"], &rows[1]["ok"], code), (&false.into(), &true.into(), Some(1)));
    assert!(rows[0]["next_step"].as_str().unwrap().contains("proxy"), "{json}");
    assert_eq!((&rows[1]["question"], of_route), (&"corp.example SOA".into(), Some(0)), "{json}");
}

/// Everything behind `upstream="`, up to the next quote.
fn upstream_labels(text: &str) -> BTreeSet<&str> {
    let labels = text.split("upstream=\"").skip(1);
    labels.filter_map(|rest| rest.split('"').next()).collect()
}

#[tokio::test]
async fn servers_are_labelled_by_their_urls_alone_and_go_when_they_are_configured_no_more() {
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]);
    let lab = Lab::builder().upstream(fake).start().await;
    let secret = "https://metered.example/dns-query#192.0.2.1,metered";
    let route =
        |name| format!("[[upstream.routes]]\ndomains = ['{name}']\nservers = ['{secret}']\n");
    lab.reload(&route("corp.example")).await;

    let (_, with) = lab.get_metrics("/metrics").await;
    lab.reload("").await;
    let (_, without) = lab.get_metrics("/metrics").await;

    let url = lab.upstreams[0].url();
    let both = BTreeSet::from([url.as_str(), "https://metered.example/dns-query"]);
    assert_eq!(upstream_labels(&with), both);
    assert_eq!(upstream_labels(&without), BTreeSet::from([url.as_str()]));
}
