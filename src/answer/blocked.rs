//! A blocked name and what it is to be answered with go in, the answer comes out.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use blocker::{Name, Reply as RuleReply};

use super::{Ede, Rcode, Reply, empty, negative, seconds};
use crate::{config::BlockAnswer, query::Query, wire::rtype};

/// What a blocked name is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockForm<'r> {
    /// No such name.
    NxDomain,
    /// The name without data.
    NoData,
    /// A refusal.
    Refused,
    /// A failure.
    ServFail,
    /// These addresses; a family without one gets no data.
    Addresses(Option<Ipv4Addr>, Option<Ipv6Addr>),
    /// An alias, where that itself is asked for.
    Alias(&'r Name),
    /// Nothing at all.
    Silence,
}

impl<'r> BlockForm<'r> {
    /// What a rule wants, or else what is configured.
    pub fn of(reply: Option<&'r RuleReply>, configured: BlockAnswer) -> Self {
        match reply {
            Some(RuleReply::NoData) => Self::NoData,
            Some(RuleReply::NxDomain) => Self::NxDomain,
            Some(RuleReply::Refused) => Self::Refused,
            Some(RuleReply::ServFail) => Self::ServFail,
            Some(RuleReply::Silence) => Self::Silence,
            Some(RuleReply::Alias(target)) => Self::Alias(target),
            // A rule that names one family means to block the other.
            Some(RuleReply::Addresses(ipv4, ipv6)) => Self::Addresses(
                ipv4.or(Some(Ipv4Addr::UNSPECIFIED)),
                ipv6.or(Some(Ipv6Addr::UNSPECIFIED)),
            ),
            Some(_) | None => configured.into(),
        }
    }
}

impl From<BlockAnswer> for BlockForm<'_> {
    fn from(answer: BlockAnswer) -> Self {
        match answer {
            BlockAnswer::Null => {
                Self::Addresses(Some(Ipv4Addr::UNSPECIFIED), Some(Ipv6Addr::UNSPECIFIED))
            }
            BlockAnswer::NxDomain => Self::NxDomain,
            BlockAnswer::NoData => Self::NoData,
            BlockAnswer::Refused => Self::Refused,
            BlockAnswer::Addresses { ipv4, ipv6 } => Self::Addresses(ipv4, ipv6),
        }
    }
}

/// Makes the answer for a blocked name; its response code, or nothing where there is no answer.
pub fn blocked(
    query: &Query,
    form: BlockForm<'_>,
    ttl: Duration,
    ede: Option<Ede<'_>>,
    out: &mut Vec<u8>,
) -> Option<Rcode> {
    match form {
        BlockForm::Silence => {
            out.clear();
            None
        }
        BlockForm::Refused => {
            empty(query, Rcode::Refused, ede, out);
            Some(Rcode::Refused)
        }
        BlockForm::ServFail => {
            empty(query, Rcode::ServFail, ede, out);
            Some(Rcode::ServFail)
        }
        BlockForm::NxDomain => {
            negative(query, Rcode::NxDomain, ttl, ede, out);
            Some(Rcode::NxDomain)
        }
        BlockForm::NoData | BlockForm::Addresses(..) | BlockForm::Alias(_) => {
            let mut reply = Reply::start(query, Rcode::NoError, out);
            write_records(&mut reply, form, seconds(ttl));
            reply.finish(ede);
            Some(Rcode::NoError)
        }
    }
}

/// Writes what a form has of the asked type, or that there is none.
fn write_records(reply: &mut Reply<'_>, form: BlockForm<'_>, ttl: u32) {
    let (ipv4, ipv6, alias) = match form {
        BlockForm::Addresses(ipv4, ipv6) => (ipv4, ipv6, None),
        BlockForm::Alias(target) => (None, None, Some(target)),
        _ => (None, None, None),
    };
    let asked = reply.query.qtype;
    let is_asked = |rtype| asked == rtype || asked == rtype::ANY;
    if let Some(address) = ipv4.filter(|_| is_asked(rtype::A)) {
        reply.record(rtype::A, ttl, &address.octets());
    }
    if let Some(address) = ipv6.filter(|_| is_asked(rtype::AAAA)) {
        reply.record(rtype::AAAA, ttl, &address.octets());
    }
    if let Some(target) = alias.filter(|_| is_asked(rtype::CNAME)) {
        reply.record(rtype::CNAME, ttl, target.as_wire());
    }
    if reply.counts[1] == 0 {
        reply.soa(ttl);
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Message;

    use super::*;
    use crate::query::{Client, Edns, Transport};

    fn query(qtype: u16) -> Query {
        let packet = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03ads\x07example\0\0\x01\0\x01";
        let client = Client::at([192, 0, 2, 1].into(), Transport::Udp);
        let mut query = Query::read(packet, client).unwrap();
        (query.qtype, query.edns) = (qtype, Some(Edns::plain(1232)));
        query
    }

    /// Response code and data of the answers to A, AAAA, ANY, CNAME and MX.
    fn told(reply: Option<&RuleReply>) -> [Option<(u16, String)>; 5] {
        [rtype::A, rtype::AAAA, rtype::ANY, rtype::CNAME, 15].map(|qtype| {
            let form = BlockForm::of(reply, BlockAnswer::Null);
            let ede = Some(Ede::Blocked("ads"));
            let mut out = vec![1, 2, 3];
            let rcode = blocked(&query(qtype), form, Duration::from_secs(2), ede, &mut out);
            let Some(rcode) = rcode else {
                assert!(out.is_empty());
                return None;
            };
            let message = Message::from_vec(&out).unwrap();
            assert!(message.edns.is_some_and(|edns| edns.options().as_ref().len() == 1));
            assert!(message.answers.iter().chain(&message.authorities).all(|r| r.ttl == 2));
            let data: Vec<_> = message.answers.iter().map(|r| r.data.to_string()).collect();
            Some((rcode as u16, data.join(" ")))
        })
    }

    #[test]
    fn row_57_row_58_row_59_row_60_a_rule_says_what_is_answered() {
        let (v4, v6) = (Some([192, 0, 2, 7].into()), Some("2001:db8::7".parse().unwrap()));
        let target = Name::parse("safe.example").unwrap();
        for (reply, rcode, data) in [
            (None, 0, ["0.0.0.0", "::", "0.0.0.0 ::", "", ""]),
            (Some(RuleReply::NoData), 0, [""; 5]),
            (Some(RuleReply::NxDomain), 3, [""; 5]),
            (Some(RuleReply::Refused), 5, [""; 5]),
            (Some(RuleReply::ServFail), 2, [""; 5]),
            (Some(RuleReply::Addresses(v4, None)), 0, ["192.0.2.7", "::", "192.0.2.7 ::", "", ""]),
            (
                Some(RuleReply::Addresses(None, v6)),
                0,
                ["0.0.0.0", "2001:db8::7", "0.0.0.0 2001:db8::7", "", ""],
            ),
            (
                Some(RuleReply::Addresses(v4, v6)),
                0,
                ["192.0.2.7", "2001:db8::7", "192.0.2.7 2001:db8::7", "", ""],
            ),
            (
                Some(RuleReply::Alias(Box::new(target))),
                0,
                ["", "", "safe.example.", "safe.example.", ""],
            ),
        ] {
            let expected = data.map(|data| Some((rcode, data.to_owned())));
            assert_eq!(told(reply.as_ref()), expected, "{reply:?}");
        }
        assert_eq!(told(Some(&RuleReply::Silence)), [const { None }; 5]);
    }
}
