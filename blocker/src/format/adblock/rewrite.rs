//! The value of `$dnsrewrite` goes in, what is answered comes out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::format::name;
use crate::report::Reason;
use crate::terms::Reply;

/// Reads the short form, a word, an address or a name, or the long one, `NOERROR;A;192.0.2.1`.
///
/// # Errors
/// When it asks for other data than addresses or another name, or is not understood.
pub(super) fn parse(value: &str) -> Result<Reply, Reason> {
    let Some((code, record)) = value.split_once(';') else { return short(value) };
    let (rtype, data) = record.split_once(';').unwrap_or((record, ""));
    match (code, rtype) {
        ("NOERROR", "") if data.is_empty() => Ok(Reply::NoData),
        ("NOERROR", "A") => {
            data.parse::<Ipv4Addr>().map(IpAddr::V4).map(Reply::address).map_err(|_| bad(value))
        }
        ("NOERROR", "AAAA") => {
            data.parse::<Ipv6Addr>().map(IpAddr::V6).map(Reply::address).map_err(|_| bad(value))
        }
        ("NOERROR", "CNAME") => name(data).map(|name| Reply::Alias(Box::new(name))),
        (_, "") if data.is_empty() => reply(code).ok_or_else(|| bad(value)),
        _ => Err(bad(value)),
    }
}

/// The replies that all formats have a word for.
pub(crate) fn reply(word: &str) -> Option<Reply> {
    let known = WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
    known.map(|(_, reply)| reply.clone())
}

/// Adds to a reply what a further value says.
///
/// # Errors
/// When there is a reply already that this one cannot be given with.
pub(crate) fn join(
    place: &mut Option<Reply>,
    option: &'static str,
    further: Reply,
) -> Result<(), Reason> {
    *place = Some(match place {
        Some(reply) => reply.join(&further).ok_or(Reason::Twice(option))?,
        None => further,
    });
    Ok(())
}

fn short(value: &str) -> Result<Reply, Reason> {
    if value.is_empty() {
        return Err(bad(value));
    }
    let known = match value {
        "NOERROR" => Some(Reply::NoData),
        "DROP" => Some(Reply::Silence),
        _ => reply(value),
    };
    match (known, value.parse()) {
        (Some(reply), _) => Ok(reply),
        (None, Ok(address)) => Ok(Reply::address(address)),
        (None, Err(_)) => name(value).map(|name| Reply::Alias(Box::new(name))),
    }
}

fn bad(found: &str) -> Reason {
    Reason::BadValue {
        option: "dnsrewrite",
        found: found.into(),
        wanted: "an address, a name, a word such as `NXDOMAIN`, or `NOERROR` with an `A`, `AAAA` \
                 or `CNAME` record",
    }
}

/// Words for answers without data.
const WORDS: [(&str, Reply); 4] = [
    ("NODATA", Reply::NoData),
    ("NXDOMAIN", Reply::NxDomain),
    ("REFUSED", Reply::Refused),
    ("SERVFAIL", Reply::ServFail),
];
