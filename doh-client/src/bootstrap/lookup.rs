//! The host of one or more servers goes in, its addresses come out, for as long as a client lives:
//! looked up once for all who wait, again when they expire, and never given up for nothing.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::answer::Records;
use super::{Found, LOOKUP_TIMEOUT, LookupProblem, Resolvers};
use crate::error::{Chain, Failure};
use crate::observer::{Event, Witness};

/// How soon addresses are looked up again at the earliest: providers give them TTLs of seconds to
/// move load about, and yet every address goes on working.
const REFRESH_AT_EARLIEST: Duration = Duration::from_secs(60);

/// How soon at the latest: some TTLs are as good as for ever.
const REFRESH_AT_LATEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The pause after a lookup that failed; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause while lookups fail.
const LONGEST_PAUSE: Duration = REFRESH_AT_EARLIEST;

/// Somebody who waits ends the pause, but not sooner than this after the last lookup: a question a
/// second is no storm.
const PAUSE_ON_DEMAND: Duration = Duration::from_secs(1);

/// The same while addresses are known which cannot be dialled: their server may have moved, and
/// more likely it is just down.
const PAUSE_IN_DOUBT: Duration = Duration::from_secs(10);

/// How long anybody waits for an address: for a pause to end, and for a lookup.
const PATIENCE: Duration = LOOKUP_TIMEOUT.saturating_add(PAUSE_ON_DEMAND);

/// Addresses of a family that are kept; more would never be dialled within the time to connect.
const MAX_ADDRESSES: usize = 8;

/// Remembers where servers are, over a restart or over a change of clients.
///
/// A client asks it once for each host that has to be looked up, and tells it what was found. It is
/// called from within exchanges, so it must not wait for anything.
///
/// ```
/// use std::{collections::HashMap, net::IpAddr, sync::Mutex};
///
/// #[derive(Default)]
/// struct InMemory(Mutex<HashMap<String, Vec<IpAddr>>>);
///
/// impl doh_client::AddressBook for InMemory {
///     fn recall(&self, host: &str) -> Vec<IpAddr> {
///         self.0.lock().unwrap().get(host).cloned().unwrap_or_default()
///     }
///
///     fn learn(&self, host: &str, addresses: &[IpAddr]) {
///         self.0.lock().unwrap().insert(host.to_owned(), addresses.to_vec());
///     }
/// }
/// ```
pub trait AddressBook: Send + Sync + 'static {
    /// The last addresses of a host that were found, if there are any.
    fn recall(&self, host: &str) -> Vec<IpAddr>;

    /// Takes down the addresses of a host in place of those before; never none.
    fn learn(&self, host: &str, addresses: &[IpAddr]);
}

/// The addresses of one host.
pub(crate) struct Lookup {
    host: Arc<str>,
    resolvers: Arc<Resolvers>,
    book: Option<Arc<dyn AddressBook>>,
    witness: Witness,
    stand: watch::Sender<Stand>,
    /// Ends a pause.
    demand: Arc<Notify>,
    task: Mutex<Option<AbortHandle>>,
}

/// What is known now.
#[derive(Default)]
struct Stand {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
    /// Both in the order they are dialled.
    list: Arc<[IpAddr]>,
    lookups: u64,
    /// What came of the last lookup, if that was nothing.
    failure: Option<Failure>,
}

impl Lookup {
    /// Starts with what the book knows of the host.
    pub(crate) fn new(
        host: &str,
        resolvers: Arc<Resolvers>,
        book: Option<Arc<dyn AddressBook>>,
        witness: Witness,
    ) -> Self {
        let known = book.as_ref().map(|book| book.recall(host)).unwrap_or_default();
        let (v4, v6) = known.into_iter().partition(IpAddr::is_ipv4);
        let mut stand = Stand { v4, v6, ..Stand::default() };
        stand.arrange();
        Self {
            host: host.into(),
            resolvers,
            book,
            witness,
            stand: watch::Sender::new(stand),
            demand: Arc::default(),
            task: Mutex::default(),
        }
    }

    /// The addresses that are known, else those that the lookup under way finds.
    pub(crate) async fn list(self: &Arc<Self>) -> Result<Arc<[IpAddr]>, Failure> {
        self.see_to_it();
        let mut stand = self.stand.subscribe();
        let seen = {
            let stand = stand.borrow_and_update();
            if !stand.list.is_empty() {
                return Ok(Arc::clone(&stand.list));
            }
            stand.lookups
        };
        self.demand.notify_one();
        let is_over = |stand: &Stand| !stand.list.is_empty() || stand.lookups > seen;
        match timeout(PATIENCE, stand.wait_for(is_over)).await {
            Ok(Ok(stand)) if !stand.list.is_empty() => Ok(Arc::clone(&stand.list)),
            Ok(Ok(stand)) => Err(stand.failure.clone().unwrap_or_else(|| self.silence())),
            // The task is gone with its runtime.
            Ok(Err(_)) | Err(_) => Err(self.silence()),
        }
    }

    /// Notes that no address could be dialled: they are looked up again soon.
    pub(crate) fn doubt(&self) {
        self.demand.notify_one();
    }

