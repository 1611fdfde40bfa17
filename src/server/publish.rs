//! Configurations, lists and the time of day go in, snapshots come out, one at a time and in order.

use std::{
    mem::replace,
    sync::{Arc, PoisonError},
    time::Duration,
};

use blocker::Name;
use jiff::Timestamp;
use tokio::{
    sync::{Mutex, Notify, OwnedMutexGuard, SetOnce},
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};

use crate::{
    background::note_lists_read,
    causes,
    config::{Config, keys_that_need_a_restart},
    lists::{ListStore, Reading, Which},
    pipeline::Pipeline,
    policy::{Lists, Policy},
    upstream::UpstreamError,
};

/// How soon a list of a new configuration is noticed, when no other is due before.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Time between two looks at the files of lists. Two looks must agree, so that a change counts within
/// some two seconds.
const LOOK_AT_FILES: Duration = Duration::from_secs(1);

/// Longest that the clock on the wall is not looked at: whoever sets it sees schedules obey soon.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(30);

/// What time it is.
pub(super) type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Makes every snapshot after the first.
pub(crate) struct Publisher {
    pipeline: Arc<Pipeline>,
    lists: Arc<ListStore>,
    /// Held while a change is made, so that a slow one never overwrites a later one; the number of
    /// the last wish that has been fulfilled.
    turn: Arc<Mutex<u64>>,
    wanted: std::sync::Mutex<Wanted>,
    published: Notify,
    clock: Clock,
    /// Set once lists have been read.
    read: SetOnce<()>,
}

/// What is to be published: the lists as they are now, perhaps by another configuration. One is
/// enough, for a later wish is fulfilled in place of those before it.
#[derive(Default)]
struct Wanted {
    /// Counts up with every wish.
    number: u64,
    /// The configuration to take over; none: the one in force.
    config: Option<Arc<Config>>,
    reading: Reading,
}

impl Publisher {
    pub(super) fn new(pipeline: Arc<Pipeline>, lists: Arc<ListStore>, clock: Clock) -> Self {
        Self {
            pipeline,
            lists,
            turn: Arc::default(),
            wanted: std::sync::Mutex::default(),
            published: Notify::new(),
            clock,
            read: SetOnce::new(),
        }
    }

    /// Takes over a configuration: at once with what is at hand, then with every list as it
    /// arrives. Returns after the first attempt of each; dropping it only ends these attempts.
    pub(super) async fn apply(self: &Arc<Self>, config: Arc<Config>) -> Result<(), UpstreamError> {
        let running = self.running();
        self.pipeline.upstream.reconfigure(&config).inspect_err(|_| self.note_refused())?;
        for key in keys_that_need_a_restart(&running, &config) {
            tracing::warn!(key, "this change takes effect at the next start");
        }
        let wish = self.wish(Some(config.clone()), Reading::All);
        self.fulfil(wish).await;
        self.download(&config, Which::All).await;
        Ok(())
    }

    pub(super) fn note_refused(&self) {
        self.pipeline.metrics.count_reload(false);
    }

    /// Loads the lists, then loads each again when its time has come or its file has changed.
    pub(super) async fn keep_lists_current(self: &Arc<Self>) {
        self.publish_running(Reading::AtRest).await;
        tokio::join!(self.keep_downloads_current(), self.keep_files_current());
    }

    /// Downloads what is due: at the start, where no copy is at hand that is young enough.
    async fn keep_downloads_current(self: &Arc<Self>) {
        loop {
            self.download(&self.running(), Which::Due).await;
            let latest = Instant::now() + LOOK_AGAIN;
            let due = self.lists.next_download(&self.running()).unwrap_or(latest);
            sleep_until(due.min(latest)).await;
        }
    }

