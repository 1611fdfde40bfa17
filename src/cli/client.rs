//! A question and a server's address go in, the answer comes out: a small client for the commands
//! that ask a running server.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use hickory_proto::op::Message;

use super::Asked;
use crate::listener::tcp::proxy;

/// A little longer than the server may take (`upstream.timeout` is 4.5 s by default).
const PATIENCE: Duration = Duration::from_secs(6);

/// Asks over TCP.
pub(super) fn over_tcp(server: &Asked, query: &Message) -> io::Result<Message> {
    exchange_over_tcp(server, query).map_err(in_plain_words)
}

/// Asks over UDP.
pub(super) fn over_udp(server: SocketAddr, query: &Message) -> io::Result<Message> {
    exchange_over_udp(server, query).map_err(in_plain_words)
}

/// What the system calls "temporarily unavailable" is that nothing came in time.
fn in_plain_words(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            io::Error::other(format!("nothing came within {} s", PATIENCE.as_secs()))
        }
        _ => error,
    }
}

fn exchange_over_tcp(server: &Asked, query: &Message) -> io::Result<Message> {
    let mut stream = TcpStream::connect_timeout(&server.address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let wire = query.to_vec().map_err(io::Error::other)?;
    let length = u16::try_from(wire.len()).map_err(io::Error::other)?;
    let source = stream.local_addr()?.ip();
    if server.header_from.iter().any(|network| network.contains(&source)) {
        stream.write_all(&proxy::LOCAL)?;
    }
    stream.write_all(&[&length.to_be_bytes(), wire.as_slice()].concat())?;
    let mut prefix = [0; 2];
    stream.read_exact(&mut prefix)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(prefix))];
    stream.read_exact(&mut answer)?;
    understand(&answer, query)
}

fn exchange_over_udp(server: SocketAddr, query: &Message) -> io::Result<Message> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(&query.to_vec().map_err(io::Error::other)?)?;
    let mut answer = [0; 4096];
    let length = socket.recv(&mut answer)?;
    understand(answer.get(..length).unwrap_or_default(), query)
}

fn understand(answer: &[u8], query: &Message) -> io::Result<Message> {
    let message = Message::from_vec(answer).map_err(io::Error::other)?;
    if message.metadata.id == query.metadata.id {
        Ok(message)
    } else {
        Err(io::Error::other("the answer belongs to another query"))
    }
}
