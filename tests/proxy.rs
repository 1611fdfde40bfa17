//! Proxies that say for whom they stand, and who clients are behind them: addresses, SPIFFE ids,
//! nobody in particular.

use std::net::{IpAddr, SocketAddr};

use tokio::{io::AsyncWriteExt as _, net::TcpSocket};

use crate::lab::{Conversation, Lab, Reply, frame, question};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Every lab is asked from this machine.
const BELIEVED: &str = "dns.proxy_protocol_from = ['127.0.0.1/32']\n";

const WEB: &str = "spiffe://cluster.local/ns/apps/sa/web";

/// A header with this command, family and rest.
fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

/// A header of who stands for this address, with a SPIFFE id where it is not empty.
fn standing_for(source: &str, spiffe: &str) -> Vec<u8> {
    let (family, addresses) = match source.parse().unwrap() {
        IpAddr::V4(source) => (0x11, [source.octets(), [10, 0, 0, 53]].concat()),
        IpAddr::V6(source) => (0x21, [source.octets(), [0; 16]].concat()),
    };
    let length = u16::try_from(spiffe.len()).unwrap().to_be_bytes();
    let element = [&[0xe0], length.as_slice(), spiffe.as_bytes()].concat();
    let elements = if spiffe.is_empty() { Vec::new() } else { element };
    header(0x21, family, &[addresses, vec![0x30, 0x39, 0, 53], elements].concat())
}

fn query(name: &str) -> Vec<u8> {
    frame(&question(name, "A").to_vec().unwrap())
}

/// What comes back for these octets; nothing where the connection is closed.
async fn exchange(lab: &Lab, octets: &[u8]) -> Option<Reply> {
    let mut conversation = lab.connect().await;
    // Where the server closes at the first octets, the rest may not go out any more.
    let _ = conversation.stream.write_all(octets).await;
    conversation.receive().await.map(|answer| Reply::read(&answer))
}

/// Asks behind a header.
async fn ask_behind(lab: &Lab, header: &[u8], name: &str) -> Reply {
    exchange(lab, &[header, &query(name)].concat()).await.expect("an answer")
}

async fn is_blocked(lab: &Lab, header: &[u8]) -> bool {
    let reply = ask_behind(lab, header, "ads.example").await;
    reply.ede().first().is_some_and(|(code, _)| *code == 15)
}

/// Blocks `ads.example` for these clients and nobody else.
fn blocked_for(client: &str) -> String {
    format!(
        "[[lists]]\nname = 'ads'\ninline = ['ads.example']\ngroups = ['strict']\n\
         [[clients]]\nmatch = '{client}'\ngroups = ['strict']\n"
    )
}

#[tokio::test]
async fn the_source_is_the_client_and_the_peer_needs_no_leave_to_ask() {
    let config = format!("{BELIEVED}dns.allow_from = ['10.1.0.0/16', 'fd00::/8']");
    let lab = Lab::builder().config(&config).start().await;

    let rcode =
        async |source| ask_behind(&lab, &standing_for(source, ""), "localhost").await.rcode();
    assert_eq!(rcode("10.1.2.3").await, 0);
    assert_eq!(rcode("fd00::1").await, 0);
    assert_eq!(rcode("10.2.0.1").await, 5);
    assert_eq!(ask_behind(&lab, &header(0x20, 0, b""), "localhost").await.rcode(), 5, "the peer");
    assert_eq!(lab.sample("dnsward_proxy_headers_total{outcome=\"accepted\"}").await, 4);
}

#[tokio::test]
async fn a_header_may_come_in_pieces_and_with_queries_behind_it() {
    let lab = Lab::builder().config(BELIEVED).start().await;
    let header = standing_for("10.1.2.3", WEB);
    let mut conversation = lab.connect().await;

    for octet in &header {
        conversation.stream.write_all(&[*octet]).await.unwrap();
    }
    conversation.stream.write_all(&query("localhost")).await.unwrap();
    assert!(conversation.receive().await.is_some());
    let all = [header, query("localhost").repeat(50)].concat();
    let mut conversation = lab.connect().await;
    conversation.stream.write_all(&all).await.unwrap();
    for number in 0..50 {
        assert!(conversation.receive().await.is_some(), "answer {number}");
    }
}

#[tokio::test]
async fn a_broken_message_right_behind_a_header_ends_the_connection() {
    let lab = Lab::builder().config(BELIEVED).start().await;

    let all = [standing_for("10.1.2.3", WEB), b"\xff\xff".to_vec()].concat();

    assert!(exchange(&lab, &all).await.is_none());
}

#[tokio::test]
async fn a_header_from_anyone_else_closes_the_connection() {
    let lab = Lab::builder().start().await;
    let refused = "dnsward_proxy_headers_total{outcome=\"unexpected\"}";

    let all = [standing_for("10.1.2.3", WEB), query("localhost")].concat();
    assert!(exchange(&lab, &all).await.is_none());
    assert!(exchange(&lab, SIGNATURE).await.is_none(), "it is not waited for");

    assert_eq!(lab.sample(refused).await, 2);
    assert_eq!(lab.ask("localhost", "A").await.rcode(), 0);
}

