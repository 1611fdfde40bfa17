//! Names that must not leak: what each of them gets, and that upstream never hears of it.

use crate::lab::{Fake, Lab};

/// A lab whose upstream knows no name, so that whatever comes from there is NXDOMAIN.
async fn start() -> Lab {
    Lab::builder().upstream(Fake::new()).start().await
}

#[tokio::test]
async fn r85_localhost_and_what_lies_below_it_is_this_host() {
    let lab = start().await;

    for name in ["localhost", "LocalHost", "www.localhost"] {
        assert_eq!(lab.ask(name, "A").await.addresses(), ["127.0.0.1"], "{name}");
        assert_eq!(lab.ask(name, "AAAA").await.addresses(), ["::1"], "{name}");
        let other = lab.ask(name, "MX").await;
        assert_eq!((other.rcode(), other.answers().len()), (0, 0), "{name}");
    }
    assert_eq!(lab.upstream_hits(), 0);
}

#[tokio::test]
async fn r86_r87_r88_r91_names_of_no_public_zone_do_not_exist() {
    let lab = start().await;

    for zone in ["test", "invalid", "onion", "local", "home.arpa", "internal"] {
        for name in [zone.to_owned(), format!("x.{zone}"), format!("_x._tcp.X.{zone}")] {
            assert_eq!(lab.ask(&name, "A").await.rcode(), 3, "{name}");
            assert_eq!(lab.ask(&name, "HTTPS").await.rcode(), 3, "{name}");
        }
    }
    assert_eq!(lab.upstream_hits(), 0);
}

#[tokio::test]
async fn r89_reverse_names_of_private_networks_do_not_exist() {
    let lab = start().await;

    for address in [
        "10.2.3.4",
        "172.31.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "127.0.0.2",
        "169.254.1.1",
        "192.0.2.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "2001:db8::1",
    ] {
        let address: std::net::IpAddr = address.parse().unwrap();
        let name = hickory_proto::rr::Name::from(address).to_ascii();
        let reply = lab.ask(name.trim_end_matches('.'), "PTR").await;
        let soa = reply.message.authorities.iter().filter(|record| record.record_type().is_soa());
        assert_eq!((reply.rcode(), soa.count()), (3, 1), "{name}");
    }
    assert_eq!(lab.upstream_hits(), 0);
}

#[tokio::test]
async fn r82_clients_find_no_encrypted_resolver_because_there_is_none() {
    let lab = start().await;

    for qtype in ["SVCB", "A"] {
        let reply = lab.ask("_dns.resolver.arpa", qtype).await;
        assert_eq!((reply.rcode(), reply.answers().len()), (0, 0), "{qtype}");
    }
    assert_eq!(lab.upstream_hits(), 0);
}

#[tokio::test]
async fn r73_who_asks_for_everything_gets_next_to_nothing() {
    let lab = start().await;
    let query = crate::lab::question("www.example", "ANY").to_vec().unwrap();

    let answer = lab.send_udp(&query).await;

    assert_eq!(crate::lab::Reply::read(&answer).answers(), ["HINFO RFC8482 "]);
    assert!(answer.len() <= query.len() + 21, "{} for {}", answer.len(), query.len());
    assert_eq!(lab.upstream_hits(), 0);
}

#[tokio::test]
async fn filters_make_themselves_known_and_aliases_do_not_leak() {
    let lab = start().await;

    assert_eq!(lab.ask("use-application-dns.net", "A").await.rcode(), 3);
    lab.reload("[[records]]\nname = 'way.lan'\ncname = 'secret.internal'").await;
    assert_eq!(lab.ask("way.lan", "A").await.rcode(), 3);
    assert_eq!(lab.upstream_hits(), 0);
}
