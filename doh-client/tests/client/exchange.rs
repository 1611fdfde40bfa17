//! One server that does its work: what it gets to see, and what comes back.

use std::time::{Duration, SystemTime};

use doh_client::{AnswerProblem, Blame, Error, Failure, Health, QueryProblem, Server};

use crate::fake::{Act, Change, Fake, TRUNCATED};
use crate::{answer, query};

#[tokio::test]
async fn an_answer_comes_back_as_the_server_sent_it() {
    let fake = Fake::start([Act::Answer]).await;

    let exchange = fake.client().exchange(&query("a.test")).await.unwrap();

    assert_eq!(exchange.answer, answer("a.test"));
    assert_eq!((exchange.server, exchange.age), (0, Duration::ZERO));
}

#[tokio::test]
async fn r77_t01_a_request_says_what_rfc_8484_asks_for_and_nothing_else() {
    let fake = Fake::start([Act::Answer]).await;
    fake.client().exchange(&query("a.test")).await.unwrap();

    let seen = &fake.seen()[0];

    assert_eq!((seen.method.as_str(), seen.uri.path()), ("POST", "/dns-query"));
    assert_eq!(seen.uri.host(), Some("dns.test"));
    let mut headers: Vec<_> =
        seen.headers.iter().map(|(name, value)| (name.as_str(), value)).collect();
    headers.sort_by_key(|(name, _)| *name);
    let dns_message = &"application/dns-message".parse().unwrap();
    let length = &"24".parse().unwrap();
    assert_eq!(
        headers,
        [("accept", dns_message), ("content-length", length), ("content-type", dns_message)]
    );
}

#[tokio::test]
async fn r77_t01_a_query_is_sent_with_the_id_0() {
    let fake = Fake::start([Act::Answer]).await;
    let mut expected = query("a.test");
    expected[..2].copy_from_slice(&[0, 0]);

    fake.client().exchange(&query("a.test")).await.unwrap();

    assert_eq!(fake.seen()[0].body, expected);
}

#[tokio::test]
async fn r76_t03_the_age_of_an_answer_is_passed_on() {
    for (age, seconds) in [("0", 0), ("100", 100), ("soon", 0), ("-5", 0), ("4294967296", 1 << 31)]
    {
        let fake = Fake::start([Act::Age(age)]).await;

        let exchange = fake.client().exchange(&query("a.test")).await.unwrap();

        assert_eq!(exchange.age, Duration::from_secs(seconds), "{age}");
    }
}

#[tokio::test]
async fn r21_r77_t06_an_answer_may_have_65535_bytes_and_no_more() {
    let fake = Fake::start([Act::Size(65_535), Act::Size(65_536)]).await;
    let client = fake.client();

    assert_eq!(client.exchange(&query("a.test")).await.unwrap().answer.len(), 65_535);

    let Err(Error::AllFailed(failures)) = client.exchange(&query("a.test")).await else {
        panic!("an answer of 65,536 bytes was believed");
    };
    assert!(matches!(failures[0].failure, Failure::TooLarge));
}

#[tokio::test]
async fn t04_the_content_type_may_have_parameters() {
    let fake = Fake::start([Act::Type("Application/DNS-Message; charset=utf-8")]).await;

    assert!(fake.client().exchange(&query("a.test")).await.is_ok());
}

#[tokio::test]
async fn a_message_that_is_no_query_is_never_sent() {
    let fake = Fake::start([Act::Answer]).await;

    let error = fake.client().exchange(&answer("a.test")).await.unwrap_err();

    assert!(matches!(error, Error::NotAQuery(QueryProblem::Response)));
    assert_eq!(fake.connections(), 0);
}

#[tokio::test]
async fn r77_t05_the_status_tells_what_happened() {
    let fake = Fake::start([Act::Answer, Act::Status(503)]).await;
    let client = fake.client();
    assert_eq!(client.status()[0].health, Health::Untried);

    client.exchange(&query("a.test")).await.unwrap();
    let up = client.status().remove(0);
    client.exchange(&query("a.test")).await.unwrap_err();
    let down = client.status().remove(0);

    assert_eq!((up.health, up.connected, up.answered, up.failed), (Health::Up, true, 1, 0));
    assert!(up.last_error.is_none() && up.last_round_trip.is_some());
    assert_eq!((down.health, down.connects, down.answered, down.failed), (Health::Down, 1, 1, 1));
    assert!(down.last_error.unwrap().contains("503"));
}

/// The failure of the only server.
async fn failure(act: Act) -> (Failure, Fake) {
    let fake = Fake::start([act]).await;
    match fake.client().exchange(&query("a.test")).await {
        Err(Error::AllFailed(failures)) => (failures[0].failure.clone(), fake),
        other => panic!("{act:?} led to {other:?}"),
    }
}

