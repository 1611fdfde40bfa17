//! Connections come in; on each, queries are read and answered in the order they become ready
//! (RFC 7766): many queries in one read get their answers in one write, and a slow answer holds
//! up none behind it.

mod connection;
mod desk;
mod dialogue;
mod door;
mod peer;
pub mod frame;
pub mod proxy;
mod seats;
mod spread;
mod visit;

use std::{
    io, mem,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::{JoinSet, yield_now},
    time::{Instant, sleep},
};

use crate::{
    config::Limits,
    pipeline::{Pipeline, Worker},
    query::{Client, Transport},
    server::Drain,
};

use connection::Connection;
use desk::Desk;
use dialogue::Dialogue;
use door::Door;
use spread::{Moved, Newcomer, Place, Who};
use visit::{Course, Visit};

pub use seats::{Seat, Seats};
pub use spread::Share;

/// Longest silence of a client that is owed nothing (RFC 7766 section 6.2.3 asks for seconds;
/// unbound's default is the same).
pub const IDLE_SECONDS: u16 = 30;

/// Pause after the kernel had no file descriptor for a new connection, while those that were told
/// to leave do so.
const DESCRIPTOR_PAUSE: Duration = Duration::from_millis(5);

/// The same where nobody is idle: until somebody is.
const NO_DESCRIPTOR_PAUSE: Duration = Duration::from_millis(50);

/// How long the same trouble is not said again: it is driven by whoever connects.
const QUIET: Duration = Duration::from_secs(60);

/// Connections taken in one go before others of the thread have their turn: with one query each, two
/// milliseconds.
const TURN: usize = 64;

/// Serves a listener that does not block until the drain, then until its queue is empty and every
/// answer is sent.
///
/// # Errors
/// Where the listener cannot be watched.
pub async fn serve(
    listener: TcpListener,
    worker: Rc<Worker>,
    (seats, share): (Arc<Seats>, Share),
    mut drain: Drain,
) -> io::Result<()> {
    let door = Door::new(listener)?;
    let mut hall = Hall::new(Desk::new(worker), (seats, share), drain.clone());
    loop {
        if hall.visits.is_empty() {
            tokio::select! {
                knock = door.is_knocked_at() => knock?,
                () = drain.started() => break,
                Some(moved) = hall.share.arrival() => hall.serve(moved),
                Some(_) = hall.tasks.join_next() => {}
            }
        } else {
            yield_now().await;
            if drain.has_started() {
                break;
            }
            hall.look_after_visits();
            while let Some(moved) = hall.share.arrived() {
                hall.serve(moved);
            }
        }
        if let Err(error) = hall.let_in(&door) {
            hall.settle();
            hall.make_room(&error).await;
        }
        while hall.tasks.try_join_next().is_some() {}
    }
    hall.desk.end.come();
    hall.share.close();
    // Waits for those who are on their way: the channel is closed, but somebody may be at it.
    while let Some(moved) = hall.share.arrival().await {
        hall.serve(moved);
    }
    for (stream, peer) in door.close() {
        hall.receive(stream, peer);
    }
    hall.settle();
    while hall.tasks.join_next().await.is_some() {}
    Ok(())
}

/// Where connections arrive, and those of this thread.
struct Hall {
    desk: Rc<Desk>,
    seats: Arc<Seats>,
    share: Share,
    drain: Drain,
    /// Those who have only just come, at most as many as come in the turns that they are given.
    visits: Vec<Visit>,
    /// Room for the same, while each of them has its turn.
    looked_after: Vec<Visit>,
    /// Those who stay.
    tasks: JoinSet<()>,
    /// When it was last said that connections cannot be taken.
    said: Option<Instant>,
}

impl Hall {
    fn new(desk: Rc<Desk>, (seats, share): (Arc<Seats>, Share), drain: Drain) -> Self {
        let (visits, looked_after) = (Vec::new(), Vec::new());
        Self { desk, seats, share, drain, visits, looked_after, tasks: JoinSet::new(), said: None }
    }

