//! A query and what there is to say with EDNS go in, the OPT record of its answer comes out.

use super::Ede;
use crate::{
    listener::tcp::IDLE_SECONDS,
    query::{Cookie, Edns, MAX_UDP_ANSWER, Query, Transport, option},
    wire::rtype,
};

/// Octets of an OPT record without options (RFC 6891 section 6.1.2).
const FIXED: usize = 11;

/// Octets of a cookie option's data: the client's part and ours.
const COOKIE: u16 = 24;

/// The idle time of a connection in the unit of its option, 100 ms (RFC 7828 section 3.1).
const KEEPALIVE: u16 = IDLE_SECONDS * 10;

/// The OPT record of an answer.
pub(super) struct Opt {
    /// The upper eight bits of the response code.
    pub(super) extended_rcode: u8,
    pub(super) dnssec_ok: bool,
    pub(super) cookie: Option<Cookie>,
    pub(super) tells_keepalive: bool,
}

impl Opt {
    /// What is said to the sender of a query, where it spoke EDNS itself (RFC 6891 section 7).
    pub(super) fn answering(query: &Query, extended_rcode: u8) -> Option<Self> {
        let edns = query.edns?;
        let is_tcp = query.client.transport == Transport::Tcp;
        let tells_keepalive = edns.asks_keepalive && is_tcp;
        Some(Self { tells_keepalive, ..Self::to(&edns, extended_rcode) })
    }

    /// What is said to somebody who said this.
    pub(super) fn to(edns: &Edns, extended_rcode: u8) -> Self {
        Self {
            extended_rcode,
            dnssec_ok: edns.dnssec_ok,
            cookie: edns.cookie,
            tells_keepalive: false,
        }
    }

    /// Writes the record, with these errors.
    pub(super) fn write<'t>(&self, out: &mut Vec<u8>, errors: impl IntoIterator<Item = Ede<'t>>) {
        self.write_framed(out, |out| {
            for ede in errors {
                write_head(out, option::EXTENDED_ERROR, ede.len());
                ede.write(out);
            }
        });
    }

    /// Writes the record, with errors that are in wire form already.
    pub(super) fn write_with(&self, out: &mut Vec<u8>, errors: &[u8]) {
        self.write_framed(out, |out| out.extend_from_slice(errors));
    }

    fn write_framed(&self, out: &mut Vec<u8>, write_errors: impl FnOnce(&mut Vec<u8>)) {
        let start = out.len();
        let dnssec_ok = if self.dnssec_ok { 0x80 } else { 0 };
        out.push(0);
        out.extend_from_slice(&rtype::OPT.to_be_bytes());
        out.extend_from_slice(&MAX_UDP_ANSWER.to_be_bytes());
        out.extend_from_slice(&[self.extended_rcode, 0, dnssec_ok, 0, 0, 0]);
        if let Some(cookie) = &self.cookie {
            write_head(out, option::COOKIE, COOKIE);
            out.extend_from_slice(&cookie.client);
            out.extend_from_slice(&cookie.server);
        }
        if self.tells_keepalive {
            write_head(out, option::TCP_KEEPALIVE, 2);
            out.extend_from_slice(&KEEPALIVE.to_be_bytes());
        }
        write_errors(out);
        let length = u16::try_from(out.len() - start - FIXED).unwrap_or(u16::MAX);
        super::overwrite(out, start + FIXED - 2, &length.to_be_bytes());
    }
}

fn write_head(out: &mut Vec<u8>, code: u16, length: u16) {
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
}
