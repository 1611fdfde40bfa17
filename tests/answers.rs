//! What clients are told: addresses, aliases, flags, letter case, times to live.

use std::sync::Arc;

use hickory_proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{
        DNSClass, RData, Record, RecordType,
        rdata::{A, NULL},
    },
};

use crate::lab::{Fake, Lab, Reply, question};

const LOCAL_NAMES: &str = "
    [[records]]
    name = 'nas.lan'
    a = ['192.168.1.2']
    txt = ['hello']
    [[records]]
    name = 'files.lan'
    cname = 'nas.lan'
    [[records]]
    name = 'shop.lan'
    cname = 'www.example'
";

#[tokio::test]
async fn a_name_is_resolved_over_https_and_then_from_the_cache() {
    let lab = Lab::builder().upstream(Fake::new().a("www.example", [192, 0, 2, 1])).start().await;

    for transport in ["tcp", "tcp again", "udp"] {
        let reply = match transport {
            "udp" => lab.ask_udp("www.example", "A").await,
            _ => lab.ask("www.example", "A").await,
        };
        assert_eq!(reply.addresses(), ["192.0.2.1"], "{transport}");
    }
    assert_eq!(lab.upstream_hits(), 1);
}

#[tokio::test]
async fn local_names_are_answered_without_asking_upstream() {
    let lab = Lab::builder().upstream(Fake::new()).config(LOCAL_NAMES).start().await;

    assert_eq!(lab.ask("nas.lan", "A").await.addresses(), ["192.168.1.2"]);
    assert_eq!(lab.ask("nas.lan", "TXT").await.answers(), ["TXT hello"]);
    let reverse = lab.ask("2.1.168.192.in-addr.arpa", "PTR").await;
    assert_eq!(reverse.answers(), ["PTR nas.lan."]);
    let alias = lab.ask("files.lan", "A").await;
    assert_eq!(alias.answers(), ["CNAME nas.lan.", "A 192.168.1.2"]);
    let none = lab.ask("nas.lan", "AAAA").await;
    assert_eq!((none.rcode(), none.message.authorities.len()), (0, 1));
    assert_eq!(lab.upstream_hits(), 0);
}

#[tokio::test]
async fn a_local_alias_of_a_public_name_carries_its_addresses() {
    let fake = Fake::new().cname("www.example", "cdn.example").a("cdn.example", [192, 0, 2, 9]);
    let lab = Lab::builder().upstream(fake).config(LOCAL_NAMES).start().await;

    for _ in ["from upstream", "from the cache"] {
        let reply = lab.ask("shop.lan", "A").await;
        let expected = ["CNAME www.example.", "CNAME cdn.example.", "A 192.0.2.9"];
        assert_eq!(reply.answers(), expected);
        assert_eq!(reply.message.queries[0].name.to_string(), "shop.lan.");
    }
    assert_eq!(lab.upstream_hits(), 1);
}

#[tokio::test]
async fn r34_a_name_that_does_not_exist_is_remembered_by_its_soa() {
    let lab = Lab::builder().upstream(Fake::new()).start().await;

    for _ in 0..2 {
        let reply = lab.ask("nobody.example", "A").await;
        assert_eq!((reply.rcode(), reply.message.authorities.len()), (3, 1));
    }
    assert_eq!(lab.upstream_hits(), 1);
}

#[tokio::test]
async fn r32_a_time_to_live_of_zero_is_not_remembered() {
    let fake = Fake::new().ttl(0).a("now.example", [192, 0, 2, 1]);
    let lab = Lab::builder().upstream(fake).start().await;

    lab.ask("now.example", "A").await;
    lab.ask("now.example", "A").await;
    assert_eq!(lab.upstream_hits(), 2);
}

#[tokio::test]
async fn times_to_live_are_brought_into_bounds() {
    let fake = Fake::new().ttl(10).a("short.example", [192, 0, 2, 1]);
    let fake = fake.ttl(1_000_000).a("long.example", [192, 0, 2, 2]);
    let config = "[cache]\nmin_ttl = '60s'\nmax_ttl = '1h'";
    let lab = Lab::builder().upstream(fake).config(config).start().await;

    assert_eq!(lab.ask("short.example", "A").await.message.answers[0].ttl, 60);
    assert_eq!(lab.ask("long.example", "A").await.message.answers[0].ttl, 3600);
}

