//! DNS over TLS and over TCP: what a server gets to see, whose answer is whose, and what is believed.

mod life;

use std::collections::HashSet;
use std::time::Duration;

use doh_client::{AnswerProblem, Blame, Client, Error, Failure, Protocol};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::dns::{Act, Dns, TRUNCATED, framed, reply};
use crate::fake::{self, Fake, clients_of};
use crate::{answer, ask_at_once, query};

/// The same script over each of the two.
async fn both(script: &[Act]) -> [Dns; 2] {
    [Dns::tcp(script.iter().copied()).await, Dns::tls(script.iter().copied()).await]
}

/// The failure of the only server.
async fn failure_of(client: &Client) -> Failure {
    match client.exchange(&query("a.test")).await {
        Err(Error::AllFailed(mut failures)) => failures.remove(0).failure,
        outcome => panic!("expected a failure: {outcome:?}"),
    }
}

/// Waits until a server got a query.
async fn asked(dns: &Dns, count: usize) {
    while dns.seen().len() < count {
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn an_answer_comes_back_as_the_server_sent_it_but_for_its_id() {
    for dns in both(&[Act::Answer]).await {
        let exchange = dns.client().exchange(&query("A.test")).await.unwrap();

        assert_eq!(exchange.answer, answer("A.test"));
        assert_eq!((exchange.server, exchange.age), (0, Duration::ZERO));
    }
}

#[tokio::test]
async fn a_server_gets_the_query_as_it_is_under_an_id_of_its_own() {
    for dns in both(&[Act::Answer]).await {
        let client = dns.client();
        for _ in 0..50 {
            client.exchange(&query("a.test")).await.unwrap();
        }

        let seen = dns.seen();
        let ids: HashSet<_> = seen.iter().map(|seen| seen.message[..2].to_vec()).collect();
        assert!(seen.iter().all(|seen| seen.message[2..] == query("a.test")[2..]));
        assert!(ids.len() > 40, "{} different ids", ids.len());
    }
}

/// Failure story 4: many cold queries at once made as many handshakes.
#[tokio::test]
async fn t21_a_thousand_cold_queries_share_a_connection_and_no_id() {
    for dns in both(&[Act::Answer]).await {
        let client = dns.client();
        ask_at_once(&client, 1000).await;

        assert!(dns.connections() <= 2, "{} connections", dns.connections());
        assert_eq!(dns.seen().len(), 1000);
    }
}

#[tokio::test]
async fn answers_may_come_in_another_order_than_the_queries() {
    for dns in both(&[Act::Hold, Act::Hold, Act::Answer]).await {
        let client = dns.client();
        let names = ["a.test", "b.test", "c.test"];
        let mut exchanges = JoinSet::new();
        for (before, name) in names.into_iter().enumerate() {
            asked(&dns, before).await;
            let client = client.clone();
            exchanges.spawn(async move { (name, client.exchange(&query(name)).await) });
        }

        for (name, exchange) in exchanges.join_all().await {
            assert_eq!(exchange.unwrap().answer, answer(name));
        }
        assert_eq!(dns.connections(), 1);
    }
}

/// Whatever the order of the answers, and wherever the stream of them is cut.
#[tokio::test]
async fn everybody_gets_the_own_answer_from_a_shuffled_stream_in_pieces() {
    const QUERIES: usize = 30;
    for seed in 1..=60 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("tcp://{}", listener.local_addr().unwrap()).parse().unwrap();
        let client = Client::builder().server(server).build().unwrap();
        let mut exchanges = JoinSet::new();
        for number in 0..QUERIES {
            let (client, name) = (client.clone(), format!("n{number}.seed{seed}.test"));
            exchanges.spawn(async move { (client.exchange(&query(&name)).await, name) });
        }
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut answers = Vec::new();
        while answers.len() < QUERIES {
            let mut message = vec![0; tcp.read_u16().await.unwrap().into()];
            tcp.read_exact(&mut message).await.unwrap();
            answers.push(framed(&reply(Act::Answer, &message)));
        }
        let mut noise = noise(seed);
        answers.sort_by_cached_key(|_| noise());
        let mut stream = answers.concat();

        while !stream.is_empty() {
            let piece = stream.len().min(1 + noise() % 90);
            tcp.write_all(&stream[..piece]).await.unwrap();
            stream.drain(..piece);
            tokio::task::yield_now().await;
        }

        for (exchange, name) in exchanges.join_all().await {
            assert_eq!(exchange.unwrap().answer, answer(&name), "seed {seed}");
        }
    }
}

/// A generator of noise that is the same in every run.
fn noise(seed: u64) -> impl FnMut() -> usize {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).expect("31 bits fit")
    }
}

#[tokio::test]
async fn stray_answers_are_ignored_up_to_the_tenth_in_a_row() {
    for dns in both(&[Act::Strays(9), Act::Strays(9), Act::Answer]).await {
        let client = dns.client();
        for _ in 0..3 {
            assert_eq!(client.exchange(&query("a.test")).await.unwrap().answer, answer("a.test"));
        }
        assert_eq!(dns.connections(), 1);
    }
    for dns in both(&[Act::Strays(10), Act::Answer]).await {
        let client = dns.client();
        assert_eq!(client.exchange(&query("a.test")).await.unwrap().answer, answer("a.test"));
        assert_eq!((dns.connections(), client.status()[0].failed), (2, 0));
    }
}

