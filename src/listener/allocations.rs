//! Proves that a query that needs no upstream allocates nothing: from its packet to its answer, and
//! with a real socket from client to client.

use std::{
    net::{IpAddr, Ipv4Addr, UdpSocket},
    rc::Rc,
    sync::Arc,
    thread,
    time::Duration,
};

use allocation_counter::{AllocationInfo, measure};
use tokio::{runtime, task::LocalSet, time::Instant};

use super::{Taken, take, udp};
use crate::{
    cache::{Arrival, Bounds, Entry, Key},
    config::{Config, Environment},
    pipeline::{Pipeline, Worker},
    query::{Client, Query, Transport},
    server::drain,
    upstream::Engine,
};

const CONFIG: &str = "
    [[records]]
    name = 'nas.lan'
    a = ['192.168.1.2']
    [[rules]]
    action = 'deny'
    match = '*.ads.example'
";

/// Queries of A: with EDNS, without it, and in letters of both cases.
const CACHED: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x03wWw\x07example\x03com\0\0\x01\0\x01\
    \0\0\x29\x04\xd0\0\0\0\0\0\0";
const BLOCKED: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x01x\x03ads\x07example\0\0\x01\0\x01\
    \0\0\x29\x04\xd0\0\0\0\0\0\0";
const LOCAL: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03nas\x03lan\0\0\x01\0\x01";
const SPECIAL: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x09LOCALhost\0\0\x01\0\x01";

/// The upstream's answer to the first of them.
const ANSWER: &[u8] = b"\0\0\x81\x80\0\x01\0\x01\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01\
    \xc0\x0c\0\x01\0\x01\0\0\x0e\x10\0\x04\xc0\0\x02\x01";

/// A worker with the first answer in its cache. The engine never runs: it only has to be there.
fn worker() -> (Rc<Worker>, Engine) {
    let config = Arc::new(Config::parse(CONFIG, &Environment::default()).unwrap());
    let (pipeline, engine) = Pipeline::new(&config).unwrap();
    let key = Key::of(&Query::read(CACHED, client(Transport::Udp)).unwrap());
    let at = Instant::now();
    let arrival = Arrival { answer: ANSWER, age: Duration::ZERO, at, upstream: "".into() };
    let entry = Entry::new(&key, &arrival, &Bounds::from(&config.cache)).unwrap();
    pipeline.cache.insert(&key, Arc::new(entry));
    (Worker::new(pipeline), engine)
}

fn client(transport: Transport) -> Client {
    Client::at(IpAddr::V4(Ipv4Addr::LOCALHOST), transport)
}

/// What the second to the hundredth answer to a packet allocate.
fn allocated_by(packet: &[u8], transport: Transport) -> AllocationInfo {
    let (worker, _engine) = worker();
    let client = client(transport);
    let mut out = Vec::with_capacity(512);
    let mut answer = || {
        worker.read_clock();
        assert!(matches!(take(&worker, packet, &client, &mut out), Taken::Answer));
        assert_eq!(out[..2], packet[..2]);
    };
    // The first one is looked for, decided, and kept.
    answer();
    measure(|| (2..=100).for_each(|_| answer()))
}

#[test]
fn a_query_that_needs_no_upstream_allocates_nothing() {
    for transport in [Transport::Udp, Transport::Tcp] {
        for packet in [CACHED, BLOCKED, LOCAL, SPECIAL] {
            let allocated = allocated_by(packet, transport);
            assert_eq!(allocated.count_total, 0, "{transport:?} {packet:?}: {allocated:?}");
        }
    }
}

/// What a thread allocates that serves a socket for so many queries, one after the other.
fn allocated_by_serving(address: &str, queries: usize) -> AllocationInfo {
    let (worker, _engine) = worker();
    let socket = UdpSocket::bind((address, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    let port = socket.local_addr().unwrap().port();
    let (end, drain) = drain::channel();
    let client = thread::spawn(move || {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client.connect(("127.0.0.1", port)).unwrap();
        for _ in 0..queries {
            client.send(CACHED).unwrap();
            client.recv(&mut [0; 512]).unwrap();
        }
        drop(end);
    });
    let (runtime, tasks) =
        (runtime::Builder::new_current_thread().enable_all().build().unwrap(), LocalSet::new());
    let allocated = measure(|| {
        runtime.block_on(tasks.run_until(async {
            let socket = udp::Socket::new(socket).unwrap();
            udp::serve(socket, worker, drain).await;
        }));
    });
    client.join().unwrap();
    allocated
}

#[test]
fn serving_a_thousand_datagrams_allocates_no_more_than_serving_a_few() {
    for address in ["127.0.0.1", "0.0.0.0"] {
        let few = allocated_by_serving(address, 10);
        let many = allocated_by_serving(address, 1010);
        // The beginning and the end cost one more or less, as the threads happen to meet.
        let more = many.count_total.saturating_sub(few.count_total);
        assert!(more < 10, "{more} for 1,000 queries on {address}");
    }
}

#[test]
fn the_count_of_allocations_counts() {
    let kept = measure(|| drop(std::hint::black_box(Box::new([0; 100]))));

    assert_eq!(kept.count_total, 1);
}
