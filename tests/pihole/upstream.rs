//! Rows 44 to 49: what an upstream answers that itself blocks.

use std::{net::Ipv6Addr, sync::Arc};

use hickory_proto::{op::Message, rr::RData};

use crate::lab::{Fake, Lab, Reply};

/// The code and the text of an Extended DNS Error as an option.
fn ede(code: u16, text: &str) -> Vec<u8> {
    [&code.to_be_bytes(), text.as_bytes()].concat()
}

fn reason(text: &str) -> Vec<(u16, String)> {
    vec![(15, text.to_owned())]
}

async fn ask_twice(lab: &Lab, name: &str, qtype: &str) -> [Reply; 2] {
    [lab.ask(name, qtype).await, lab.ask(name, qtype).await]
}

async fn counted(lab: &Lab, outcome: &str) -> u64 {
    lab.sample(&format!("dnsward_queries_total{{transport=\"tcp\",outcome=\"{outcome}\"}}")).await
}

#[tokio::test]
async fn row_44_row_45_the_null_address_of_an_upstream_is_a_block_and_is_remembered() {
    let fake = Fake::new()
        .a("null.lab.example", [0, 0, 0, 0])
        .record("null.lab.example", RData::AAAA(Ipv6Addr::UNSPECIFIED.into()))
        .a("mixed.lab.example", [0, 0, 0, 0])
        .a("mixed.lab.example", [192, 0, 2, 1]);
    let lab = Lab::builder().upstream(fake).start().await;

    for (qtype, address) in [("A", "0.0.0.0"), ("AAAA", "::")] {
        for reply in ask_twice(&lab, "null.lab.example", qtype).await {
            assert_eq!(reply.addresses(), [address]);
            assert_eq!(reply.message.answers[0].ttl, 2);
            assert_eq!(reply.ede(), reason("upstream: null address"));
        }
    }
    assert_eq!((lab.upstream_hits(), counted(&lab, "blocked_upstream").await), (2, 4));
    // One address of several is rebinding, as ever.
    assert_eq!(lab.ask("mixed.lab.example", "A").await.addresses(), ["192.0.2.1"]);
}

#[tokio::test]
async fn row_44_is_answered_as_blocked_names_are() {
    let fake = Fake::new().a("null.lab.example", [0, 0, 0, 0]).option(15, &ede(17, "family"));
    let config = "blocking.answer = 'nxdomain'\n\
                  [[records]]\nname = 'alias.lan'\ncname = 'null.lab.example'";
    let lab = Lab::builder().upstream(fake).config(config).start().await;

    for name in ["null.lab.example", "alias.lan"] {
        let reply = lab.ask(name, "A").await;
        assert_eq!((reply.rcode(), reply.ede()), (3, vec![(17, "family".to_owned())]), "{name}");
    }
}

#[tokio::test]
async fn row_46_row_47_a_block_page_is_passed_on_and_counted() {
    let fake = Fake::new()
        .a("page.lab.example", [146, 112, 61, 104])
        .a("many.lab.example", [192, 0, 2, 1])
        .a("many.lab.example", [146, 112, 61, 110])
        .a("many.lab.example", [192, 0, 2, 2])
        .a("near.lab.example", [146, 112, 61, 111]);
    let lab = Lab::builder().upstream(fake).start().await;

    for reply in ask_twice(&lab, "page.lab.example", "A").await {
        assert_eq!(reply.addresses(), ["146.112.61.104"]);
        assert_eq!(reply.ede(), reason("upstream: block page"));
    }
    assert_eq!(lab.ask("many.lab.example", "A").await.addresses().len(), 3);
    assert_eq!(counted(&lab, "blocked_upstream").await, 3);
    assert!(lab.ask("near.lab.example", "A").await.ede().is_empty());
    assert_eq!((lab.upstream_hits(), counted(&lab, "forwarded").await), (3, 1));
}

// Pi-hole answers this row with its own block answer. We leave an upstream's "no such name" as it
// is, which is as final, and its reason in its own words.
#[tokio::test]
async fn row_48_a_denial_with_a_reason_is_passed_on_counted_and_remembered() {
    for code in [15, 16, 17] {
        let fake = Fake::new().option(15, &ede(code, "threat"));
        let lab = Lab::builder().upstream(fake).start().await;

        for reply in ask_twice(&lab, "told.lab.example", "A").await {
            let seen = (reply.rcode(), reply.ede());
            assert_eq!(seen, (3, vec![(code, "threat".to_owned())]));
        }
        assert_eq!((lab.upstream_hits(), counted(&lab, "blocked_upstream").await), (1, 2));
    }
}

#[tokio::test]
async fn row_49_a_denial_by_who_offers_no_recursion_is_counted() {
    let denying = |query: &Message| {
        let mut answer = query.clone();
        answer.metadata.message_type = hickory_proto::op::MessageType::Response;
        answer.metadata.response_code = hickory_proto::op::ResponseCode::NXDomain;
        answer
    };
    let lab = Lab::builder().upstream(Fake::new().answering(Arc::new(denying))).start().await;

    let reply = lab.ask("denied.lab.example", "A").await;

    assert_eq!((reply.rcode(), reply.ede()), (3, reason("upstream: denial")));
    assert_eq!(counted(&lab, "blocked_upstream").await, 1);
}
