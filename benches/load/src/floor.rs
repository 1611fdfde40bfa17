//! Bare servers: receive, set a bit, append a record, send. They exist because no server can do
//! less, so that each server's cost can be told as a multiple of theirs on the same machine.

pub mod answer;
pub mod doh;
pub mod exchange;
pub mod patient;
pub mod per_connection;
pub mod tcp;
pub mod udp;
