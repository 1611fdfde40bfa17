//! A question goes out to a resolver over UDP, its answer comes back, over TCP where it did not
//! fit. DNS as it always was, for the few lookups that nothing else can make.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::message::{Merit, Query};

/// How long a datagram is waited for before the question is sent again, the first time; twice as
/// long each time after. A lost one is worth no more of the time that a query has.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// How often a question is sent: with the waits doubled, 3.5 s in all.
const SENDS: u32 = 3;

/// Datagrams that are no answer, after which somebody is taken to forge them.
const MAX_STRANGERS: usize = 32;

/// Octets of an answer over UDP: without EDNS there are 512 at most (RFC 1035 section 4.2.1), and
/// more than that is not read.
const MAX_DATAGRAM: usize = 512;

/// Asks a question; the answer's id is 0, and it answers this question. Ends by itself within 3.5 s
/// over UDP; over TCP the caller limits the time.
pub(super) async fn ask(resolver: SocketAddr, question: &Query) -> io::Result<Vec<u8>> {
    let answer = ask_over_udp(resolver, question).await?;
    match question.judge(&answer) {
        Ok(Merit::Truncated) => ask_over_tcp(resolver, question).await,
        _ => Ok(answer),
    }
}

async fn ask_over_udp(resolver: SocketAddr, question: &Query) -> io::Result<Vec<u8>> {
    let any: IpAddr = match resolver {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // A port of its own that nobody can foresee, and the kernel drops what others than the resolver
    // send to it (RFC 5452 section 9.2).
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(resolver).await?;
    let (id, message) = with_random_id(question)?;
    for number in 0..SENDS {
        socket.send(&message).await?;
        let wait = FIRST_WAIT.saturating_mul(1 << number);
        if let Ok(answer) = timeout(wait, receive(&socket, id, question)).await {
            return answer;
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

async fn receive(socket: &UdpSocket, id: [u8; 2], question: &Query) -> io::Result<Vec<u8>> {
    let mut buffer = [0; MAX_DATAGRAM];
    for _ in 0..MAX_STRANGERS {
        let size = socket.recv(&mut buffer).await?;
        if let Some(answer) = buffer.get(..size).and_then(|message| without_id(message, id))
            && question.judge(&answer).is_ok()
        {
            return Ok(answer);
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "too many datagrams that answer nothing"))
}

async fn ask_over_tcp(resolver: SocketAddr, question: &Query) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(resolver).await?;
    let (id, message) = with_random_id(question)?;
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    stream.write_all(&[&length.to_be_bytes(), message.as_slice()].concat()).await?;
    let mut answer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut answer).await?;
    without_id(&answer, id).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The message of a question with an id that nobody can foresee.
fn with_random_id(question: &Query) -> io::Result<([u8; 2], Vec<u8>)> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    let mut message = question.wire().to_vec();
    if let Some(place) = message.first_chunk_mut() {
        *place = id;
    }
    Ok((id, message))
}

/// A message with the id 0, where it had this one.
fn without_id(message: &[u8], id: [u8; 2]) -> Option<Vec<u8>> {
    let (found, rest) = message.split_first_chunk::<2>()?;
    (*found == id).then(|| [&[0, 0], rest].concat())
}
