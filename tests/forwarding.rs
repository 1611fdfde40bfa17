//! What goes to an upstream and what comes back: types and flags that nobody here knows, DNSSEC's
//! flags, options that stay between neighbours.

use hickory_proto::{
    op::Message,
    rr::{
        Name, RData, RecordType,
        rdata::{
            NULL,
            opt::{EdnsCode, EdnsOption},
        },
    },
};

use crate::lab::{Fake, Lab, Reply, question};

const UNKNOWN: &str = "TYPE65280";

fn unknown(data: &[u8]) -> RData {
    RData::Unknown { code: RecordType::Unknown(65_280), rdata: NULL::with(data.to_vec()) }
}

/// A question with DO.
fn signed(name: &str, qtype: &str) -> Message {
    let mut message = question(name, qtype);
    message.edns.as_mut().unwrap().set_dnssec_ok(true);
    message
}

async fn send(lab: &Lab, query: &Message) -> Reply {
    Reply::read(&lab.send_udp(&query.to_vec().unwrap()).await)
}

#[tokio::test]
async fn r18_r20_types_that_nobody_knows_pass_to_the_octet() {
    let every_octet: Vec<u8> = (0..=255).collect();
    let fake = Fake::new().record("odd.example", unknown(&every_octet));
    let lab = Lab::builder().upstream(fake).start().await;

    for _ in ["from upstream", "from the cache"] {
        let reply = lab.ask_udp("odd.example", UNKNOWN).await;
        assert_eq!(reply.message.answers[0].data, unknown(&every_octet));
    }
    assert_eq!(lab.upstream_hits(), 1);
}

#[tokio::test]
async fn r18_r19_flags_and_options_that_nobody_knows_do_not_hinder() {
    let lab = Lab::builder().upstream(Fake::new().a("www.example", [192, 0, 2, 1])).start().await;
    let mut odd = signed("www.example", "A");
    odd.metadata.authentic_data = true;
    odd.metadata.checking_disabled = true;
    let option = EdnsOption::Unknown(65_001, b"odd".to_vec());
    odd.edns.as_mut().unwrap().options_mut().insert(option);
    let mut packet = odd.to_vec().unwrap();
    packet[3] |= 0x40;

    let reply = Reply::read(&lab.send_udp(&packet).await);

    assert_eq!(reply.addresses(), ["192.0.2.1"]);
    let seen = &lab.upstreams[0].queries()[0];
    let edns = seen.edns.as_ref().unwrap();
    assert!(seen.metadata.checking_disabled && edns.flags().dnssec_ok);
    assert!(edns.options().as_ref().iter().all(|(code, _)| *code == EdnsCode::Padding));
}

/// What a client says with EDNS ends here; the upstream gets our own, with DO where a client has it.
#[tokio::test]
async fn r67_r71_t02_a_query_goes_on_padded_and_with_nothing_of_the_client_but_do() {
    for (dnssec_ok, name) in [(false, "a.example"), (true, "a-name-that-is-longer.example")] {
        let lab = Lab::builder().upstream(Fake::new().a(name, [192, 0, 2, 1])).start().await;
        let mut query = question(name, "A");
        let edns = query.edns.as_mut().unwrap();
        edns.set_max_payload(4096).set_dnssec_ok(dnssec_ok);
        let subnet = EdnsOption::Unknown(8, b"\0\x01\x18\0\xc0\0\x02".to_vec());
        let cookie = EdnsOption::Unknown(10, b"clients!".to_vec());
        let padding = EdnsOption::Unknown(12, vec![0; 7]);
        for option in [subnet, cookie, padding] {
            edns.options_mut().insert(option);
        }

        assert_eq!(send(&lab, &query).await.addresses(), ["192.0.2.1"]);

        let seen = &lab.upstreams[0].queries()[0];
        let edns = seen.edns.as_ref().unwrap();
        let options: Vec<_> = edns.options().as_ref().iter().map(|(code, _)| *code).collect();
        assert_eq!((options, edns.flags().dnssec_ok), (vec![EdnsCode::Padding], dnssec_ok));
        assert_ne!(edns.max_payload(), 4096);
        assert_eq!((seen.to_vec().unwrap().len() % 128, seen.metadata.id), (0, 0));
    }
}

