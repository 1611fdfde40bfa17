//! An upstream's answer goes in, whether it is a block of the upstream's own comes out.
//!
//! Filtering resolvers have no common way to say so; these are the ways of those in the field.

use std::{
    net::{IpAddr, Ipv4Addr},
    ops::RangeInclusive,
};

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::RecordType,
};

use super::Reason;

/// Blocked, Censored and Filtered (RFC 8914 sections 4.16 to 4.18).
const CODES: RangeInclusive<u16> = 15..=17;

/// The block pages of OpenDNS and Umbrella: their first and their last address.
const BLOCK_PAGES: RangeInclusive<Ipv4Addr> =
    Ipv4Addr::new(146, 112, 61, 104)..=Ipv4Addr::new(146, 112, 61, 110);

/// How an upstream said that it blocks a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamBlock {
    /// With the unspecified address and no other.
    NullAddress,
    /// With no data, and an Extended DNS Error that says so.
    Told,
    /// With the address of a page that tells people.
    BlockPage,
    /// With "no such name" from who offers no recursion, as Quad9 does.
    Denial,
}

impl UpstreamBlock {
    /// How it is told to clients and in the log.
    pub fn text(self) -> &'static str {
        match self {
            Self::NullAddress => "upstream: null address",
            Self::Told => "upstream: says so",
            Self::BlockPage => "upstream: block page",
            Self::Denial => "upstream: denial",
        }
    }

    pub(super) fn of(message: &Message, reasons: &[Reason]) -> Option<Self> {
        let addresses = || message.answers.iter().filter_map(|record| record.data.ip_addr());
        let is_null = addresses().next().is_some() && addresses().all(|ip| ip.is_unspecified());
        let is_alias = |rtype| matches!(rtype, RecordType::CNAME | RecordType::DNAME);
        let has_data = message.answers.iter().any(|record| !is_alias(record.record_type()));
        let flags = &message.metadata;
        let is_denied = flags.response_code == ResponseCode::NXDomain
            && !flags.recursion_available
            && !flags.authoritative;
        match () {
            () if is_null => Some(Self::NullAddress),
            () if !has_data && reasons.iter().any(Reason::is_block) => Some(Self::Told),
            () if addresses().any(is_block_page) => Some(Self::BlockPage),
            () if is_denied => Some(Self::Denial),
            () => None,
        }
    }
}

impl Reason {
    /// Whether it says that the upstream blocks the name.
    pub fn is_block(&self) -> bool {
        CODES.contains(&self.code)
    }
}

fn is_block_page(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => BLOCK_PAGES.contains(&address),
        IpAddr::V6(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::{
        op::{MessageType, OpCode},
        rr::{Name, RData, Record, rdata::CNAME},
    };

    use super::*;

    /// An answer that holds these addresses after an alias.
    fn answer(rcode: ResponseCode, addresses: &[&str]) -> Message {
        let mut message = Message::new(0, MessageType::Response, OpCode::Query);
        message.metadata.recursion_available = true;
        message.metadata.response_code = rcode;
        let alias = RData::CNAME(CNAME(Name::root()));
        let addresses = addresses.iter().map(|text| match text.parse().unwrap() {
            IpAddr::V4(v4) => RData::A(v4.into()),
            IpAddr::V6(v6) => RData::AAAA(v6.into()),
        });
        let records = std::iter::once(alias).chain(addresses);
        message.add_answers(records.map(|data| Record::from_rdata(Name::root(), 60, data)));
        message
    }

    #[test]
    fn blocks_of_upstreams_are_told_from_answers() {
        use UpstreamBlock::{BlockPage, NullAddress, Told};
        for (addresses, code, expected) in [
            (&["0.0.0.0"][..], 0, Some(NullAddress)),
            (&["::"], 15, Some(NullAddress)),
            (&["0.0.0.0", "192.0.2.1"], 0, None),
            (&["0.0.0.1"], 0, None),
            (&[], 0, None),
            (&[], 15, Some(Told)),
            (&[], 16, Some(Told)),
            (&[], 17, Some(Told)),
            (&[], 18, None),
            // It may have left some of them out.
            (&["192.0.2.1"], 15, None),
            (&["146.112.61.104"], 0, Some(BlockPage)),
            (&["192.0.2.1", "::ffff:146.112.61.110"], 0, Some(BlockPage)),
            (&["146.112.61.103", "146.112.61.111"], 0, None),
        ] {
            let found = UpstreamBlock::of(
                &answer(ResponseCode::NoError, addresses),
                &[Reason::plain(code)],
            );
            assert_eq!(found, expected, "{addresses:?} with {code}");
        }
    }

    #[test]
    fn no_such_name_is_a_block_only_from_who_neither_recurses_nor_owns() {
        for (recursion_available, authoritative, is_block) in
            [(false, false, true), (true, false, false), (false, true, false)]
        {
            let mut message = answer(ResponseCode::NXDomain, &[]);
            message.metadata.recursion_available = recursion_available;
            message.metadata.authoritative = authoritative;
            let found = UpstreamBlock::of(&message, &[]);
            assert_eq!(found, is_block.then_some(UpstreamBlock::Denial), "{message:?}");
        }
    }
}
