//! `dnsward healthcheck`: whether a server answers, for container engines that run a command.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hickory_proto::{
    op::{Message, Query},
    rr::{Name, RecordType},
};

use super::{Exit, ServerAddress, client, error_line};

/// Where the server is unless it was told otherwise.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1053);

pub(super) fn run(server: &ServerAddress) -> Exit {
    // A configuration that has gone bad since the start is no sign that the server is unwell.
    let server = server.resolve().unwrap_or_else(|_| {
        let address = server.server.unwrap_or(DEFAULT);
        error_line(format_args!("asking {address} all the same"));
        address.into()
    });
    // A name that every server answers by itself, so that upstreams play no part.
    let mut query = Message::query();
    if let Ok(name) = Name::from_ascii("localhost.") {
        query.add_query(Query::query(name, RecordType::A));
    }
    match client::over_tcp(&server, &query) {
        Ok(_) => Exit::Ok,
        Err(error) => {
            error_line(format_args!("no answer from {}: {error}", server.address));
            Exit::Unreachable
        }
    }
}
