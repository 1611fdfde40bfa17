//! Connections come in; on each, queries are read and answered in the order they become ready
//! (RFC 7766): many queries in one read get their answers in one write, and a slow answer holds
//! up none behind it.

mod connection;
mod peer;
pub mod proxy;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::sleep,
};

use crate::{pipeline::Pipeline, server::Drain};

use connection::Connection;

/// Longest silence of a client that is owed nothing (RFC 7766 section 6.2.3 asks for seconds;
/// unbound's default is the same).
pub const IDLE_SECONDS: u16 = 30;

/// Pause after the kernel had no file descriptor for a new connection.
const NO_DESCRIPTOR_PAUSE: Duration = Duration::from_millis(50);

/// Serves a listener until the drain, then until its queue is empty and every answer is sent.
///
/// When `room` is used up, one connection waits here and all others in the kernel's queue.
pub async fn serve(
    listener: TcpListener,
    pipeline: Arc<Pipeline>,
    room: Arc<Semaphore>,
    mut drain: Drain,
) {
    let mut tasks = JoinSet::new();
    // The connection that was taken last, until there is room for it.
    let mut next = None;
    loop {
        tokio::select! {
            accepted = listener.accept(), if next.is_none() => match accepted {
                Ok(connection) => next = Some(connection),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    sleep(NO_DESCRIPTOR_PAUSE).await;
                }
            },
            Ok(permit) = room.clone().acquire_owned(), if next.is_some() => {
                if let Some((stream, peer)) = next.take() {
                    let served = serve_one(stream, peer, pipeline.clone(), drain.clone());
                    tasks.spawn_local(async move {
                        served.await;
                        drop(permit);
                    });
                }
            }
            () = drain.started() => break,
            Some(_) = tasks.join_next() => {}
        }
    }
    let waiting = waiting_in(listener).unwrap_or_else(|error| {
        tracing::warn!(%error, "connections that wait are lost");
        Vec::new()
    });
    for (stream, peer) in next.into_iter().chain(waiting) {
        tasks.spawn_local(serve_one(stream, peer, pipeline.clone(), drain.clone()));
    }
    while tasks.join_next().await.is_some() {}
}

async fn serve_one(
    mut stream: TcpStream,
    peer: SocketAddr,
    pipeline: Arc<Pipeline>,
    mut drain: Drain,
) {
    // Without it answers would wait for the client's acknowledgements; it fails only where the
    // client is gone already.
    let _ = stream.set_nodelay(true);
    let metrics = pipeline.metrics.clone();
    let _counted = metrics.count_connection();
    let introduced = peer::introduce(&mut stream, peer.ip(), &pipeline, &mut drain).await;
    if let Some((client, unread)) = introduced {
        Connection::new(stream, client, unread, pipeline).serve(drain).await;
    }
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
