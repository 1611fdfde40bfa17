//! What a client was told and how long that took, in words that read well in a story.

use std::time::Duration;

use super::duration;
use crate::lab::Reply;

/// An answer; every claim about it panics where it is wrong, and returns it for the next one.
pub(crate) struct Told {
    asked: String,
    pub(crate) reply: Reply,
    took: Duration,
}

impl Told {
    pub(super) fn new(asked: &str, answer: &[u8], took: Duration) -> Self {
        Self { asked: asked.to_owned(), reply: Reply::read(answer), took }
    }

    /// The addresses of the answer, with one blank between two.
    #[track_caller]
    pub(crate) fn gets(self, addresses: &str) -> Self {
        assert_eq!(self.reply.addresses().join(" "), addresses, "addresses of {}", self.asked);
        self.is("NOERROR")
    }

    /// The response code, as `dig` prints it.
    #[track_caller]
    pub(crate) fn is(self, rcode: &str) -> Self {
        let word = match self.reply.rcode() {
            0 => "NOERROR",
            2 => "SERVFAIL",
            3 => "NXDOMAIN",
            5 => "REFUSED",
            _ => "another",
        };
        assert_eq!(word, rcode, "response code of {}", self.asked);
        self
    }

    /// The time to live of every record.
    #[track_caller]
    pub(crate) fn with_ttl(self, seconds: u32) -> Self {
        let ttls: Vec<u32> = self.reply.message.all_sections().map(|record| record.ttl).collect();
        assert!(!ttls.is_empty(), "{} has no records", self.asked);
        assert_eq!(ttls, vec![seconds; ttls.len()], "times to live of {}", self.asked);
        self
    }

    /// The codes of its Extended DNS Errors, in their order.
    #[track_caller]
    pub(crate) fn with_ede(self, codes: &[u16]) -> Self {
        let found: Vec<u16> = self.reply.ede().iter().map(|(code, _)| *code).collect();
        assert_eq!(found, codes, "Extended DNS Errors of {}", self.asked);
        self
    }

    /// How long it took, to the millisecond that timers are rounded to.
    #[track_caller]
    pub(crate) fn after(self, time: &str) -> Self {
        let (took, expected) = (self.took, duration(time));
        let is_close = took.abs_diff(expected) <= Duration::from_millis(2);
        assert!(is_close, "{} took {took:?}, not {time}", self.asked);
        self
    }

    /// In this time at most.
    #[track_caller]
    pub(crate) fn within(self, time: &str) -> Self {
        assert!(self.took <= duration(time), "{} took {:?}", self.asked, self.took);
        self
    }

    /// Without waiting for anybody.
    #[track_caller]
    pub(crate) fn at_once(self) -> Self {
        self.after("0ms")
    }
}
