//! Names that are asked of servers of their own, and of nobody else.

use dnsward::config::{Config, Environment};
use hickory_proto::op::ResponseCode;
use serde_json::json;

use crate::{
    control::Daemon,
    lab::{Fake, Lab, ListHost, Running},
};

/// A route to these servers.
fn route(domains: &[&str], servers: &[&Running]) -> String {
    let urls: Vec<String> = servers.iter().map(|server| server.url()).collect();
    format!("[[upstream.routes]]\ndomains = {domains:?}\nservers = {urls:?}\n")
}

/// Everybody's upstream, which knows none of the names that are routed here.
fn public() -> Fake {
    Fake::new().a("www.example", [198, 51, 100, 1]).a("www.corp.example", [198, 51, 100, 2])
}

/// The names that a server was asked.
fn asked(server: &Running) -> Vec<String> {
    server.queries().iter().map(|query| query.queries[0].name.to_ascii()).collect()
}

#[tokio::test]
async fn a_routed_name_goes_to_its_servers_and_all_others_go_where_they_went() {
    let corp = Fake::new().a("www.corp.example", [192, 0, 2, 1]).start().await;
    let config = route(&["corp.example"], &[&corp]);
    let lab = Lab::builder().upstream(public()).config(&config).start().await;

    for _ in ["asked", "cached"] {
        assert_eq!(lab.ask("WWW.corp.example", "A").await.addresses(), ["192.0.2.1"]);
        assert_eq!(lab.ask_udp("www.example", "A").await.addresses(), ["198.51.100.1"]);
        assert_eq!(lab.ask("notcorp.example", "A").await.rcode(), 3);
    }

    assert_eq!(asked(&corp), ["www.corp.example."]);
    assert_eq!(asked(&lab.upstreams[0]), ["www.example.", "notcorp.example."]);
}

#[tokio::test]
async fn the_longest_domain_says_who_is_asked() {
    let corp = Fake::new().a("www.corp.example", [192, 0, 2, 1]).start().await;
    let laboratory = Fake::new().a("www.lab.corp.example", [192, 0, 2, 2]).start().await;
    let config =
        [route(&["corp.example", "lan"], &[&corp]), route(&["lab.corp.example"], &[&laboratory])];
    let lab = Lab::builder().upstream(public()).config(&config.concat()).start().await;

    assert_eq!(lab.ask("www.corp.example", "A").await.addresses(), ["192.0.2.1"]);
    assert_eq!(lab.ask("www.lab.corp.example", "A").await.addresses(), ["192.0.2.2"]);
    assert_eq!(lab.ask("lab.corp.example", "A").await.rcode(), 3);
    assert_eq!(lab.ask("nas.lan", "A").await.rcode(), 3);

    assert_eq!(asked(&corp), ["www.corp.example.", "nas.lan."]);
    assert_eq!(asked(&laboratory), ["www.lab.corp.example.", "lab.corp.example."]);
    assert_eq!(lab.upstream_hits(), 0);
}

#[tokio::test]
async fn a_reload_leads_a_name_elsewhere_at_once_and_back() {
    let corp = Fake::new().a("www.corp.example", [192, 0, 2, 1]).start().await;
    let other = Fake::new().a("www.corp.example", [192, 0, 2, 2]).start().await;
    let lab = Lab::builder().upstream(public()).start().await;
    let [to_corp, to_other] = [&corp, &other].map(|server| route(&["corp.example"], &[server]));

    for (config, address) in [
        ("", "198.51.100.2"),
        (&to_corp, "192.0.2.1"),
        (&to_other, "192.0.2.2"),
        (&to_corp, "192.0.2.1"),
        ("", "198.51.100.2"),
    ] {
        lab.reload(config).await;
        assert_eq!(lab.ask("www.corp.example", "A").await.addresses(), [address]);
    }

    let hits = [lab.upstream_hits(), corp.hits(), other.hits()];
    assert_eq!(hits, [1, 1, 1], "what each has said is found again");
}

#[tokio::test]
async fn a_route_that_a_reload_leaves_alone_keeps_what_is_known_of_its_servers() {
    let corp = Fake::new().a("www.corp.example", [192, 0, 2, 1]).start().await;
    let config = route(&["corp.example"], &[&corp]);
    let lab = Lab::builder().upstream(public()).config(&config).start().await;
    lab.ask("www.corp.example", "A").await;

    lab.reload(&format!("{config}{}", route(&["lan"], &[&lab.upstreams[0]]))).await;

    let sample = |url| format!("dnsward_upstream_answered_total{{upstream=\"{url}\"}}");
    assert_eq!(lab.sample(&sample(corp.url())).await, 1);
}

