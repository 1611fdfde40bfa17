//! Tables of queries and answers, and noise that must not make a check panic.

use super::*;

/// `www.example.` A IN, recursion desired, with an id of its own.
const QUERY: &[u8] =
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x00\x00\x01\x00\x01";

/// Flags of a NOERROR response that offers recursion.
const NOERROR: [u8; 2] = [0x81, 0x80];

fn query() -> Query {
    Query::parse(QUERY).expect("the query of these tests is one")
}

fn answer(flags: [u8; 2]) -> Vec<u8> {
    let mut answer = QUERY.to_vec();
    answer[..2].copy_from_slice(&[0, 0]);
    answer[2..4].copy_from_slice(&flags);
    answer
}

fn with(mut message: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    message[at] = byte;
    message
}

#[test]
fn a_query_is_sent_as_it_came_but_for_its_id() {
    let wire = query().wire();

    assert_eq!(wire[..2], [0, 0]);
    assert_eq!(wire[2..], QUERY[2..]);
}

#[test]
fn what_is_not_a_query_is_told_apart() {
    let long_name = [
        &QUERY[..12],
        &b"\x3faaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".repeat(4),
        &[0; 5],
    ]
    .concat();
    for (message, problem) in [
        (vec![], QueryProblem::TooShort),
        (QUERY[..11].to_vec(), QueryProblem::TooShort),
        ([QUERY, &vec![0; MAX_MESSAGE]].concat(), QueryProblem::TooLong),
        (answer(NOERROR), QueryProblem::Response),
        (with(QUERY.to_vec(), 5, 0), QueryProblem::QuestionCount(0)),
        (with(QUERY.to_vec(), 5, 2), QueryProblem::QuestionCount(2)),
        (QUERY[..12].to_vec(), QueryProblem::Question),
        (QUERY[..QUERY.len() - 1].to_vec(), QueryProblem::Question),
        (with(QUERY.to_vec(), 12, 0xc0), QueryProblem::Question),
        (with(QUERY.to_vec(), 12, 64), QueryProblem::Question),
        (long_name, QueryProblem::Question),
    ] {
        assert_eq!(Query::parse(&message).expect_err("must be refused"), problem, "{message:?}");
    }
}

#[test]
fn the_longest_name_is_a_query() {
    let label = [&[63], [b'a'; 63].as_slice()].concat();
    let last = [&[61], [b'a'; 61].as_slice()].concat();
    let name = [label.repeat(3), last].concat();
    let message = [&QUERY[..12], &name, &[0, 0, 1, 0, 1]].concat();

    assert_eq!(name.len() + 1, MAX_NAME);
    assert!(Query::parse(&message).is_ok());
}

#[test]
fn an_answer_is_worth_what_its_header_says() {
    for (flags, merit) in [
        (NOERROR, Merit::Good),
        ([0x81, 0x83], Merit::Good), // NXDOMAIN
        ([0x83, 0x80], Merit::Truncated),
        ([0x81, 0x82], Merit::Unhelpful), // SERVFAIL
        ([0x81, 0x84], Merit::Unhelpful), // NOTIMP
        ([0x81, 0x85], Merit::Unhelpful), // REFUSED
        ([0x81, 0x81], Merit::Unhelpful), // FORMERR
        ([0x81, 0x8b], Merit::Unhelpful), // a code that nobody knows
        ([0x83, 0x82], Merit::Unhelpful), // SERVFAIL, truncated
    ] {
        assert_eq!(query().judge(&answer(flags)), Ok(merit), "{flags:x?}");
    }
}

#[test]
fn r25_the_case_of_the_name_does_not_matter() {
    let shouted = with(answer(NOERROR), 13, b'W');

    assert_eq!(query().judge(&shouted), Ok(Merit::Good));
}

#[test]
fn r23_what_does_not_answer_the_query_is_told_apart() {
    let good = answer(NOERROR);
    let end = good.len();
    for (message, problem) in [
        (vec![], AnswerProblem::TooShort),
        (good[..11].to_vec(), AnswerProblem::TooShort),
        (answer([0x01, 0x00]), AnswerProblem::Query),
        (with(good.clone(), 1, 7), AnswerProblem::Id(7)),
        (answer([0xa1, 0x80]), AnswerProblem::Opcode(4)),
        (with(good.clone(), 5, 0), AnswerProblem::QuestionCount(0)),
        (with(good.clone(), 5, 2), AnswerProblem::QuestionCount(2)),
        (with(good.clone(), 13, b'x'), AnswerProblem::OtherQuestion),
        (with(good.clone(), end - 3, 28), AnswerProblem::OtherQuestion), // AAAA
        (with(good.clone(), end - 1, 3), AnswerProblem::OtherQuestion),  // CHAOS
        (good[..end - 1].to_vec(), AnswerProblem::OtherQuestion),
    ] {
        assert_eq!(query().judge(&message), Err(problem), "{message:?}");
    }
}

/// A xorshift generator: noise that is the same in every run.
struct Noise(u64);

impl Noise {
    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.to_be_bytes()[0]
    }
}

#[test]
fn noise_never_makes_a_check_panic() {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for round in 0..20_000 {
        let mut message: Vec<u8> = (0..round % 300).map(|_| noise.byte()).collect();
        if let Some(header) = message.first_chunk_mut::<6>() {
            // Half of the time a header that passes, so that noise reaches the question.
            if round % 2 == 0 {
                *header = [0, 0, 1, 0, 0, 1];
            }
        }

        if let Ok(query) = Query::parse(&message) {
            assert!(query.question_end <= message.len());
        }
        let _ = query().judge(&message);
    }
}

#[test]
fn one_flipped_byte_never_makes_a_check_panic() {
    for at in 0..QUERY.len() {
        for byte in 0..=u8::MAX {
            let _ = Query::parse(&with(QUERY.to_vec(), at, byte));
            let _ = query().judge(&with(answer(NOERROR), at, byte));
        }
    }
}
