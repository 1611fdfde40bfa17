//! A DNS message goes out as bytes and a DNS message comes back, over HTTPS (RFC 8484, HTTP/2), TLS,
//! TCP or UDP.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = doh_client::Client::builder()
//!     .server("https://dns.quad9.net/dns-query#9.9.9.9,149.112.112.112".parse()?)
//!     .build()?;
//! // `example.com` A IN; any DNS library makes these bytes.
//! let query = b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01";
//! let exchange = client.exchange(query).await?;
//! println!("{} bytes after {:?}", exchange.answer.len(), exchange.elapsed);
//! # Ok(()) }
//! ```
//!
//! A query walks through the modules in this order:
//!
//! | module | what it does |
//! |---|---|
//! | `server`, `stamp` | what a server is called, parsed once: URL or stamp, addresses, options |
//! | `builder`, `client`, `status` | how a client is made, asked, and looked at |
//! | `message` | is this a query, does this answer it |
//! | `race` | who is asked when, and which answer wins |
//! | `choice` | whom to ask, by what is known of each |
//! | `budget` | how much may be sent on top |
//! | `upstream` | one server: its connections and its ledger |
//! | `ledger` | the record of a server with a clock, a lock and the log |
//! | `health` | what a server did: its pace, its breaker, its room |
//! | `road` | over which of its transports a server is asked |
//! | `pool` | the connections of a server, opened once for all who wait |
//! | `transport` | an open connection: a query goes in, an answer comes out |
//! | `dial`, `addresses` | where a server is dialled; TCP and TLS within one budget |
//! | `order` | which address of a server comes first, by what failed lately |
//! | `bootstrap` | where a name leads, asked of resolvers that are known by address |
//! | `wire` | bytes with TLS or without, and when the last came in |
//! | `proxy` | tunnels through a proxy, where one stands between |
//! | `tls` | who is trusted: roots, pins, a certificate of our own; cryptography |
//! | `request`, `response` | what HTTP says, and what of it we believe |
//! | `random` | numbers that nobody can foresee |
//! | `observer` | who counts what happens |
//! | `error` | what went wrong, whose fault it is, whether a retry helps |
//!
//! Four kinds of task may outlive the exchange that starts them: opening a connection (1.5 s at
//! most), driving it (until the server or the last clone of the [`Client`] is gone, and 10 s more
//! for answers that nobody waits for), hearing out a server that was too late (until the time for
//! its exchange is over, or 3 s), and keeping the addresses of a host current that has to be looked
//! up (until the last clone is gone).

mod addresses;
mod bootstrap;
mod budget;
mod builder;
mod choice;
mod client;
mod dial;
mod error;
mod health;
mod ledger;
mod message;
mod metronome;
mod observer;
mod order;
mod pool;
mod proxy;
mod race;
mod random;
mod request;
mod response;
mod road;
mod server;
mod stamp;
mod status;
mod tls;
mod transport;
mod upstream;
mod wire;

pub use bootstrap::lookup::AddressBook;
pub use builder::{BuildError, ClientBuilder};
pub use client::{Client, Exchange};
pub use error::{Blame, Cause, Error, Failure, ServerFailure};
pub use health::Health;
pub use message::{AnswerProblem, QueryProblem};
pub use observer::{Breaker, Budget, Closed, Connected, Event, Observer, SendKind, Tls};
pub use proxy::{Proxy, ProxyError, ProxyProblem};
pub use race::Hedge;
pub use server::{Method, Protocol, Server, ServerError};
pub use stamp::{Stamp, StampError};
pub use status::ServerStatus;
pub use tls::TrustProblem;
