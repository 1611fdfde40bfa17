//! The listener for monitoring: probes and counters.

use crate::lab::{Fake, Lab};

#[tokio::test]
async fn a_server_with_loaded_lists_is_alive_and_ready() {
    let lab = Lab::builder().list("ads", &["||ads.example^"]).start().await;

    assert_eq!(lab.get_metrics("/livez").await, (200, "alive\n".to_owned()));
    assert_eq!(lab.get_metrics("/readyz").await, (200, "ready\n".to_owned()));
}

#[tokio::test]
async fn an_upstream_that_is_gone_does_not_make_it_unready() {
    let lab = Lab::builder().start().await;

    assert_eq!(lab.ask("www.example", "A").await.rcode(), 2);
    assert_eq!(lab.get_metrics("/readyz").await.0, 200);
}

#[tokio::test]
async fn every_answer_is_counted_once_by_how_it_came_about() {
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]);
    let lab = Lab::builder().upstream(fake).list("ads", &["ads.example"]).start().await;

    for name in ["www.example", "www.example", "ads.example", "localhost", "none.example"] {
        lab.ask(name, "A").await;
    }
    lab.ask_udp("ads.example", "A").await;

    for (transport, outcome, count) in [
        ("tcp", "forwarded", 2),
        ("tcp", "cached", 1),
        ("tcp", "blocked", 1),
        ("tcp", "special", 1),
        ("udp", "blocked", 1),
        ("udp", "cached", 0),
    ] {
        let labels = format!("{{transport=\"{transport}\",outcome=\"{outcome}\"}}");
        let sample = lab.sample(&format!("dnsward_queries_total{labels}")).await;
        assert_eq!(sample, count, "{transport} {outcome}");
    }
    assert_eq!(lab.sample("dnsward_responses_total{rcode=\"NXDOMAIN\"}").await, 1);
}

#[tokio::test]
async fn names_that_clients_send_never_become_labels() {
    let lab = Lab::builder().upstream(Fake::new()).start().await;

    lab.ask("sneaky-label.example", "A").await;

    assert!(!lab.get_metrics("/metrics").await.1.contains("sneaky"));
}
