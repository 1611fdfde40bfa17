//! Answers written by hand, octet by octet.

use super::*;

/// A pointer to the name of the question.
const ASKED: &[u8] = &[0xc0, 12];

fn question() -> Query {
    Family::V4.question("dns.test").unwrap()
}

/// An answer to [`question`] with these records.
fn answer(records: &[Vec<u8>]) -> Vec<u8> {
    let mut message = question().wire().to_vec();
    message[2..4].copy_from_slice(&[0x81, 0x80]);
    message[7] = u8::try_from(records.len()).unwrap();
    message.extend(records.concat());
    message
}

fn record(owner: &[u8], rtype: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    let (rtype, class, ttl) = (rtype.to_be_bytes(), IN.to_be_bytes(), ttl.to_be_bytes());
    [owner, &rtype, &class, &ttl, &length.to_be_bytes(), data].concat()
}

fn read(message: &[u8]) -> Result<(String, u64), Useless> {
    let records = Family::V4.read(&question(), message)?;
    let addresses: Vec<_> = records.addresses.iter().map(ToString::to_string).collect();
    Ok((addresses.join(" "), records.ttl.as_secs()))
}

#[test]
fn addresses_are_found_behind_aliases_with_the_shortest_ttl() {
    let alias = b"\x04Edge\x04test\x00";
    let second = b"\x01b\x04test\x00";
    let (one, two) = (&[192, 0, 2, 1], &[192, 0, 2, 2]);
    for (records, found) in [
        (vec![], ("", 0)),
        (vec![record(ASKED, A, 300, one), record(ASKED, A, 60, two)], ("192.0.2.1 192.0.2.2", 60)),
        (vec![record(b"\x03DNS\x04TEST\x00", A, 9, one)], ("192.0.2.1", 9)),
        (
            vec![record(ASKED, CNAME, 30, alias), record(b"\x04edge\x04test\x00", A, 300, one)],
            ("192.0.2.1", 30),
        ),
        (
            vec![
                record(ASKED, CNAME, 500, alias),
                record(alias, CNAME, 400, second),
                record(second, A, 300, one),
            ],
            ("192.0.2.1", 300),
        ),
        // A stranger's record, another type, and an address where nobody is.
        (vec![record(second, A, 300, one), record(ASKED, A, 300, two)], ("192.0.2.2", 300)),
        (vec![record(ASKED, 46, 1, &[0; 20]), record(ASKED, A, 300, two)], ("192.0.2.2", 300)),
        (vec![record(ASKED, A, 300, &[0; 4])], ("", 0)),
        (vec![record(ASKED, A, u32::MAX, one)], ("192.0.2.1", 0)),
    ] {
        let found = (found.0.to_owned(), found.1);
        assert_eq!(read(&answer(&records)), Ok(found), "{records:?}");
    }
}

#[test]
fn no_more_than_sixteen_records_are_looked_at() {
    let records: Vec<_> = (0..200).map(|last| record(ASKED, A, 300, &[192, 0, 2, last])).collect();

    let found = Family::V4.read(&question(), &answer(&records)).unwrap();

    assert_eq!(found.addresses.len(), MAX_RECORDS);
}

#[test]
fn what_is_no_answer_gives_no_addresses() {
    let good = answer(&[record(ASKED, A, 300, &[192, 0, 2, 1])]);
    let changed = |at: usize, byte: u8| {
        let mut message = good.clone();
        message[at] = byte;
        message
    };

    assert_eq!(read(&changed(1, 7)), Err(Useless::NoAnswer(AnswerProblem::Id(7))));
    assert_eq!(read(&changed(13, b'x')), Err(Useless::NoAnswer(AnswerProblem::OtherQuestion)));
    assert_eq!(read(&changed(2, 0x83)), Err(Useless::Truncated));
    assert_eq!(read(&changed(3, 0x85)), Err(Useless::Declined(5)));
    assert_eq!(read(&answer(&[record(ASKED, A, 300, &[1, 2, 3])])), Err(Useless::Malformed));
    let nothing_of_that_name = changed(3, 0x83);
    assert!(read(&nothing_of_that_name).is_ok());
}

#[test]
fn no_octet_that_is_changed_or_missing_does_harm() {
    let alias = record(ASKED, CNAME, 30, &[4, b'e', b'd', b'g', b'e', 0xc0, 16]);
    let good = answer(&[alias, record(&[0xc0, 38], A, 300, &[192, 0, 2, 1])]);
    assert_eq!(read(&good), Ok(("192.0.2.1".to_owned(), 30)));

    for at in 0..good.len() {
        let _ = read(&good[..at]);
        for byte in 0..=u8::MAX {
            let mut message = good.clone();
            message[at] = byte;
            let _ = read(&message);
        }
    }
}

#[test]
fn pointers_that_go_round_in_circles_are_refused() {
    for target in [26, 27, 28, 200] {
        let message = answer(&[record(&[0xc0, target], A, 300, &[192, 0, 2, 1])]);
        assert_eq!(read(&message), Err(Useless::Malformed), "{target}");
    }
}

#[test]
fn a_question_can_only_be_asked_of_a_name() {
    for host in ["", "a..b", &"x".repeat(64), &["x"; 128].join(".")] {
        assert!(Family::V6.question(host).is_none(), "{host}");
    }
    assert!(Family::V6.question("dns.test.").is_some());
}
