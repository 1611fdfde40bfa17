//! What clients say with EDNS, and what they are told: options, cookies, idle times, errors.

use hickory_proto::{
    op::{Message, OpCode, ResponseCode},
    rr::rdata::opt::{EdnsCode, EdnsOption},
};

use crate::lab::{Fake, Lab, Reply, question};

const COOKIE: u16 = 10;
const TCP_KEEPALIVE: u16 = 11;

/// A question with one option.
fn question_with(name: &str, code: u16, data: &[u8]) -> Vec<u8> {
    let mut message = question(name, "A");
    let option = EdnsOption::Unknown(code, data.to_vec());
    message.edns.as_mut().unwrap().options_mut().insert(option);
    message.to_vec().unwrap()
}

/// The data of an option, where the answer has just one of it.
fn option_of(answer: &[u8], code: u16) -> Option<Vec<u8>> {
    let message = Message::from_vec(answer).expect("a DNS message");
    let edns = message.edns.as_ref().expect("EDNS for who speaks it");
    let mut found = edns.options().as_ref().iter().filter(|(key, _)| *key == EdnsCode::from(code));
    match (found.next(), found.next()) {
        (Some((_, EdnsOption::Unknown(_, data))), None) => Some(data.clone()),
        (None, None) => None,
        other => panic!("{other:?}"),
    }
}

fn rcode(answer: &[u8]) -> u16 {
    Reply::read(answer).rcode()
}

#[tokio::test]
async fn r68_a_cookie_is_answered_with_one_that_is_then_known() {
    let lab = Lab::builder().start().await;

    let first = lab.send_udp(&question_with("localhost", COOKIE, b"clients!")).await;
    let cookie = option_of(&first, COOKIE).expect("a cookie");
    let second = lab.send_udp(&question_with("localhost", COOKIE, &cookie)).await;

    assert_eq!((cookie.len(), &cookie[..12]), (24, &b"clients!\x01\0\0\0"[..]));
    assert_eq!(option_of(&second, COOKIE), Some(cookie));
    for length in [1, 7, 9, 15, 41] {
        let malformed = question_with("localhost", COOKIE, &vec![1; length]);
        assert_eq!(rcode(&lab.send_udp(&malformed).await), 1, "{length} octets");
    }
}

#[tokio::test]
async fn r69_a_cookie_of_somebody_else_is_replaced_and_the_query_answered() {
    let lab = Lab::builder().start().await;
    let foreign = [&b"clients!\x01\0\0\0"[..], &[7; 12]].concat();

    let answer = lab.send_udp(&question_with("localhost", COOKIE, &foreign)).await;

    assert_eq!(Reply::read(&answer).addresses(), ["127.0.0.1"]);
    let cookie = option_of(&answer, COOKIE).unwrap();
    assert!(cookie != foreign && cookie.len() == 24 && cookie.starts_with(b"clients!"));
}

#[tokio::test]
async fn r70_replicas_with_one_secret_know_each_others_cookies() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, "00112233445566778899aabbccddeeff\n").unwrap();
    let config = format!("dns.cookie_secret_file = '{}'", file.display());
    let one = Lab::builder().config(&config).start().await;
    let other = Lab::builder().config(&config).start().await;
    let stranger = Lab::builder().start().await;

    let first = one.send_udp(&question_with("localhost", COOKIE, b"clients!")).await;
    let query = question_with("localhost", COOKIE, &option_of(&first, COOKIE).unwrap());

    let kept = option_of(&first, COOKIE);
    assert_eq!(option_of(&other.send_udp(&query).await, COOKIE), kept);
    assert_ne!(option_of(&stranger.send_udp(&query).await, COOKIE), kept);
}

#[tokio::test]
async fn r01_who_asks_for_a_cookie_needs_no_question() {
    let lab = Lab::builder().start().await;
    let mut only_cookie = question("localhost", "A");
    only_cookie.queries.clear();
    let nothing = only_cookie.to_vec().unwrap();
    let option = EdnsOption::Unknown(COOKIE, b"clients!".to_vec());
    only_cookie.edns.as_mut().unwrap().options_mut().insert(option);

    let answer = lab.send_udp(&only_cookie.to_vec().unwrap()).await;

    assert_eq!(rcode(&answer), 0);
    let cookie = option_of(&answer, COOKIE).unwrap();
    assert_eq!(cookie.len(), 24);
    assert_eq!(rcode(&lab.send_udp(&nothing).await), 1, "without a cookie either");
    for (shown, expected) in [(cookie, 0), ([&b"clients!"[..], &[7; 16]].concat(), 23)] {
        let option = EdnsOption::Unknown(COOKIE, shown);
        only_cookie.edns = question("localhost", "A").edns;
        only_cookie.edns.as_mut().unwrap().options_mut().insert(option);
        let answer = lab.send_udp(&only_cookie.to_vec().unwrap()).await;
        assert_eq!((rcode(&answer), option_of(&answer, COOKIE).unwrap().len()), (expected, 24));
    }
    let with_time = EdnsOption::Unknown(TCP_KEEPALIVE, b"\0\x64".to_vec());
    only_cookie.edns.as_mut().unwrap().options_mut().insert(with_time);
    let broken = lab.send_udp(&only_cookie.to_vec().unwrap()).await;
    assert_eq!(rcode(&broken), 1, "another option is broken");
}

