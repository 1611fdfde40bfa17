//! Addresses go in, sockets come out: for each data-plane thread a UDP and a TCP socket of its
//! own on every address, between which the kernel spreads clients (SO_REUSEPORT).

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener, UdpSocket},
    thread::available_parallelism,
};

use socket2::{Domain, Protocol, Socket, Type};

use super::holder::Holder;
use crate::config::{Dns, Threads, UdpMode};

/// Connections that may wait to be taken: what a burst of `use-vc` clients brings in the time
/// one thread is busy; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Octets of datagrams that may wait to be read. A small one counts for most of a kilobyte, and the
/// usual 208 KiB are gone after some 250 of them: a thread that is busy for two milliseconds would
/// lose queries, each of which costs its client seconds. The kernel grants twice what is asked for,
/// for its own records; it caps that at twice `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Ports tried when a free one is looked for.
const TRIES: u16 = 20;

/// What to do about a port that somebody else holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenPort {
    /// Say so and do not start.
    Fail,
    /// Take the next free one.
    MoveOn,
}

/// The sockets of one address, for one thread.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) address: SocketAddr,
    pub(super) tcp: TcpListener,
    pub(super) udp: Option<UdpSocket>,
}

/// Why an address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{key}: `{address}` cannot be bound: {hint}")]
pub struct BindError {
    key: &'static str,
    address: String,
    hint: String,
    #[source]
    source: io::Error,
}

impl BindError {
    pub(super) fn new(key: &'static str, address: impl fmt::Display, source: io::Error) -> Self {
        let address = address.to_string();
        let hint = match source.kind() {
            io::ErrorKind::AddrInUse => match address.parse().ok().and_then(Holder::of) {
                Some(holder) => format!("{holder} holds it; stop that, or choose another port"),
                None => format!("another process holds it; stop that, or choose another for {key}"),
            },
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need CAP_NET_BIND_SERVICE; choose one above, such as 1053".into()
            }
            io::ErrorKind::AddrNotAvailable => "no interface of this host has it".into(),
            _ => source.to_string(),
        };
        Self { key, address, hint, source }
    }
}

/// Binds every address of the DNS side once for each thread.
pub(super) fn dns(dns: &Dns, taken: TakenPort) -> Result<Vec<Vec<Pair>>, BindError> {
    let threads = match dns.threads {
        Threads::Exactly(number) => number,
        Threads::Auto => available_parallelism().map_or(1, std::num::NonZero::get),
    };
    let with_udp = dns.udp != UdpMode::Off;
    let mut sockets: Vec<Vec<Pair>> = (0..threads).map(|_| Vec::new()).collect();
    let mut left_out = None;
    for address in &dns.listen {
        let failed = |error| BindError::new("dns.listen", address, error);
        let bound = moving_on(*address, taken, |address| bind(address, with_udp, threads));
        let bound = match bound {
            Ok(bound) => bound,
            Err(error) if is_missing_ipv6(*address, &error) => {
                tracing::warn!(%address, "there is no IPv6 here; this address is left out");
                left_out = Some(failed(error));
                continue;
            }
            Err(error) => return Err(failed(error)),
        };
        for (pairs, pair) in sockets.iter_mut().zip(bound) {
            pairs.push(pair);
        }
    }
    match left_out {
        Some(error) if addresses(&sockets).is_empty() => Err(error),
        _ => Ok(sockets),
    }
}

/// The addresses that were bound, each once.
pub(super) fn addresses(sockets: &[Vec<Pair>]) -> Vec<SocketAddr> {
    let first = sockets.first().map(Vec::as_slice).unwrap_or_default();
    first.iter().map(|pair| pair.address).collect()
}

/// Tries an address, and where it may move on, the ports after it.
pub(super) fn moving_on<T>(
    address: SocketAddr,
    taken: TakenPort,
    mut bind: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let tries = if taken == TakenPort::MoveOn && address.port() != 0 { TRIES } else { 1 };
    let mut result = Err(io::ErrorKind::AddrInUse.into());
    for step in 0..tries {
        let port = address.port().saturating_add(step);
        result = bind(SocketAddr::new(address.ip(), port));
        match &result {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            _ => break,
        }
    }
    result
}