#[tokio::test]
async fn r25_an_answer_repeats_id_and_letter_case() {
    let lab = Lab::builder().upstream(Fake::new().a("www.example", [192, 0, 2, 1])).start().await;

    for name in ["wWw.ExAmPlE", "WWW.example"] {
        let wire = question(name, "A").to_vec().unwrap();
        let answer = lab.send_udp(&wire).await;
        assert_eq!(answer[..2], wire[..2]);
        assert_eq!(answer[12..25], wire[12..25], "{name}");
        assert_eq!(Reply::read(&answer).addresses(), ["192.0.2.1"]);
    }
    assert_eq!(lab.upstream_hits(), 1);
}

#[tokio::test]
async fn r53_r60_edns_is_spoken_only_to_those_who_speak_it() {
    let lab = Lab::builder().upstream(Fake::new().a("www.example", [192, 0, 2, 1])).start().await;
    let mut plain = question("www.example", "A");
    plain.edns = None;

    let without = Reply::read(&lab.send_udp(&plain.to_vec().unwrap()).await);
    let with = lab.ask_udp("www.example", "A").await;

    assert!(without.message.edns.is_none());
    assert_eq!(with.message.edns.unwrap().max_payload(), 1232);
}

#[tokio::test]
async fn r49_authentic_data_is_shown_to_those_who_understand_it() {
    let lab = Lab::builder().upstream(Fake::new().a("www.example", [192, 0, 2, 1])).start().await;
    let mut knowing = question("www.example", "A");
    knowing.metadata.authentic_data = true;

    let shown = Reply::read(&lab.send_udp(&knowing.to_vec().unwrap()).await);
    let mut signed = question("www.example", "A");
    signed.edns.as_mut().unwrap().set_dnssec_ok(true);
    let shown_too = Reply::read(&lab.send_udp(&signed.to_vec().unwrap()).await);
    let hidden = lab.ask_udp("www.example", "A").await;

    let mut signed = question("www.example", "A");
    signed.edns.as_mut().unwrap().set_dnssec_ok(true);
    let signed = Reply::read(&lab.send_udp(&signed.to_vec().unwrap()).await);
    assert!(signed.message.metadata.authentic_data);
    assert!(shown.message.metadata.authentic_data);
    assert!(shown_too.message.metadata.authentic_data);
    assert!(!hidden.message.metadata.authentic_data);
}

#[tokio::test]
async fn r08_r09_what_does_not_fit_into_a_datagram_is_truncated_and_whole_over_tcp() {
    let lab = Lab::builder().upstream(Fake::new().long_txt("big.example", 3000)).start().await;

    let datagram = lab.ask_udp("big.example", "TXT").await;
    let whole = lab.ask("big.example", "TXT").await;

    assert!(datagram.message.metadata.truncation && datagram.message.answers.is_empty());
    assert!(!whole.message.metadata.truncation && whole.message.answers.len() == 1);
}

#[tokio::test]
async fn r08_a_datagram_holds_whole_rrsets_only() {
    let many = (0..100).fold(Fake::new().cname("www.example", "many.example"), |fake, last| {
        fake.a("many.example", [192, 0, 2, last])
    });
    let lab = Lab::builder().upstream(many).start().await;

    let datagram = lab.ask_udp("www.example", "A").await;

    assert!(datagram.message.metadata.truncation);
    assert_eq!(datagram.answers(), ["CNAME many.example."]);
    assert_eq!(lab.ask("www.example", "A").await.addresses().len(), 100);
}

#[tokio::test]
async fn r08_a_client_without_edns_gets_512_octets_at_most() {
    let lab = Lab::builder().upstream(Fake::new().long_txt("mid.example", 600)).start().await;
    let mut plain = question("mid.example", "TXT");
    plain.edns = None;

    let answer = lab.send_udp(&plain.to_vec().unwrap()).await;

    assert!(Reply::read(&answer).message.metadata.truncation);
    assert!(lab.ask_udp("mid.example", "TXT").await.message.answers.len() == 1);
}

