//! How long does a query take that needs no upstream, from its packet to a written answer?
//!
//! Receiving and sending are left out; everything between is here: reading, policy, cache, answer,
//! metrics and query log, with the settings a server has by default. Each sample asks fewer times
//! than the query log's ring holds, because nobody empties it here and an event that finds no room
//! costs less. Below the whole are its parts.

mod scene;

use std::hint::black_box;

use divan::Bencher;
use dnsward::{
    answer,
    cache::Key,
    query::{Query, Transport},
};
use scene::{BLOCKED, CACHED, LOCAL, Scene, client, read};
use tokio::time::Instant;

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 120, sample_size = 128)]
fn blocked_name(bencher: Bencher<'_, '_>) {
    answer_to(bencher, BLOCKED, Transport::Udp);
}

#[divan::bench(sample_count = 120, sample_size = 128)]
fn cached_name(bencher: Bencher<'_, '_>) {
    answer_to(bencher, CACHED, Transport::Udp);
}

#[divan::bench(sample_count = 120, sample_size = 128)]
fn cached_name_over_tcp(bencher: Bencher<'_, '_>) {
    answer_to(bencher, CACHED, Transport::Tcp);
}

#[divan::bench(sample_count = 120, sample_size = 128)]
fn local_name(bencher: Bencher<'_, '_>) {
    answer_to(bencher, LOCAL, Transport::Udp);
}

#[divan::bench(sample_count = 120, sample_size = 128)]
fn part_read_the_query(bencher: Bencher<'_, '_>) {
    let client = client(Transport::Udp);
    bencher.bench_local(|| {
        let query = Query::read(black_box(CACHED), client.clone());
        black_box(query.is_ok())
    });
}

#[divan::bench(sample_count = 120, sample_size = 128)]
fn part_look_into_the_shared_cache(bencher: Bencher<'_, '_>) {
    let (scene, key) = (Scene::new(), Key::of(&read(CACHED)));
    bencher.bench_local(|| assert!(scene.recall(&key), "it is not there"));
}

#[divan::bench(sample_count = 120, sample_size = 128)]
fn part_ask_a_thousand_rules(bencher: Bencher<'_, '_>) {
    let (scene, query) = (Scene::new(), read(CACHED));
    bencher.bench_local(|| assert!(!scene.judge(black_box(&query.name)), "it is blocked"));
}

#[divan::bench(sample_count = 120, sample_size = 128)]
fn part_copy_and_patch(bencher: Bencher<'_, '_>) {
    let (mut scene, query, now) = (Scene::new(), read(CACHED), Instant::now());
    bencher.bench_local(|| {
        answer::cached(black_box(&query), &scene.entry, None, now, &mut scene.out);
    });
}

/// Times the answer to one packet; the buffer is kept, as listeners keep theirs.
fn answer_to(bencher: Bencher<'_, '_>, packet: &[u8], transport: Transport) {
    let (mut scene, client) = (Scene::new(), client(transport));
    // The first one is decided; the others are what a busy server does.
    scene.answer(packet, &client);
    bencher.bench_local(|| scene.answer(packet, &client));
}
