//! The server from outside: real sockets, a real TLS and HTTP/2 upstream, one file for each theme.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod lab;
mod story;

mod access;
mod admin;
mod answers;
mod blocking;
mod caching;
mod cli;
mod compiled;
mod conformance;
mod control;
mod differential;
mod dig;
mod edns;
mod explain;
mod faults;
mod forwarding;
mod hostile;
mod lists;
mod metrics;
mod migration;
mod noise;
mod one_cpu;
mod own_resolver;
mod packets;
mod pihole;
mod program;
mod proxy;
mod ratelimit;
mod rebinding;
mod reload;
mod renewal;
mod routes;
mod scenarios;
mod services;
mod shadow;
mod shutdown;
mod special;
mod tcp;
mod upstream_numbers;
mod upstreams;
mod verdicts;
mod wildcard;