#[tokio::test]
async fn t05_a_status_without_an_answer_is_a_failure_with_somebody_to_blame() {
    for (status, blame) in [
        (301, Blame::Config),
        (401, Blame::Config),
        (403, Blame::Config),
        (404, Blame::Config),
        (421, Blame::Config),
        (500, Blame::Upstream),
        (502, Blame::Upstream),
        (504, Blame::Upstream),
    ] {
        let (failure, fake) = failure(Act::Status(status)).await;

        assert!(matches!(failure, Failure::Status(found) if found == status), "{failure}");
        assert_eq!(failure.blame(), blame, "{status}");
        assert_eq!(fake.connections(), 1, "{status}");
    }
}

#[tokio::test]
async fn t05_a_status_that_may_mean_the_method_is_asked_again_with_the_other_one() {
    for status in [400, 405, 413, 414, 415] {
        let (failure, fake) = failure(Act::Status(status)).await;

        assert!(matches!(failure, Failure::Status(found) if found == status), "{failure}");
        let methods: Vec<_> = fake.seen().iter().map(|seen| seen.method.to_string()).collect();
        assert_eq!(methods, ["POST", "GET"], "{status}");
        assert_eq!(fake.connections(), 1, "{status}");
    }
}

#[tokio::test]
async fn t01_t05_a_server_that_refuses_post_is_asked_with_get_from_then_on() {
    let fake = Fake::start([Act::GetOnly(405)]).await;
    let client = fake.client();
    let mut sent = query("a.test");
    sent[..2].copy_from_slice(&[0, 0]);

    for _ in 0..3 {
        assert_eq!(client.exchange(&query("a.test")).await.unwrap().answer, answer("a.test"));
    }

    let seen = fake.seen();
    let methods: Vec<_> = seen.iter().map(|seen| seen.method.as_str()).collect();
    assert_eq!(methods, ["POST", "GET", "GET", "GET"]);
    for get in &seen[1..] {
        let expected = "/dns-query?dns=AAABAAABAAAAAAAAAWEEdGVzdAAAAQAB";
        assert_eq!(get.uri.path_and_query().unwrap(), expected);
        assert_eq!((get.body.as_slice(), get.headers.len()), (sent.as_slice(), 1));
        assert_eq!(get.headers["accept"], "application/dns-message");
    }
    assert_eq!(client.status()[0].failed, 0);
}

#[tokio::test]
async fn t05_the_method_is_kept_over_connections() {
    let fake = Fake::start([Act::GetOnly(415)]).await;
    let client = fake.client();
    client.exchange(&query("a.test")).await.unwrap();

    fake.close_connections().await;
    client.exchange(&query("b.test")).await.unwrap();

    assert_eq!(fake.connections(), 2);
    assert_eq!(fake.seen().iter().filter(|seen| seen.method == "POST").count(), 1);
}

#[tokio::test]
async fn t05_a_server_that_wants_fewer_queries_says_for_how_long() {
    for (status, text, seconds) in [
        (429, "7", Some(7)),
        (429, "3600", Some(60)),
        (429, "99999999999999999999", None),
        (503, "soon", None),
        (503, "Fri, 31 Dec 1999 23:59:59 GMT", None),
    ] {
        let (failure, fake) = failure(Act::RetryAfter(status, text)).await;

        let expected = seconds.map(Duration::from_secs);
        assert!(
            matches!(failure, Failure::Throttled { status: found, after }
                if found == status && after == expected),
            "{failure:?}"
        );
        assert_eq!(fake.connections(), 1, "its connection is as good as any");
    }
}

#[tokio::test]
async fn t05_a_date_says_how_long_as_well() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(30));

    let (failure, _fake) = failure(Act::RetryAfter(429, date.leak())).await;

    let Failure::Throttled { after: Some(after), .. } = failure else { panic!("{failure:?}") };
    assert!((28..=30).contains(&after.as_secs()), "{after:?}");
}

#[tokio::test]
async fn t04_t05_what_is_no_message_is_refused_by_its_type() {
    for act in [Act::Type("text/html"), Act::Type("application/dns-json"), Act::Type("")] {
        let (failure, _fake) = failure(act).await;

        assert!(matches!(failure, Failure::ContentType(_)), "{act:?} {failure}");
    }
}

