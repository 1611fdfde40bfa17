//! DNS messages as bytes go in; what may be sent, and what an answer is worth, comes out. Only
//! header and question are read: that is all it takes to tell an answer from a stranger's.

mod extended;

use std::ops::Range;

use bytes::Bytes;

/// Size of the header (RFC 1035 section 4.1.1).
pub(crate) const HEADER: usize = 12;

/// Largest message: every transport with a length prefix has 16 bits for it, and the body of a DoH
/// message may not be larger either (RFC 8484 section 6).
pub(crate) const MAX_MESSAGE: usize = 65_535;

/// Longest name on the wire, the root's zero included (RFC 1035 section 3.1).
const MAX_NAME: usize = 255;

/// Longest label; longer values of its length byte mean pointers (RFC 1035 section 4.1.4).
const MAX_LABEL: u8 = 63;

/// Size of type and class behind the name of a question.
const TYPE_AND_CLASS: usize = 4;

/// Codes that tell something of the name: that it has what follows, that it does not exist, that
/// it would be too long (RFC 1035 section 4.1.1, RFC 6672 section 2.2). With all others a server
/// says that it could not or would not, SERVFAIL for one.
const NOERROR: u8 = 0;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;
const YXDOMAIN: u8 = 6;

/// A query that can be sent: one question, no id. Cloning it copies no bytes.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    wire: Bytes,
    question_end: usize,
}

impl Query {
    /// Takes a copy with the id 0, so that equal queries are equal bytes (RFC 8484 section 4.1).
    pub(crate) fn parse(message: &[u8]) -> Result<Self, QueryProblem> {
        let header = Header::read(message).ok_or(QueryProblem::TooShort)?;
        if message.len() > MAX_MESSAGE {
            return Err(QueryProblem::TooLong);
        }
        if header.is_response {
            return Err(QueryProblem::Response);
        }
        if header.questions != 1 {
            return Err(QueryProblem::QuestionCount(header.questions));
        }
        let question_end = question_end(message).ok_or(QueryProblem::Question)?;
        let mut wire = message.to_vec();
        if let Some(id) = wire.first_chunk_mut::<2>() {
            *id = [0, 0];
        }
        Ok(Self { wire: wire.into(), question_end })
    }

    pub(crate) fn wire(&self) -> Bytes {
        self.wire.clone()
    }

    /// Where in the message the name of the question stands; an answer has it in the same place.
    pub(crate) fn name(&self) -> Range<usize> {
        HEADER..self.question_end - TYPE_AND_CLASS
    }

    /// Says what an answer to this query is worth.
    pub(crate) fn judge(&self, answer: &[u8]) -> Result<Merit, AnswerProblem> {
        let header = Header::read(answer).ok_or(AnswerProblem::TooShort)?;
        if !header.is_response {
            return Err(AnswerProblem::Query);
        }
        if header.id != 0 {
            return Err(AnswerProblem::Id(header.id));
        }
        if Some(header.opcode) != Header::read(&self.wire).map(|query| query.opcode) {
            return Err(AnswerProblem::Opcode(header.opcode));
        }
        if header.questions != 1 {
            return Err(AnswerProblem::QuestionCount(header.questions));
        }
        if !self.has_question_of(answer) {
            return Err(AnswerProblem::OtherQuestion);
        }
        if header.rcode == SERVFAIL && extended::is_bogus(answer, self.question_end) {
            return Ok(Merit::Good);
        }
        Ok(header.merit())
    }

    /// Names are equal whatever the case of their letters (RFC 1035 section 2.3.3). Length bytes
    /// never fold: the largest, 63, lies below `A`.
    fn has_question_of(&self, answer: &[u8]) -> bool {
        let name = self.name();
        let parts = |message| -> Option<(&[u8], &[u8])> {
            let message: &[u8] = message;
            Some((message.get(name.clone())?, message.get(name.end..self.question_end)?))
        };
        match (parts(&self.wire), parts(answer)) {
            (Some((name, rest)), Some((other_name, other_rest))) => {
                name.eq_ignore_ascii_case(other_name) && rest == other_rest
            }
            _ => false,
        }
    }
}

/// Whether an answer says that it did not fit (TC=1), whatever its code.
pub(crate) fn is_truncated(answer: &[u8]) -> bool {
    Header::read(answer).is_some_and(|header| header.is_truncated)
}

/// What an answer is worth; the greater is the better.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Merit {
    /// The server failed or refused: another one may know better.
    Unhelpful,
    /// The answer did not fit, which over HTTPS is the server's own trouble.
    Truncated,
    /// The answer, be it that there is no such name, or that what there is has been tampered with.
    Good,
}

/// Why a message is not a query that can be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryProblem {
    /// It is shorter than a header.
    #[error("shorter than the 12 bytes of a header")]
    TooShort,
    /// It is longer than any DNS message.
    #[error("longer than 65,535 bytes")]
    TooLong,
    /// It is a response (QR=1).
    #[error("a response, not a query")]
    Response,
    /// It has no question, or several.
    #[error("{0} questions, expected 1")]
    QuestionCount(u16),
    /// Its question is cut off, or its name is too long or compressed.
    #[error("a malformed question")]
    Question,
}

/// Why the body of a response is not an answer to the query.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerProblem {
    /// It is shorter than a header.
    #[error("shorter than the 12 bytes of a header")]
    TooShort,
    /// It is a query (QR=0).
    #[error("a query, not a response")]
    Query,
    /// Its id is not that of the query.
    #[error("id {0}, expected 0")]
    Id(u16),
    /// Its operation is not that of the query.
    #[error("opcode {0}, which is not that of the query")]
    Opcode(u8),
    /// It has no question, or several.
    #[error("{0} questions, expected 1")]
    QuestionCount(u16),
    /// It answers a question that was not asked.
    #[error("another question than the one asked")]
    OtherQuestion,
}

/// The fields of a header that matter here (RFC 1035 section 4.1.1).
struct Header {
    id: u16,
    is_response: bool,
    opcode: u8,
    is_truncated: bool,
    rcode: u8,
    questions: u16,
}

impl Header {
    fn read(message: &[u8]) -> Option<Self> {
        let &[id_high, id_low, flags, codes, count_high, count_low, ..] =
            message.first_chunk::<HEADER>()?;
        Some(Self {
            id: u16::from_be_bytes([id_high, id_low]),
            is_response: flags & 0x80 != 0,
            opcode: (flags >> 3) & 0x0f,
            is_truncated: flags & 0x02 != 0,
            rcode: codes & 0x0f,
            questions: u16::from_be_bytes([count_high, count_low]),
        })
    }

    fn merit(&self) -> Merit {
        match self.rcode {
            NOERROR | NXDOMAIN | YXDOMAIN if self.is_truncated => Merit::Truncated,
            NOERROR | NXDOMAIN | YXDOMAIN => Merit::Good,
            _ => Merit::Unhelpful,
        }
    }
}

/// Where the first question ends; nothing lies before its name that a pointer could mean.
fn question_end(message: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    loop {
        let label = *message.get(at)?;
        at += 1 + usize::from(label);
        if label > MAX_LABEL || at - HEADER > MAX_NAME {
            return None;
        }
        if label == 0 {
            break;
        }
    }
    let end = at + TYPE_AND_CLASS;
    (end <= message.len()).then_some(end)
}

#[cfg(test)]
mod tests;
