//! A list and its URL go in, a newer copy is kept, or what is wrong is noted.

use std::{
    io,
    sync::{Arc, PoisonError},
    time::SystemTime,
};

use blocker::Name;

use super::{
    ListStore,
    compile::origin,
    compiled::Candidate,
    fetch::{FetchError, Fetched, Request},
    guard::{Refusal, judge},
    measure::Measures,
    origin::is_pinned,
    record::Record,
    spool::Arrived,
    text::Text,
    unpack::too_large,
};
use crate::{
    causes,
    config::{Config, List},
    querylog::unix_milliseconds,
};

/// What asking for a list changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// What is in force is out of date.
    Text,
    /// It is not.
    Nothing,
}

/// Why there is no newer copy.
enum Trouble {
    Refused(Refusal),
    Failed(FetchError),
    /// Nobody wants this list any more, or not as it was asked for.
    OutOfDate,
}

impl ListStore {
    /// Asks for a list, and keeps what comes if it is to be trusted.
    pub(super) async fn renew(self: &Arc<Self>, config: &Config, list: &List, url: &str) -> News {
        // Until then people are told that nobody has tried.
        let is_first = self.schedule.last(url).is_none();
        match self.ask(config, list, url).await {
            Ok(news) => {
                self.schedule.note_current(url);
                return news;
            }
            Err(Trouble::OutOfDate) => {
                tracing::info!(list = %list.name, "what came is by an old configuration");
                return News::Nothing;
            }
            Err(Trouble::Refused(refusal)) => self.note_refused(list, url, &refusal),
            Err(Trouble::Failed(error)) => {
                let retry_after = match &error {
                    FetchError::Status { retry_after, .. } => *retry_after,
                    _ => None,
                };
                let error = causes::one_line(&error);
                tracing::warn!(list = %list.name, %error, "a list could not be downloaded");
                self.schedule.note_failed(url, error, retry_after);
            }
        }
        if is_first { News::Text } else { News::Nothing }
    }

    async fn ask(
        self: &Arc<Self>,
        config: &Config,
        list: &List,
        url: &str,
    ) -> Result<News, Trouble> {
        // A pinned text need not be like the one that was pinned before: somebody has looked at it.
        let before = self.copies.record(url).filter(|record| is_pinned(list, &record.digest));
        let known = before.as_ref().map(|record| record.validators.clone()).unwrap_or_default();
        let request = Request { list, url, upstream: &config.upstream, known };
        let fetched = self.fetcher.fetch(request, || self.copies.spool(url)).await;
        self.check_still_wanted(config, list)?;
        let (arrived, validators) = match fetched.map_err(Trouble::of)? {
            Fetched::Other(arrived, validators) => (arrived, validators),
            Fetched::Same => return Ok(self.note_current(list, url, before)),
        };
        if before.as_ref().is_some_and(|before| before.digest == arrived.digest) {
            let before = before.map(|before| Record { validators, ..before });
            return Ok(self.note_current(list, url, before));
        }
        if !is_pinned(list, &arrived.digest) {
            return Err(Trouble::Refused(Refusal::Digest(arrived.digest)));
        }
        let (arrived, (candidate, measures)) =
            self.weigh_aside(arrived, list, &config.blocking.canaries).await?;
        self.check_still_wanted(config, list)?;
        judge(&measures, before.as_ref(), self.copies.record_file(url).as_deref())
            .map_err(Trouble::Refused)?;
        let rules = measures.rules;
        let record = Record { validators, rules, ..Record::default() };
        let news = self.take(list, url, arrived, record)?;
        self.compiled.keep(&origin(list), candidate);
        Ok(news)
    }

    fn check_still_wanted(&self, config: &Config, list: &List) -> Result<(), Trouble> {
        let in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        let is_wanted = in_force.as_ref().is_none_or(|in_force| {
            in_force.lists.contains(list) && in_force.blocking.canaries == config.blocking.canaries
        });
        if is_wanted { Ok(()) } else { Err(Trouble::OutOfDate) }
    }

    /// Makes what has arrived the copy.
    fn take(
        &self,
        list: &List,
        url: &str,
        arrived: Arrived,
        record: Record,
    ) -> Result<News, Trouble> {
        tracing::info!(
            list = %list.name,
            bytes = arrived.length,
            rules = record.rules,
            "downloaded a list"
        );
        let record = Record { digest: arrived.digest.clone(), checked: now(), ..record };
        self.copies
            .keep(url, arrived, record)
            .map_err(|error| Trouble::Failed(FetchError::Intake(error)))?;
        Ok(News::Text)
    }

    fn note_current(&self, list: &List, url: &str, record: Option<Record>) -> News {
        tracing::info!(list = %list.name, "a list is current");
        if let Some(record) = record {
            self.copies.note(url, Record { checked: now(), refused: None, ..record });
        }
        News::Nothing
    }

    fn note_refused(&self, list: &List, url: &str, refusal: &Refusal) {
        let error = refusal.to_string();
        let reason = refusal.reason();
        tracing::error!(list = %list.name, reason, %error, "A LIST IS REFUSED");
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.entry((list.name.clone(), reason)).or_default() += 1;
        drop(refused);
        if let Some(record) = self.copies.record(url) {
            let refused = Some(error.clone());
            self.copies.note(url, Record { checked: now(), refused, ..record });
        }
        match self.copies.find(url, list.max_bytes.0) {
            Some(_) => self.schedule.note_refused(url, error),
            // Nothing is in force: any text is worth asking for soon.
            None => self.schedule.note_failed(url, error, None),
        }
    }
}

impl ListStore {
    /// Weighs what has arrived, on a thread that may take its time; one after the other, even where
    /// nobody waits for it any more.
    async fn weigh_aside(
        self: &Arc<Self>,
        arrived: Arrived,
        list: &List,
        canaries: &[Name],
    ) -> Result<(Arrived, (Candidate, Measures)), Trouble> {
        let (store, list, canaries) = (self.clone(), list.clone(), canaries.to_vec());
        let turn = self.weighing.clone().lock_owned().await;
        let weighed = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let text = Text::new(arrived.form.clone(), list.max_bytes.0);
            let text = text.of_digest(&arrived.digest);
            store.weigh(&list, &text, &canaries).map(|weighed| (arrived, weighed))
        });
        let weighed = weighed.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        weighed.map_err(|error| match too_large(&error) {
            Some(bound) => Trouble::Refused(Refusal::TooLarge(bound)),
            None => Trouble::Failed(FetchError::Intake(error)),
        })
    }
}

impl Trouble {
    fn of(error: FetchError) -> Self {
        match error {
            FetchError::TooLarge(bound) => Self::Refused(Refusal::TooLarge(bound)),
            error => Self::Failed(error),
        }
    }
}

fn now() -> u64 {
    unix_milliseconds(SystemTime::now())
}
