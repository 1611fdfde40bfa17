//! A name goes in, a query comes out; an answer goes in, a verdict comes out. Written by hand so
//! that neither costs the load generator more than a copy and a comparison.

/// Octets of the header (RFC 1035 section 4.1.1).
pub const HEADER: usize = 12;

/// UDP payload the queries offer: the size of the DNS flag day 2020.
pub const PAYLOAD: u16 = 1232;

/// Longest label (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;

/// Longest name in wire form (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 255;

/// Recursion desired, in the third octet of the header.
const RECURSION_DESIRED: u8 = 0x01;

/// Query or response, in the third octet of the header.
const RESPONSE: u8 = 0x80;

/// Truncated, in the third octet of the header.
const TRUNCATED: u8 = 0x02;

/// Response codes that are an answer: NOERROR and NXDOMAIN.
const ANSWERS: [u8; 2] = [0, 3];

/// A query whose id is still zero.
#[derive(Clone, Debug)]
pub struct Question {
    wire: Vec<u8>,
    section_end: usize,
}

/// Whether a query tells its payload size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edns {
    /// With an OPT record and nothing in it.
    Plain,
    /// Without.
    Absent,
}

/// What an answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It answers the question.
    Right,
    /// Another question, an error, a truncated or broken message.
    Wrong,
}

/// Why a name or type cannot be asked.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuestionError {
    /// A label or the whole name is empty or too long.
    #[error("`{name}` is no name: labels have 1 to 63 octets, names up to 255")]
    Name {
        /// The name.
        name: String,
    },
    /// The type is neither known nor a number.
    #[error("`{found}` is no record type; take one of {known} or a number", known = known_types())]
    Type {
        /// What was given.
        found: String,
    },
}

impl Question {
    /// Builds the query for a name.
    ///
    /// # Errors
    /// When the name does not fit the wire form.
    pub fn new(name: &str, qtype: u16, edns: Edns) -> Result<Self, QuestionError> {
        let mut wire =
            vec![0, 0, RECURSION_DESIRED, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns == Edns::Plain)];
        write_name(name, &mut wire).ok_or_else(|| QuestionError::Name { name: name.to_owned() })?;
        wire.extend_from_slice(&qtype.to_be_bytes());
        wire.extend_from_slice(&CLASS_IN.to_be_bytes());
        let section_end = wire.len();
        if edns == Edns::Plain {
            wire.push(0);
            wire.extend_from_slice(&TYPE_OPT.to_be_bytes());
            wire.extend_from_slice(&PAYLOAD.to_be_bytes());
            wire.extend_from_slice(&[0; 6]);
        }
        Ok(Self { wire, section_end })
    }

    /// Appends the query with this id.
    pub fn write(&self, id: u16, out: &mut Vec<u8>) {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(self.wire.get(2..).unwrap_or_default());
    }

    /// Octets of the query.
    pub fn octets(&self) -> u16 {
        // A name has at most 255 octets, all the rest is fixed.
        u16::try_from(self.wire.len()).unwrap_or(u16::MAX)
    }

    /// Judges an answer whose id has been matched.
    pub fn judge(&self, answer: &[u8]) -> Verdict {
        let (Some(&flags), Some(&rcode)) = (answer.get(2), answer.get(3)) else {
            return Verdict::Wrong;
        };
        let is_whole = flags & (RESPONSE | TRUNCATED) == RESPONSE;
        let is_answer = ANSWERS.contains(&(rcode & 0x0f));
        let section = HEADER..self.section_end;
        let is_ours =
            answer.get(section.clone()).is_some_and(|s| Some(s) == self.wire.get(section));
        if is_whole && is_answer && is_ours { Verdict::Right } else { Verdict::Wrong }
    }
}

const CLASS_IN: u16 = 1;
const TYPE_OPT: u16 = 41;

/// Types that can be asked by name.
const TYPES: [(&str, u16); 6] =
    [("A", 1), ("NS", 2), ("MX", 15), ("TXT", 16), ("AAAA", 28), ("HTTPS", 65)];

/// Reads a record type, by name or by number.
///
/// # Errors
/// When it is neither.
pub fn parse_type(text: &str) -> Result<u16, QuestionError> {
    let named = TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    named
        .map(|(_, number)| *number)
        .or_else(|| text.parse().ok())
        .ok_or_else(|| QuestionError::Type { found: text.to_owned() })
}

/// The id of a message.
pub fn id_of(message: &[u8]) -> Option<u16> {
    message.first_chunk().map(|id| u16::from_be_bytes(*id))
}

fn known_types() -> String {
    TYPES.map(|(name, _)| name).join(", ")
}

fn write_name(name: &str, wire: &mut Vec<u8>) -> Option<()> {
    let start = wire.len();
    for label in name.strip_suffix('.').unwrap_or(name).split('.') {
        if label.is_empty() || label.len() > MAX_LABEL {
            return None;
        }
        wire.push(u8::try_from(label.len()).ok()?);
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    (wire.len() - start <= MAX_NAME).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_what_the_rfc_says() {
        let mut wire = Vec::new();
        Question::new("n0.bench.example.", 1, Edns::Plain).unwrap().write(0x1234, &mut wire);

        let expected = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\
            \x02n0\x05bench\x07example\x00\x00\x01\x00\x01\
            \x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";
        assert_eq!(wire, expected);
    }

    #[test]
    fn names_that_do_not_fit_are_refused() {
        let long = format!("{}.example", "x".repeat(64));
        let many = "abc.".repeat(64);
        for name in ["", "..", "a..b", long.as_str(), many.as_str()] {
            assert!(Question::new(name, 1, Edns::Absent).is_err(), "{name}");
        }
    }

    #[test]
    fn an_answer_to_another_question_or_with_an_error_is_wrong() {
        let question = Question::new("n0.bench.example", 1, Edns::Absent).unwrap();
        let answer = |octet: usize, value: u8| {
            let mut wire = Vec::new();
            question.write(7, &mut wire);
            wire[2] |= RESPONSE;
            wire[octet] = value;
            question.judge(&wire)
        };

        assert_eq!(answer(3, 0x80), Verdict::Right);
        assert_eq!(answer(3, 0x83), Verdict::Right, "no such name");
        assert_eq!(answer(3, 0x82), Verdict::Wrong, "server failure");
        assert_eq!(answer(2, 0x01), Verdict::Wrong, "a query");
        assert_eq!(answer(2, 0x83), Verdict::Wrong, "truncated");
        assert_eq!(answer(13, b'm'), Verdict::Wrong, "another name");
        assert_eq!(question.judge(b"\x00\x07\x80\x00"), Verdict::Wrong, "too short");
    }

    #[test]
    fn types_are_read_by_name_and_number() {
        assert_eq!(parse_type("aaaa"), Ok(28));
        assert_eq!(parse_type("257"), Ok(257));
        assert!(parse_type("BOGUS").unwrap_err().to_string().contains("AAAA"));
    }
}
