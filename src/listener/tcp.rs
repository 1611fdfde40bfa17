//! Connections come in; on each, queries are read and answered in the order they become ready
//! (RFC 7766): many queries in one read get their answers in one write, and a slow answer holds
//! up none behind it.

mod connection;
mod peer;
pub mod frame;
pub mod proxy;
mod seats;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

use crate::{config::Limits, pipeline::Pipeline, query::Client, server::Drain};

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

/// Serves a listener until the drain, then until its queue is empty and every answer is sent.
pub async fn serve(
    listener: TcpListener,
    pipeline: Arc<Pipeline>,
    seats: Arc<Seats>,
    mut drain: Drain,
) {
    let mut tasks = JoinSet::new();
    // Said once, not for every connection that comes meanwhile.
    let mut is_short = false;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    is_short = false;
                    // Where there is no seat, the connection is closed by being dropped.
                    if let Some(seat) = seats.take(limits(&pipeline).tcp_connections) {
                        let served = serve_one(stream, peer, seat, pipeline.clone(), drain.clone());
                        tasks.spawn_local(served);
                    }
                }
                // It was gone before we came to it.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    if !is_short {
                        tracing::warn!(%error, "connections cannot be taken; idle ones make room");
                    }
                    is_short = true;
                    let has_room = seats.make_room();
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
    for (stream, peer) in waiting {
        if let Some(seat) = seats.take(limits(&pipeline).tcp_connections) {
            tasks.spawn_local(serve_one(stream, peer, seat, pipeline.clone(), drain.clone()));
        }
    }
    while tasks.join_next().await.is_some() {}
}

async fn serve_one(
    mut stream: TcpStream,
    peer: SocketAddr,
    seat: Seat,
    pipeline: Arc<Pipeline>,
    mut drain: Drain,
) {
    // Without it answers would wait for the client's acknowledgements; it fails only where the
    // client is gone already.
    let _ = stream.set_nodelay(true);
    let metrics = pipeline.metrics.clone();
    let _counted = metrics.count_connection();
    let introduced = peer::introduce(&mut stream, peer.ip(), &pipeline, &mut drain).await;
    if let Some((client, unread)) = introduced
        && may_stay(&client, &seat, &pipeline)
    {
        Connection::new(stream, client, unread, seat, pipeline).serve(drain).await;
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