#[tokio::test]
async fn t06_an_answer_may_have_65535_bytes() {
    for dns in both(&[Act::Size(65_535)]).await {
        let client = dns.client();
        for _ in 0..3 {
            let exchange = client.exchange(&query("a.test")).await.unwrap();
            assert_eq!(exchange.answer.len(), 65_535);
        }
    }
}

#[tokio::test]
async fn t06_a_length_below_that_of_a_header_ends_the_connection() {
    for length in [0, 1, 11] {
        for dns in both(&[Act::Length(length), Act::Answer]).await {
            let client = dns.client();

            assert_eq!(client.exchange(&query("a.test")).await.unwrap().answer, answer("a.test"));
            assert_eq!((dns.connections(), client.status()[0].failed), (2, 0), "{length}");
        }
    }
}

#[tokio::test]
async fn t06_a_length_that_cuts_the_answer_off_is_a_bad_answer() {
    let mut exchanges = JoinSet::new();
    for length in [12, 23] {
        for dns in both(&[Act::Length(length), Act::Answer]).await {
            exchanges.spawn(async move {
                let client = dns.client();

                let failure = failure_of(&client).await;

                let expected = matches!(failure, Failure::BadAnswer(AnswerProblem::OtherQuestion));
                assert!(expected, "{length}: {failure:?}");
                let next = client.exchange(&query("a.test")).await.unwrap();
                assert_eq!(next.answer, answer("a.test"));
            });
        }
    }
    exchanges.join_all().await;
}

#[tokio::test]
async fn t06_a_length_beyond_the_answer_is_noticed_as_silence() {
    let dns = Dns::tcp([Act::Length(500), Act::Answer]).await;
    let client = dns.client();
    let started = Instant::now();

    assert_eq!(client.exchange(&query("a.test")).await.unwrap().answer, answer("a.test"));

    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(dns.connections(), 2);
}

#[tokio::test]
async fn t07_what_does_not_answer_the_query_is_told_apart() {
    for (act, problem) in [
        (Act::Flags([0x01, 0x00]), AnswerProblem::Query),
        (Act::Flags([0xa1, 0x80]), AnswerProblem::Opcode(4)),
        (Act::Turn(5, 1), AnswerProblem::QuestionCount(0)),
        (Act::Turn(5, 3), AnswerProblem::QuestionCount(2)),
        (Act::Turn(13, 3), AnswerProblem::OtherQuestion),
        (Act::Turn(12, 0xc1), AnswerProblem::OtherQuestion), // a pointer into itself
        (Act::Turn(21, 28), AnswerProblem::OtherQuestion),   // another type
        (Act::Size(12), AnswerProblem::OtherQuestion),
    ] {
        for dns in both(&[act, Act::Answer]).await {
            let client = dns.client();

            let failure = failure_of(&client).await;

            let found = matches!(failure, Failure::BadAnswer(found) if found == problem);
            assert!(found, "{act:?}: {failure:?}");
            assert!(client.exchange(&query("a.test")).await.is_ok());
            assert_eq!(dns.connections(), 1, "{act:?}");
        }
    }
}

#[tokio::test]
async fn t07_the_case_of_the_name_and_bytes_at_the_end_do_not_matter() {
    for act in [Act::SmallLetters, Act::Size(100)] {
        for dns in both(&[act]).await {
            assert!(dns.client().exchange(&query("A.Test")).await.is_ok(), "{act:?}");
        }
    }
}

#[tokio::test]
async fn t08_a_truncated_answer_is_passed_on_only_if_nobody_has_a_whole_one() {
    for dns in both(&[TRUNCATED]).await {
        let alone = dns.client().exchange(&query("a.test")).await.unwrap();
        assert_eq!((alone.server, alone.answer[2] & 0x02), (0, 0x02));

        let other = Fake::start([fake::Act::Answer]).await;
        let client = clients_of([]).server(dns.server()).server(other.server()).build().unwrap();
        assert_eq!(client.exchange(&query("a.test")).await.unwrap().server, 1);
    }
}

#[tokio::test]
async fn t40_a_certificate_of_an_unknown_authority_is_not_believed() {
    let dns = Dns::tls([Act::Answer]).await;
    let client = Client::builder().server(dns.server()).build().unwrap();

    let failure = failure_of(&client).await;

    assert!(matches!(failure, Failure::UnknownIssuer), "{failure}");
    assert_eq!((failure.blame(), dns.seen().len()), (Blame::Config, 0));
}

#[tokio::test]
async fn t41_dns_over_tls_needs_no_alpn_and_is_called_dot() {
    let dot = Dns::tls_speaking(b"dot").await;
    assert!(dot.client().exchange(&query("a.test")).await.is_ok());

    let web = Dns::tls_speaking(b"h2").await;
    let failure = failure_of(&web.client()).await;
    assert!(matches!(failure, Failure::Tls(_)), "{failure}");
}

#[tokio::test]
async fn a_server_says_how_it_is_spoken_to() {
    let [tcp, tls] = both(&[Act::Answer]).await;

    assert_eq!(tcp.server().protocol(), Protocol::Tcp);
    assert_eq!(tls.server().protocol(), Protocol::Tls);
}
