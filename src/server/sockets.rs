//! A configuration goes in, every socket of a server comes out, bound and not yet served.

use super::{
    Addresses, StartError,
    bind::{self, Pair, TakenPort},
    http::Listener,
};
use crate::{config::Config, control::ControlSocket};

/// All sockets of a server.
pub(super) struct Sockets {
    pub(super) dns: Vec<Vec<Pair>>,
    pub(super) admin: Option<Listener>,
    pub(super) metrics: Option<Listener>,
    pub(super) control: Option<ControlSocket>,
}

impl Sockets {
    /// Binds all of them, or none.
    pub(super) fn bind(config: &Config, taken: TakenPort) -> Result<Self, StartError> {
        Ok(Self {
            dns: bind::dns(&config.dns, taken)?,
            admin: Listener::bind("admin.listen", &config.admin.listen, taken)?,
            metrics: Listener::bind("metrics.listen", &config.metrics.listen, taken)?,
            control: ControlSocket::bind(config)?,
        })
    }

    /// Where they can be reached.
    pub(super) fn addresses(&self, config: &Config) -> Addresses {
        Addresses {
            dns: bind::addresses(&self.dns),
            admin: self.admin.as_ref().and_then(Listener::address),
            admin_path: config.admin.base_path.clone(),
            metrics: self.metrics.as_ref().and_then(Listener::address),
            control: self.control.as_ref().map(|socket| socket.path().to_owned()),
        }
    }
}
