//! A configuration goes in, a running server comes out: sockets are bound, threads and tasks are
//! started in order and drained in reverse. The only place that knows all the parts.

mod bind;
pub(crate) mod drain;
mod holder;
mod http;
mod kept_cache;
mod publish;
mod sockets;
mod state;
mod threads;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::{
    admin::AdminBackend,
    config::Config,
    control::{Control, SocketError},
    listener::tcp::Seats,
    lists::ListStore,
    metrics::{self, Health, Scrape},
    pipeline::Pipeline,
    upstream::UpstreamError,
};

pub use bind::{BindError, TakenPort};
pub use drain::Drain;
pub use state::{FirstPassword, PasswordProblem};

pub(crate) use holder::Holder;
pub(crate) use kept_cache::KeptCache;
pub(crate) use publish::Publisher;

use drain::DrainTrigger;
use sockets::Sockets;
use threads::DataPlane;

/// Longest that queries in flight hold up the end.
const DRAIN: Duration = Duration::from_secs(5);

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be had.
    #[error("{0}")]
    Bind(#[from] BindError),
    /// There is no way to ask an upstream.
    #[error("{0}")]
    Upstream(#[from] UpstreamError),
    /// Another server has the control socket.
    #[error("{0}")]
    ControlSocket(#[from] SocketError),
    /// No thread can be started.
    #[error("a thread cannot be started; is a limit on processes too low?")]
    Thread(#[source] std::io::Error),
    /// No password can be made.
    #[error("the first password cannot be made")]
    Password(#[from] PasswordProblem),
}

/// A running server.
pub struct Server {
    addresses: Addresses,
    first_password: Option<FirstPassword>,
    publisher: Arc<Publisher>,
    health: Arc<Health>,
    data_plane: DataPlane,
    kept: Arc<KeptCache>,
    drain: DrainTrigger,
    tasks: JoinSet<()>,
}

/// Where a server can be reached, after ports were chosen.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// UDP and TCP.
    pub dns: Vec<SocketAddr>,
    /// The admin listener, where it is a TCP one.
    pub admin: Option<SocketAddr>,
    /// The path below which the admin listener serves.
    pub admin_path: String,
    /// The metrics listener, where it is a TCP one.
    pub metrics: Option<SocketAddr>,
    /// Where commands reach it, where they can.
    pub control: Option<PathBuf>,
}

impl Server {
    /// Binds every socket, then starts to answer; lists load while it already does.
    ///
    /// # Errors
    /// Where a socket cannot be bound or a part cannot be made. Nothing is left running then.
    pub async fn start(mut config: Config, taken: TakenPort) -> Result<Self, StartError> {
        config.data_dir = state::usable(config.data_dir.take());
        let config = Arc::new(config);
        let sockets = Sockets::bind(&config, taken)?;
        let addresses = sockets.addresses(&config);
        let (pipeline, engine) = Pipeline::new(&config)?;
        let (drain, watch) = drain::channel();
        let seats = Arc::new(Seats::new(pipeline.metrics.clone()));
        let kept = KeptCache::new(pipeline.clone());
        kept.restore().await;
        let data_plane = DataPlane::start(sockets.dns, &pipeline, engine, &seats, &watch)?;
        let (hash, first_password) = state::password(&config).await?;

        let lists = Arc::new(ListStore::new(&config, pipeline.upstream.clone()));
        let health = Arc::new(Health::bound_now());
        let publisher =
            Arc::new(Publisher::new(pipeline.clone(), lists.clone(), Box::new(Timestamp::now)));
        let control = Control {
            pipeline: pipeline.clone(),
            lists: lists.clone(),
            health: health.clone(),
            publisher: publisher.clone(),
            kept: kept.clone(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(pipeline.upstream.addresses().keep());
        tasks.spawn(pipeline.cache.clone().keep_swept());
        if let Some(socket) = sockets.control {
            tasks.spawn(socket.serve(Arc::new(control)));
        }
        if let Some(listener) = sockets.admin {
            let backend = AdminBackend::new(pipeline.clone(), lists.clone(), health.clone(), hash);
            let settings = admin_ui::Settings { base_path: config.admin.base_path.clone() };
            tasks.spawn(listener.serve(admin_ui::router(Arc::new(backend), settings)));
        }
        if let Some(listener) = sockets.metrics {
            let scrape = Scrape { pipeline: pipeline.clone(), lists };
            tasks.spawn(listener.serve(metrics::router(scrape, health.clone())));
        }
        tasks.spawn(async move { pipeline.log.collect(&pipeline.published).await });
        let (keeper, watch) = (publisher.clone(), publisher.clone());
        tasks.spawn(async move { keeper.keep_lists_current().await });
        tasks.spawn(async move { watch.keep_schedules().await });
        tasks.spawn(kept.clone().run());
        Ok(Self { addresses, first_password, publisher, health, data_plane, kept, drain, tasks })
    }

    /// Where it can be reached.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The password that was made because none was configured; shown once, to the operator.
    pub fn first_password(&self) -> Option<&FirstPassword> {
        self.first_password.as_ref()
    }

    /// Takes over a new configuration and reads every list again, without dropping a query;
    /// returns after the first attempt of each list. What cannot change while it runs is logged.
    ///
    /// # Errors
    /// Where its upstream settings cannot be used; then nothing changes.
    pub async fn reload(&self, mut config: Config) -> Result<(), UpstreamError> {
        config.data_dir = state::usable(config.data_dir.take());
        self.publisher.apply(Arc::new(config)).await
    }

    /// Notes that a new configuration was refused.
    pub fn note_refused_reload(&self) {
        self.publisher.note_refused();
    }

    /// Waits until every list has been loaded or has failed once.
    pub async fn lists_loaded(&self) {
        self.publisher.lists_loaded().await;
    }

    /// Ends in order: not ready, sockets read until empty, queries in flight answered, at most 5 s;
    /// then what is remembered is written, where it is to be kept.
    pub async fn shut_down(mut self) {
        self.health.drain();
        self.drain.start();
        let is_done = tokio::time::timeout(DRAIN, self.data_plane.done()).await.is_ok();
        if is_done {
            tracing::info!("every query is answered");
        } else {
            tracing::warn!("some queries are left without an answer after 5 s");
        }
        self.kept.finish().await;
        self.tasks.shutdown().await;
    }
}
