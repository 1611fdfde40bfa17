//! The file of the cache: read at the start, written every few minutes and at the end, so that a
//! restart does not begin with nothing.
//!
//! It is written aside and renamed, by threads that run when no other wants to; at the start and at
//! the end somebody waits, so there it is done like any other work. Whatever is wrong with the file,
//! the server begins with an empty cache, as it would without. Where answers are not to be kept, a
//! file that is there is removed.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::{Mutex, OwnedMutexGuard, oneshot},
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};

use crate::{
    cache::{Bounds, Damage, Moment, Terms},
    causes,
    pipeline::Pipeline,
};

/// The file, in the data directory.
const FILE: &str = "answers.cache";

/// The same while it is being written.
const UNFINISHED: &str = "answers.unfinished";

/// Time between two writings: what is lost when the server or the power fails. A home's cache has
/// 2 MiB, which so are 300 MiB a day; a memory card bears that for as long as it lives.
const INTERVAL: Duration = Duration::from_secs(600);

/// Time between two looks at whether answers are still to be kept.
const LOOK: Duration = Duration::from_secs(30);

/// Longest that the first answer waits for the file; the rest of it is read while others are
/// answered. A cache of the usual size takes less.
const START: Duration = Duration::from_millis(100);

/// Longest that writing it may take at the end: with the end of queries in flight it is a third of
/// what Kubernetes gives a container.
const END: Duration = Duration::from_secs(5);

/// Longest that it may take else. A disk that is slower has other worries.
const WRITING: Duration = Duration::from_secs(120);

/// Keeps the cache over a restart.
pub(crate) struct KeptCache {
    pipeline: Arc<Pipeline>,
    /// None: nothing is kept on disk.
    directory: Option<PathBuf>,
    /// Held while the file is read or written.
    turn: Arc<Mutex<()>>,
    written: std::sync::Mutex<Written>,
    restored: AtomicU64,
    /// Whether the server ends: what is being written then gives way to the last writing.
    is_ending: AtomicBool,
}

/// The last time that it was written.
#[derive(Clone, Copy, Debug)]
struct Written {
    /// None: there is no file.
    at: Option<SystemTime>,
    /// Answers that had been taken in before.
    inserted: u64,
    /// Times that something had been forgotten before.
    flushed: u64,
    /// When it is written next, where something has changed.
    next: Instant,
}

impl KeptCache {
    /// Keeps the cache of a pipeline in the data directory of its configuration.
    pub(super) fn new(pipeline: Arc<Pipeline>) -> Arc<Self> {
        let directory = pipeline.published.load().config.data_dir.clone();
        let written =
            Written { at: None, inserted: 0, flushed: 0, next: Instant::now() + INTERVAL };
        Arc::new(Self {
            pipeline,
            directory,
            turn: Arc::default(),
            written: written.into(),
            restored: AtomicU64::new(0),
            is_ending: AtomicBool::new(false),
        })
    }

    /// Reads the file of the last run; returns when that is done, or goes on with it behind.
    pub(super) async fn restore(self: &Arc<Self>) {
        if !self.is_wanted() {
            return self.remove();
        }
        let (kept, turn, now) = (self.clone(), self.turn.clone().lock_owned().await, now());
        let (done, reading) = oneshot::channel();
        let read = move || {
            kept.read(now, turn);
            // Whoever waited may have gone on.
            let _ = done.send(());
        };
        if let Err(error) = thread::Builder::new().name("cache-file".to_owned()).spawn(read) {
            tracing::warn!(%error, "the cache of the last run cannot be read");
        }
        let _ = timeout(START, reading).await;
    }

