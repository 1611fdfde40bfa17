//! Public names that point into this network are cut off from it.

use crate::lab::{Fake, Lab, Reply};

fn pointing_home() -> Fake {
    Fake::new()
        .a("router.example", [192, 168, 0, 1])
        .a("both.example", [10, 0, 0, 1])
        .a("both.example", [192, 0, 2, 1])
        .a("sub.corp.example", [10, 1, 2, 3])
        .a("cdn.example", [127, 0, 0, 1])
        .cname("alias.example", "cdn.example")
        .https_with_hints("svc.example", &[[192, 168, 0, 2]])
        .a("public.example", [198, 51, 100, 1])
}

fn reason(reply: &Reply) -> Option<(u16, String)> {
    reply.ede().first().cloned()
}

#[tokio::test]
async fn r97_r81_private_addresses_of_public_names_are_left_out_cached_or_not() {
    let lab = Lab::builder().upstream(pointing_home()).start().await;
    let why = Some((15, "rebinding protection".to_owned()));

    for _ in ["from upstream", "from the cache"] {
        for reply in
            [lab.ask("router.example", "A").await, lab.ask_udp("router.example", "A").await]
        {
            assert_eq!((reply.rcode(), reply.addresses().len()), (0, 0));
            assert_eq!((reply.message.authorities.len(), reason(&reply)), (1, why.clone()));
        }
        let both = lab.ask("both.example", "A").await;
        assert_eq!((both.addresses(), reason(&both)), (vec!["192.0.2.1".into()], why.clone()));
        let alias = lab.ask("alias.example", "A").await;
        assert_eq!(
            (alias.answers(), reason(&alias)),
            (vec!["CNAME cdn.example.".into()], why.clone())
        );
        let service = lab.ask("svc.example", "HTTPS").await;
        assert_eq!((service.answers().len(), reason(&service)), (1, why.clone()));
        assert!(!service.answers()[0].contains("192.168"), "{:?}", service.answers());
        assert_eq!(lab.ask("public.example", "A").await.addresses(), ["198.51.100.1"]);
    }
    assert_eq!(lab.upstream_hits(), 5);
}

#[tokio::test]
async fn names_that_may_point_home_do() {
    let exempt = "dns.rebind_exempt = ['corp.example']\n\
                  [[records]]\nname = 'way.lan'\ncname = 'router.example'";
    let lab = Lab::builder().upstream(pointing_home()).config(exempt).start().await;

    assert_eq!(lab.ask("sub.corp.example", "A").await.addresses(), ["10.1.2.3"]);
    assert_eq!(lab.ask("way.lan", "A").await.addresses(), ["192.168.0.1"]);
    assert!(lab.ask("router.example", "A").await.addresses().is_empty());
}

#[tokio::test]
async fn the_protection_can_be_switched_off_and_counts_at_once() {
    let lab = Lab::builder().upstream(pointing_home()).start().await;

    assert!(lab.ask("router.example", "A").await.addresses().is_empty());
    lab.reload("dns.rebind_protection = false").await;
    assert_eq!(lab.ask("router.example", "A").await.addresses(), ["192.168.0.1"]);
    assert_eq!(lab.upstream_hits(), 1);
}