#[tokio::test]
async fn a_server_of_several_routes_is_counted_once() {
    let lab = Lab::builder().upstream(public()).start().await;
    lab.reload(&route(&["lan"], &[&lab.upstreams[0]])).await;

    lab.ask("www.example", "A").await;
    lab.ask("nas.lan", "A").await;

    let sample =
        format!("dnsward_upstream_answered_total{{upstream=\"{}\"}}", lab.upstreams[0].url());
    assert_eq!(lab.sample(&sample).await, 2);
    let (_, page) = lab.get_metrics("/metrics").await;
    assert_eq!(page.matches(&sample).count(), 1, "{page}");
}

#[tokio::test]
async fn special_names_are_forwarded_where_a_route_leads() {
    let corp = Fake::new()
        .a("api.cluster.local", [10, 0, 0, 1])
        .a("x.test", [10, 0, 0, 2])
        .a("db.internal", [10, 0, 0, 3])
        .start()
        .await;
    let domains = ["cluster.local", "test", "internal", "10.in-addr.arpa", "arpa"];
    let config = route(&domains, &[&corp]);
    let lab = Lab::builder().upstream(Fake::new()).config(&config).start().await;

    assert_eq!(lab.ask("api.cluster.local", "A").await.addresses(), ["10.0.0.1"]);
    assert_eq!(lab.ask("x.test", "A").await.addresses(), ["10.0.0.2"]);
    assert_eq!(lab.ask("db.internal", "A").await.addresses(), ["10.0.0.3"]);
    lab.ask("1.2.3.10.in-addr.arpa", "PTR").await;
    assert_eq!(corp.hits(), 4);

    assert_eq!(lab.ask("printer.local", "A").await.rcode(), 3);
    assert_eq!(lab.ask("localhost", "A").await.addresses(), ["127.0.0.1"]);
    lab.ask("_dns.resolver.arpa", "SVCB").await;
    assert_eq!((corp.hits(), lab.upstream_hits()), (4, 0), "these stay here");
}

#[tokio::test]
async fn routed_names_may_point_into_this_network_and_rules_cannot_lend_that() {
    let corp = Fake::new().a("nas.corp.example", [192, 168, 0, 1]).start().await;
    let public = public().a("router.example", [192, 168, 0, 1]);
    let rule =
        "[[rules]]\naction = 'deny'\nmatch = '||evil.example^$dnsrewrite=nas.corp.example'\n";
    let record = "[[records]]\nname = 'way.lan'\ncname = 'nas.corp.example'\n";
    let config = format!("{}{rule}{record}", route(&["corp.example"], &[&corp]));
    let lab = Lab::builder().upstream(public).config(&config).start().await;

    for _ in ["asked", "cached"] {
        assert_eq!(lab.ask("nas.corp.example", "A").await.addresses(), ["192.168.0.1"]);
        assert_eq!(lab.ask("way.lan", "A").await.addresses(), ["192.168.0.1"]);
        assert!(lab.ask("router.example", "A").await.addresses().is_empty());
        assert!(lab.ask("evil.example", "A").await.addresses().is_empty());
    }
    assert_eq!(corp.hits(), 1);
}

#[tokio::test]
async fn lists_and_rules_hold_for_routed_names_too() {
    let corp = Fake::new().a("ads.corp.example", [192, 0, 2, 1]).start().await;
    let config = route(&["corp.example"], &[&corp]);
    let lab = Lab::builder().upstream(public()).list("ads", &["||ads.corp.example^"]);
    let lab = lab.config(&config).start().await;

    assert_eq!(lab.ask("ads.corp.example", "A").await.addresses(), ["0.0.0.0"]);
    assert_eq!(corp.hits(), 0);
}

#[tokio::test]
async fn the_host_of_a_list_is_looked_up_on_its_route() {
    let host = ListHost::start("||ads.example^").await;
    let corp = Fake::new().a("lists.corp.example", [127, 0, 0, 1]).start().await;
    let list = host.block("").replace("127.0.0.1", "lists.corp.example");
    let config = format!("{list}{}", route(&["corp.example"], &[&corp]));

    let lab = Lab::builder().upstream(public()).config(&config).start().await;

    assert_eq!(lab.ask("x.ads.example", "A").await.addresses(), ["0.0.0.0"]);
    assert_eq!(lab.upstream_hits(), 0);
}

