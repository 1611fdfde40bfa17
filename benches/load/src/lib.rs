//! What `dnsload`, `floor` and `compare` are made of: queries go out, numbers come back. It exists
//! so that every claim about speed can be measured again, in one run with those it is compared to.
//!
//! | module | what it does |
//! |---|---|
//! | `packet` | builds questions, judges answers |
//! | `mix` | which question comes next |
//! | `frame` | cuts a TCP stream into messages |
//! | `poll` | waits for many sockets |
//! | `load` | sends queries at a pace and takes the times of the answers |
//! | `floor` | bare servers: the least that any server must do |
//! | `peers` | how each server is started: its settings, one thread, no logs |
//! | `compare` | measures servers in turn and makes tables of the ratios |

pub mod compare;
pub mod floor;
pub mod frame;
pub mod load;
pub mod mix;
pub mod packet;
pub mod peers;
mod poll;
