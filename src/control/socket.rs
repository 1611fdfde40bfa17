//! Settings go in, a bound control socket comes out, served until it is dropped.

mod file;

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{Control, access::Access, routes};
use crate::config::{Config, ControlSocket as Wish};

use file::{BindProblem, SocketFile};

/// Commands at a time: a few people and a few scripts.
const CONNECTIONS: usize = 16;

/// Longest wait for a request.
const REQUEST: Duration = Duration::from_secs(10);

/// Octets of the longest request: its longest part is a name or an id, of 2,048 octets at most,
/// each of which is written as three. Nothing smaller can be told to hyper.
const REQUEST_SIZE: usize = 8192;

/// Longest time for a whole command: that of every list's download, where many are slow.
const COMMAND: Duration = Duration::from_secs(900);

/// Pause after a connection could not be taken.
const PAUSE: Duration = Duration::from_millis(50);

/// Why there cannot be a control socket where the operator wants it.
#[derive(Debug, thiserror::Error)]
#[error("control_socket: {0}; stop that, or choose another path")]
pub struct SocketError(#[source] BindProblem);

/// A bound control socket; its file is removed when it is dropped.
pub(crate) struct ControlSocket {
    listener: UnixListener,
    file: SocketFile,
}

impl ControlSocket {
    /// Binds the first place that can be had; nothing where there is none, which is told.
    ///
    /// # Errors
    /// Where another server answers at the path that was asked for.
    pub(crate) fn bind(config: &Config) -> Result<Option<Self>, SocketError> {
        let is_asked_for = matches!(config.control_socket, Wish::At(_));
        let mut problems = Vec::new();
        for path in config.control_sockets() {
            if !is_asked_for {
                file::make_directory(&path);
            }
            let bound = SocketFile::bind(path).and_then(|(listener, file)| {
                let listener = UnixListener::from_std(listener);
                Ok(Self { listener: listener.map_err(|error| file.problem(error))?, file })
            });
            match bound {
                Ok(bound) => return Ok(Some(bound)),
                Err(problem) if problem.is_taken() && is_asked_for => {
                    return Err(SocketError(problem));
                }
                // Commands for this server would reach that other one.
                Err(problem) if problem.is_taken() => {
                    problems.push(problem.to_string());
                    break;
                }
                Err(problem) => problems.push(problem.to_string()),
            }
        }
        if !problems.is_empty() {
            let why = problems.join("; ");
            tracing::warn!(%why, "there is no control socket, so commands cannot reach this server");
        }
        Ok(None)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &std::path::Path {
        self.file.path()
    }

    /// Serves commands until dropped; those under way end with it.
    pub(crate) async fn serve(self, control: Arc<Control>) {
        let (access, room) = (Access::of_process(), Arc::new(Semaphore::new(CONNECTIONS)));
        let (router, refusal) = (routes::router(control), routes::refusal());
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let Ok(permit) = room.clone().acquire_owned().await else { return };
            match self.accept().await {
                Ok((stream, user)) => {
                    let router = if access.admits(user) { &router } else { &refusal };
                    connections.spawn(serve_one(stream, router.clone(), permit));
                }
                Err(error) => {
                    tracing::warn!(%error, "a command could not be taken");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// The next connection, and whose it is.
    async fn accept(&self) -> io::Result<(UnixStream, u32)> {
        let (stream, _) = self.listener.accept().await?;
        let user = stream.peer_cred()?.uid();
        Ok((stream, user))
    }
}

/// Serves one request; a connection has no second one.
async fn serve_one(stream: UnixStream, router: Router, _permit: OwnedSemaphorePermit) {
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST)
        .keep_alive(false)
        .max_buf_size(REQUEST_SIZE);
    let service = TowerToHyperService::new(router);
    match timeout(COMMAND, builder.serve_connection(TokioIo::new(stream), service)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a command ended early"),
        Err(_) => tracing::warn!("a command took too long and was ended"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn who_may_not_command_is_told_so_whatever_they_ask() {
        for request in ["GET /status", "POST /lists/update", "GET /"] {
            let (mut client, server) = UnixStream::pair().unwrap();
            let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
            let served = tokio::spawn(serve_one(server, routes::refusal(), permit));

            client.write_all(format!("{request} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();

            assert!(answer.starts_with("HTTP/1.0 403 "), "{answer}");
            assert!(
                answer.ends_with(
                    "{\"error\":\"only root and the server's own user may command it\"}"
                )
            );
            served.await.unwrap();
        }
    }
}