#[tokio::test]
async fn what_everybodys_upstream_denies_a_route_may_know() {
    let corp = Fake::new().a("www.corp.example", [192, 0, 2, 1]).start().await;
    let lab = Lab::builder().upstream(Fake::new()).start().await;
    assert_eq!(lab.ask("www.corp.example", "AAAA").await.rcode(), 3);
    assert_eq!(lab.ask("corp.example", "A").await.rcode(), 3);

    lab.reload(&route(&["corp.example"], &[&corp])).await;

    assert_eq!(lab.ask("www.corp.example", "A").await.addresses(), ["192.0.2.1"]);
    assert_eq!(lab.ask("www.corp.example", "AAAA").await.rcode(), 0);
}

#[tokio::test]
async fn a_route_that_fails_asks_nobody_else_and_leaves_the_others_alone() {
    let corp = Fake::new().failing(ResponseCode::ServFail).start().await;
    let config = route(&["corp.example"], &[&corp]);
    let lab = Lab::builder().upstream(public()).config(&config).start().await;

    let failed = lab.ask("www.corp.example", "A").await;

    assert_eq!((failed.rcode(), failed.ede()[0].0), (2, 23));
    assert_eq!(lab.ask("www.example", "A").await.addresses(), ["198.51.100.1"]);
    assert_eq!(asked(&lab.upstreams[0]), ["www.example."]);
}

#[test]
fn explain_status_and_check_tell_routes_and_their_servers() {
    const ROUTE: &str = "[[upstream.routes]]\ndomains = ['cluster.local', '10.in-addr.arpa']\n\
                         servers = ['https://127.0.0.1:8/dns-query']\n";
    let daemon = Daemon::start(ROUTE);

    for place in [&["--offline"][..], &[]] {
        let (story, _) = daemon.text(&[&["explain", "api.cluster.local"], place].concat());
        assert!(story.contains("that of cluster.local, by upstream.routes"), "{story}");
        assert!(story.contains("https://127.0.0.1:8/dns-query"), "{story}");
        assert!(!story.contains("https://127.0.0.1:9/"), "{story}");
        assert!(story.contains("asked of the servers of cluster.local"), "{story}");
        let (story, _) = daemon.text(&[&["explain", "www.example"], place].concat());
        assert!(story.contains("https://127.0.0.1:9/") && !story.contains(":8/"), "{story}");
    }
    let (status, _) = daemon.json(&["status"]);
    let domains = json!(["cluster.local", "10.in-addr.arpa"]);
    assert_eq!(status["upstreams"][0]["domains"], json!(["."]));
    assert_eq!(status["upstreams"][1]["domains"], domains);
    let (rows, _) = daemon.json(&["upstream", "status"]);
    for place in [0, 1] {
        assert_eq!(rows[place]["domains"], status["upstreams"][place]["domains"]);
    }
    let (page, _) = daemon.text(&["status"]);
    assert!(page.contains("https://127.0.0.1:9/dns-query is untried"), "{page}");
    assert!(page.contains(":8/dns-query for cluster.local, 10.in-addr.arpa is"), "{page}");
    let (check, _) = daemon.json(&["check"]);
    let servers = json!(["https://127.0.0.1:8/dns-query"]);
    assert_eq!(check["routes"], json!([{ "domains": domains, "servers": servers }]));
    assert_eq!(check["without_effect"], json!([]));
    let (text, _) = daemon.text(&["check"]);
    let line = "route: cluster.local, 10.in-addr.arpa is asked of https://127.0.0.1:8/dns-query";
    assert!(text.lines().any(|told| told == line), "{text}");
}

#[test]
fn routes_can_be_given_in_the_environment() {
    let routes = "[{ domains = ['corp.example'], servers = ['https://10.0.0.1/q'] }]";
    let environment = Environment::from([("DNSWARD__UPSTREAM__ROUTES", routes)]);

    let config = Config::parse("", &environment).unwrap();

    assert_eq!(config.upstream.routes[0].servers[0].to_string(), "https://10.0.0.1/q");
}