#[tokio::test]
async fn r48_who_checks_signatures_has_a_cache_entry_of_its_own() {
    let lab = Lab::builder().upstream(Fake::new().a("www.example", [192, 0, 2, 1])).start().await;
    let mut unchecked = question("www.example", "A");
    unchecked.metadata.checking_disabled = true;

    for _ in ["from upstream", "from the cache"] {
        assert!(!lab.ask_udp("www.example", "A").await.message.metadata.checking_disabled);
        assert!(send(&lab, &unchecked).await.message.metadata.checking_disabled);
    }

    let seen = lab.upstreams[0].queries();
    let checking: Vec<_> = seen.iter().map(|query| query.metadata.checking_disabled).collect();
    assert_eq!(checking, [false, true]);
}

#[tokio::test]
async fn r51_dnssec_ok_is_said_back_in_every_answer() {
    let lab = Lab::builder()
        .upstream(Fake::new().a("www.example", [192, 0, 2, 1]))
        .list("ads", &["ads.example"])
        .start()
        .await;

    for name in ["www.example", "nobody.example", "ads.example", "localhost"] {
        let with = send(&lab, &signed(name, "A")).await.message.edns.unwrap();
        let without = lab.ask_udp(name, "A").await.message.edns.unwrap();
        assert!(with.flags().dnssec_ok && !without.flags().dnssec_ok, "{name}");
    }
}

#[tokio::test]
async fn r54_every_answer_has_edns_for_who_speaks_it() {
    let lab = Lab::builder().upstream(Fake::new()).list("ads", &["ads.example"]).start().await;

    for (name, qtype) in
        [("nobody.example", "A"), ("ads.example", "A"), ("x.test", "A"), ("example", "AXFR")]
    {
        let edns = lab.ask(name, qtype).await.message.edns;
        assert_eq!(edns.expect("EDNS").version(), 0, "{name} {qtype}");
    }
}

#[tokio::test]
async fn r57_flags_of_edns_that_nobody_knows_are_cleared() {
    let lab = Lab::builder().start().await;
    let mut packet = question("localhost", "A").to_vec().unwrap();
    let flags = packet.len() - 3;
    packet[flags - 1] |= 0x7f;
    packet[flags] |= 0x80;

    let edns = Reply::read(&lab.send_udp(&packet).await).message.edns.unwrap();

    assert_eq!((edns.flags().z, edns.flags().dnssec_ok), (0, false));
}

#[tokio::test]
async fn r59_sizes_are_brought_between_512_and_1232() {
    let fake = Fake::new().long_txt("s400.example", 400).long_txt("s900.example", 900);
    let lab = Lab::builder().upstream(fake.long_txt("s1300.example", 1300)).start().await;

    for (size, name, fits) in [
        (0, "s400.example", true),
        (100, "s400.example", true),
        (511, "s400.example", true),
        (511, "s900.example", false),
        (65_535, "s900.example", true),
        (65_535, "s1300.example", false),
    ] {
        let mut packet = question(name, "TXT").to_vec().unwrap();
        let at = packet.len() - 8;
        packet[at..at + 2].copy_from_slice(&u16::to_be_bytes(size));
        let reply = Reply::read(&lab.send_udp(&packet).await);
        assert_eq!(!reply.message.metadata.truncation, fits, "{name} for {size}");
        assert_eq!(reply.message.edns.unwrap().max_payload(), 1232);
    }
}

#[tokio::test]
async fn r35_a_missing_type_says_nothing_of_the_others() {
    let lab = Lab::builder().upstream(Fake::new().a("www.example", [192, 0, 2, 1])).start().await;

    for _ in ["from upstream", "from the cache"] {
        for qtype in ["AAAA", "MX"] {
            let reply = lab.ask("www.example", qtype).await;
            assert_eq!((reply.rcode(), reply.answers().len()), (0, 0), "{qtype}");
        }
        assert_eq!(lab.ask("www.example", "A").await.addresses(), ["192.0.2.1"]);
    }

    assert_eq!(lab.upstream_hits(), 3);
}

#[tokio::test]
async fn r47_no_answer_is_made_of_what_was_said_about_other_names() {
    let lab = Lab::builder().upstream(Fake::new()).start().await;

    for name in ["a.example", "b.example", "c.example"] {
        assert_eq!(send(&lab, &signed(name, "A")).await.rcode(), 3, "{name}");
    }

    assert_eq!(lab.upstream_hits(), 3);
}