    /// Writes the file every few minutes.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            sleep(LOOK).await;
            let Written { inserted, flushed, next, .. } = self.written();
            if !self.is_wanted() {
                self.remove();
            } else if flushed != self.pipeline.cache.flushed() {
                // What a reload has made forget would come back after a sudden end.
                self.rewrite().await;
            } else if Instant::now() >= next && inserted != self.pipeline.cache.inserted() {
                self.write_or_warn().await;
            }
        }
    }

    /// Writes the file anew because something was forgotten; where that cannot be, there is none, so
    /// that nothing comes back.
    pub(crate) async fn rewrite(self: &Arc<Self>) {
        if !self.write_or_warn().await {
            self.remove();
        }
    }

    /// Writes the file for the last time, or sees that there is none.
    pub(super) async fn finish(self: &Arc<Self>) {
        if !self.is_wanted() {
            return self.remove();
        }
        self.is_ending.store(true, Ordering::Relaxed);
        let latest = std::time::Instant::now() + END;
        let Ok(turn) = timeout(END, self.turn.clone().lock_owned()).await else {
            return tracing::warn!("the cache's file stays as it was: it is still being read");
        };
        // Nobody is answered any more, and other threads might get no time on a busy machine.
        if let Err(error) = self.write_file(now(), latest, turn) {
            tracing::warn!(%error, "the cache is not kept over this restart");
        }
    }

    /// When the file was last written, by this run or the one before.
    pub(crate) fn written_at(&self) -> Option<SystemTime> {
        self.written().at
    }

    /// Answers that came from the last run.
    pub(crate) fn restored(&self) -> u64 {
        self.restored.load(Ordering::Relaxed)
    }

    /// Whether answers are to be kept, as it is configured now.
    pub(crate) fn is_wanted(&self) -> bool {
        self.directory.is_some() && self.pipeline.published.load().config.may_keep_answers()
    }

    /// Writes the file; whether that worked.
    async fn write_or_warn(self: &Arc<Self>) -> bool {
        let written = self.write().await;
        // At the end there is another writing, which says so itself.
        if let Err(error) = &written
            && !self.is_ending.load(Ordering::Relaxed)
        {
            tracing::warn!(%error, "the cache cannot be kept over a restart; is data_dir full?");
        }
        written.is_ok()
    }

    async fn write(self: &Arc<Self>) -> io::Result<()> {
        if !self.is_wanted() {
            return Ok(());
        }
        let latest = std::time::Instant::now() + WRITING;
        let (kept, turn, now) = (self.clone(), self.turn.clone().lock_owned().await, now());
        let write = move || kept.write_file(now, latest, turn);
        spawn_blocking(write).await.map_err(io::Error::other)?
    }

    fn write_file(
        &self,
        now: Moment,
        latest: std::time::Instant,
        _turn: OwnedMutexGuard<()>,
    ) -> io::Result<()> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let (inserted, flushed) = (self.pipeline.cache.inserted(), self.pipeline.cache.flushed());
        let next = now.here + INTERVAL;
        // Whatever comes of it, it is not tried again at once.
        self.note(|written| *written = Written { inserted, flushed, next, ..*written });
        let unfinished = directory.join(UNFINISHED);
        let saved = self.save(&unfinished, now, latest).and_then(|saved| {
            fs::rename(&unfinished, directory.join(FILE))?;
            Ok(saved)
        });
        if saved.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        tracing::debug!(answers = saved?, "the cache is on disk");
        self.note(|written| written.at = Some(SystemTime::now()));
        Ok(())
    }

    fn save(&self, path: &Path, now: Moment, latest: std::time::Instant) -> io::Result<u64> {
        // It tells what people look at: nobody else may read it.
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
        let is_ending = || self.is_ending.load(Ordering::Relaxed);
        let at_the_end = is_ending();
        let is_too_late = || std::time::Instant::now() > latest || is_ending() != at_the_end;
        let (saved, file) = self.pipeline.cache.save(file, now, is_too_late)?;
        file.sync_data()?;
        Ok(saved)
    }

    fn read(&self, now: Moment, _turn: OwnedMutexGuard<()>) {
        let Some(directory) = &self.directory else { return };
        let _ = fs::remove_file(directory.join(UNFINISHED));
        match self.read_file(&directory.join(FILE), now) {
            Ok(answers) => tracing::info!(answers, "the cache of the last run is back"),
            Err(Damage::Read(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let error = causes::one_line(&error);
                tracing::warn!(%error, "the cache of the last run cannot be used and begins anew");
            }
        }
    }

    fn read_file(&self, path: &Path, now: Moment) -> Result<u64, Damage> {
        let file = File::open(path)?;
        let at = file.metadata().and_then(|file| file.modified()).ok();
        let servers = self.pipeline.upstream.status();
        let terms = Terms {
            bounds: Bounds::from(&self.pipeline.published.load().config.cache),
            upstreams: servers.into_iter().map(|server| server.server.into()).collect(),
        };
        let restored = self.pipeline.cache.restore(file, now, &terms)?;
        self.restored.store(restored, Ordering::Relaxed);
        self.note(|written| written.at = at);
        Ok(restored)
    }

    /// Removes what an earlier configuration has left.
    fn remove(&self) {
        for name in [FILE, UNFINISHED] {
            let path = self.directory.as_ref().map(|directory| directory.join(name));
            let removed = path.map(fs::remove_file);
            if let Some(Err(error)) = removed
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(name, %error, "what was kept of the cache cannot be removed");
            }
        }
        self.note(|written| written.at = None);
    }

    fn written(&self) -> Written {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, change: impl FnOnce(&mut Written)) {
        change(&mut self.written.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn now() -> Moment {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment { here: Instant::now(), wall }
}

#[cfg(test)]
mod tests {
    use blocker::Name;
    use tempfile::TempDir;
    use tokio::task::AbortHandle;

    use super::*;
    use crate::{
        cache::{Arrival, Entry, Key},
        config::{Config, Environment},
    };

    const ANSWER: &[u8] = b"\0\0\x81\x80\0\x01\0\x01\0\0\0\0\x01a\x04test\0\0\x01\0\x01\
        \xc0\x0c\0\x01\0\x01\0\0\x0e\x10\0\x04\xc0\0\x02\x01";

    /// A run of the server, as far as its cache goes.
    ///
    /// Dropped, it ends as by a failure of power: nothing is written any more. While two of them
    /// live, a clock that stands still goes on when one waits, and the other would write.
    struct Run {
        pipeline: Arc<Pipeline>,
        kept: Arc<KeptCache>,
        writing: AbortHandle,
    }

    impl Run {
        async fn begin(data: &TempDir, toml: &str) -> Self {
            let toml = format!("data_dir = '{}'\n{toml}", data.path().display());
            let config = Arc::new(Config::parse(&toml, &Environment::default()).unwrap());
            let (pipeline, _engine) = Pipeline::new(&config).unwrap();
            let kept = KeptCache::new(pipeline.clone());
            kept.restore().await;
            // A clock that stands still does not wait for other threads.
            drop(kept.turn.lock().await);
            let writing = tokio::spawn(kept.clone().run()).abort_handle();
            Self { pipeline, kept, writing }
        }

        fn key(letter: char) -> Key {
            let name = Name::parse(&format!("{letter}.test")).unwrap();
            Key {
                name,
                qtype: 1,
                dnssec_ok: false,
                checking_disabled: false,
                route: crate::route::RouteId::default(),
            }
        }

        fn learn(&self, letter: char) {
            let mut answer = ANSWER.to_vec();
            answer[13] = letter as u8;
            let upstream = self.pipeline.upstream.status()[0].server.as_str().into();
            let arrival =
                Arrival { answer: &answer, age: Duration::ZERO, at: Instant::now(), upstream };
            let bounds = Bounds::from(&self.pipeline.published.load().config.cache);
            let entry = Entry::new(&Self::key(letter), &arrival, &bounds).unwrap();
            self.pipeline.cache.insert(&Self::key(letter), Arc::new(entry));
        }

        fn knows(&self, letter: char) -> bool {
            self.pipeline.cache.get(&Self::key(letter)).is_some()
        }
    }

    impl Drop for Run {
        fn drop(&mut self) {
            self.writing.abort();
        }
    }

    const PERSIST: &str = "cache.persist = true";

    #[tokio::test(start_paused = true)]
    async fn a_sudden_end_costs_what_came_since_the_last_writing() {
        let data = tempfile::tempdir().unwrap();
        let first = Run::begin(&data, PERSIST).await;
        first.learn('a');
        sleep(INTERVAL + LOOK).await;
        // Nobody waits for the writing, but for the thread that does it.
        drop(first.kept.turn.lock().await);
        let written = first.kept.written_at().expect("a file");
        first.learn('b');
        sleep(INTERVAL - 3 * LOOK).await;
        assert_eq!(first.kept.written_at(), Some(written));

        drop(first);
        let second = Run::begin(&data, PERSIST).await;

        assert_eq!((second.knows('a'), second.knows('b')), (true, false));
        assert_eq!(second.kept.restored(), 1);
        assert!(second.kept.written_at().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_forgotten_is_soon_forgotten_on_the_disk() {
        let data = tempfile::tempdir().unwrap();
        let first = Run::begin(&data, PERSIST).await;
        first.learn('a');
        sleep(INTERVAL + LOOK).await;
        drop(first.kept.turn.lock().await);
        first.pipeline.cache.forget(&Name::ROOT);
        sleep(2 * LOOK).await;
        drop(first.kept.turn.lock().await);

        drop(first);
        let second = Run::begin(&data, PERSIST).await;

        assert!(!second.knows('a'));
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_not_changed_is_not_written_again() {
        let data = tempfile::tempdir().unwrap();
        let first = Run::begin(&data, PERSIST).await;
        sleep(3 * INTERVAL).await;
        assert_eq!(first.kept.written_at(), None);
        first.learn('a');
        sleep(2 * LOOK).await;
        drop(first.kept.turn.lock().await);
        let written = first.kept.written_at();

        sleep(3 * INTERVAL).await;

        assert!(written.is_some() && first.kept.written_at() == written);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_to_be_kept_is_removed() {
        for toml in ["", "cache.persist = true\nquery_log.privacy = 'hide-names'"] {
            let data = tempfile::tempdir().unwrap();
            let first = Run::begin(&data, PERSIST).await;
            first.learn('a');
            first.kept.finish().await;
            assert!(data.path().join(FILE).exists());

            drop(first);
            let second = Run::begin(&data, toml).await;
            second.learn('a');
            second.kept.finish().await;

            assert!(!data.path().join(FILE).exists(), "{toml}");
            assert_eq!(second.kept.restored(), 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_left_half_written_is_removed() {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join(UNFINISHED), "half").unwrap();

        Run::begin(&data, PERSIST).await;

        assert!(!data.path().join(UNFINISHED).exists());
    }
}
