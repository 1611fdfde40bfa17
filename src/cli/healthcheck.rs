//! `dnsward healthcheck`: whether a server answers, for container engines that run a command.

use hickory_proto::{
    op::{Message, Query},
    rr::{Name, RecordType},
};

use super::{Exit, ServerAddress, client, error_line};

pub(super) fn run(server: &ServerAddress) -> Exit {
    let address = match server.resolve() {
        Ok(address) => address,
        Err(exit) => return exit,
    };
    // A name that every server answers by itself, so that upstreams play no part.
    let mut query = Message::query();
    if let Ok(name) = Name::from_ascii("localhost.") {
        query.add_query(Query::query(name, RecordType::A));
    }
    match client::over_tcp(address, &query) {
        Ok(_) => Exit::Ok,
        Err(error) => {
            error_line(format_args!("no answer from {address}: {error}"));
            Exit::Unreachable
        }
    }
}