#[tokio::test]
async fn t06_an_answer_without_an_end_is_given_up() {
    let fake = Fake::start([Act::Endless, Act::Answer]).await;
    let client = fake.client();

    let Err(Error::AllFailed(failures)) = client.exchange(&query("a.test")).await else {
        panic!("it has no end");
    };

    assert!(matches!(failures[0].failure, Failure::TooLarge), "{}", failures[0]);
    assert!(client.exchange(&query("b.test")).await.is_ok());
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn t06_a_length_that_is_not_that_of_the_body_is_against_the_rules() {
    for length in ["1", "23", "25", "65535"] {
        let (failure, _fake) = failure(Act::Header("content-length", length)).await;

        assert!(matches!(failure, Failure::Protocol(_)), "{length} {failure}");
    }
}

#[tokio::test]
async fn t06_a_packed_answer_was_not_asked_for_and_is_none() {
    let packed = |message: &mut Vec<u8>| {
        message.splice(..2, [0x1f, 0x8b]);
    };

    let (failure, _fake) = failure(Act::Body(packed)).await;

    assert!(matches!(failure, Failure::BadAnswer(AnswerProblem::Id(0x1f8b))), "{failure}");
}

#[tokio::test]
async fn t07_what_answers_another_question_is_no_answer() {
    let wrongs: [(&str, Change); 9] = [
        ("id", |message| message[1] = 7),
        ("name", |message| message[13] ^= 1),
        ("type", |message| *message.iter_mut().nth_back(2).unwrap() = 28),
        ("two questions", |message| message[5] = 2),
        ("a query", |message| message[2] &= 0x7f),
        ("opcode", |message| message[2] |= 0x08),
        ("nothing", Vec::clear),
        ("11 bytes", |message| message.truncate(11)),
        ("a pointer to itself", |message| message[12..14].copy_from_slice(&[0xc0, 12])),
    ];
    for (wrong, change) in wrongs {
        let (failure, _fake) = failure(Act::Body(change)).await;

        assert!(matches!(failure, Failure::BadAnswer(_)), "{wrong}: {failure}");
    }
}

#[tokio::test]
async fn t07_the_case_of_a_name_and_bytes_at_the_end_make_no_difference() {
    let rights: [Change; 2] =
        [|message| message[13] ^= 0x20, |message| message.extend_from_slice(b"more")];
    for change in rights {
        let fake = Fake::start([Act::Body(change)]).await;

        assert!(fake.client().exchange(&query("a.test")).await.is_ok());
    }
}

#[tokio::test]
async fn t08_a_truncated_answer_is_passed_on_when_nobody_has_more() {
    let fake = Fake::start([TRUNCATED]).await;

    let exchange = fake.client().exchange(&query("a.test")).await.unwrap();

    assert_eq!(exchange.answer[2] & 0x02, 0x02);
}

/// Failure story 19: clients of HTTP/3 stalled until the connection was old enough. There is none
/// here: what a server says of it is not followed, and no URL asks for it.
#[tokio::test]
async fn an_offer_of_http_3_is_not_followed() {
    let fake = Fake::start([Act::Header("alt-svc", "h3=\":443\"; ma=86400")]).await;
    let client = fake.client();

    for _ in 0..3 {
        client.exchange(&query("a.test")).await.unwrap();
    }

    assert_eq!((fake.connections(), fake.seen().len()), (1, 3));
    for scheme in ["h3", "quic", "doq"] {
        let refused = format!("{scheme}://dns.test").parse::<Server>().unwrap_err();
        assert!(refused.to_string().contains(&format!("found `{scheme}`")), "{refused}");
    }
}

/// What comes back is an answer to the query, octet by octet as it was sent, or a failure with a
/// name; and the connection goes on.
#[tokio::test]
async fn t62_whatever_a_server_makes_of_its_answer_is_that_answer_or_refused() {
    let fake = Fake::start([Act::Body(mutilate)]).await;
    let client = fake.client();
    let (mut good, mut bad) = (0, 0);

    for number in 0..2000 {
        let name = format!("n{number}.test");
        let asked = query(&name);
        match client.exchange(&asked).await {
            Ok(exchange) => {
                let question = exchange.answer.get(12..asked.len()).expect("a question");
                assert!(question.eq_ignore_ascii_case(&asked[12..]), "{:?}", exchange.answer);
                assert_eq!(exchange.answer[2] & 0xf8, 0x80, "a response to a plain query");
                assert_eq!(
                    (&exchange.answer[..2], &exchange.answer[4..6]),
                    (&[0, 0][..], &[0, 1][..])
                );
                good += 1;
            }
            Err(Error::AllFailed(failures)) => {
                assert!(matches!(failures[0].failure, Failure::BadAnswer(_)), "{failures:?}");
                bad += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }

    assert!(good > 100 && bad > 100, "{good} good, {bad} bad");
    assert_eq!(fake.connections(), 1);
}

/// Changes a few octets, cuts some off or adds some; what, hangs on the name, which has a number.
fn mutilate(message: &mut Vec<u8>) {
    let mut state = message
        .iter()
        .fold(0x62_u64, |state, octet| state.wrapping_mul(0x0100_0000_01b3) ^ u64::from(*octet));
    let mut below = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).expect("31 bits") % bound
    };
    for _ in 0..below(3) {
        let at = below(message.len());
        message[at] ^= 1 << below(8);
    }
    match below(8) {
        0 => message.truncate(below(message.len())),
        1 => message.extend((0..below(64)).map(|octet| u8::try_from(octet).expect("below 64"))),
        _ => {}
    }
}
