//! dnsward: a DNS server that blocks what lists say, caches, and asks the rest over HTTPS.
//!
//! A query meets these modules in this order:
//!
//! ```text
//! listener -> query -> policy -> cache -> upstream -> answer -> query log
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | `listener` | packets in, packets out, over UDP and TCP |
//! | `query` | reads a packet once, into a typed query |
//! | `pipeline` | the way of a query, in one page |
//! | `policy` | decides: local name, special name, block, or resolve |
//! | `cache` | answers that are still good |
//! | `upstream` | one flight for each key, over `doh-client` |
//! | `answer` | writes every answer |
//! | `querylog` | notes every answer, for people to look at |
//!
//! and these stand around it:
//!
//! | module | what it does |
//! |---|---|
//! | `wire` | finds the parts of a DNS message |
//! | `cookie` | who has proven that its address is no forgery |
//! | `ratelimit` | who asks too often over UDP |
//! | `private` | which addresses are nobody's on the internet |
//! | `route` | which servers a name is asked of |
//! | `snapshot` | policy and settings in force, swapped as a whole |
//! | `server` | binds, starts, reloads, drains |
//! | `config` | a file and the environment, checked |
//! | `services` | the lists that need no download: services by name |
//! | `lists` | fetches, keeps and compiles lists |
//! | `metrics` | what is counted, and the listener for monitoring |
//! | `explain` | why a name gets what it gets |
//! | `control` | the running server as commands of this machine see it |
//! | `admin` | the running server as the admin page sees it |
//! | `cli` | the commands |
//! | `fingerprint` | what tells a file from the one before it |
//! | `background` | how threads that work aside give way |
//! | `causes` | an error with its causes, in one line |

pub mod listener;
pub mod query;
pub mod pipeline;
pub mod policy;
pub mod cache;
pub mod upstream;
pub mod answer;
pub mod querylog;

pub mod wire;
pub mod cookie;
pub mod ratelimit;
pub mod private;
pub mod route;
pub mod snapshot;
pub mod server;
pub mod config;
pub mod services;
pub mod lists;
pub mod metrics;
pub mod explain;
pub mod control;
pub mod admin;
pub mod cli;
mod background;
mod causes;
mod fingerprint;