#[tokio::test]
async fn r52_twenty_huge_answers_take_seconds_at_most() {
    let fake = (0..=255_u8).fold(Fake::new(), |fake, high| {
        (0..7).fold(fake, |fake, low| fake.a("huge.example", [192, 0, high, low]))
    });
    let lab = Lab::builder().upstream(fake).start().await;

    let started = std::time::Instant::now();
    for _ in 0..10 {
        assert_eq!(lab.ask("huge.example", "A").await.message.answers.len(), 256 * 7);
        assert!(lab.ask_udp("huge.example", "A").await.message.metadata.truncation);
    }

    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

#[tokio::test]
async fn r99_nobody_is_told_of_errors() {
    const REPORT_CHANNEL: u16 = 18;
    let agent = Fake::new().option(REPORT_CHANNEL, b"\x05agent\x07example\0");
    let fake = agent.failing(hickory_proto::op::ResponseCode::ServFail);
    let lab = Lab::builder().upstream(fake).start().await;

    let reply = lab.ask("www.example", "A").await;

    let options = reply.message.edns.unwrap();
    let codes = options.options().as_ref().iter().map(|(code, _)| u16::from(*code));
    assert!(codes.into_iter().all(|code| code != REPORT_CHANNEL));
    for query in lab.upstreams[0].queries() {
        assert_eq!(query.queries[0].name, Name::from_ascii("www.example.").unwrap());
    }
}

#[tokio::test]
async fn r100_nobody_is_told_which_server_this_is() {
    const NSID: u16 = 3;
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]).option(NSID, b"upstream-7");
    let lab = Lab::builder().upstream(fake).start().await;
    let mut curious = question("www.example", "A");
    let option = EdnsOption::Unknown(NSID, Vec::new());
    curious.edns.as_mut().unwrap().options_mut().insert(option);

    let reply = send(&lab, &curious).await;

    assert_eq!(reply.addresses(), ["192.0.2.1"]);
    assert!(reply.message.edns.unwrap().options().as_ref().is_empty());
}

#[tokio::test]
async fn r81_broken_parameters_of_a_service_do_no_harm() {
    let broken: [&[u8]; 5] = [
        b"\0",
        b"\0\x01\0\0\x04\xff\xff",
        b"\0\x01\0\0\x04\0\x03\x0a\0\0",
        b"\0\x01\0\0\x04\0\x04\xc0\0\x02\x01\0\x01\0",
        b"\0\x01\x3fcut",
    ];
    let fake = broken.iter().zip('a'..).fold(Fake::new(), |fake, (data, letter)| {
        let rdata = NULL::with(data.to_vec());
        let data = RData::Unknown { code: RecordType::HTTPS, rdata };
        fake.record(&format!("{letter}.example"), data)
    });
    let lab = Lab::builder().upstream(fake.a("www.example", [192, 0, 2, 1])).start().await;

    for (_, letter) in broken.iter().zip('a'..) {
        for _ in ["from upstream", "and again"] {
            let mut conversation = lab.connect().await;
            let query = question(&format!("{letter}.example"), "HTTPS").to_vec().unwrap();
            conversation.send(&query).await;
            let answer = conversation.receive().await.expect("an answer");
            assert!(matches!(answer[3] & 0xf, 0 | 2), "{letter}: {answer:02x?}");
        }
    }
    assert_eq!(lab.ask("www.example", "A").await.addresses(), ["192.0.2.1"]);
}

/// An HTTP cache between here and the upstream has kept the answer for a while.
#[tokio::test]
async fn r76_t03_the_age_of_an_answer_is_taken_off_its_times_to_live() {
    for (age, left) in [("0", 300), ("100", 200), ("300", 0), ("999999", 0), ("old", 300)] {
        let fake = Fake::new().a("www.example", [192, 0, 2, 1]).aged(age);
        let lab = Lab::builder().upstream(fake).start().await;

        for _ in ["from upstream", "from the cache, if it is good for any time"] {
            let reply = lab.ask("www.example", "A").await;
            let ttl = reply.message.answers[0].ttl;
            assert!(ttl <= left && ttl + 5 >= left, "{age}: {ttl}");
        }
        assert_eq!(lab.upstream_hits(), if left == 0 { 2 } else { 1 }, "{age}");
    }
}

/// The SOA of these has 900 s, and says that a "no" is good for 60.
#[tokio::test]
async fn r76_t03_the_age_of_a_no_is_taken_off_what_its_soa_says() {
    for (age, left) in [("0", 60), ("40", 20), ("60", 0), ("999999", 0)] {
        let lab = Lab::builder().upstream(Fake::new().aged(age)).start().await;

        let reply = lab.ask("nobody.example", "A").await;

        assert_eq!((reply.rcode(), reply.message.authorities[0].ttl), (3, left), "{age}");
        lab.ask("nobody.example", "A").await;
        assert_eq!(lab.upstream_hits(), if left == 0 { 2 } else { 1 }, "{age}");
    }
}
