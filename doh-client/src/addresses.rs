//! A server goes in, where it can be dialled comes out: where its URL says, or where its name leads.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::bootstrap::Resolvers;
use crate::bootstrap::lookup::{AddressBook, Lookup};
use crate::builder::BuildError;
use crate::error::Failure;
use crate::observer::Witness;
use crate::server::Server;

/// The addresses of one server.
pub(crate) struct Addresses(Source);

enum Source {
    Pinned(Arc<[SocketAddr]>),
    LookedUp { lookup: Arc<Lookup>, port: u16 },
}

impl Addresses {
    /// Those in the URL.
    pub(crate) fn pinned(server: &Server) -> Self {
        Self(Source::Pinned(server.addresses().into()))
    }

    /// Those that the name of the URL leads to.
    pub(crate) fn looked_up(server: &Server, lookup: Arc<Lookup>) -> Self {
        Self(Source::LookedUp { lookup, port: server.port() })
    }

    /// Where to dial now, most preferred first, one address at least. Waits only where none has
    /// ever been known.
    pub(crate) async fn list(&self) -> Result<Arc<[SocketAddr]>, Failure> {
        match &self.0 {
            Source::Pinned(addresses) => Ok(Arc::clone(addresses)),
            Source::LookedUp { lookup, port } => {
                let found = lookup.list().await?;
                Ok(found.iter().map(|address| SocketAddr::new(*address, *port)).collect())
            }
        }
    }

    /// Notes that none could be connected to: the server may have moved.
    pub(crate) fn doubt(&self) {
        if let Source::LookedUp { lookup, .. } = &self.0 {
            lookup.doubt();
        }
    }
}

/// The lookups of one client: one for each host, however many servers it has.
pub(crate) struct Lookups {
    /// Nothing where somebody else finds the servers.
    resolvers: Option<Arc<Resolvers>>,
    book: Option<Arc<dyn AddressBook>>,
    by_host: HashMap<String, Arc<Lookup>>,
}

impl Lookups {
    pub(crate) fn new(resolvers: Resolvers, book: Option<Arc<dyn AddressBook>>) -> Self {
        Self { resolvers: Some(Arc::new(resolvers)), book, by_host: HashMap::new() }
    }

    /// Where somebody else finds the servers by their names.
    pub(crate) fn not_needed() -> Self {
        Self { resolvers: None, book: None, by_host: HashMap::new() }
    }

    /// Where a server can be dialled; nothing is asked yet.
    pub(crate) fn addresses(
        &mut self,
        server: &Server,
        witness: &Witness,
    ) -> Result<Addresses, BuildError> {
        let Some(resolvers) = self.resolvers.as_ref().filter(|_| server.needs_lookup()) else {
            return Ok(Addresses::pinned(server));
        };
        let host = server.host().to_ascii_lowercase();
        if resolvers.are_none() {
            return Err(BuildError::NoAddress { host });
        }
        let lookup = self.by_host.entry(host).or_insert_with_key(|host| {
            let (resolvers, book) = (Arc::clone(resolvers), self.book.clone());
            Arc::new(Lookup::new(host, resolvers, book, witness.clone()))
        });
        Ok(Addresses::looked_up(server, Arc::clone(lookup)))
    }
}
