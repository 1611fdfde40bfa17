//! What stands between the server and its upstreams: proxies, and upstreams that ask who we are.

use crate::lab::{Fake, Lab, Tunnels, client_credentials};

fn knowing() -> Fake {
    Fake::new().a("www.example", [192, 0, 2, 1])
}

#[tokio::test]
async fn misses_go_through_the_proxy() {
    for scheme in ["http", "socks5", "socks5h"] {
        let tunnels = Tunnels::start().await;
        let proxy = format!("upstream.proxy = '{}'", tunnels.url(scheme));
        let lab = Lab::builder().upstream(knowing()).config(&proxy).start().await;

        assert_eq!(lab.ask("www.example", "A").await.addresses(), ["192.0.2.1"], "{scheme}");
        assert_eq!((lab.upstream_hits(), tunnels.count()), (1, 1), "{scheme}");
    }
}

#[tokio::test]
async fn a_reload_changes_the_proxy() {
    let tunnels = Tunnels::start().await;
    let lab = Lab::builder().upstream(knowing().a("b.example", [192, 0, 2, 2])).start().await;
    lab.ask("www.example", "A").await;
    assert_eq!(tunnels.count(), 0);

    lab.reload(&format!("upstream.proxy = '{}'", tunnels.url("http"))).await;

    assert_eq!(lab.ask("b.example", "A").await.addresses(), ["192.0.2.2"]);
    assert_eq!(tunnels.count(), 1);
}

#[tokio::test]
async fn an_upstream_that_asks_who_we_are_is_shown_our_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (chain, key) = client_credentials();
    let (chain, key) = (write("tls.crt", chain), write("tls.key", key));
    let lab = Lab::builder().upstream(knowing().asking_who_we_are()).start().await;
    assert_eq!(lab.ask("www.example", "A").await.rcode(), 2);
    assert_eq!(lab.upstream_hits(), 0);

    let config =
        format!("upstream.client_cert_file = '{chain}'\nupstream.client_key_file = '{key}'");
    lab.reload(&config).await;

    assert_eq!(lab.ask("no.example", "A").await.rcode(), 3);
    assert_eq!(lab.upstream_hits(), 1);
}
