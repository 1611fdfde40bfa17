//! The words of a command go in, the question they mean comes out.

use std::{
    net::{IpAddr, Ipv4Addr},
    str::FromStr as _,
};

use blocker::{Name, NameError};
use hickory_proto::rr::RecordType;

use crate::{
    config::Dns,
    query::{Client, Query, SpiffeId, Transport},
};

/// Who asks where nobody is named: this host.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What a mesh connection without an identity is called, as in `[[clients]]`.
const UNIDENTIFIED: &str = "unidentified";

/// What is to be explained.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    name: Name,
    qtype: RecordType,
    client: Who,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq)]
enum Who {
    Address(IpAddr),
    Workload(SpiffeId),
    Unidentified,
}

/// Why words are no question.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// The name is none.
    #[error("`{}` is not a domain name: {source}", .text.escape_debug())]
    Name {
        /// What was given.
        text: String,
        /// What is wrong with it.
        #[source]
        source: NameError,
    },
    /// The type is none.
    #[error("`{}` is not a record type, such as A or HTTPS", .0.escape_debug())]
    Type(String),
    /// The client is none.
    #[error(
        "`{}` is not a client: an address, a SPIFFE id such as spiffe://cluster.local/ns/a/sa/b, \
         or unidentified",
        .0.escape_debug()
    )]
    Client(String),
}

impl Subject {
    /// Reads a name, a type and a client, by default this host.
    ///
    /// # Errors
    /// Which of them is none, and what would be one.
    pub fn parse(name: &str, qtype: &str, client: Option<&str>) -> Result<Self, SubjectError> {
        Ok(Self {
            name: parse_name(name)?,
            qtype: RecordType::from_str(&qtype.to_ascii_uppercase())
                .map_err(|_| SubjectError::Type(qtype.to_owned()))?,
            client: client.map_or(Ok(Who::Address(HERE)), Who::parse)?,
        })
    }

    /// The query that such a client would send over TCP.
    pub(super) fn query(&self, dns: &Dns) -> Query {
        let client = match &self.client {
            Who::Address(address) => Client::at(*address, Transport::Tcp),
            Who::Workload(id) => mesh(dns).introduced_as(Some(id.clone())),
            Who::Unidentified => mesh(dns).introduced_as(None),
        };
        Query::about(&self.name, self.qtype.into(), client)
    }

    pub(super) fn qtype_word(&self) -> String {
        self.qtype.to_string()
    }

    pub(super) fn client_word(&self) -> String {
        match &self.client {
            Who::Address(address) => address.to_canonical().to_string(),
            Who::Workload(id) => id.as_str().to_owned(),
            Who::Unidentified => UNIDENTIFIED.to_owned(),
        }
    }
}

/// Reads a name.
///
/// # Errors
/// Why it is none.
pub(crate) fn parse_name(name: &str) -> Result<Name, SubjectError> {
    Name::parse(name).map_err(|source| SubjectError::Name { text: name.to_owned(), source })
}

impl Who {
    fn parse(text: &str) -> Result<Self, SubjectError> {
        if text == UNIDENTIFIED {
            return Ok(Self::Unidentified);
        }
        let workload = SpiffeId::parse(text).map(Self::Workload);
        let who = workload.or_else(|| text.parse().ok().map(Self::Address));
        who.ok_or_else(|| SubjectError::Client(text.to_owned()))
    }
}

/// Somebody in a mesh, of whom only the identity is known: at an address that may ask.
fn mesh(dns: &Dns) -> Client {
    let other = dns.allow_from.first().map(|network| network.addr());
    let address = if dns.allows(HERE) { HERE } else { other.unwrap_or(HERE) };
    Client::behind(address, Transport::Tcp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_a_question_or_are_told_to_be_none() {
        let parse = |name, qtype, client| match Subject::parse(name, qtype, client) {
            Ok(subject) => {
                format!("{} {} {}", subject.name, subject.qtype_word(), subject.client_word())
            }
            Err(error) => error.to_string(),
        };

        assert_eq!(parse("WWW.Example.", "a", None), "www.example A 127.0.0.1");
        assert_eq!(parse("x", "HTTPS", Some("::ffff:10.0.0.1")), "x HTTPS 10.0.0.1");
        assert_eq!(parse("x", "A", Some("spiffe://td/x")), "x A spiffe://td/x");
        assert_eq!(parse("x", "A", Some("unidentified")), "x A unidentified");
        assert!(parse("a\u{1b}b", "A", None).starts_with("`a\\u{1b}b` is not a domain name"));
        assert!(parse("x", "B", None).contains("is not a record type"));
        assert!(parse("x", "A", Some("kids")).contains("is not a client"));
    }
}
