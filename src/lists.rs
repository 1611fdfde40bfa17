//! Lists of the configuration go in, one matcher and the state of each list come out.
//!
//! A list's text comes from a file, from the configuration, from a URL or from the catalogue. What was downloaded is
//! kept (on disk, or in memory where there is no disk), and the last good copy stays in force when
//! a download fails or brings what is not to be trusted. Compiling runs on a thread of its own.

mod client;
mod compile;
mod compiled;
mod copies;
mod fetch;
mod files;
mod guard;
mod measure;
mod origin;
mod pipe;
mod record;
mod renew;
mod resolve;
mod schedule;
mod spool;
mod status;
mod text;
pub mod unpack;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use blocker::{BuildError, ListReport};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::{task::JoinError, time::Instant};

use crate::{
    background::give_way,
    causes,
    config::{Config, List, ListSource},
    policy::Lists,
    upstream::Upstream,
};

use client::Patience;
use compiled::CompiledLists;
use copies::Copies;
use fetch::Fetcher;
use files::Files;
use renew::News;
use schedule::Schedule;
pub use status::{Kinds, ListState, ListStatus};

/// Downloads at a time: quick for a handful of lists, polite to one host that has them all.
const DOWNLOADS: usize = 4;

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

/// Which files of lists are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// Those at rest; of one that somebody may be writing just now, what was read before stays.
    #[default]
    AtRest,
    /// All of them, as they are now: somebody has asked for that.
    All,
}

/// Everything that is known of the lists' texts and how they did.
pub struct ListStore {
    copies: Copies,
    compiled: CompiledLists,
    files: Files,
    fetcher: Fetcher,
    schedule: Schedule,
    status: Mutex<Vec<ListStatus>>,
    refused: Mutex<Refused>,
    /// By which lists count; none before the first were published.
    in_force: Mutex<Option<Arc<Config>>>,
    /// Held while a text is compiled to be judged: several at once would take several times the
    /// memory.
    weighing: Arc<tokio::sync::Mutex<()>>,
}

