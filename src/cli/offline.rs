//! A configuration goes in, the policy that a server would make of it comes out, from files and
//! kept copies alone: nothing is downloaded, and nothing on disk changes.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Exit, control::Reach, error_line, read};
use crate::{
    cache::Cache,
    causes,
    config::Config,
    lists::{ListStatus, ListStore, Reading},
    policy::Policy,
    upstream::Upstream,
};

/// What a server would be told, and what it would make of it.
pub(super) struct Offline {
    pub(super) config: Arc<Config>,
    pub(super) policy: Policy,
    pub(super) lists: Vec<ListStatus>,
}

impl Offline {
    /// Reads the configuration and the lists that are at hand.
    ///
    /// # Errors
    /// The code to end with; why is told already.
    pub(super) fn read(reach: &Reach) -> Result<Self, Exit> {
        let config = Arc::new(read(&reach.config.source())?);
        // Lists are fetched through an upstream, which is never asked here.
        let (upstream, _) = Upstream::new(&config, Cache::new(0)).map_err(|error| {
            error_line(causes::one_line(&error));
            Exit::Config
        })?;
        let store = ListStore::for_reading(&config, upstream);
        let lists = store.compile(&config, Reading::All).map_err(|error| {
            error_line(causes::one_line(&error));
            Exit::Config
        })?;
        let policy = Policy::new(config.clone(), lists, Timestamp::now());
        Ok(Self { config, policy, lists: store.status() })
    }
}
