//! An upstream's OPT goes in, the Extended DNS Errors worth passing on come out (RFC 8914).

use std::sync::Arc;

use hickory_proto::{op::Message, rr::rdata::opt::EdnsOption};

/// The option's code (RFC 8914 section 2).
const OPTION: u16 = 15;

/// Most that are kept of one answer: real ones have one or two, and each makes answers longer.
const MAX_REASONS: usize = 3;

/// Why an answer is what it is, in the words of the upstream that gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The number that stands for it (RFC 8914 section 5.2).
    pub code: u16,
    /// For people; without control characters, and empty where there is nothing to add.
    pub text: Box<str>,
}

impl Reason {
    /// Longest text, in octets: a sentence, or a list's name, with room to spare in the smallest
    /// answer.
    pub const MAX_TEXT: usize = 96;

    /// The reason of this number, without text.
    pub fn plain(code: u16) -> Self {
        Self { code, text: Box::default() }
    }

    /// The first of each number; broken ones are left out.
    pub(super) fn read_all(message: &Message) -> Arc<[Self]> {
        let mut reasons: Vec<Self> = Vec::new();
        let options = message.edns.iter().flat_map(|edns| edns.options().as_ref());
        for reason in options.filter_map(|(_, option)| Self::read(option)) {
            let is_known = reasons.iter().any(|known| known.code == reason.code);
            if reasons.len() < MAX_REASONS && !is_known {
                reasons.push(reason);
            }
        }
        reasons.into()
    }

    fn read(option: &EdnsOption) -> Option<Self> {
        let EdnsOption::Unknown(OPTION, bytes) = option else { return None };
        let (code, text) = bytes.split_first_chunk()?;
        let text = String::from_utf8_lossy(text);
        let mut text: String = text.chars().filter(|c| !c.is_control()).collect();
        text.truncate(text.floor_char_boundary(Self::MAX_TEXT));
        Some(Self { code: u16::from_be_bytes(*code), text: text.into() })
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Edns, MessageType, OpCode};

    use super::*;

    #[test]
    fn r93_reasons_are_cut_cleaned_and_told_once() {
        let mut message = Message::new(0, MessageType::Response, OpCode::Query);
        let mut edns = Edns::new();
        for (code, text) in [
            (6, "bad\r\n\u{1b}[31m".as_bytes()),
            (6, b"again"),
            (9, &b"\xc3\xa9".repeat(100)),
            (10, b"\xff"),
            (22, b"one too many"),
        ] {
            let option = [&u16::to_be_bytes(code), text].concat();
            edns.options_mut().insert(EdnsOption::Unknown(OPTION, option));
        }
        edns.options_mut().insert(EdnsOption::Unknown(OPTION, vec![0]));
        message.set_edns(edns);

        let reasons = Reason::read_all(&message);

        let shown: Vec<_> = reasons.iter().map(|r| (r.code, r.text.as_ref())).collect();
        let cut = "\u{e9}".repeat(48);
        assert_eq!(shown, [(6, "bad[31m"), (9, cut.as_str()), (10, "\u{fffd}")]);
    }
}
