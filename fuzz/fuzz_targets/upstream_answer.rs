//! A query and any octets go in as what an upstream answers to it; whether they are taken for its
//! answer comes out, and hickory-proto has to find the same question in what is taken.

#![no_main]

/// A part of the client that nobody outside has to know: it is taken from where it stands.
#[path = "../../doh-client/src"]
mod doh_client {
    #[allow(
        dead_code,
        unreachable_pub,
        reason = "the client has more use for it than is tried here"
    )]
    pub(crate) mod message;
}

use dnsward_fuzz::wire_of;
use doh_client::message::{Merit, Query, is_truncated};
use hickory_proto::op::{Message, MessageType};
use libfuzzer_sys::fuzz_target;

/// Where the question begins (RFC 1035 section 4.1.1).
const HEADER: usize = 12;

/// The code that most tricks are tried with, because it is final with some reasons only.
const SERVFAIL: u16 = 2;

fuzz_target!(|input: &[u8]| {
    let Some((length, rest)) = input.split_first() else { return };
    let (query, answer) = rest.split_at(usize::from(*length).min(rest.len()));
    let Ok(parsed) = Query::parse(query) else { return };
    let (sent, theirs) = (parsed.wire(), Message::from_vec(answer).ok());
    let question_end = parsed.name().end + 4;
    assert_eq!((sent.get(..2), sent.get(2..)), (Some(&[0, 0][..]), query.get(2..)));
    match parsed.judge(answer) {
        Ok(merit) => {
            let (asked, said) = (sent.get(HEADER..question_end), answer.get(HEADER..question_end));
            assert!(said.zip(asked).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b)));
            if let Some(theirs) = &theirs {
                check_taken(merit, answer, theirs);
            }
        }
        Err(problem) => {
            let is_answer = theirs.is_some_and(|theirs| is_answer_to(&sent, &theirs, answer));
            assert!(!is_answer, "an answer is refused: {problem}");
        }
    }
});

/// What is taken is what the other reader takes it for.
fn check_taken(merit: Merit, answer: &[u8], theirs: &Message) {
    let metadata = &theirs.metadata;
    assert_eq!((metadata.id, theirs.queries.len()), (0, 1));
    assert_eq!(metadata.message_type, MessageType::Response);
    assert_eq!(is_truncated(answer), metadata.truncation);
    let code = u16::from(metadata.response_code.low());
    match merit {
        Merit::Good => assert!(matches!(code, 0 | SERVFAIL | 3 | 6), "{code}"),
        Merit::Truncated => assert!(metadata.truncation && code != SERVFAIL),
        Merit::Unhelpful => assert!(!matches!(code, 0 | 3 | 6), "{code}"),
    }
    let is_final = merit == Merit::Good && code == SERVFAIL;
    assert!(!is_final || theirs.edns.is_some(), "a reason that nobody gave");
}

/// Whether the other reader finds an answer to the query: the same question with its name in full.
fn is_answer_to(sent: &[u8], theirs: &Message, answer: &[u8]) -> bool {
    let Ok(asked) = Message::from_vec(sent) else { return false };
    let [question] = asked.queries.as_slice() else { return false };
    let name = wire_of(&question.name);
    let is_in_full = |message: &[u8]| {
        message.get(HEADER..HEADER + name.len()).is_some_and(|n| n.eq_ignore_ascii_case(&name))
    };
    theirs.metadata.message_type == MessageType::Response
        && theirs.metadata.id == 0
        && theirs.metadata.op_code == asked.metadata.op_code
        && theirs.queries == asked.queries
        && is_in_full(sent)
        && is_in_full(answer)
}
