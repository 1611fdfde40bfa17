//! Rows 23 to 27, 36 and 66: names that are special, all types at once, letters as they were asked.

use std::net::Ipv6Addr;

use hickory_proto::rr::RData;

use crate::lab::{Fake, Lab};

/// An address that other names have, too.
pub(super) const V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

fn knowing() -> Fake {
    Fake::new()
        .a("plain.lab.example", [192, 0, 2, 1])
        .record("plain.lab.example", RData::AAAA(V6.into()))
        .a("mask.icloud.com", [192, 0, 2, 2])
        .a("fooresolver.arpa", [192, 0, 2, 3])
        .a("_esni.plain.lab.example", [192, 0, 2, 4])
        .a("_esni.blk.lab.example", [192, 0, 2, 5])
}

#[tokio::test]
async fn row_23_a_name_that_nothing_speaks_of_is_resolved_over_udp_and_tcp() {
    let lab = Lab::builder().upstream(knowing()).start().await;

    for reply in
        [lab.ask("plain.lab.example", "A").await, lab.ask_udp("plain.lab.example", "A").await]
    {
        assert_eq!(reply.addresses(), ["192.0.2.1"]);
    }
    assert_eq!(lab.ask("plain.lab.example", "AAAA").await.addresses(), ["2001:db8::1"]);
}

// Pi-hole forwards other types of the canary. We deny the name, so that all that a client asks of
// it says the same.
#[tokio::test]
async fn row_24_firefox_learns_that_this_resolver_filters() {
    let lab = Lab::builder().upstream(knowing()).start().await;

    for qtype in ["A", "AAAA", "TXT"] {
        let reply = lab.ask("use-application-dns.net", qtype).await;
        assert_eq!((reply.rcode(), reply.message.authorities.len()), (3, 1), "{qtype}");
    }
    assert_eq!(lab.upstream_hits(), 0);
}

#[tokio::test]
async fn row_25_a_private_relay_is_denied_unless_a_rule_allows_it() {
    let lab = Lab::builder().upstream(knowing()).start().await;
    assert_eq!(lab.ask("mask.icloud.com", "A").await.rcode(), 3);
    assert_eq!(lab.ask("mask-h2.icloud.com", "HTTPS").await.rcode(), 3);

    lab.reload("[[rules]]\naction = 'allow'\nmatch = 'mask.icloud.com'").await;

    assert_eq!(lab.ask("mask.icloud.com", "A").await.addresses(), ["192.0.2.2"]);
}

// Pi-hole compares the ends of names. We compare labels.
#[tokio::test]
async fn row_26_no_designated_resolver_is_told() {
    let lab = Lab::builder().upstream(knowing()).start().await;

    for name in ["_dns.resolver.arpa", "resolver.arpa"] {
        let reply = lab.ask(name, "SVCB").await;
        assert_eq!((reply.rcode(), reply.answers().len()), (0, 0), "{name}");
    }
    assert_eq!(lab.ask("fooresolver.arpa", "A").await.addresses(), ["192.0.2.3"]);
}

#[tokio::test]
async fn row_27_the_encryption_key_of_a_blocked_host_does_not_exist() {
    let rules = "
        [[rules]]
        action = 'allow'
        match = 'free.lab.example'
        [[rules]]
        action = 'deny'
        match = '*.den.lab.example'
    ";
    let lab = Lab::builder()
        .upstream(knowing().a("_esni.free.lab.example", [192, 0, 2, 6]))
        .list("ads", &["blk.lab.example", "free.lab.example"])
        .config(rules)
        .start()
        .await;

    for (name, reason) in [
        ("_esni.blk.lab.example", "ads"),
        ("_ESNI.blk.lab.example", "ads"),
        ("_esni.den.lab.example", "*.den.lab.example"),
    ] {
        for qtype in ["A", "TXT"] {
            let reply = lab.ask(name, qtype).await;
            assert_eq!((reply.rcode(), reply.ede()), (3, vec![(15, reason.into())]), "{name}");
        }
    }
    for (name, address) in
        [("_esni.plain.lab.example", "192.0.2.4"), ("_esni.free.lab.example", "192.0.2.6")]
    {
        assert_eq!(lab.ask(name, "A").await.addresses(), [address], "{name}");
    }
}

// Pi-hole asks for all types and keeps a few. We give the short answer of RFC 8482 to everybody.
#[tokio::test]
async fn row_36_who_asks_for_all_types_gets_next_to_nothing() {
    let lab = Lab::builder().upstream(knowing()).start().await;

    assert_eq!(lab.ask("plain.lab.example", "ANY").await.answers(), ["HINFO RFC8482 "]);
    assert_eq!(lab.upstream_hits(), 0);
}

#[tokio::test]
async fn row_66_letters_come_back_as_they_were_asked_blocked_or_not() {
    let lab = Lab::builder().upstream(knowing()).list("ads", &["blk.lab.example"]).start().await;

    for name in ["PlaiN.LaB.exAmple", "bLk.LaB.exAmple"] {
        for _ in ["the first time", "again"] {
            let message = lab.ask(name, "A").await.message;
            assert_eq!(message.queries[0].name.to_ascii(), format!("{name}."));
            assert_eq!(message.answers[0].name.to_ascii(), format!("{name}."));
        }
    }
}
