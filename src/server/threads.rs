//! The threads that answer, each with its own runtime and its own sockets, and the one thread
//! that talks to upstreams, which is one of these where there is a single CPU.

use std::{
    io,
    rc::Rc,
    sync::Arc,
    thread::{self, available_parallelism},
};

use tokio::{
    runtime::{Builder, LocalOptions, LocalRuntime},
    sync::mpsc,
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
    /// Starts one thread for each set of sockets, and one for upstreams. With one CPU, a single
    /// thread does both: two would only take turns, at the price of a switch each way for each miss.
    pub(super) fn start(
        sockets: Vec<Vec<Pair>>,
        pipeline: &Arc<Pipeline>,
        engine: Engine,
        seats: &Arc<Seats>,
        drain: &Drain,
    ) -> Result<Self, StartError> {
        let (running, ended) = mpsc::channel(1);
        let is_alone =
            sockets.len() == 1 && available_parallelism().is_ok_and(|cpus| cpus.get() == 1);
        let mut engine = Some(engine);
        if !is_alone && let Some(engine) = engine.take() {
            start_upstream(engine)?;
        }
        let addresses = sockets.first().map_or(0, Vec::len);
        let share = |_| Share::among(sockets.len()).into_iter();
        let mut shares: Vec<_> = (0..addresses).map(share).collect();
        for (number, pairs) in sockets.into_iter().enumerate() {
            let shares = shares.iter_mut().filter_map(Iterator::next);
            let pairs: Vec<_> = pairs.into_iter().zip(shares).collect();
            let (pipeline, seats, drain) = (pipeline.clone(), seats.clone(), drain.clone());
            let (running, engine) = (running.clone(), engine.take());
            start_thread(format!("dns-{number}"), move |runtime| {
                if let Some(engine) = engine {
                    runtime.spawn_local(engine.run());
                }
                run(&runtime, async move {
                    let (worker, mailbox) = Worker::with_mailbox(pipeline);
                    // It ends with the runtime, when every query has had its answer.
                    tokio::task::spawn_local(mailbox.deliver());
                    let served = serve(pairs, worker, seats, drain).await;
                    if let Err(error) = served {
                        tracing::error!(%error, "a thread cannot serve its sockets");
                    }
                });
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
fn start_upstream(engine: Engine) -> Result<(), StartError> {
    start_thread("upstream".to_owned(), move |runtime| run(&runtime, engine.run()))
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

/// Runs a future as a task: waking what a runtime blocks on costs a system call, waking a task of
/// its own thread does not.
fn run(runtime: &LocalRuntime, future: impl Future<Output = ()> + 'static) {
    if let Err(error) = runtime.block_on(runtime.spawn_local(future)) {
        tracing::error!(%error, "a thread ended by a defect of ours");
    }
}

/// Starts a thread with a runtime of its own, and returns when it has one.
fn start_thread(
    name: String,
    run: impl FnOnce(LocalRuntime) + Send + 'static,
) -> Result<(), StartError> {
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let thread = move || {
        // It is bound to the thread that makes it.
        let made = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        match made {
            Ok(runtime) => {
                let _ = tell.send(Ok(()));
                run(runtime);
            }
            Err(error) => {
                let _ = tell.send(Err(error));
            }
        }
    };
    thread::Builder::new().name(name).spawn(thread).map_err(StartError::Thread)?;
    told.recv().unwrap_or_else(|gone| Err(io::Error::other(gone))).map_err(StartError::Thread)
}