    /// Starts the task that looks up, where there is none, or it has ended with its runtime.
    fn see_to_it(self: &Arc<Self>) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(AbortHandle::is_finished) {
            let demand = Arc::clone(&self.demand);
            *task = Some(tokio::spawn(keep(Arc::downgrade(self), demand)).abort_handle());
        }
    }

    /// Looks up once; returns how long to pause then.
    async fn round(&self, failures: &mut u32) -> Pause {
        let found = self.resolvers.find(&self.host).await;
        let ttl = found.ttl();
        match self.settle(found) {
            Ok(changed) => {
                if *failures > 0 {
                    info!(host = %self.host, "addresses of the upstream's host are found again");
                }
                *failures = 0;
                self.tell(changed.as_deref());
                // Whoever waited has got what they waited for.
                let _ = self.demand.notified().now_or_never();
                Pause { longest: ttl, shortest: PAUSE_IN_DOUBT }
            }
            Err(failure) => {
                self.complain(*failures, &failure);
                let longest = FIRST_PAUSE.saturating_mul(1 << (*failures).min(16));
                *failures = failures.saturating_add(1);
                let longest = with_jitter(longest.min(LONGEST_PAUSE));
                Pause { longest, shortest: PAUSE_ON_DEMAND.min(longest) }
            }
        }
    }

    /// Takes in what was found; returns the addresses if they are others than before.
    fn settle(&self, found: Found) -> Result<Option<Arc<[IpAddr]>>, Failure> {
        let mut outcome = Ok(None);
        self.stand.send_modify(|stand| {
            stand.lookups += 1;
            let before = Arc::clone(&stand.list);
            let taken = stand.take(found);
            let changed = || (before != stand.list).then(|| Arc::clone(&stand.list));
            outcome = taken.map(|()| changed()).map_err(|problem| self.failure(problem));
            stand.failure = outcome.as_ref().err().cloned();
        });
        outcome
    }

    fn tell(&self, changed: Option<&[IpAddr]>) {
        let Some(addresses) = changed else { return };
        debug!(host = %self.host, ?addresses, "addresses of the upstream's host are found");
        self.witness.note(&Event::LookedUp(addresses));
        if let Some(book) = &self.book {
            book.learn(&self.host, addresses);
        }
    }

    /// Says it once, not at every attempt.
    fn complain(&self, failures: u32, failure: &Failure) {
        self.witness.note(&Event::LookupFailed(failure));
        let (error, host) = (Chain(failure), &self.host);
        if failures == 0 {
            warn!(%host, %error, "addresses of the upstream's host cannot be looked up");
        } else {
            debug!(%host, %error, "addresses of the upstream's host cannot be looked up yet");
        }
    }

    fn failure(&self, problem: LookupProblem) -> Failure {
        Failure::NoAddress { host: Arc::clone(&self.host), cause: Arc::new(problem) }
    }

    fn silence(&self) -> Failure {
        self.failure(LookupProblem::Timeout(PATIENCE))
    }
}

/// Nobody is left who wants to know.
impl Drop for Lookup {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task {
            task.abort();
        }
    }
}

impl Stand {
    /// Replaces each family that something was learnt of, unless nothing would be left.
    fn take(&mut self, found: Found) -> Result<(), LookupProblem> {
        let Found { v4, v6 } = found;
        let is_answered = [&v4, &v6].into_iter().flatten().any(|found| !found.addresses.is_empty());
        if !is_answered {
            return Err(v4.and(v6).err().unwrap_or(LookupProblem::NoAddress));
        }
        for (known, found) in [(&mut self.v4, v4), (&mut self.v6, v6)] {
            if let Ok(Records { addresses, .. }) = found {
                *known = addresses;
            }
        }
        self.arrange();
        Ok(())
    }

    /// Both families by turns, IPv6 first (RFC 8305 section 4), each in a steady order: resolvers
    /// give another one each time, which changes nothing.
    fn arrange(&mut self) {
        let mut list = Vec::new();
        for family in [&mut self.v4, &mut self.v6] {
            family.sort_unstable();
            family.dedup();
            family.truncate(MAX_ADDRESSES);
        }
        for turn in 0..self.v4.len().max(self.v6.len()) {
            list.extend([self.v6.get(turn), self.v4.get(turn)].into_iter().flatten());
        }
        self.list = list.into();
    }
}

impl Found {
    /// When to look again: soon where one family is not known.
    fn ttl(&self) -> Duration {
        let (Ok(v4), Ok(v6)) = (&self.v4, &self.v6) else { return REFRESH_AT_EARLIEST };
        let ttls = [v4, v6].into_iter().filter(|records| !records.addresses.is_empty());
        let ttl = ttls.map(|records| records.ttl).min().unwrap_or_default();
        ttl.clamp(REFRESH_AT_EARLIEST, REFRESH_AT_LATEST)
    }
}

/// How long nothing happens after a lookup.
struct Pause {
    /// Where nobody asks for another.
    longest: Duration,
    /// Where somebody does.
    shortest: Duration,
}

/// Looks up again and again, while somebody holds the lookup.
async fn keep(lookup: Weak<Lookup>, demand: Arc<Notify>) {
    let mut failures = 0;
    while let Some(strong) = lookup.upgrade() {
        let pause = strong.round(&mut failures).await;
        drop(strong);
        sleep(pause.shortest.min(pause.longest)).await;
        tokio::select! {
            () = sleep(pause.longest.saturating_sub(pause.shortest)) => {}
            () = demand.notified() => {}
        }
    }
}

/// Between half of a pause and all of it, so that many clients do not ask in step.
fn with_jitter(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX) / 2.0)
}

#[cfg(test)]
mod tests;
