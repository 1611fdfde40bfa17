//! Packets that are no good query: dropped or told so, and never the end of the server.

use hickory_proto::op::{Message, OpCode};

use crate::lab::{Fake, Lab, Reply, question};

/// A plain query's bytes, to be broken by a test.
fn plain() -> Vec<u8> {
    let mut message = question("www.example", "A");
    message.edns = None;
    message.to_vec().unwrap()
}

#[tokio::test]
async fn r03_responses_and_scraps_are_met_with_silence() {
    let lab = Lab::builder().start().await;
    let mut response = plain();
    response[2] |= 0x80;

    for packet in [&b""[..], b"\x12", &plain()[..11], &response] {
        assert!(lab.is_silent_about(packet).await, "{packet:?}");
    }
}

#[tokio::test]
async fn r01_r02_r05_what_is_broken_behind_the_header_is_a_format_error_with_its_id() {
    let lab = Lab::builder().start().await;
    let mut two_questions = plain();
    two_questions[5] = 2;
    two_questions.extend_from_slice(&plain()[12..]);
    let mut second_missing = plain();
    second_missing[5] = 2;
    let mut looping = plain();
    looping.splice(12.., *b"\xc0\x0c\0\x01\0\x01");
    let cut = plain()[..plain().len() - 3].to_vec();
    let mut nothing = plain()[..12].to_vec();
    nothing[5] = 0;

    let header_alone = plain()[..12].to_vec();
    for packet in [two_questions, second_missing, looping, cut, header_alone, nothing] {
        let answer = lab.send_udp(&packet).await;
        assert_eq!((&answer[..2], answer[3] & 0xf), (&packet[..2], 1), "{packet:?}");
    }
    assert_eq!(lab.sample("dnsward_malformed_queries_total").await, 6);
}

#[tokio::test]
async fn r06_other_operations_are_not_implemented() {
    let lab = Lab::builder().start().await;
    let mut notify = question("www.example", "SOA");
    notify.metadata.op_code = OpCode::Notify;

    let answer = Message::from_vec(&lab.send_udp(&notify.to_vec().unwrap()).await).unwrap();

    assert_eq!(u16::from(answer.metadata.response_code), 4);
}

#[tokio::test]
async fn r55_a_version_of_edns_from_the_future_is_told_ours() {
    let lab = Lab::builder().start().await;
    let mut future = question("localhost", "A");
    future.edns.as_mut().unwrap().set_version(7);

    let reply = Reply::read(&lab.send_udp(&future.to_vec().unwrap()).await);

    assert_eq!(reply.rcode(), 16);
    assert_eq!(reply.message.edns.unwrap().version(), 0);
}

#[tokio::test]
async fn noise_hurts_nobody() {
    let lab = Lab::builder().upstream(Fake::new().a("www.example", [192, 0, 2, 1])).start().await;
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();

    for length in 0..600_usize {
        let mut packet = plain();
        for _ in 0..length % 7 + 1 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = usize::try_from(state % packet.len() as u64).unwrap();
            packet[at] = state.to_le_bytes()[7];
        }
        packet.truncate(length % 40);
        socket.send_to(&packet, lab.dns()).await.unwrap();
    }

    assert_eq!(lab.ask("www.example", "A").await.addresses(), ["192.0.2.1"]);
}

#[tokio::test]
async fn r04_names_and_labels_have_their_limits() {
    let lab = Lab::builder().upstream(Fake::new()).start().await;
    let label = |octets: u8| [&[octets][..], &vec![b'a'; usize::from(octets)]].concat();
    let longest = [label(63), label(63), label(63), label(61)].concat();
    let too_long = [label(63), label(63), label(63), label(62)].concat();

    for (name, rcode) in [(label(63), 3), (longest, 3), (label(64), 1), (too_long, 1)] {
        let packet = [&plain()[..12], &name, b"\0\0\x01\0\x01"].concat();
        let answer = lab.send_udp(&packet).await;
        assert_eq!(answer[3] & 0xf, rcode, "{} octets", name.len() + 1);
    }
}
