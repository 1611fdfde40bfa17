//! Queries that want to wait for an upstream come in, a place for each comes out.
//!
//! There are so many places in all, and so many for one client, so that whoever asks for a
//! thousand slow names leaves room for everybody else.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Failure;
use crate::query::{Account, Asker};

/// All places.
pub(super) struct Places {
    free: Arc<Semaphore>,
    limit: usize,
    /// Only those who wait, so never more than there are places.
    of_clients: Mutex<HashMap<Account, usize>>,
    refused: AtomicU64,
    refused_to_client: AtomicU64,
}

/// A place that is taken until this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    client: Option<Account>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(limit)),
            limit,
            of_clients: Mutex::default(),
            refused: AtomicU64::new(0),
            refused_to_client: AtomicU64::new(0),
        }
    }

    /// Takes a place for a client that may have so many; without an account, only the limit of all
    /// counts. Forged addresses are as many clients as somebody likes, so half of the places are
    /// for those who have proven theirs.
    pub(super) fn take(
        self: &Arc<Self>,
        asker: Asker,
        limit_of_client: usize,
    ) -> Result<Place, Failure> {
        let (client, may_take) = match asker {
            Asker::Proven(client) => (client, true),
            Asker::Unproven(client) => (client, self.is_half_free()),
        };
        let permit = self.free.clone().try_acquire_owned().ok().filter(|_| may_take);
        let Some(permit) = permit else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Failure::Overloaded);
        };
        if let Some(client) = &client {
            let mut of_clients = self.of_clients.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = of_clients.entry(client.clone()).or_default();
            // Whoever has none yet gets one, so nothing is left behind where it is refused.
            if *taken >= limit_of_client {
                self.refused_to_client.fetch_add(1, Ordering::Relaxed);
                return Err(Failure::ClientOverloaded);
            }
            *taken += 1;
        }
        Ok(Place { places: self.clone(), client, _permit: permit })
    }

    /// A place for nobody, as long as half of them are free.
    pub(super) fn spare(self: &Arc<Self>) -> Option<Place> {
        let permit = self.free.clone().try_acquire_owned().ok().filter(|_| self.is_half_free())?;
        Some(Place { places: self.clone(), client: None, _permit: permit })
    }

    fn is_half_free(&self) -> bool {
        self.free.available_permits() * 2 >= self.limit
    }

    /// All places.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Places that are taken.
    pub(super) fn taken(&self) -> u64 {
        self.limit.saturating_sub(self.free.available_permits()) as u64
    }

    /// Queries that found no place: because all were taken, and because their client had its share.
    pub(super) fn refused(&self) -> [u64; 2] {
        [&self.refused, &self.refused_to_client].map(|refused| refused.load(Ordering::Relaxed))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(client) = &self.client else { return };
        let mut of_clients = self.places.of_clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = of_clients.get_mut(client) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                of_clients.remove(client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn client(last: u8) -> Asker {
        Asker::Proven(Some(Account::Address(IpAddr::from([192, 0, 2, last]))))
    }

    #[test]
    fn a_client_gets_its_share_and_leaves_the_rest_to_others() {
        let places = Arc::new(Places::new(5));
        let taken: Vec<Place> = (0..4).map_while(|_| places.take(client(1), 3).ok()).collect();

        assert_eq!(taken.len(), 3);
        let other = places.take(client(2), 3);
        let nobody = places.take(Asker::Proven(None), 3);
        assert!(other.is_ok() && nobody.is_ok());
        assert_eq!(places.take(client(3), 3).err(), Some(Failure::Overloaded));
        assert_eq!((places.taken(), places.refused()), (5, [1, 1]));
        drop((taken, other, nobody));
        assert_eq!(places.taken(), 0);
        assert!(places.of_clients.lock().unwrap().is_empty(), "nothing is left behind");
    }

    #[test]
    fn forged_addresses_leave_half_of_the_places_to_others() {
        let places = Arc::new(Places::new(10));
        let forge = |last| Asker::Unproven(Some(Account::Address(IpAddr::from([10, 0, 0, last]))));
        let taken: Vec<Place> =
            (0..10).filter_map(|last| places.take(forge(last), 9).ok()).collect();

        assert_eq!(taken.len(), 6);
        assert!(places.take(client(1), 9).is_ok());
    }
}
