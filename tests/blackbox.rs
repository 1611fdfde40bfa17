//! The server from outside: real sockets, a real TLS and HTTP/2 upstream, one file for each theme.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod lab;

mod admin;
mod answers;
mod blocking;
mod cli;
mod conformance;
mod dig;
mod edns;
mod forwarding;
mod lists;
mod metrics;
mod packets;
mod program;
mod ratelimit;
mod rebinding;
mod reload;
mod shutdown;
mod special;
mod tcp;
mod upstreams;