#[tokio::test]
async fn r92_clients_outside_allow_from_are_refused_with_the_reason() {
    let config = "dns.allow_from = ['192.0.2.0/24']";
    let lab = Lab::builder().upstream(Fake::new()).config(config).start().await;

    let reply = lab.ask("www.example", "A").await;

    assert_eq!(reply.message.metadata.response_code, ResponseCode::Refused);
    assert_eq!(reply.ede(), [(18, String::new())]);
    assert_eq!(lab.upstream_hits(), 0);
}

#[tokio::test]
async fn udp_clients_can_be_sent_to_tcp() {
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]);
    let lab = Lab::builder().upstream(fake).config("dns.udp = 'truncate'").start().await;

    let datagram = lab.ask_udp("www.example", "A").await;

    assert!(datagram.message.metadata.truncation);
    assert_eq!(lab.upstream_hits(), 0);
    let sent_away = "dnsward_queries_total{transport=\"udp\",outcome=\"truncated\"}";
    assert_eq!(lab.sample(sent_away).await, 1);
    assert_eq!(lab.ask("www.example", "A").await.addresses(), ["192.0.2.1"]);
}

#[tokio::test]
async fn r07_foreign_classes_are_refused() {
    let lab = Lab::builder().upstream(Fake::new()).start().await;

    for class in [DNSClass::CH, DNSClass::HS, DNSClass::ANY, DNSClass::NONE] {
        for name in ["version.bind", "hostname.bind", "id.server"] {
            let mut foreign = question(name, "TXT");
            foreign.queries[0].query_class = class;
            let reply = Reply::read(&lab.send_udp(&foreign.to_vec().unwrap()).await);
            assert_eq!((reply.rcode(), reply.answers().len()), (5, 0), "{class} {name}");
        }
    }
    assert_eq!(lab.upstream_hits(), 0);
}

#[tokio::test]
async fn r74_zone_transfers_are_refused_and_the_connection_goes_on() {
    let lab = Lab::builder().upstream(Fake::new()).start().await;
    let mut conversation = lab.connect().await;

    for qtype in ["AXFR", "TYPE251"] {
        assert_eq!(lab.ask_udp("example", qtype).await.rcode(), 5, "{qtype}");
        conversation.send(&question("example", qtype).to_vec().unwrap()).await;
        let reply = Reply::read(&conversation.receive().await.unwrap());
        assert_eq!((reply.rcode(), reply.answers().len()), (5, 0), "{qtype}");
    }
    conversation.send(&question("localhost", "A").to_vec().unwrap()).await;
    let reply = Reply::read(&conversation.receive().await.unwrap());
    assert_eq!(reply.addresses(), ["127.0.0.1"]);
    assert_eq!(lab.upstream_hits(), 0);
}

#[tokio::test]
async fn r08_a_datagram_without_its_proofs_says_that_something_is_missing() {
    let answering = |query: &Message| {
        let name = query.queries[0].name.clone();
        let mut answer = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
        answer.queries = query.queries.clone();
        answer.add_answer(Record::from_rdata(name.clone(), 300, RData::A(A::new(192, 0, 2, 1))));
        for number in 0..4_u8 {
            let data = NULL::with([&[0][..], &[number; 400]].concat());
            let proof = RData::Unknown { code: RecordType::NSEC, rdata: data };
            answer.add_authority(Record::from_rdata(name.base_name(), 300, proof));
        }
        answer
    };
    let lab = Lab::builder().upstream(Fake::new().answering(Arc::new(answering))).start().await;
    let mut signed = question("a.example", "A");
    signed.edns.as_mut().unwrap().set_dnssec_ok(true);

    let with_proofs = Reply::read(&lab.send_udp(&signed.to_vec().unwrap()).await);
    let without = lab.ask_udp("a.example", "A").await;

    assert!(with_proofs.message.metadata.truncation, "{with_proofs:?}");
    assert!(!without.message.metadata.truncation, "who has no use for them");
    assert_eq!(without.addresses(), ["192.0.2.1"]);
}
