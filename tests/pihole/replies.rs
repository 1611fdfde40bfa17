//! Rows 57 to 60 and 62, and what else lists say is answered: in place of an address, for an alias
//! of the name, and where it is nothing at all.

use std::time::Instant;

use hickory_proto::rr::RData;

use crate::lab::{Fake, Lab, Reply, list, question};

use super::names::V6;

/// What is expected of an answer: its code and its records.
type Seen = (u16, &'static [&'static str]);

const NX: Seen = (3, &[]);
const EMPTY: Seen = (0, &[]);
const REFUSED: Seen = (5, &[]);

fn knowing() -> Fake {
    Fake::new()
        .a("rx.lab.example", [192, 0, 2, 1])
        .record("rx.lab.example", RData::AAAA(V6.into()))
        .a("safe.lab.example", [192, 0, 2, 2])
        .a("quiet.lab.example", [192, 0, 2, 3])
        .a("plain.lab.example", [192, 0, 2, 4])
        .cname("alias.lab.example", "rx.lab.example")
        .cname("far.lab.example", "alias.lab.example")
        .cname("whisper.lab.example", "quiet.lab.example")
}

fn seen(reply: &Reply) -> (u16, Vec<String>) {
    (reply.rcode(), reply.answers())
}

fn owned((rcode, answers): Seen) -> (u16, Vec<String>) {
    (rcode, answers.iter().map(|answer| (*answer).to_owned()).collect())
}

#[tokio::test]
async fn row_57_row_58_row_59_row_60_an_expression_may_say_what_is_answered() {
    let lab = Lab::builder().upstream(knowing()).start().await;
    let cases: [(&str, Seen, Seen); 9] = [
        ("NXDOMAIN", NX, NX),
        ("nodata", EMPTY, EMPTY),
        ("REFUSED", REFUSED, REFUSED),
        ("1.2.3.4", (0, &["A 1.2.3.4"]), (0, &["AAAA ::"])),
        ("fe80::1234", (0, &["A 0.0.0.0"]), (0, &["AAAA fe80::1234"])),
        ("1.2.3.4;reply=fe80::1234", (0, &["A 1.2.3.4"]), (0, &["AAAA fe80::1234"])),
        ("fe80::1234;reply=1.2.3.4", (0, &["A 1.2.3.4"]), (0, &["AAAA fe80::1234"])),
        ("IP", (0, &["A 0.0.0.0"]), (0, &["AAAA ::"])),
        (
            "CNAME,safe.lab.example",
            (0, &["CNAME safe.lab.example.", "A 192.0.2.2"]),
            (0, &["CNAME safe.lab.example."]),
        ),
    ];
    for (reply, a, aaaa) in cases {
        let line = format!("/^rx/;reply={reply}");
        let rule = format!("[[rules]]\naction = 'deny'\nmatch = '{line}'\n");
        for (config, reason) in [(list("gravity", &[&line]), "gravity"), (rule, line.as_str())] {
            lab.reload(&config).await;
            for (qtype, expected) in [("A", a), ("AAAA", aaaa), ("A", a)] {
                for answer in [
                    lab.ask("rx.lab.example", qtype).await,
                    lab.ask_udp("rx.lab.example", qtype).await,
                ] {
                    assert_eq!(seen(&answer), owned(expected), "{config}: {qtype}");
                    assert_eq!(answer.ede(), [(15, reason.to_owned())], "{config}: {qtype}");
                }
            }
        }
    }
}

/// Whether nobody answers these questions on a connection on which others are answered.
async fn is_passed_over(lab: &Lab, silent: &[(&str, &str)]) -> bool {
    let mut conversation = lab.connect().await;
    let mut received = Vec::new();
    for (id, name) in [(1, "plain.lab.example"), (2, "localhost")] {
        for (name, qtype) in silent {
            conversation.send(&question(name, qtype).to_vec().unwrap()).await;
        }
        let mut other = question(name, "A");
        other.metadata.id = id;
        conversation.send(&other.to_vec().unwrap()).await;
        received.push(Reply::read(&conversation.receive().await.expect("an answer")));
    }
    let ids: Vec<_> = received.iter().map(|reply| reply.message.metadata.id).collect();
    ids == [1, 2] && received.iter().all(|reply| reply.addresses().len() == 1)
}

async fn counted(lab: &Lab, transport: &str) -> u64 {
    let labels = format!("{{transport=\"{transport}\",outcome=\"blocked\"}}");
    lab.sample(&format!("dnsward_queries_total{labels}")).await
}

#[tokio::test]
async fn row_62_what_gets_no_answer_gets_none_over_udp_and_tcp_and_the_connection_lives_on() {
    let lab = Lab::builder().upstream(knowing()).start().await;
    for line in [
        "/^quiet/;reply=none",
        "||quiet.lab.example^$dnsrewrite=DROP",
        "*.quiet.lab.example CNAME rpz-drop.",
        "quiet.lab.example CNAME rpz-drop.",
    ] {
        lab.reload(&list("gravity", &[line])).await;
        for qtype in ["A", "TXT", "A"] {
            let packet = question("quiet.lab.example", qtype).to_vec().unwrap();
            assert!(lab.is_silent_about(&packet).await, "{line}: {qtype}");
        }
        let questions = [("quiet.lab.example", "A"), ("quiet.lab.example", "AAAA")];
        assert!(is_passed_over(&lab, &questions).await, "{line}");
    }
    assert_eq!((counted(&lab, "udp").await, counted(&lab, "tcp").await), (12, 16));
    // No more than the one name that is not blocked was ever asked for.
    assert_eq!(lab.upstream_hits(), 1);
}

