//! What all requests share: the server behind the page, its base path, sessions and limits.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{
    auth::{attempts::Attempts, session::Sessions},
    backend::{Backend, Settings},
    base_path::BasePath,
    live::MAX_STREAMS,
};

/// The state of one router.
pub(crate) struct Site {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) base: BasePath,
    pub(crate) sessions: Sessions,
    pub(crate) attempts: Attempts,
    /// One permit for each live stream that may be open.
    pub(crate) streams: Arc<Semaphore>,
}

impl Site {
    pub(crate) fn new(backend: Arc<dyn Backend>, settings: Settings) -> Self {
        Self {
            backend,
            base: BasePath::new(settings.base_path),
            sessions: Sessions::default(),
            attempts: Attempts::default(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
        }
    }
}
