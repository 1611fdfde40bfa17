//! Connections come in; on each, queries are read and answered in the order they become ready
//! (RFC 7766): many queries in one read get their answers in one write, and a slow answer holds
//! up none behind it.

mod connection;
mod peer;
pub mod frame;
pub mod proxy;
mod seats;

use std::{io, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    config::Limits,
    pipeline::{Pipeline, Worker},
    query::{Client, Transport},
    server::Drain,
};

use connection::Connection;

pub use seats::{Seat, Seats};

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

/// Serves a listener until the drain, then until its queue is empty and every answer is sent.
pub async fn serve(listener: TcpListener, worker: Rc<Worker>, seats: Arc<Seats>, mut drain: Drain) {
    let mut tasks = JoinSet::new();
    let mut said = None;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    begin(&mut tasks, (stream, peer), &seats, &worker, &drain);
                }
                // It was gone before we came to it.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    if said.is_none_or(|said: Instant| said.elapsed() >= QUIET) {
                        tracing::warn!(%error, "connections cannot be taken; idle ones make room");
                        said = Some(Instant::now());
                    }
                    let has_room = is_shortage(&error) && seats.make_room();
                    sleep(if has_room { DESCRIPTOR_PAUSE } else { NO_DESCRIPTOR_PAUSE }).await;
                }
            },
            () = drain.started() => break,
            Some(_) = tasks.join_next() => {}
        }
    }
    let waiting = waiting_in(listener).unwrap_or_else(|error| {
        tracing::warn!(%error, "connections that wait are lost");
        Vec::new()
    });
    for accepted in waiting {
        begin(&mut tasks, accepted, &seats, &worker, &drain);
    }
    while tasks.join_next().await.is_some() {}
}

/// Serves a connection in a task of its own; where there is no seat, it is closed by being dropped.
fn begin(
    tasks: &mut JoinSet<()>,
    (stream, peer): (TcpStream, SocketAddr),
    seats: &Arc<Seats>,
    worker: &Rc<Worker>,
    drain: &Drain,
) {
    let snapshot = worker.pipeline.published.load();
    let limits = snapshot.config.dns.limits;
    // Behind a proxy, who it is comes later.
    let is_proxy = snapshot.config.dns.expects_header_from(peer.ip());
    let account = Client::at(peer.ip(), Transport::Tcp).account().filter(|_| !is_proxy);
    let client = account.as_ref().map(|account| (account, limits.tcp_connections_per_client));
    if let Some(seat) = seats.take(limits.tcp_connections, client) {
        tasks.spawn_local(serve_one(stream, peer, seat, worker.clone(), drain.clone()));
    }
}

/// Whether the kernel has no descriptor or memory for a connection, which idle ones could give back.
fn is_shortage(error: &io::Error) -> bool {
    // ENFILE, EMFILE, ENOBUFS of Linux.
    error.kind() == io::ErrorKind::OutOfMemory
        || matches!(error.raw_os_error(), Some(23 | 24 | 105))
}

async fn serve_one(
    mut stream: TcpStream,
    peer: SocketAddr,
    seat: Seat,
    worker: Rc<Worker>,
    mut drain: Drain,
) {
    // Without it answers would wait for the client's acknowledgements; it fails only where the
    // client is gone already.
    let _ = stream.set_nodelay(true);
    let pipeline = worker.pipeline.clone();
    let metrics = pipeline.metrics.clone();
    let _counted = metrics.count_connection();
    let introduced = tokio::select! {
        introduced = peer::introduce(&mut stream, peer.ip(), &pipeline, &mut drain) => introduced,
        () = seat.is_needed() => None,
    };
    if let Some((client, unread)) = introduced
        && may_stay(&client, &seat, &pipeline)
    {
        Connection::new(stream, client, unread, seat, worker).serve(drain).await;
    }
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

/// The connections that wait in a listener's queue now; no others are taken, and the listener is
/// closed.
fn waiting_in(listener: TcpListener) -> io::Result<Vec<(TcpStream, SocketAddr)>> {
    let listener = listener.into_std()?;
    let mut waiting = Vec::new();
    while let Ok((stream, peer)) = listener.accept() {
        stream.set_nonblocking(true)?;
        waiting.push((TcpStream::from_std(stream)?, peer));
    }
    Ok(waiting)
}