/// The sockets of an address, a pair for each thread. A port that the kernel chose may be taken by
/// somebody else before all of them have it; then it chooses another.
fn bind(address: SocketAddr, with_udp: bool, threads: usize) -> io::Result<Vec<Pair>> {
    let tries = if address.port() == 0 { TRIES } else { 1 };
    let pair = |address| {
        let tcp = tcp(address, Sharing::Threads)?;
        let udp = with_udp.then(|| udp(address, Sharing::Threads)).transpose()?;
        Ok(Pair { address, tcp, udp })
    };
    let mut result = Err(io::ErrorKind::AddrInUse.into());
    for _ in 0..tries {
        result = probe(address, with_udp)
            .and_then(|address| (0..threads).map(|_| pair(address)).collect());
        match &result {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            _ => break,
        }
    }
    result
}

/// The address with its port, once it is sure that nobody else has it: with SO_REUSEPORT alone a
/// second instance would take half the traffic and nobody would know.
fn probe(address: SocketAddr, with_udp: bool) -> io::Result<SocketAddr> {
    let listener = tcp(address, Sharing::Nobody)?;
    let bound = listener.local_addr()?;
    if with_udp {
        udp(bound, Sharing::Nobody)?;
    }
    Ok(bound)
}

/// Who may bind the same address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Nobody,
    Threads,
}

fn tcp(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = socket(address, Type::STREAM, Protocol::TCP, sharing)?;
    // Connections of a server that ended just now do not count as holding the port.
    socket.set_reuse_address(true)?;
    // Connections have it from their listener. Without it answers would wait for the client's
    // acknowledgements.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn udp(address: SocketAddr, sharing: Sharing) -> io::Result<UdpSocket> {
    let socket = socket(address, Type::DGRAM, Protocol::UDP, sharing)?;
    // A host may give more by itself. What cannot be had is done without.
    if let Ok(usual) = socket.recv_buffer_size()
        && usual < RECEIVE_BUFFER
        && socket.set_recv_buffer_size(RECEIVE_BUFFER).is_ok()
        && socket.recv_buffer_size().is_ok_and(|granted| granted < usual)
    {
        // Asking had a lower limit than what a socket has unasked. The kernel doubles what is asked.
        let _ = socket.set_recv_buffer_size(usual / 2);
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn socket(
    address: SocketAddr,
    kind: Type,
    protocol: Protocol,
    sharing: Sharing,
) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(sharing == Sharing::Threads)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Whether a wildcard IPv6 address failed because the host has no IPv6.
fn is_missing_ipv6(address: SocketAddr, error: &io::Error) -> bool {
    let is_wildcard = address.is_ipv6() && address.ip().is_unspecified();
    let has_none = error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(ADDRESS_FAMILY_NOT_SUPPORTED);
    is_wildcard && has_none
}

/// EAFNOSUPPORT on Linux, for which the standard library has no kind.
const ADDRESS_FAMILY_NOT_SUPPORTED: i32 = 97;

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn connections_send_without_delay_as_their_listener_was_told() {
        let listener = tcp(SocketAddr::from(([127, 0, 0, 1], 0)), Sharing::Threads).unwrap();
        listener.set_nonblocking(false).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();

        let (stream, _) = listener.accept().unwrap();

        assert!(stream.nodelay().unwrap());
    }

    #[test]
    fn a_udp_socket_holds_no_smaller_burst_than_the_host_gives_by_itself() {
        let usual = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        let usual = usual.recv_buffer_size().unwrap();

        let ours = udp("127.0.0.1:0".parse().unwrap(), Sharing::Threads).unwrap();
        let ours = Socket::from(ours).recv_buffer_size().unwrap();

        // Not every network namespace shows its limit.
        let limit = std::fs::read_to_string("/proc/sys/net/core/rmem_max");
        let limit = limit.map_or(0, |limit| limit.trim().parse().unwrap());
        let granted = 2 * RECEIVE_BUFFER.min(limit);
        let expected = if usual < RECEIVE_BUFFER { usual.max(granted) } else { usual };
        assert!(ours >= expected, "{ours} octets, {expected} can be had, {usual} by itself");
    }
}