/// Why lists are not put into force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// They do not go together in one matcher.
    #[error("the lists cannot be put into force")]
    Join(#[from] BuildError),
    /// Compiling ended before its time.
    #[error("compiling lists ended by a defect of ours; please report it")]
    Defect(#[from] JoinError),
}

/// How often which list's text was refused, and why.
type Refused = BTreeMap<(String, &'static str), u64>;

impl ListStore {
    /// A store whose downloads go through this upstream and are kept in `data_dir`.
    pub fn new(config: &Config, upstream: Upstream) -> Self {
        // Without randomness servers only meet more often at the lists' hosts.
        let seed = getrandom::u64().unwrap_or_default();
        let compiled = CompiledLists::new(config.data_dir.as_deref());
        Self { compiled, ..Self::with(config, Fetcher::new(upstream, Patience::ORDINARY), seed) }
    }

    /// The same, that writes nothing to disk.
    pub fn for_reading(config: &Config, upstream: Upstream) -> Self {
        Self::with(config, Fetcher::new(upstream, Patience::ORDINARY), 0)
    }

    fn with(config: &Config, fetcher: Fetcher, seed: u64) -> Self {
        Self {
            compiled: CompiledLists::new(None),
            copies: Copies::new(config.data_dir.as_deref()),
            files: Files::default(),
            fetcher,
            schedule: Schedule::new(seed),
            status: Mutex::default(),
            refused: Mutex::default(),
            in_force: Mutex::default(),
            weighing: Arc::default(),
        }
    }

    /// Compiles what is at hand: files, inline lists and kept copies.
    ///
    /// # Errors
    /// Where they cannot be put into force; what is in force can stay, and is told to be stale.
    pub async fn load(
        self: &Arc<Self>,
        config: &Arc<Config>,
        reading: Reading,
    ) -> Result<Lists, LoadError> {
        let (store, of) = (self.clone(), config.clone());
        let compiling = tokio::task::spawn_blocking(move || {
            give_way();
            store.compile(&of, reading)
        });
        let compiled = match compiling.await {
            Ok(compiled) => compiled.map_err(LoadError::from),
            Err(error) => Err(error.into()),
        };
        compiled.inspect_err(|error| self.note_not_in_force(config, &causes::one_line(error)))
    }

    fn note_not_in_force(&self, config: &Config, error: &str) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let lists = config.lists.iter().filter(|list| list.enabled);
        let noted = lists.map(|list| {
            let before = status.iter().find(|status| status.name == list.name).cloned();
            let none = || ListStatus::new(list, &ListReport::default(), None, None);
            before.unwrap_or_else(none).not_renewed(error)
        });
        *status = noted.collect();
    }

    /// Notes by which configuration lists count from now on: what was asked for by another is worth
    /// nothing any more, unless that has the same list.
    pub fn note_in_force(&self, config: &Arc<Config>) {
        *self.in_force.lock().unwrap_or_else(PoisonError::into_inner) = Some(config.clone());
    }

    /// Forgets what belongs to none of the lists that are configured: copies, compiled forms, and
    /// how they did.
    pub async fn forget_all_but(self: &Arc<Self>, config: &Arc<Config>) {
        let (store, config) = (self.clone(), config.clone());
        let forgotten = tokio::task::spawn_blocking(move || store.forget_lists_but(&config)).await;
        if let Err(error) = forgotten {
            tracing::error!(%error, "forgetting old lists ended by a defect of ours");
        }
    }

    /// Downloads lists anew, a few at a time.
    pub fn download<'a>(self: &'a Arc<Self>, config: &'a Config, which: Which) -> Downloads<'a> {
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
        self.schedule.due(url, list.refresh)
    }

    /// The lists whose files are others than when they were last compiled. To be asked again and
    /// again: a change counts when a file is the same in two looks.
    pub async fn changed_files(self: &Arc<Self>, config: &Arc<Config>) -> Vec<String> {
        if local(config).next().is_none() {
            return Vec::new();
        }
        let (store, config) = (self.clone(), config.clone());
        // A look at a file on a network can take its time.
        let looking = tokio::task::spawn_blocking(move || {
            let changed = store.files.changed(local(&config).map(|(_, path)| path));
            let lists = local(&config).filter(|(_, path)| changed.contains(path));
            lists.map(|(list, _)| list.name.clone()).collect()
        });
        looking.await.unwrap_or_default()
    }

    /// How each list does, in the order of the configuration.
    pub fn status(&self) -> Vec<ListStatus> {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        status.into_iter().map(|list| list.brought_up_to_date(&self.schedule)).collect()
    }

    /// How often texts were refused: list, reason, times.
    pub fn refused(&self) -> Vec<(String, &'static str, u64)> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.iter().map(|((list, reason), times)| (list.clone(), *reason, *times)).collect()
    }

    fn forget_lists_but<'c>(&self, config: &'c Config) {
        let url = |list: &'c List| match &list.source {
            ListSource::Url(url) => Some(url.as_str()),
            ListSource::Path(_) | ListSource::Inline(_) | ListSource::Service(_) => None,
        };
        let urls: Vec<&str> = config.lists.iter().filter_map(url).collect();
        let paths: Vec<&Path> = local(config).map(|(_, path)| path).collect();
        self.copies.forget_all_but(&urls);
        self.forget_compiled_but(config);
        self.schedule.forget_all_but(&urls);
        self.files.forget_all_but(&paths);
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.retain(|(name, _), _| config.lists.iter().any(|list| list.name == *name));
    }

    async fn download_one(self: &Arc<Self>, config: &Config, list: &List, url: &str) -> bool {
        self.renew(config, list, url).await == News::Text
    }
}

/// Downloads under way; dropping it ends them, and what has become a copy stays one.
pub struct Downloads<'a> {
    store: &'a Arc<ListStore>,
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
        ListSource::Path(_) | ListSource::Inline(_) | ListSource::Service(_) => None,
    })
}

/// The lists that are files, with their paths.
fn local(config: &Config) -> impl Iterator<Item = (&List, &Path)> {
    config.lists.iter().filter(|list| list.enabled).filter_map(|list| match &list.source {
        ListSource::Path(path) => Some((list, path.as_path())),
        ListSource::Url(_) | ListSource::Inline(_) | ListSource::Service(_) => None,
    })
}