    async fn keep_files_current(self: &Arc<Self>) {
        let mut looks = interval(LOOK_AT_FILES);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let changed = self.lists.changed_files(&self.running()).await;
            if !changed.is_empty() {
                tracing::info!(lists = changed.join(", "), "the files of lists have changed");
            }
            let matcher = self.pipeline.published.load().policy.lists().matcher.clone();
            if !changed.is_empty() || self.lists.distrusts(&matcher) {
                self.publish_running(Reading::AtRest).await;
            }
            // Nor is a wish lost that nobody waits for any more.
            let latest = self.wanted().number;
            self.fulfil(latest).await;
        }
    }

    /// Publishes anew at every edge of a group's schedule.
    pub(super) async fn keep_schedules(&self) {
        loop {
            let published = self.published.notified();
            tokio::select! {
                () = sleep(self.until_next_edge()) => self.publish_if_time_tells().await,
                // It may have other schedules.
                () = published => {}
            }
        }
    }

    /// Publishes the same once more: what threads have finished under the generation before is not
    /// given any more.
    pub(crate) async fn publish_again(&self) {
        let _turn = self.turn.lock().await;
        let running = self.pipeline.published.load_full();
        self.publish(&running.config, running.policy.lists().clone());
    }

    fn until_next_edge(&self) -> Duration {
        let now = (self.clock)();
        let edge = self.pipeline.published.load().policy.next_edge(now);
        let until = edge.and_then(|edge| edge.duration_since(now).try_into().ok());
        until.map_or(LOOK_AT_CLOCK, |until: Duration| until.min(LOOK_AT_CLOCK))
    }

    /// Publishes the same lists and settings as they count now, where that differs.
    async fn publish_if_time_tells(&self) {
        let _turn = self.turn.lock().await;
        let running = self.pipeline.published.load_full();
        if !running.policy.is_right_at((self.clock)()) {
            tracing::info!("a group's schedule begins or ends");
            self.publish(&running.config, running.policy.lists().clone());
        }
    }

    /// Reads every list again and downloads each anew, by the settings in force. Returns after the
    /// first attempt of each; dropping it only ends these attempts.
    pub(crate) async fn update_lists(self: &Arc<Self>) {
        self.publish_running(Reading::All).await;
        self.download(&self.running(), Which::All).await;
    }

    /// Returns when lists have been read for the first time, those that are at hand.
    pub(crate) async fn lists_read(&self) {
        self.read.wait().await;
    }

    /// Downloads lists; each that changes something counts at once, whatever the others do.
    async fn download(self: &Arc<Self>, config: &Config, which: Which) {
        let mut downloads = self.lists.download(config, which);
        while downloads.next_change().await {
            self.publish_running(Reading::AtRest).await;
        }
    }

    /// Returns when every list has been loaded or has failed once.
    pub(super) async fn lists_loaded(&self) {
        loop {
            let published = self.published.notified();
            if self.pipeline.published.load().policy.lists().are_loaded {
                return;
            }
            published.await;
        }
    }

    /// Publishes the lists as they are now, by the configuration that is in force then.
    async fn publish_running(self: &Arc<Self>, reading: Reading) {
        let wish = self.wish(None, reading);
        self.fulfil(wish).await;
    }

    /// Notes that the lists are to be read again, perhaps by another configuration.
    fn wish(&self, config: Option<Arc<Config>>, reading: Reading) -> u64 {
        let mut wanted = self.wanted();
        wanted.config = config.or_else(|| wanted.config.take());
        wanted.reading = wanted.reading.max(reading);
        wanted.number += 1;
        wanted.number
    }

    /// Waits until a wish is fulfilled, by itself or by a later one.
    ///
    /// # Cancel safety
    /// Safe: what has begun goes on to its end, and a look at the files finds what has not.
    async fn fulfil(self: &Arc<Self>, wish: u64) {
        let turn = self.turn.clone().lock_owned().await;
        if *turn < wish {
            let publisher = self.clone();
            let publishing = tokio::spawn(async move { publisher.publish_wanted(turn).await });
            if let Err(error) = publishing.await {
                tracing::error!(%error, "publishing ended by a defect of ours");
            }
        }
    }

    async fn publish_wanted(&self, mut turn: OwnedMutexGuard<u64>) {
        let Wanted { number, config: wanted, reading } = self.take_wanted();
        // Even one that fails is not tried again at every look.
        *turn = number;
        let config = wanted.clone().unwrap_or_else(|| self.running());
        let lists = self.lists.load(&config, reading).await.or_else(|error| {
            let error = causes::one_line(&error);
            tracing::error!(%error, "the lists in force stay");
            self.lists_that_stay(&config).ok_or(())
        });
        if wanted.is_some() {
            self.pipeline.metrics.count_reload(lists.is_ok());
        }
        match lists {
            Ok(lists) => {
                self.forget_servers_that_left().await;
                self.publish(&config, lists);
                self.lists.note_in_force(&config);
            }
            Err(()) => return self.stay_with_the_old_settings().await,
        }
        // A configuration that waits may have what this one has not.
        if self.wanted().config.is_none() {
            self.lists.forget_all_but(&config).await;
        }
        // Only the first time is of interest.
        let _ = self.read.set(());
        note_lists_read();
    }

    fn take_wanted(&self) -> Wanted {
        let mut wanted = self.wanted();
        let number = wanted.number;
        replace(&mut *wanted, Wanted { number, ..Wanted::default() })
    }

    async fn stay_with_the_old_settings(&self) {
        tracing::error!("the new configuration has other groups than these; the old one stays");
        if self.wanted().config.is_some() {
            return;
        }
        if let Err(error) = self.pipeline.upstream.reconfigure(&self.running()) {
            let error = causes::one_line(&error);
            tracing::error!(%error, "the upstream settings before cannot be used again");
        }
        if self.forget_servers_that_left().await {
            let running = self.pipeline.published.load_full();
            self.publish(&running.config, running.policy.lists().clone());
        }
    }

    /// Forgets all that is remembered where it may be of servers that are asked no more: whoever
    /// changes them wants the answers of the new ones. Whether it was so; what threads have finished
    /// they give until the next is published, which must not come before.
    async fn forget_servers_that_left(&self) -> bool {
        if !self.pipeline.upstream.take_change_of_servers() {
            return false;
        }
        let pipeline = self.pipeline.clone();
        let forget = move || {
            pipeline.upstream.forget_failures(&Name::ROOT);
            pipeline.cache.forget(&Name::ROOT)
        };
        match spawn_blocking(forget).await {
            Ok(answers) => tracing::info!(answers, "forgotten, for upstream.servers has changed"),
            Err(error) => tracing::error!(%error, "forgetting ended by a defect of ours"),
        }
        true
    }

    /// The lists in force, where they can be under a configuration: their rules know groups by
    /// number.
    fn lists_that_stay(&self, config: &Config) -> Option<Lists> {
        let running = self.pipeline.published.load();
        let lists = running.policy.lists();
        let is_same = running.config.group_names() == config.group_names();
        let can_stay = is_same || lists.names.is_empty();
        can_stay.then(|| Lists { are_loaded: true, ..lists.clone() })
    }

    fn wanted(&self) -> std::sync::MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> Arc<Config> {
        self.pipeline.published.load().config.clone()
    }

    fn publish(&self, config: &Arc<Config>, mut lists: Lists) {
        // A list that is added later is no reason to stop answering, or to take traffic away.
        lists.are_loaded |= self.pipeline.published.load().policy.lists().are_loaded;
        let policy = Policy::new(config.clone(), lists, (self.clock)());
        self.pipeline.published.replace(config.clone(), policy);
        self.published.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::{
        config::{Config, Environment},
        lists::ListState,
        query::{Client, Query, Transport},
    };

    /// A Friday, a minute before eight.
    const MORNING: &str = "2026-11-20T07:59:00Z";

    /// A publisher whose clock on the wall is tokio's, and so can be told to go on; it may be set.
    struct Bench {
        publisher: Arc<Publisher>,
        set_forward: Arc<std::sync::Mutex<Duration>>,
    }

    impl Bench {
        fn new(config: &str) -> Self {
            let config = Arc::new(Config::parse(config, &Environment::default()).unwrap());
            let (pipeline, _engine) = Pipeline::new(&config).unwrap();
            let lists = Arc::new(ListStore::new(&config, pipeline.upstream.clone()));
            let (begun, set_forward) = (Instant::now(), Arc::<std::sync::Mutex<_>>::default());
            let set = set_forward.clone();
            let clock = move || {
                MORNING.parse::<Timestamp>().unwrap() + begun.elapsed() + *set.lock().unwrap()
            };
            let publisher = Arc::new(Publisher::new(pipeline, lists, Box::new(clock)));
            let keeper = publisher.clone();
            tokio::spawn(async move { keeper.keep_schedules().await });
            Self { publisher, set_forward }
        }

        async fn later(&self, seconds: u64) -> (u64, bool) {
            sleep(Duration::from_secs(seconds)).await;
            let snapshot = self.publisher.pipeline.published.load();
            let client = Client::at([192, 0, 2, 1].into(), Transport::Udp);
            let packet = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01x\0\0\x01\0\x01";
            let query = Query::read(packet, client).unwrap();
            let admitted = snapshot.policy.admit(&query).unwrap();
            (snapshot.generation, !admitted.groups().is_empty())
        }
    }

    const SCHEDULE: &str = "dns.allow_from = ['192.0.2.0/24']\n\
        [[groups]]\nname = 'default'\nschedule = ['Fri 08:00-08:10']";

    #[tokio::test(start_paused = true)]
    async fn a_new_generation_is_published_at_every_edge_and_only_there() {
        let bench = Bench::new(SCHEDULE);
        bench.publisher.publish_running(Reading::AtRest).await;

        assert_eq!(bench.later(59).await, (2, false), "a second before it begins");
        assert_eq!(bench.later(2).await, (3, true), "a second after it has begun");
        assert_eq!(bench.later(598).await, (3, true), "a second before it ends");
        assert_eq!(bench.later(2).await, (4, false), "a second after it has ended");
        assert_eq!(bench.later(86_400).await, (4, false), "a day later");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_is_obeyed_soon() {
        let bench = Bench::new(SCHEDULE);
        bench.publisher.publish_running(Reading::AtRest).await;

        *bench.set_forward.lock().unwrap() = Duration::from_secs(300);

        assert_eq!(bench.later(31).await, (3, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_schedule_that_is_new_counts_at_once_and_at_its_own_edges() {
        let bench = Bench::new("dns.allow_from = ['192.0.2.0/24']");
        assert_eq!(bench.later(1).await, (1, true));

        let config = Config::parse(SCHEDULE, &Environment::default()).unwrap();
        bench.publisher.publish(&Arc::new(config), Lists::default());

        assert_eq!(bench.later(1).await, (2, false));
        assert_eq!(bench.later(59).await, (3, true));
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_is_published_at_the_next_look() {
        let Bench { publisher, .. } = Bench::new("[[lists]]\nname = 'a'\ninline = ['ads.example']");
        let turn = publisher.turn.clone().lock_owned().await;
        assert_eq!(publisher.publish_running(Reading::All).now_or_never(), None);
        drop(turn);

        let keeper = publisher.clone();
        tokio::spawn(async move { keeper.keep_files_current().await });
        publisher.lists_read().await;

        let snapshot = publisher.pipeline.published.load_full();
        assert_eq!((snapshot.generation, snapshot.policy.lists().matcher.rules()), (2, 1));
    }

    /// This configuration with a list more than a matcher can have.
    fn with_too_many_lists(config: &str) -> Arc<Config> {
        let mut config = Config::parse(config, &Environment::default()).unwrap();
        let list = config.lists[0].clone();
        config.lists.resize(1025, list);
        for (number, list) in config.lists.iter_mut().enumerate() {
            list.name = format!("list-{number}");
        }
        Arc::new(config)
    }

    #[tokio::test(start_paused = true)]
    async fn lists_that_cannot_be_joined_leave_those_in_force() {
        const LISTS: &str = "[[lists]]\nname = 'list-0'\ninline = ['ads.example']\n";
        let Bench { publisher, .. } = Bench::new(LISTS);
        publisher.publish_running(Reading::AtRest).await;
        let lists = || publisher.pipeline.published.load().policy.lists().clone();
        assert_eq!(lists().matcher.rules(), 1);

        let too_many = with_too_many_lists(LISTS);
        publisher.apply(too_many.clone()).await.unwrap();

        assert_eq!((lists().matcher.rules(), lists().names.len()), (1, 1));
        assert!(Arc::ptr_eq(&publisher.running(), &too_many), "the rest of it counts");
        let status = publisher.lists.status();
        assert_eq!((status[0].state, status[1].state), (ListState::Stale, ListState::Failed));
        let error = status[0].error.as_deref().unwrap();
        assert!(error.ends_with("there are more than 1024 lists; merge some"), "{error}");

        let servers = "upstream.servers = ['https://10.0.0.1/q']";
        let groups = format!("{servers}\n{LISTS}groups = ['kids']");
        let generation = || publisher.pipeline.published.load().generation;
        let before = generation();
        publisher.apply(with_too_many_lists(&groups)).await.unwrap();
        assert_eq!(lists().matcher.rules(), 1);
        assert!(Arc::ptr_eq(&publisher.running(), &too_many), "its groups are others");
        assert_eq!(generation(), before + 1, "what its servers said meanwhile is given no more");
    }
}