#[tokio::test]
async fn r02_r54_two_questions_are_a_format_error_with_edns_and_without_a_question() {
    let lab = Lab::builder().start().await;
    let mut two = question("www.example", "A");
    two.queries.push(two.queries[0].clone());

    let answer = lab.send_udp(&two.to_vec().unwrap()).await;

    let reply = Message::from_vec(&answer).unwrap();
    assert_eq!((rcode(&answer), reply.queries.len(), reply.edns.is_some()), (1, 0, true));
}

#[tokio::test]
async fn type_0_is_no_type_to_ask_for() {
    let lab = Lab::builder().upstream(Fake::new()).start().await;
    lab.ask("nobody.example", "A").await;

    assert_eq!(lab.ask("nobody.example", "TYPE0").await.rcode(), 5);
    assert_eq!(lab.upstream_hits(), 1);
}

#[tokio::test]
async fn r08_reasons_give_way_where_there_is_no_room_for_them() {
    let labels = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(50)].join(".");
    let text = [&b"\0\x06"[..], "x".repeat(90).as_bytes()].concat();
    let fake = Fake::new().failing(ResponseCode::ServFail).option(15, &text);
    let lab = Lab::builder().upstream(fake).start().await;
    let mut message = question(&labels, "A");
    let edns = message.edns.as_mut().unwrap();
    edns.set_max_payload(512)
        .options_mut()
        .insert(EdnsOption::Unknown(COOKIE, b"clients!".to_vec()));

    let answer = lab.send_udp(&message.to_vec().unwrap()).await;

    assert!(answer.len() <= 512, "{} octets", answer.len());
    assert_eq!((rcode(&answer), option_of(&answer, COOKIE).unwrap().len()), (2, 24));
}

#[tokio::test]
async fn r65_a_tcp_client_that_asks_is_told_how_long_it_may_be_idle() {
    let lab = Lab::builder().start().await;
    let query = question_with("localhost", TCP_KEEPALIVE, b"");
    let mut conversation = lab.connect().await;

    conversation.send(&query).await;
    let over_tcp = conversation.receive().await.unwrap();
    conversation.send(&question("localhost", "A").to_vec().unwrap()).await;
    let unasked = conversation.receive().await.unwrap();

    assert_eq!(option_of(&over_tcp, TCP_KEEPALIVE).unwrap(), 300_u16.to_be_bytes());
    assert_eq!(option_of(&unasked, TCP_KEEPALIVE), None);
    assert_eq!(option_of(&lab.send_udp(&query).await, TCP_KEEPALIVE), None);
    let with_time = question_with("localhost", TCP_KEEPALIVE, b"\0\x64");
    conversation.send(&with_time).await;
    assert_eq!(rcode(&conversation.receive().await.unwrap()), 1);
}

#[tokio::test]
async fn r06_an_operation_we_do_not_know_is_told_so_with_its_question() {
    let lab = Lab::builder().start().await;
    for opcode in [OpCode::Status, OpCode::Notify, OpCode::Update, OpCode::Unknown(15)] {
        let mut message = question("www.example", "SOA");
        message.metadata.op_code = opcode;
        let packet = message.to_vec().unwrap();

        let answer = lab.send_udp(&packet).await;

        assert_eq!((rcode(&answer), &answer[..2]), (4, &packet[..2]), "{opcode:?}");
        assert_eq!(answer[12..29], packet[12..29], "{opcode:?}");
        let reply = Message::from_vec(&answer).unwrap();
        assert_eq!((reply.metadata.op_code, reply.edns.is_some()), (opcode, true));
    }
}

#[tokio::test]
async fn r54_a_format_error_has_edns_where_the_query_had() {
    let lab = Lab::builder().start().await;
    let packet = question_with("www.example", COOKIE, b"short");

    let answer = lab.send_udp(&packet).await;

    let reply = Message::from_vec(&answer).unwrap();
    assert_eq!((u16::from(reply.metadata.response_code), reply.edns.is_some()), (1, true));
    assert_eq!(answer[12..29], packet[12..29], "the question");
}

#[tokio::test]
async fn r55_a_version_of_edns_from_the_future_is_told_ours_whatever_its_options() {
    let lab = Lab::builder().start().await;
    let mut packet = question_with("localhost", COOKIE, b"short");
    let opt = packet.len() - 11 - 9;
    packet[opt + 6] = 100;

    let reply = Reply::read(&lab.send_udp(&packet).await);

    assert_eq!((reply.rcode(), reply.message.answers.len()), (16, 0));
    assert_eq!(reply.message.edns.unwrap().version(), 0);
}

