//! How many instructions does each step of a hit take? Time is noise on a shared machine;
//! instructions are not.
//!
//! `instructions STEP CALLS` takes one step so many times. `.ci/instructions` runs it under
//! valgrind with two numbers of calls, and the difference is what the calls cost.

#![expect(clippy::expect_used, reason = "a bench that is called wrongly has nothing to tell")]

mod scene;

use std::hint::black_box;

use dnsward::{
    answer,
    cache::Key,
    query::{Query, Transport},
};
use scene::{BLOCKED, CACHED, LOCAL, Scene, client, read};
use tokio::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` passes an argument of its own, and has no step to take.
    let [step, calls] = arguments.as_slice() else { return };
    let calls: u32 = calls.parse().expect("a number of calls");
    take(step, calls);
}

fn take(step: &str, calls: u32) {
    let mut scene = Scene::new();
    let query = read(CACHED);
    let (key, now) = (Key::of(&query), Instant::now());
    let mut answer_to = |packet: &[u8], transport| {
        let client = client(transport);
        // The first one is decided; the others are what a busy server does.
        (0..=calls).for_each(|_| scene.answer(black_box(packet), &client));
    };
    match step {
        "cached-udp" => answer_to(CACHED, Transport::Udp),
        "cached-tcp" => answer_to(CACHED, Transport::Tcp),
        "blocked-udp" => answer_to(BLOCKED, Transport::Udp),
        "local-udp" => answer_to(LOCAL, Transport::Udp),
        "read" => (0..calls).for_each(|_| {
            let _ = black_box(Query::read(black_box(CACHED), client(Transport::Udp)));
        }),
        "shared-cache" => (0..calls).for_each(|_| assert!(scene.recall(black_box(&key)))),
        "clean-name" => (0..calls).for_each(|_| assert!(!scene.judge(black_box(&query.name)))),
        "copy-and-patch" => (0..calls).for_each(|_| {
            answer::cached(black_box(&query), &scene.entry, None, now, &mut scene.out);
        }),
        _ => panic!("no such step: {step}"),
    }
}
