//! A server bound to every address of its host answers from the one that was asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use crate::lab::{Fake, Lab, Reply, question, receive_from};

/// More datagrams than are received or sent with one system call.
const BURST: u16 = 100;

/// A server on all addresses, with a local name and an upstream that knows two others.
async fn lab_on(host: &'static str) -> Lab {
    let fake = Fake::new().a("1.example", [192, 0, 2, 1]).a("2.example", [192, 0, 2, 2]);
    let records = "[[records]]\nname = 'nas.lan'\na = ['192.168.1.2']";
    Lab::builder().upstream(fake).config(records).on_host(host).start().await
}

/// An address of IPv6 that this host has besides `::1`, or that one where it has no other.
fn outer_ipv6() -> IpAddr {
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
    let source = socket.connect("[2001:db8::1]:9").and_then(|()| socket.local_addr());
    source.map_or_else(|_| Ipv6Addr::LOCALHOST.into(), |source| source.ip())
}

#[tokio::test]
async fn r101_answers_come_from_the_asked_address_of_ipv4_at_once_or_later() {
    let lab = lab_on("0.0.0.0").await;

    // Left to itself, the kernel answers a client at 127.0.0.1 from 127.0.0.1.
    for (last, name, address) in [(1, "1.example", "192.0.2.1"), (2, "2.example", "192.0.2.2")] {
        let asked = Ipv4Addr::new(127, 0, 0, last).into();
        for _ in ["from upstream", "from the cache"] {
            assert_eq!(lab.ask_udp_at(asked, name, "A").await.addresses(), [address], "{asked}");
        }
        assert_eq!(lab.ask_udp_at(asked, "nas.lan", "A").await.addresses(), ["192.168.1.2"]);
    }
    assert_eq!(lab.upstream_hits(), 2);
}

#[tokio::test]
async fn r101_answers_come_from_the_asked_address_of_ipv6_at_once_or_later() {
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return;
    }
    let lab = lab_on("[::]").await;

    let loopback = Ipv6Addr::LOCALHOST.into();
    for (asked, name, address) in
        [(loopback, "1.example", "192.0.2.1"), (outer_ipv6(), "2.example", "192.0.2.2")]
    {
        for _ in ["from upstream", "from the cache"] {
            assert_eq!(lab.ask_udp_at(asked, name, "A").await.addresses(), [address], "{asked}");
        }
        assert_eq!(lab.ask_udp_at(asked, "nas.lan", "A").await.addresses(), ["192.168.1.2"]);
    }
    assert_eq!(lab.upstream_hits(), 2);
}

#[tokio::test]
async fn a_burst_is_answered_to_the_last_datagram() {
    let lab = lab_on("0.0.0.0").await;
    let socket = lab.udp_socket().await;

    // Twice: what remains of the first burst must not hide the second from the server.
    for _ in 0..2 {
        for id in 0..BURST {
            let mut query = question("nas.lan", "A");
            query.metadata.id = id;
            socket.send(&query.to_vec().unwrap()).await.unwrap();
        }
        let mut ids = Vec::new();
        while ids.len() < usize::from(BURST) {
            let reply = Reply::read(&receive_from(&socket).await);
            assert_eq!(reply.addresses(), ["192.168.1.2"]);
            ids.push(reply.message.metadata.id);
        }
        ids.sort_unstable();
        assert_eq!(ids, Vec::from_iter(0..BURST));
    }
}
