//! What people who come from Pi-hole rely on, row by row: the behaviours that concern blocking, on
//! names of our own below `lab.example`, which unlike `test.` may be forwarded.
//!
//! | rows | where |
//! |---|---|
//! | 1-20, 22 | `pihole/groups.rs`: lists, rules and who they are for |
//! | 23-27, 36, 66 | `pihole/names.rs`: special names, all types, letters |
//! | 37-41 | `pihole/aliases.rs` |
//! | 44-49 | `pihole/upstream.rs` |
//! | 50, 51, 63 | `pihole/forms.rs`: adblock lines, forms of block answers |
//! | 52-56, 61 | `pihole/options.rs`: options of regular expressions |
//! | 57-60, 62; 37-41 with replies | `pihole/replies.rs`: what lists and rules say is answered |
//!
//! Not here: 21 by MAC address and host name, which say nothing of who asks in a mesh (addresses are
//! row 22); 28-35 and 42 in `answers.rs`, `forwarding.rs` and `differential.rs`; 43, as we do not
//! validate; 64 and 71 in `special.rs` and `verdicts.rs`; 67 and 72 in `packets.rs`; 68 in
//! `ratelimit.rs`; 73 in `scenarios/stale.rs`; 80 in `tcp.rs`; 65, 69, 70 and 74-79 concern other
//! parts.

mod aliases;
mod forms;
mod groups;
mod names;
mod options;
mod replies;
mod upstream;