#[tokio::test]
async fn r71_r72_a_clients_subnet_is_read_for_its_form_and_told_nobody() {
    let lab = Lab::builder().upstream(Fake::new().a("www.example", [192, 0, 2, 1])).start().await;
    let well_formed = question_with("www.example", 8, b"\0\x01\x18\0\xc0\0\x02");
    let malformed = question_with("www.example", 8, b"\0\x01\x40\0\xc0\0\x02");

    let answer = lab.send_udp(&well_formed).await;

    assert_eq!(Reply::read(&answer).addresses(), ["192.0.2.1"]);
    assert_eq!(option_of(&answer, 8), None);
    assert_eq!(rcode(&lab.send_udp(&malformed).await), 1);
}

#[tokio::test]
async fn r71_a_clients_subnet_opens_no_door() {
    let lab = Lab::builder().config("dns.allow_from = ['192.0.2.0/24']").start().await;
    let disguised = question_with("localhost", 8, b"\0\x01\x18\0\xc0\0\x02");

    assert_eq!(rcode(&lab.send_udp(&disguised).await), 5);
}

#[tokio::test]
async fn r56_an_option_that_nobody_knows_is_not_said_back() {
    let lab = Lab::builder().start().await;

    let answer = lab.send_udp(&question_with("localhost", 100, b"odd")).await;

    assert_eq!(Reply::read(&answer).addresses(), ["127.0.0.1"]);
    assert_eq!(option_of(&answer, 100), None);
}

#[tokio::test]
async fn r61_what_a_client_says_to_us_goes_no_further() {
    let lab = Lab::builder().upstream(Fake::new().a("www.example", [192, 0, 2, 1])).start().await;
    for (code, data) in [(COOKIE, &b"clients!"[..]), (TCP_KEEPALIVE, b""), (8, b"\0\x01\0\0")] {
        lab.send_udp(&question_with("www.example", code, data)).await;
    }

    let seen = lab.upstreams[0].queries();

    let edns = seen[0].edns.as_ref().unwrap();
    let codes: Vec<u16> = edns.options().as_ref().iter().map(|(code, _)| (*code).into()).collect();
    assert_eq!((seen.len(), codes), (1, vec![12]), "nothing but padding, and one for all");
}

#[tokio::test]
async fn r95_who_does_not_ask_for_recursion_learns_nothing_of_what_others_asked() {
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]);
    let lab = Lab::builder().upstream(fake).list("ads", &["||ads.example^"]).start().await;
    let forwarded = lab.ask("www.example", "A").await.message.metadata;
    assert!(forwarded.recursion_available && !forwarded.authoritative);

    for (name, rcode, ede) in [
        ("www.example", 5, Some((20, "ask with recursion desired".to_owned()))),
        ("localhost", 0, None),
        ("ads.example", 0, Some((15, "ads".to_owned()))),
    ] {
        let mut snoop = question(name, "A");
        snoop.metadata.recursion_desired = false;
        let reply = Reply::read(&lab.send_udp(&snoop.to_vec().unwrap()).await);
        assert_eq!((reply.rcode(), reply.ede().first()), (rcode, ede.as_ref()), "{name}");
        let flags = reply.message.metadata;
        assert!(!flags.recursion_desired && !flags.authoritative, "{name}");
        assert!(flags.recursion_available, "{name}");
    }
    assert_eq!(lab.upstream_hits(), 1);
}

#[tokio::test]
async fn r84_the_resolver_tells_which_errors_it_explains() {
    let lab = Lab::builder().upstream(Fake::new()).start().await;

    let info = lab.ask("resolver.arpa", "TYPE261").await;

    assert_eq!(info.message.answers.len(), 1);
    let whole = info.message.to_vec().unwrap();
    assert!(whole.windows(8).any(|octets| octets == b"exterr=3"));
    assert_eq!(lab.ask("_dns.resolver.arpa", "TYPE261").await.message.answers.len(), 0);
    assert_eq!(lab.upstream_hits(), 0);
}

#[tokio::test]
async fn r90_clients_find_no_nat64_because_there_is_none() {
    let lab = Lab::builder().upstream(Fake::new()).start().await;

    let addresses = lab.ask("ipv4only.arpa", "A").await;
    let translated = lab.ask("ipv4only.arpa", "AAAA").await;
    let reverse = lab.ask("170.0.0.192.in-addr.arpa", "PTR").await;

    assert_eq!(addresses.addresses(), ["192.0.0.170", "192.0.0.171"]);
    assert_eq!((translated.rcode(), translated.message.answers.len()), (0, 0));
    assert_eq!(reverse.answers(), ["PTR ipv4only.arpa."]);
    assert_eq!(lab.upstream_hits(), 0);
}

#[tokio::test]
async fn r08_what_is_cut_keeps_its_cookie() {
    let lab = Lab::builder().upstream(Fake::new().long_txt("big.example", 3000)).start().await;
    let mut message = question("big.example", "TXT");
    let option = EdnsOption::Unknown(COOKIE, b"clients!".to_vec());
    message.edns.as_mut().unwrap().options_mut().insert(option);

    let answer = lab.send_udp(&message.to_vec().unwrap()).await;

    assert!(Reply::read(&answer).message.metadata.truncation);
    assert_eq!(option_of(&answer, COOKIE).unwrap().len(), 24);
}
