//! The threads that answer, each with its own runtime and its own sockets, and the one thread
//! that talks to upstreams.

use std::{io, rc::Rc, sync::Arc, thread};

use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
    task::LocalSet,
};

use super::{Drain, StartError, bind::Pair};
use crate::{
    listener::{
        tcp::{self, Seats, Share},
        udp,
    },
    pipeline::{Pipeline, Worker},
    upstream::Engine,
};

/// The running threads of the data plane.
pub(super) struct DataPlane {
    /// Closed when the last thread has ended.
    ended: mpsc::Receiver<()>,
}

impl DataPlane {
    /// Starts one thread for each set of sockets.
    pub(super) fn start(
        sockets: Vec<Vec<Pair>>,
        pipeline: &Arc<Pipeline>,
        seats: &Arc<Seats>,
        drain: &Drain,
    ) -> Result<Self, StartError> {
        let (running, ended) = mpsc::channel(1);
        let addresses = sockets.first().map_or(0, Vec::len);
        let share = |_| Share::among(sockets.len()).into_iter();
        let mut shares: Vec<_> = (0..addresses).map(share).collect();
        for (number, pairs) in sockets.into_iter().enumerate() {
            let shares = shares.iter_mut().filter_map(Iterator::next);
            let pairs: Vec<_> = pairs.into_iter().zip(shares).collect();
            let (pipeline, seats, drain) = (pipeline.clone(), seats.clone(), drain.clone());
            let running = running.clone();
            start_thread(format!("dns-{number}"), move |runtime| {
                let serving = LocalSet::new();
                let served = serving.run_until(serve(pairs, Worker::new(pipeline), seats, drain));
                if let Err(error) = runtime.block_on(served) {
                    tracing::error!(%error, "a thread cannot serve its sockets");
                }
                drop(running);
            })?;
        }
        Ok(Self { ended })
    }

    /// Returns when every thread has ended.
    pub(super) async fn done(&mut self) {
        while self.ended.recv().await.is_some() {}
    }
}

/// Starts the thread that talks to upstreams; it ends with the last handle to it.
pub(super) fn start_upstream(engine: Engine) -> Result<(), StartError> {
    start_thread("upstream".to_owned(), move |runtime| runtime.block_on(engine.run()))
}

async fn serve(
    pairs: Vec<(Pair, Share)>,
    worker: Rc<Worker>,
    seats: Arc<Seats>,
    drain: Drain,
) -> io::Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for (pair, share) in pairs {
        let (seats, drain_tcp) = ((seats.clone(), share), drain.clone());
        tasks.spawn_local(tcp::serve(pair.tcp, worker.clone(), seats, drain_tcp));
        if let Some(socket) = pair.udp {
            let socket = udp::Socket::new(socket)?;
            let (worker, drain) = (worker.clone(), drain.clone());
            tasks.spawn_local(async {
                udp::serve(socket, worker, drain).await;
                Ok(())
            });
        }
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(io::Error::other)??;
    }
    Ok(())
}

fn start_thread(
    name: String,
    run: impl FnOnce(Runtime) + Send + 'static,
) -> Result<(), StartError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
    thread::Builder::new().name(name).spawn(move || run(runtime)).map_err(StartError::Thread)?;
    Ok(())
}
