//! Datagrams come in, datagrams go out.
//!
//! What needs no waiting is answered in place; a miss becomes a task of the same thread.

use std::{io, net::SocketAddr, rc::Rc};

use tokio::{
    net::UdpSocket,
    task::{JoinSet, yield_now},
};

use super::{Taken, finish, take};
use crate::{
    pipeline::Worker,
    query::{Client, MAX_QUERY, Transport},
    server::Drain,
};

/// Packets answered in one go before other tasks of the thread get their turn.
const TURN: usize = 128;

/// Serves a socket until the drain, then until it is empty and every answer is sent.
pub async fn serve(socket: UdpSocket, worker: Rc<Worker>, mut drain: Drain) {
    let socket = Rc::new(socket);
    let mut tasks = JoinSet::new();
    let mut packet = [0; MAX_QUERY];
    let mut out = Vec::with_capacity(512);
    let mut is_draining = false;
    while !is_draining {
        tokio::select! {
            () = drain.started() => {
                is_draining = true;
                // The kernel is asked once more what has arrived.
                yield_now().await;
            }
            readable = socket.readable() => if let Err(error) = readable {
                tracing::error!(%error, "a UDP socket cannot be read any more");
                return;
            },
        }
        while read_turn(&socket, &worker, &mut packet, &mut out, &mut tasks) {
            yield_now().await;
        }
        while tasks.try_join_next().is_some() {}
    }
    while tasks.join_next().await.is_some() {}
}

/// Answers what the socket holds; whether there may be more.
fn read_turn(
    socket: &Rc<UdpSocket>,
    worker: &Rc<Worker>,
    packet: &mut [u8],
    out: &mut Vec<u8>,
    tasks: &mut JoinSet<()>,
) -> bool {
    worker.read_clock();
    for _ in 0..TURN {
        let (length, peer) = match socket.try_recv_from(packet) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            // An answer of ours came back as unreachable; the socket itself is well.
            Err(_) => continue,
        };
        let received = packet.get(..length).unwrap_or_default();
        let client = Client::at(peer.ip(), Transport::Udp);
        match take(worker, received, &client, out) {
            Taken::Silence => {}
            Taken::Answer => send(socket, worker, out, peer),
            Taken::Wait(pending) => {
                let (socket, worker) = (socket.clone(), worker.clone());
                tasks.spawn_local(async move {
                    let mut out = Vec::with_capacity(512);
                    finish(*pending, &mut out).await;
                    send(&socket, &worker, &out, peer);
                });
            }
        }
    }
    true
}

/// Sends an answer, or drops it where the kernel has no room, as the network might.
fn send(socket: &UdpSocket, worker: &Worker, out: &[u8], peer: SocketAddr) {
    if socket.try_send_to(out, peer).is_err() {
        worker.pipeline.metrics.count_unsent();
    }
}
