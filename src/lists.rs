//! Lists of the configuration go in, one matcher and the state of each list come out.
//!
//! A list's text comes from a file, from the configuration or from a URL. What was downloaded is
//! kept (on disk, or in memory where there is no disk), and the last good copy stays in force when
//! a download fails. Compiling runs on a thread of its own.

mod compile;
mod copies;
mod fetch;
mod resolve;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::Instant;

use crate::{
    causes,
    config::{Config, List, ListSource},
    policy::Lists,
    upstream::Upstream,
};

use copies::Copies;
use fetch::Fetcher;

/// Downloads at a time: quick for a handful of lists, polite to one host that has them all.
const DOWNLOADS: usize = 4;

/// How soon a list is tried again that could not be downloaded.
const RETRY: Duration = Duration::from_secs(300);

/// What is said of a list that nobody has tried to download yet.
const NOT_YET: &str = "not downloaded yet";

/// Which lists are downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them, now.
    All,
    /// Those whose time has come.
    Due,
}

/// Everything that is known of the lists' texts and how they did.
pub struct ListStore {
    copies: Copies,
    fetcher: Fetcher,
    status: Mutex<Vec<ListStatus>>,
}

/// How one list does.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ListStatus {
    /// Its name.
    pub name: String,
    /// `block` or `allow`.
    pub action: &'static str,
    /// Rules in force from it.
    pub rules: u64,
    /// Lines that were no rules.
    pub rejected: u64,
    /// How its last load went.
    pub state: ListState,
    /// What went wrong with the last load.
    pub error: Option<String>,
    /// When the text in force was loaded, in milliseconds since 1970.
    pub updated: Option<u64>,
}

/// How a list's last load went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ListState {
    /// Its text is current.
    Ok,
    /// The last load failed; the copy before it is in force.
    Stale,
    /// There is no text.
    Failed,
}

/// A list's text and how it was come by.
struct Text {
    bytes: Arc<[u8]>,
    loaded: SystemTime,
    error: Option<String>,
}

impl ListStore {
    /// A store whose downloads go through this upstream and are kept in `data_dir`.
    pub fn new(config: &Config, upstream: Upstream) -> Self {
        Self {
            copies: Copies::new(config.data_dir.as_deref()),
            fetcher: Fetcher::new(upstream),
            status: Mutex::default(),
        }
    }

    /// Compiles what is at hand: files, inline lists and kept copies.
    pub async fn load(self: &Arc<Self>, config: &Arc<Config>) -> Lists {
        let (store, of) = (self.clone(), config.clone());
        let compile = move || {
            let lists = store.compile(&of);
            store.copies.forget_all_but(&of);
            lists
        };
        match tokio::task::spawn_blocking(compile).await {
            Ok(lists) => lists,
            Err(error) => {
                tracing::error!(%error, "compiling lists ended by a defect of ours; no list counts");
                Lists { are_loaded: true, ..Lists::default() }
            }
        }
    }

    /// Downloads lists anew, a few at a time.
    pub fn download<'a>(&'a self, config: &'a Config, which: Which) -> Downloads<'a> {
        let now = Instant::now();
        let mut waiting = Vec::new();
        for (list, url) in remote(config) {
            if which == Which::All || self.due_at(list, url).is_none_or(|due| due <= now) {
                waiting.push((list, url));
            }
        }
        let waiting = waiting.into_iter();
        Downloads { store: self, config, waiting, under_way: FuturesUnordered::new() }
    }

    /// When the next list is due, where any is downloaded at all.
    pub fn next_download(&self, config: &Config) -> Option<Instant> {
        let due = |(list, url)| self.due_at(list, url).unwrap_or_else(Instant::now);
        remote(config).map(due).min()
    }

    fn due_at(&self, list: &List, url: &str) -> Option<Instant> {
        let (last, has_failed) = self.copies.last_attempt(url)?;
        Some(last + if has_failed { list.refresh.min(RETRY) } else { list.refresh })
    }

    /// How each list does, in the order of the configuration.
    pub fn status(&self) -> Vec<ListStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn download_one(&self, config: &Config, list: &List, url: &str) -> bool {
        match self.fetcher.fetch(&config.upstream, list, url).await {
            Ok(text) => {
                tracing::info!(list = %list.name, bytes = text.len(), "downloaded a list");
                self.copies.keep(url, text)
            }
            Err(error) => {
                let error = causes::one_line(&error);
                tracing::warn!(list = %list.name, %error, "a list could not be downloaded");
                self.copies.note_failure(url, error)
            }
        }
    }
}

/// Downloads under way; dropping it ends them, and what has arrived is kept.
pub struct Downloads<'a> {
    store: &'a ListStore,
    config: &'a Config,
    waiting: std::vec::IntoIter<(&'a List, &'a str)>,
    under_way: FuturesUnordered<BoxFuture<'a, bool>>,
}

impl Downloads<'_> {
    /// Waits until a download has changed something or failed anew; false when all have ended.
    ///
    /// # Cancel safety
    /// Safe: nothing that has arrived is lost.
    pub async fn next_change(&mut self) -> bool {
        loop {
            while self.under_way.len() < DOWNLOADS
                && let Some((list, url)) = self.waiting.next()
            {
                self.under_way.push(self.store.download_one(self.config, list, url).boxed());
            }
            match self.under_way.next().await {
                Some(true) => {
                    // Whatever else has arrived counts in the same go.
                    while let Some(Some(_)) = self.under_way.next().now_or_never() {}
                    return true;
                }
                Some(false) => {}
                None => return false,
            }
        }
    }
}

/// The lists that are downloaded, with their URLs.
fn remote(config: &Config) -> impl Iterator<Item = (&List, &str)> {
    config.lists.iter().filter(|list| list.enabled).filter_map(|list| match &list.source {
        ListSource::Url(url) => Some((list, url.as_str())),
        ListSource::Path(_) | ListSource::Inline(_) => None,
    })
}

impl Text {
    fn now(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), loaded: SystemTime::now(), error: None }
    }

    fn none() -> Self {
        Self { bytes: Arc::default(), loaded: SystemTime::UNIX_EPOCH, error: None }
    }
}
