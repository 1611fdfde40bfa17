//! Every floor is asked by the load generator, a fixed number of queries in each way: what the
//! comparison rests on must lose nothing and get nothing wrong.

#![expect(clippy::unwrap_used, reason = "a test that cannot begin has failed")]

use std::{
    net::{SocketAddr, TcpListener, UdpSocket},
    num::NonZeroU32,
    thread,
    time::Duration,
};

use dnsload::{
    floor::{
        self,
        doh::Authority,
        exchange::{self, Library, Pace as Pacing},
    },
    load::{
        self,
        doh::DohServer,
        plan::{Pace, Plan, Span, Target},
    },
    mix::{Mix, generated_names},
    packet::Edns,
};

/// Queries of each test.
const QUERIES: u64 = 200;

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn assert_all_are_answered(target: Target, pace: Pace) {
    let plan = Plan {
        target,
        pace,
        span: Span::Queries(QUERIES),
        mix: Mix::zipf(&generated_names(50), (1, Edns::Plain), 1.0, 1).unwrap(),
        lanes: number(4),
    };

    let report = load::run(&plan, &mut ()).unwrap().report();

    assert_eq!((report.sent, report.answered), (QUERIES, QUERIES), "{report}");
    assert_eq!((report.lost, report.wrong, report.stray, report.reconnects), (0, 0, 0, 0));
    assert!(report.max_us >= report.p50_us && report.p50_us > 0.0, "{report}");
}

/// Starts a floor on a stream listener, on a thread that ends with the process.
fn listen(serve: impl FnOnce(TcpListener) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(listener));
    address
}

/// Starts a floor on an address, and tells its port.
fn udp_floor_on(address: &str) -> u16 {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    thread::spawn(move || floor::udp::serve(&socket).unwrap());
    port
}

fn udp_floor() -> SocketAddr {
    ([127, 0, 0, 1], udp_floor_on("127.0.0.1")).into()
}

fn tcp_floor() -> SocketAddr {
    listen(|listener| floor::tcp::serve(&listener).unwrap())
}

fn per_connection_floor() -> SocketAddr {
    listen(|listener| floor::per_connection::serve(&listener).unwrap())
}

#[test]
fn datagrams_are_answered() {
    assert_all_are_answered(Target::Udp(udp_floor()), Pace::Outstanding(number(20)));
    assert_all_are_answered(Target::Udp(udp_floor()), Pace::Rate(number(20_000)));
}

#[test]
fn a_floor_on_all_addresses_answers_from_the_one_that_was_asked() {
    // The sockets of the load generator are connected: they take no answer from elsewhere.
    let server = ([127, 0, 0, 9], udp_floor_on("0.0.0.0")).into();

    assert_all_are_answered(Target::Udp(server), Pace::Outstanding(number(20)));
}

#[test]
fn pipelined_queries_are_answered() {
    assert_all_are_answered(Target::Tcp(tcp_floor()), Pace::Outstanding(number(100)));
    assert_all_are_answered(Target::Tcp(tcp_floor()), Pace::Rate(number(20_000)));
}

#[test]
fn one_query_at_a_time_on_each_connection_is_answered() {
    assert_all_are_answered(Target::Tcp(tcp_floor()), Pace::Outstanding(number(4)));
}

#[test]
fn a_connection_for_each_query_is_answered() {
    let target = || Target::PerConnection(per_connection_floor());
    assert_all_are_answered(target(), Pace::Outstanding(number(10)));
    assert_all_are_answered(target(), Pace::Rate(number(5_000)));
}

#[test]
fn a_floor_that_waits_for_its_clients_answers_them() {
    let floor = || listen(|listener| floor::patient::serve(&listener).unwrap());
    let target = || Target::PerConnection(floor());
    assert_all_are_answered(target(), Pace::Outstanding(number(10)));
    assert_all_are_answered(target(), Pace::Rate(number(5_000)));
    // Two questions and more on one connection.
    assert_all_are_answered(Target::Tcp(floor()), Pace::Outstanding(number(4)));
}

#[test]
fn a_floor_of_pipelined_queries_takes_a_connection_for_each_too() {
    assert_all_are_answered(Target::PerConnection(tcp_floor()), Pace::Outstanding(number(10)));
}

#[test]
fn queries_over_https_are_answered() {
    let authority = Authority::new().unwrap();
    let roots = authority.pem();
    let address = listen(move |listener| floor::doh::serve(listener, &authority).unwrap());
    let server = DohServer::parse(&format!("https://{address}/dns-query"), roots.as_bytes());
    let target = Target::Doh(server.unwrap());

    assert_all_are_answered(target.clone(), Pace::Outstanding(number(20)));
    assert_all_are_answered(target, Pace::Rate(number(5_000)));
}

#[test]
fn every_library_exchanges_queries_over_https() {
    let authority = Authority::new().unwrap();
    let roots = authority.pem();
    let address = listen(move |listener| floor::doh::serve(listener, &authority).unwrap());
    let url = format!("https://{address}/dns-query");
    let measured = Duration::from_millis(100);
    let pace = Pacing { outstanding: 10, warm_up: Duration::ZERO, measured };

    for library in [Library::Hyper, Library::Reqwest, Library::DohClient] {
        let spent = exchange::run(library, &url, roots.as_bytes(), pace).unwrap();

        assert!(spent.exchanges > 0, "{library:?}");
        assert!(spent.cpu_us > 0.0 && spent.p50_us > 0.0, "{library:?}: {spent:?}");
    }
}

#[test]
fn a_server_that_is_not_there_is_told_of() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let plan = Plan {
        target: Target::Tcp(address),
        pace: Pace::Outstanding(number(1)),
        span: Span::Queries(1),
        mix: Mix::in_turn(&generated_names(1), 1, Edns::Plain).unwrap(),
        lanes: number(1),
    };

    let error = load::run(&plan, &mut ()).unwrap_err();

    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
