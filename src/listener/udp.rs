//! Datagrams come in, datagrams go out, a batch of them with each system call.
//!
//! What needs no waiting is answered in place; a miss becomes a task of the same thread.

mod inbox;
mod outbox;
mod route;
mod socket;

use std::{cell::RefCell, io, rc::Rc};

use tokio::{
    sync::Notify,
    task::{JoinSet, yield_now},
};

use super::{Taken, finish, take};
use crate::{
    pipeline::Worker,
    query::{Client, Transport},
    server::Drain,
};
use inbox::Inbox;
use outbox::Outbox;
use route::Route;
use socket::Look;
pub use socket::Socket;

/// Datagrams that one system call receives or sends at most. On a busy server sixteen save a tenth
/// to a fifth of the time of a query (docs/performance.md); the first answer of a batch waits
/// until the last is made, a third of a microsecond for each.
const BATCH: usize = 16;

/// Batches answered in one go before other tasks of the thread get their turn: 128 packets, about
/// half a millisecond.
const TURN: usize = 8;

/// Serves a socket until the drain, then until it is empty and every answer is sent.
pub async fn serve(socket: Socket, worker: Rc<Worker>, mut drain: Drain) {
    let mut inbox = Inbox::new(&socket);
    let mut desk = Desk::new(socket, worker);
    loop {
        tokio::select! {
            () = drain.started() => break,
            () = desk.late.notified() => desk.outbox.borrow_mut().flush(),
            readable = desk.socket.readable() => {
                if let Err(error) = readable {
                    tracing::error!(%error, "a UDP socket cannot be read any more");
                    return;
                }
                while desk.serve_turn(&mut inbox, Look::WhereMarked) {
                    yield_now().await;
                }
            }
        }
        while desk.tasks.try_join_next().is_some() {}
    }
    while desk.serve_turn(&mut inbox, Look::Always) {
        yield_now().await;
    }
    while desk.tasks.join_next().await.is_some() {
        desk.outbox.borrow_mut().flush();
    }
}

/// Where the datagrams of a socket are answered.
struct Desk {
    socket: Rc<Socket>,
    worker: Rc<Worker>,
    /// The answer being written.
    out: Vec<u8>,
    outbox: Rc<RefCell<Outbox>>,
    /// Answers that wait; the pipeline bounds them.
    tasks: JoinSet<()>,
    /// Told when one of them is in the outbox. Upstream answers come many at a time, and those
    /// whose tasks run before the desk's next turn leave together.
    late: Rc<Notify>,
}

impl Desk {
    fn new(socket: Socket, worker: Rc<Worker>) -> Self {
        let socket = Rc::new(socket);
        let outbox = Rc::new(RefCell::new(Outbox::new(socket.clone(), worker.clone())));
        let (tasks, late) = (JoinSet::new(), Rc::default());
        Self { socket, worker, out: Vec::with_capacity(512), outbox, tasks, late }
    }

    /// Answers what the socket holds; whether there may be more.
    fn serve_turn(&mut self, inbox: &mut Inbox, look: Look) -> bool {
        let socket = self.socket.clone();
        for _ in 0..TURN {
            self.worker.read_clock();
            let received = inbox.receive(&socket, look, |packet, route| self.answer(packet, route));
            self.outbox.borrow_mut().flush();
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // An answer of ours may have come back as unreachable; the socket itself is well.
                Ok(()) | Err(_) => {}
            }
        }
        true
    }

    /// Answers a datagram with its batch, or later.
    fn answer(&mut self, packet: &[u8], route: Route) {
        let client = Client::at(route.peer.ip(), Transport::Udp);
        match take(&self.worker, packet, &client, &mut self.out) {
            Taken::Silence => {}
            Taken::Answer => self.outbox.borrow_mut().put(&mut self.out, route),
            Taken::Wait(pending) => {
                let (outbox, late) = (self.outbox.clone(), self.late.clone());
                self.tasks.spawn_local(async move {
                    if let Some(mut out) = finish(pending).await {
                        outbox.borrow_mut().put(&mut out, route);
                        late.notify_one();
                    }
                });
            }
        }
    }
}
