//! A refusal or a special name goes in, what it means comes out, for people to read.

use crate::policy::{Refusal, Special};

impl Refusal {
    /// What it means, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Client => "the client is not in dns.allow_from",
            Self::OverUdp => "dns.udp sends it to TCP",
            Self::Question => "this type is not served",
            Self::EdnsVersion => "it speaks another version of EDNS",
            Self::NoRecursion => "it does not ask for recursion",
            Self::NotReady => "the lists are not loaded, and blocking.until_loaded says to wait",
        }
    }
}

impl Special {
    /// What is answered, and why, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::NxDomain => "a special name: there is none such, and nobody is asked",
            Self::Loopback => {
                "a special name: it has the loopback addresses (RFC 6761 section 6.3)"
            }
            Self::Ipv4Only | Self::Ipv4OnlyReverse => {
                "a special name: there is no NAT64 here (RFC 8880)"
            }
            Self::Resolver | Self::NoData => {
                "a special name: it tells of this resolver (RFC 9462, RFC 9606)"
            }
            Self::Any => "type ANY gets a short answer in place of all records (RFC 8482)",
        }
    }
}