    /// Lets in some of those who are at the door.
    fn let_in(&mut self, door: &Door) -> io::Result<()> {
        for _ in 0..TURN {
            match door.let_in() {
                Ok((stream, peer)) => self.receive(stream, peer),
                // It was gone before we came to it.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives a connection its first turn; where there is no seat, it is closed by being dropped.
    fn receive(&mut self, stream: TcpStream, peer: SocketAddr) {
        let snapshot = self.desk.worker.pipeline.published.load();
        let limits = snapshot.config.dns.limits;
        // Behind a proxy, who it is comes later.
        let is_proxy = snapshot.config.dns.expects_header_from(peer.ip());
        drop(snapshot);
        let client = Client::at(peer.ip(), Transport::Tcp);
        let account = client.account().filter(|_| !is_proxy);
        let counted = account.as_ref().map(|account| (account, limits.tcp_connections_per_client));
        let Some(seat) = self.seats.take(limits.tcp_connections, counted) else { return };
        if is_proxy {
            self.spread(Newcomer { stream, seat, who: Who::Behind(peer.ip()) });
        } else if account.is_some() || may_stay(&client, &seat, &self.desk.worker.pipeline) {
            let dialogue = Dialogue::new(self.desk.worker.clone(), client, Vec::new());
            self.give_turn(Visit::new(stream, seat, dialogue));
        }
    }

    /// Gives those who have only just come another turn.
    fn look_after_visits(&mut self) {
        let mut visits = mem::take(&mut self.looked_after);
        mem::swap(&mut visits, &mut self.visits);
        for visit in visits.drain(..) {
            self.give_turn(visit);
        }
        self.looked_after = visits;
    }

    fn give_turn(&mut self, mut visit: Visit) {
        // One connection that meets a defect of ours must not end the listener for all others.
        let turn = catch_unwind(AssertUnwindSafe(|| visit.take_turn(&self.desk)));
        let course = turn.unwrap_or_else(|_| {
            tracing::error!("a connection met a defect of ours and is closed");
            Course::Over
        });
        match course {
            // Counted once it is over: it was open for less than anybody can see.
            Course::Over => drop(self.desk.worker.pipeline.metrics.count_connection()),
            Course::Undecided => self.visits.push(visit),
            Course::Stays => self.let_stay(visit),
        }
    }

    /// Lets everybody stay who has only just come.
    fn settle(&mut self) {
        for visit in mem::take(&mut self.visits) {
            self.let_stay(visit);
        }
    }

    /// Serves a connection from now on, here or on another thread.
    fn let_stay(&mut self, visit: Visit) {
        let Visit { stream, seat, dialogue, unwritten, .. } = visit;
        if dialogue.is_at_rest() && unwritten.is_empty() {
            let who = Who::Known(dialogue.client().clone());
            return self.spread(Newcomer { stream, seat, who });
        }
        let Ok(stream) = tokio::net::TcpStream::from_std(stream) else { return };
        let connection = Connection::new(stream, dialogue, seat, self.desk.clone());
        self.spawn(connection.owing(unwritten), self.share.place_here());
    }

    /// Serves a connection on the thread that has room for it; at the end, on this one.
    fn spread(&mut self, newcomer: Newcomer) {
        let moved = match self.desk.end.has_come() {
            true => Some((newcomer, self.share.place_here())),
            false => self.share.hand_over(newcomer),
        };
        if let Some(moved) = moved {
            self.serve(moved);
        }
    }

    /// Serves a connection on this thread.
    fn serve(&mut self, (Newcomer { stream, seat, who }, place): Moved) {
        let Ok(stream) = tokio::net::TcpStream::from_std(stream) else { return };
        match who {
            Who::Known(client) => {
                let dialogue = Dialogue::new(self.desk.worker.clone(), client, Vec::new());
                let connection = Connection::new(stream, dialogue, seat, self.desk.clone());
                self.spawn(connection, place);
            }
            Who::Behind(proxy) => {
                let (desk, drain) = (self.desk.clone(), self.drain.clone());
                self.tasks.spawn_local(async move {
                    let pipeline = desk.worker.pipeline.clone();
                    let _counted = pipeline.metrics.count_connection();
                    let introduced = Box::pin(introduce((stream, proxy), seat, desk, drain)).await;
                    if let Some(mut connection) = introduced {
                        connection.serve().await;
                    }
                    drop(place);
                });
            }
        }
    }

    /// Serves a connection in a task of its own.
    fn spawn(&mut self, mut connection: Connection, place: Place) {
        let desk = self.desk.clone();
        // What is moved into a function of its own would take its room in the task twice.
        self.tasks.spawn_local(async move {
            let _counted = desk.worker.pipeline.metrics.count_connection();
            connection.serve().await;
            drop(place);
        });
    }

    /// Waits until those who are idle have made room for connections that cannot be taken.
    async fn make_room(&mut self, error: &io::Error) {
        if self.said.is_none_or(|said| said.elapsed() >= QUIET) {
            tracing::warn!(%error, "connections cannot be taken; idle ones make room");
            self.said = Some(Instant::now());
        }
        let has_room = is_shortage(error) && self.seats.make_room();
        sleep(if has_room { DESCRIPTOR_PAUSE } else { NO_DESCRIPTOR_PAUSE }).await;
    }
}

/// Whether the kernel has no descriptor or memory for a connection, which idle ones could give back.
fn is_shortage(error: &io::Error) -> bool {
    // ENFILE, EMFILE, ENOBUFS of Linux.
    error.kind() == io::ErrorKind::OutOfMemory
        || matches!(error.raw_os_error(), Some(23 | 24 | 105))
}

/// Finds out who is behind a proxy; nothing where the connection is at its end.
async fn introduce(
    (mut stream, proxy): (tokio::net::TcpStream, IpAddr),
    seat: Seat,
    desk: Rc<Desk>,
    mut drain: Drain,
) -> Option<Connection> {
    let pipeline = &desk.worker.pipeline;
    let introduced = tokio::select! {
        introduced = peer::introduce(&mut stream, proxy, pipeline, &mut drain) => introduced,
        () = seat.is_claimed() => None,
    };
    let (client, unread) = introduced.filter(|(client, _)| may_stay(client, &seat, pipeline))?;
    let dialogue = Dialogue::new(desk.worker.clone(), client, unread);
    Some(Connection::new(stream, dialogue, seat, desk))
}

/// Whether a client may have one more connection.
fn may_stay(client: &Client, seat: &Seat, pipeline: &Pipeline) -> bool {
    if let Some(account) = client.account() {
        return seat.is_granted_to(&account, limits(pipeline).tcp_connections_per_client);
    }
    if pipeline.metrics.is_first_uncounted() {
        tracing::warn!(
            address = %client.address,
            "a proxy hides who its clients are; no limit of one client holds for them"
        );
    }
    true
}

/// The limits in force.
fn limits(pipeline: &Pipeline) -> Limits {
    pipeline.published.load().config.dns.limits
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        task::LocalSet,
    };

    use super::{spread::Thread, *};
    use crate::{config::Config, server::drain};

    /// A query for `x.localhost` A in its frame.
    const QUERY: &[u8] = b"\0\x1d\0\0\x01\0\0\x01\0\0\0\0\0\0\x01x\x09localhost\0\0\x01\0\x01";

    /// As many listeners as shares, each served as by a thread of its own; their addresses.
    fn serve_all(shares: Vec<Share>, local: &LocalSet, drain: &Drain) -> Vec<SocketAddr> {
        let (pipeline, _engine) = Pipeline::new(&Arc::new(Config::default())).unwrap();
        let seats = Arc::new(Seats::new(Arc::default()));
        let serve_one = |share| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let address = listener.local_addr().unwrap();
            let rest = (seats.clone(), share);
            local.spawn_local(serve(listener, Worker::new(pipeline.clone()), rest, drain.clone()));
            address
        };
        shares.into_iter().map(serve_one).collect()
    }

    #[tokio::test]
    async fn connections_that_stay_are_spread_though_all_come_to_one_thread() {
        let (_trigger, drain) = drain::channel();
        let (local, shares) = (LocalSet::new(), Share::among(2));
        let threads = shares[0].threads.clone();
        let counts = || threads.iter().map(Thread::connections).collect::<Vec<_>>();
        let addresses = serve_all(shares, &local, &drain);

        let talking = async {
            let mut clients = Vec::new();
            for _ in 0..16 {
                clients.push(tokio::net::TcpStream::connect(addresses[0]).await.unwrap());
            }
            for client in &mut clients {
                client.write_all(QUERY).await.unwrap();
                client.read_exact(&mut [0; 31]).await.unwrap();
            }
            while counts().iter().sum::<usize>() < clients.len() {
                yield_now().await;
            }
            for client in &mut clients {
                client.write_all(QUERY).await.unwrap();
                client.read_exact(&mut [0; 31]).await.unwrap();
            }
            assert!(counts().iter().all(|connections| *connections >= 6), "{:?}", counts());
        };
        local.run_until(talking).await;
    }
}