#[tokio::test]
async fn where_a_header_is_required_nothing_else_is_understood() {
    let lab = Lab::builder().config(BELIEVED).start().await;
    let mut huge = standing_for("10.1.2.3", WEB);
    huge[14] = 0xff;
    let broken = [
        query("localhost"),
        b"PROXY TCP4 10.1.2.3 10.0.0.1 1 53\r\n".to_vec(),
        header(0x31, 0x11, &[0; 12]),
        header(0x21, 0x11, &[0; 11]),
        header(0x21, 0x11, b"\x0a\x01\x02\x03\x0a\0\0\x01\x30\x39\0\x35\xe0\xff\xff"),
        [huge, vec![0; 70_000]].concat(),
    ];

    for octets in &broken {
        assert!(exchange(&lab, octets).await.is_none(), "{:02x?}", &octets[..16]);
    }
    let mut short = lab.connect().await;
    short.stream.write_all(&SIGNATURE[..5]).await.unwrap();
    short.stream.shutdown().await.unwrap();
    assert!(short.receive().await.is_none());

    let refused = "dnsward_proxy_headers_total{outcome=\"malformed\"}";
    assert_eq!(lab.sample(refused).await, broken.len() as u64 + 1);
    let good = standing_for("10.1.2.3", "");
    assert_eq!(ask_behind(&lab, &good, "localhost").await.rcode(), 0);
}

#[tokio::test]
async fn a_proxy_that_connects_and_closes_is_no_event() {
    let lab = Lab::builder().config(BELIEVED).start().await;

    for _ in 0..100 {
        drop(lab.connect().await);
    }

    let good = standing_for("10.1.2.3", "");
    assert_eq!(ask_behind(&lab, &good, "localhost").await.rcode(), 0);
    assert_eq!(lab.sample("dnsward_proxy_headers_total{outcome=\"malformed\"}").await, 0);
}

#[tokio::test]
async fn datagrams_need_no_header() {
    let lab = Lab::builder().config(BELIEVED).start().await;

    assert_eq!(lab.ask_udp("localhost", "A").await.rcode(), 0);
}

#[tokio::test]
async fn who_is_believed_changes_with_a_reload() {
    let lab = Lab::builder().start().await;
    let behind = [standing_for("10.1.2.3", ""), query("localhost")].concat();

    assert!(exchange(&lab, &behind).await.is_none());
    lab.reload(BELIEVED).await;
    assert!(exchange(&lab, &behind).await.is_some());
}

#[tokio::test]
async fn a_workload_has_the_groups_of_its_id() {
    let rows = "[[clients]]\nmatch = '10.1.2.3'\n\
                [[clients]]\nmatch = 'spiffe://cluster.local/ns/apps/sa/free'\n";
    let config = format!("{BELIEVED}{}{rows}", blocked_for("spiffe://cluster.local/ns/apps/*"));
    let lab = Lab::builder().config(&config).start().await;

    assert!(is_blocked(&lab, &standing_for("10.1.2.3", WEB)).await, "its address has a row too");
    let free = "spiffe://cluster.local/ns/apps/sa/free";
    assert!(!is_blocked(&lab, &standing_for("10.1.2.4", free)).await, "a row of its own");
    let other = "spiffe://cluster.local/ns/apps2/sa/web";
    assert!(!is_blocked(&lab, &standing_for("10.1.2.4", other)).await);
    assert!(!is_blocked(&lab, &standing_for("10.1.2.4", "")).await);
}

#[tokio::test]
async fn a_workload_without_a_row_has_those_of_its_address() {
    let config = format!("{BELIEVED}{}", blocked_for("10.1.0.0/16"));
    let lab = Lab::builder().config(&config).start().await;

    assert!(is_blocked(&lab, &standing_for("10.1.2.3", WEB)).await);
    assert!(is_blocked(&lab, &standing_for("::ffff:10.1.2.3", "")).await);
    assert!(!is_blocked(&lab, &standing_for("10.2.0.1", WEB)).await);
}

#[tokio::test]
async fn a_mesh_connection_without_an_identity_is_unidentified() {
    let config = format!("{BELIEVED}{}", blocked_for("unidentified"));
    let lab = Lab::builder().config(&config).start().await;

    assert!(is_blocked(&lab, &standing_for("10.1.2.3", "")).await);
    assert!(is_blocked(&lab, &standing_for("10.1.2.3", "-")).await, "as Envoy says it");
    assert!(!is_blocked(&lab, &standing_for("10.1.2.3", WEB)).await);
    assert!(!is_blocked(&lab, &header(0x20, 0, b"")).await, "the proxy itself");
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 6], 0))).unwrap();
    let mut sidecar = Conversation { stream: socket.connect(lab.dns()).await.unwrap() };
    sidecar.stream.write_all(&query("ads.example")).await.unwrap();
    let reply = Reply::read(&sidecar.receive().await.unwrap());
    assert_eq!(reply.ede()[0].0, 15, "whom a sidecar hides");
}

#[tokio::test]
async fn the_query_log_shows_the_id_else_the_source() {
    let lab = Lab::builder().config(BELIEVED).start().await;
    let cookie = lab.log_in().await;
    let clients = ["10.1.2.3", WEB];

    for (number, header) in
        [standing_for("10.1.2.3", ""), standing_for("10.1.2.3", WEB)].iter().enumerate()
    {
        ask_behind(&lab, header, "localhost").await;
        let mut rows = Vec::new();
        while rows.len() <= number {
            let log = lab.get_json("/api/v1/queries?limit=5", &cookie).await;
            rows.clone_from(log["queries"].as_array().unwrap());
        }
        assert_eq!(rows[0]["client"], clients[number]);
    }
}
