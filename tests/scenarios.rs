//! What is remembered, for how long, and what clients are told when time and upstreams go by.

mod failures;
mod flights;
mod flood;
mod fresh;
mod no_such_name;
mod outage;
mod renewed;
mod stale;
mod stale_at_once;
