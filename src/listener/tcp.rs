//! Connections come in; on each, queries are read and answered in the order they become ready
//! (RFC 7766): many queries in one read get their answers in one write, and a slow answer holds
//! up none behind it.

mod connection;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::sleep,
};

use crate::{pipeline::Pipeline, server::Drain};

use connection::Connection;

/// Pause after the kernel had no file descriptor for a new connection.
const NO_DESCRIPTOR_PAUSE: Duration = Duration::from_millis(50);

/// Serves a listener until the drain, then until its queue is empty and every answer is sent.
///
/// When `room` is used up, new connections wait in the kernel's queue.
pub async fn serve(
    listener: TcpListener,
    pipeline: Arc<Pipeline>,
    room: Arc<Semaphore>,
    mut drain: Drain,
) {
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            accepted = accept(&listener, &room) => match accepted {
                Ok((stream, peer, permit)) => {
                    let served = serve_one(stream, peer, pipeline.clone(), drain.clone());
                    tasks.spawn_local(async move {
                        served.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    sleep(NO_DESCRIPTOR_PAUSE).await;
                }
            },
            () = drain.started() => break,
            Some(_) = tasks.join_next() => {}
        }
    }
    match waiting_in(listener) {
        Ok(waiting) => {
            for (stream, peer) in waiting {
                tasks.spawn_local(serve_one(stream, peer, pipeline.clone(), drain.clone()));
            }
        }
        Err(error) => tracing::warn!(%error, "connections that wait are lost"),
    }
    while tasks.join_next().await.is_some() {}
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}

async fn serve_one(stream: TcpStream, peer: SocketAddr, pipeline: Arc<Pipeline>, drain: Drain) {
    let metrics = pipeline.metrics.clone();
    let _counted = metrics.count_connection();
    Connection::new(stream, peer, pipeline).serve(drain).await;
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
