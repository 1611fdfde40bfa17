//! Answers go in, datagrams go out, a batch with one system call.

use std::{
    io::{self, IoSlice},
    mem,
    net::SocketAddr,
    os::fd::RawFd,
    rc::Rc,
};

use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike, sendmmsg,
};

use super::{
    BATCH,
    route::{Asked, Route},
    socket::Socket,
};
use crate::pipeline::Worker;

/// Answers that leave together, because they leave from the same address.
pub(super) struct Outbox {
    socket: Rc<Socket>,
    worker: Rc<Worker>,
    answers: [Vec<u8>; BATCH],
    envelopes: Envelopes,
    /// The address that all of them leave from.
    asked: Asked,
    number: usize,
}

/// What the kernel reads beside the answers, in the form of the socket's family.
enum Envelopes {
    V4(MultiHeaders<SockaddrIn>, [Option<SockaddrIn>; BATCH]),
    V6(MultiHeaders<SockaddrIn6>, [Option<SockaddrIn6>; BATCH]),
}

impl Outbox {
    pub(super) fn new(socket: Rc<Socket>, worker: Rc<Worker>) -> Self {
        let control = socket.control_room();
        let envelopes = if socket.is_ipv4() {
            Envelopes::V4(MultiHeaders::preallocate(BATCH, control), [None; BATCH])
        } else {
            Envelopes::V6(MultiHeaders::preallocate(BATCH, control), [None; BATCH])
        };
        let answers = Default::default();
        Self { socket, worker, answers, envelopes, asked: Asked::Bound, number: 0 }
    }

    /// Takes an answer, and leaves another buffer in its place.
    pub(super) fn put(&mut self, answer: &mut Vec<u8>, route: Route) {
        if self.number == BATCH || (self.number > 0 && self.asked != route.asked) {
            self.flush();
        }
        if let Some(room) = self.answers.get_mut(self.number) {
            mem::swap(room, answer);
            self.envelopes.address(self.number, route.peer);
            self.asked = route.asked;
            self.number += 1;
        }
    }

    /// Sends what it holds. What the kernel does not take is dropped and counted, as the network
    /// might drop it.
    pub(super) fn flush(&mut self) {
        let number = mem::take(&mut self.number);
        let mut done = 0;
        while done < number {
            match self.send(done, number) {
                Ok(sent) => done += sent,
                Err(error) => {
                    // A full buffer takes nobody's answer; other errors are of this peer alone.
                    let is_full = error.kind() == io::ErrorKind::WouldBlock;
                    let end = if is_full { number } else { done + 1 };
                    (done..end).for_each(|_| self.worker.pipeline.metrics.count_unsent());
                    done = end;
                }
            }
        }
    }

    /// Sends the answers from the first one on, until one is refused; says how many were sent.
    fn send(&mut self, first: usize, end: usize) -> io::Result<usize> {
        let mut parts = [[IoSlice::new(&[])]; BATCH];
        for (part, answer) in parts.iter_mut().zip(&self.answers).take(end) {
            *part = [IoSlice::new(answer)];
        }
        let parts = parts.get(first..end).unwrap_or_default();
        let control = self.asked.control();
        let control = control.as_slice();
        self.socket.write(|fd| match &mut self.envelopes {
            Envelopes::V4(headers, peers) => {
                post(fd, headers, parts, peers.get_mut(first..), control)
            }
            Envelopes::V6(headers, peers) => {
                post(fd, headers, parts, peers.get_mut(first..), control)
            }
        })
    }
}

impl Envelopes {
    /// Writes down whom an answer is for.
    fn address(&mut self, number: usize, peer: SocketAddr) {
        match (self, peer) {
            (Self::V4(_, peers), SocketAddr::V4(peer)) => write_down(peers, number, peer.into()),
            (Self::V6(_, peers), SocketAddr::V6(peer)) => write_down(peers, number, peer.into()),
            // A socket hears its own family alone.
            (Self::V4(..), SocketAddr::V6(_)) | (Self::V6(..), SocketAddr::V4(_)) => {}
        }
    }
}

fn write_down<S>(peers: &mut [Option<S>], number: usize, peer: S) {
    if let Some(room) = peers.get_mut(number) {
        *room = Some(peer);
    }
}

/// Sends each part to its peer; says how many were taken before one was refused.
fn post<'a, S: SockaddrLike + Copy + 'a>(
    fd: RawFd,
    headers: &'a mut MultiHeaders<S>,
    parts: &'a [[IoSlice<'a>; 1]],
    peers: Option<&mut [Option<S>]>,
    control: &'a [ControlMessage<'a>],
) -> io::Result<usize> {
    let peers = peers.unwrap_or_default();
    Ok(sendmmsg(fd, headers, parts, peers, control, MsgFlags::MSG_DONTWAIT)?.count())
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, sync::Arc, time::Duration};

    use super::*;
    use crate::{
        config::Config,
        listener::udp::{inbox::Inbox, socket::Look},
        pipeline::Pipeline,
    };

    /// A client on an address of this host, that gives up on an answer after a while.
    fn client() -> UdpSocket {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client
    }

    fn received(client: &UdpSocket) -> Vec<u8> {
        let mut buffer = [0; 64];
        let length = client.recv(&mut buffer).unwrap();
        buffer[..length].to_vec()
    }

    /// An outbox, and the ways back to clients who have asked the host's addresses in turn.
    async fn outbox_and_routes(asked: &[(&UdpSocket, &str)]) -> (Outbox, Vec<Route>) {
        let (pipeline, _engine) = Pipeline::new(&Arc::new(Config::default())).unwrap();
        let bound = UdpSocket::bind("0.0.0.0:0").unwrap();
        bound.set_nonblocking(true).unwrap();
        let port = bound.local_addr().unwrap().port();
        let socket = Rc::new(Socket::new(bound).unwrap());
        for (client, address) in asked {
            client.connect((*address, port)).unwrap();
            client.send(b"a query").unwrap();
        }
        let (mut inbox, mut routes) = (Inbox::new(&socket), Vec::new());
        while routes.len() < asked.len() {
            socket.readable().await.unwrap();
            let _ = inbox.receive(&socket, Look::WhereMarked, |_, route| routes.push(route));
        }
        (Outbox::new(socket, Worker::new(pipeline)), routes)
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_sent_takes_no_other_with_it() {
        let (before, after) = (client(), client());
        let asked = [(&before, "127.0.0.1"), (&after, "127.0.0.1")];
        let (mut outbox, routes) = outbox_and_routes(&asked).await;
        let nowhere = Route { peer: "127.0.0.1:0".parse().unwrap(), ..routes[0] };

        outbox.put(&mut b"first".to_vec(), routes[0]);
        outbox.put(&mut b"lost".to_vec(), nowhere);
        outbox.put(&mut b"lost too".to_vec(), nowhere);
        outbox.put(&mut b"last".to_vec(), routes[1]);
        outbox.flush();

        assert_eq!((received(&before), received(&after)), (b"first".to_vec(), b"last".to_vec()));
    }

    #[tokio::test]
    async fn r101_one_batch_answers_from_several_addresses() {
        let (near, far) = (client(), client());
        let asked = [(&near, "127.0.0.1"), (&far, "127.0.0.2")];
        let (mut outbox, routes) = outbox_and_routes(&asked).await;

        for number in 0..3 {
            outbox.put(&mut vec![number, 1], routes[0]);
            outbox.put(&mut vec![number, 2], routes[1]);
        }
        outbox.flush();

        for number in 0..3 {
            assert_eq!((received(&near), received(&far)), (vec![number, 1], vec![number, 2]));
        }
    }
}
