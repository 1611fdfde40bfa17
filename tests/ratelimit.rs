//! Who asks too often over UDP: half of it is sent to where an address is no forgery, half gets no
//! answer, and nobody real stays without one.

use hickory_proto::{
    op::{Message, OpCode},
    rr::rdata::opt::EdnsOption,
};
use tokio::net::UdpSocket;

use crate::lab::{Lab, Reply, question};

const COOKIE: u16 = 10;

/// So many queries may come at once, and then no more for a long time.
const SLOW: &str = "dns.rate_limit = { queries_per_second = 1 }";

fn with_cookie(cookie: &[u8]) -> Message {
    let mut message = question("localhost", "A");
    let option = EdnsOption::Unknown(COOKIE, cookie.to_vec());
    message.edns.as_mut().unwrap().options_mut().insert(option);
    message
}

/// The cookie that the server gives to this address.
async fn valid_cookie(lab: &Lab) -> Vec<u8> {
    let mut conversation = lab.connect().await;
    conversation.send(&with_cookie(b"clients!").to_vec().unwrap()).await;
    let answer = conversation.receive().await.unwrap();
    let place = answer.windows(8).position(|octets| octets == b"clients!").expect("a cookie");
    answer[place..place + 24].to_vec()
}

/// What comes back for a query sent so many times from one port.
async fn flood(lab: &Lab, mut query: Message, times: u16) -> Vec<Reply> {
    let mut last = with_cookie(&valid_cookie(lab).await);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(lab.dns()).await.unwrap();
    for id in 0..times {
        query.metadata.id = id;
        socket.send(&query.to_vec().unwrap()).await.unwrap();
    }
    // A cookie that is known has no limit, and one port's queries are answered in their order.
    last.metadata.id = u16::MAX;
    socket.send(&last.to_vec().unwrap()).await.unwrap();
    let mut replies = Vec::new();
    loop {
        let mut buffer = [0; 1232];
        let length = socket.recv(&mut buffer).await.unwrap();
        let reply = Reply::read(&buffer[..length]);
        if reply.message.metadata.id == u16::MAX {
            return replies;
        }
        replies.push(reply);
    }
}

#[tokio::test]
async fn r102_over_the_limit_half_is_sent_to_tcp_and_half_gets_nothing() {
    let lab = Lab::builder().config(SLOW).start().await;

    let replies = flood(&lab, question("localhost", "A"), 41).await;

    let served = replies.iter().filter(|reply| !reply.message.metadata.truncation).count();
    assert_eq!((served, replies.len()), (1, 21));
    assert_eq!(lab.sample("dnsward_rate_limited_total{action=\"slip\"}").await, 20);
    assert_eq!(lab.sample("dnsward_rate_limited_total{action=\"drop\"}").await, 20);
    for _ in 0..20 {
        assert_eq!(lab.ask("localhost", "A").await.addresses(), ["127.0.0.1"], "over TCP");
    }
}

#[tokio::test]
async fn r69_over_the_limit_a_cookie_that_is_not_known_is_a_bad_one() {
    let lab = Lab::builder().config(SLOW).start().await;

    let replies = flood(&lab, with_cookie(b"clients!"), 3).await;

    let rcodes: Vec<u16> = replies.iter().map(Reply::rcode).collect();
    assert_eq!(rcodes, [0, 23]);
    let known = with_cookie(&valid_cookie(&lab).await);
    assert_eq!(flood(&lab, known, 50).await.len(), 50);
}

#[tokio::test]
async fn a_limit_comes_and_goes_with_a_reload() {
    let lab = Lab::builder().start().await;

    assert_eq!(flood(&lab, question("localhost", "A"), 50).await.len(), 50);
    lab.reload(SLOW).await;
    assert_eq!(flood(&lab, question("localhost", "A"), 51).await.len(), 26);
    lab.reload("dns.rate_limit = { queries_per_second = 1, exempt = ['127.0.0.0/8'] }").await;
    assert_eq!(flood(&lab, question("localhost", "A"), 50).await.len(), 50);
}

#[tokio::test]
async fn r102_what_is_no_query_is_limited_too() {
    let lab = Lab::builder().config(SLOW).start().await;
    let mut notify = question("localhost", "SOA");
    notify.metadata.op_code = OpCode::Notify;

    let replies = flood(&lab, notify, 50).await;

    assert_eq!(replies.iter().map(Reply::rcode).collect::<Vec<_>>(), [4]);
}