#[tokio::test]
async fn row_62_what_leads_to_it_gets_no_answer_either() {
    let lab =
        Lab::builder().upstream(knowing()).list("gravity", &["/^quiet/;reply=none"]).start().await;
    let packet = question("whisper.lab.example", "A").to_vec().unwrap();

    // It has to be found out where the name leads, once.
    let mut conversation = lab.connect().await;
    conversation.send(&packet).await;
    let started = Instant::now();
    while counted(&lab, "tcp").await == 0 {
        assert!(started.elapsed().as_secs() < 10, "it is not blocked");
    }
    conversation.send(&question("localhost", "A").to_vec().unwrap()).await;
    let next = Reply::read(&conversation.receive().await.expect("an answer"));
    assert_eq!(next.addresses(), ["127.0.0.1"]);

    assert!(lab.is_silent_about(&packet).await);
    assert!(is_passed_over(&lab, &[("whisper.lab.example", "A")]).await);
}

#[tokio::test]
async fn row_37_to_41_what_leads_to_a_name_with_a_reply_gets_that_reply() {
    let lab = Lab::builder().upstream(knowing()).start().await;
    let cases: [(&str, Seen, Seen); 7] = [
        ("||rx.lab.example^$dnsrewrite=NXDOMAIN", NX, NX),
        ("rx.lab.example CNAME .", NX, NX),
        ("rx.lab.example CNAME *.", EMPTY, EMPTY),
        ("/^rx/;reply=refused", REFUSED, REFUSED),
        ("|rx.lab.example^$dnsrewrite=192.0.2.77", (0, &["A 192.0.2.77"]), (0, &["AAAA ::"])),
        ("rx.lab.example AAAA 2001:db8::77", (0, &["A 0.0.0.0"]), (0, &["AAAA 2001:db8::77"])),
        // An alias is followed from the name that is asked, and from no other.
        ("rx.lab.example CNAME safe.lab.example.", (0, &["A 0.0.0.0"]), (0, &["AAAA ::"])),
    ];
    for (line, a, aaaa) in cases {
        lab.reload(&list("gravity", &[line])).await;
        for name in ["alias.lab.example", "far.lab.example"] {
            for (qtype, expected) in [("A", a), ("AAAA", aaaa), ("A", a)] {
                let reply = lab.ask(name, qtype).await;
                assert_eq!(seen(&reply), owned(expected), "{line}: {name} {qtype}");
                assert_eq!(reply.ede(), [(15, "gravity".to_owned())], "{line}: {name} {qtype}");
            }
        }
    }

    let line = list("gravity", &["rx.lab.example CNAME ."]);
    lab.reload(&format!("blocking.inspect_cname = false\n{line}")).await;
    let real: Seen = (0, &["CNAME rx.lab.example.", "A 192.0.2.1"]);
    assert_eq!(seen(&lab.ask("alias.lab.example", "A").await), owned(real));
    assert_eq!(seen(&lab.ask("rx.lab.example", "A").await), owned(NX));
}

#[tokio::test]
async fn a_list_may_lead_a_name_to_another_one() {
    let fake = knowing().a("evil.lab.example", [192, 0, 2, 9]).a("home.lab.example", [10, 0, 0, 9]);
    let lines = [
        "||search.example^$dnsrewrite=safe.lab.example",
        "||loop.example^$dnsrewrite=www.loop.example",
        "trap.example CNAME evil.lab.example.",
        "inward.example CNAME home.lab.example.",
        "||evil.lab.example^",
        "nas.example CNAME nas.lan.",
    ];
    let local = "[[records]]\nname = 'nas.lan'\na = ['192.168.1.2']";
    let fake = fake.a("www.loop.example", [192, 0, 2, 10]);
    let lab = Lab::builder().upstream(fake).list("gravity", &lines).config(local).start().await;

    for (name, expected, why) in [
        ("search.example", (0, &["CNAME safe.lab.example.", "A 192.0.2.2"][..]), "it is led there"),
        (
            "www.search.example",
            (0, &["CNAME safe.lab.example.", "A 192.0.2.2"]),
            "so is what is below",
        ),
        (
            "a.loop.example",
            (0, &["CNAME www.loop.example.", "A 192.0.2.10"]),
            "the target is spared",
        ),
        ("www.loop.example", (0, &["A 192.0.2.10"]), "where it is asked for itself, too"),
        ("trap.example", (0, &["A 0.0.0.0"]), "the target is blocked"),
        ("inward.example", EMPTY, "a list makes no name of this network of a public one"),
        ("nas.example", (0, &["A 192.168.1.2"]), "a local name may be led to"),
    ] {
        for reply in [lab.ask(name, "A").await, lab.ask_udp(name, "A").await] {
            assert_eq!(seen(&reply), owned(expected), "{name}: {why}");
        }
    }
}
