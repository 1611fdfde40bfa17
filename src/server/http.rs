//! An HTTP listener of ours: bound at the start, then served until it is dropped.
//!
//! Connections are bounded in number and in the time they may take to say what they want, since
//! people reach these listeners through proxies that keep many open.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::Semaphore,
    task::JoinSet,
    time::sleep,
};

use super::bind::{BindError, TakenPort, moving_on};
use crate::config::Listen;

/// Connections at a time; each watcher of the live log holds one.
const CONNECTIONS: usize = 512;

/// Longest wait for a request's headers.
const HEADERS: Duration = Duration::from_secs(10);

/// Pause after a connection could not be taken.
const PAUSE: Duration = Duration::from_millis(50);

/// A bound listener.
pub(super) enum Listener {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener),
}

impl Listener {
    /// Binds what a key names; nothing where it is switched off.
    pub(super) fn bind(
        key: &'static str,
        listen: &Listen,
        taken: TakenPort,
    ) -> Result<Option<Self>, BindError> {
        match listen {
            Listen::Off => Ok(None),
            Listen::Unix(path) => match bind_unix(path) {
                Ok(listener) => Ok(Some(Self::Unix(listener))),
                Err(error) => Err(BindError::new(key, path.display(), error)),
            },
            Listen::Address(address) => {
                let bound = moving_on(*address, taken, |address| {
                    let listener = std::net::TcpListener::bind(address)?;
                    listener.set_nonblocking(true)?;
                    let address = listener.local_addr()?;
                    Ok(Self::Tcp(TcpListener::from_std(listener)?, address))
                });
                bound.map(Some).map_err(|error| BindError::new(key, address, error))
            }
        }
    }

    /// Where it listens, for a TCP one.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(_, address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Serves a router until dropped; connections end with it.
    pub(super) async fn serve(self, router: Router) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let Ok(permit) = room.clone().acquire_owned().await else { return };
            let accepted = match &self {
                Self::Tcp(listener, _) => listener.accept().await.map(|(stream, _)| {
                    connections.spawn(serve_one(stream, router.clone(), permit));
                }),
                Self::Unix(listener) => listener.accept().await.map(|(stream, _)| {
                    connections.spawn(serve_one(stream, router.clone(), permit));
                }),
            };
            if let Err(error) = accepted {
                tracing::warn!(%error, "an HTTP connection could not be taken");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn serve_one<S>(stream: S, router: Router, _permit: tokio::sync::OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
    builder.http2().timer(TokioTimer::new());
    let served =
        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
    if let Err(error) = served {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

/// Binds a Unix socket; one that a crash left behind is replaced, one that answers is not.
fn bind_unix(path: &PathBuf) -> io::Result<UnixListener> {
    if path.exists() && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    UnixListener::bind(path)
}
