//! Lookups over resolvers that follow a script, on a clock that stands still while nobody waits.

use std::collections::{HashMap, VecDeque};
use std::future::pending;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::answer::{Family, Useless};
use super::super::{Asking, Road};
use super::*;
use crate::message::Query;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a resolver does with a question for one family.
#[derive(Clone)]
enum Act {
    /// Answers with these addresses and this TTL in seconds, after so many milliseconds.
    Answer(u64, &'static [&'static str], u64),
    /// Answers SERVFAIL after so many milliseconds.
    Fail(u64),
    /// Never answers.
    Silence,
}

use Act::{Answer, Fail, Silence};

/// A resolver that follows a script for each family, whose last act goes for all that follow.
#[derive(Clone)]
struct Script(Arc<[Mutex<Track>; 2]>);

/// What is to come for one family, and how often it was asked for.
struct Track {
    acts: VecDeque<Act>,
    asked: usize,
}

impl Script {
    fn new(v4: impl Into<VecDeque<Act>>, v6: impl Into<VecDeque<Act>>) -> Self {
        let tracks = [v4.into(), v6.into()];
        Self(Arc::new(tracks.map(|acts| Mutex::new(Track { acts, asked: 0 }))))
    }

    /// How often it was asked for IPv4 addresses.
    fn asked(&self) -> usize {
        self.0[0].lock().unwrap().asked
    }

    /// A lookup of one host which asks only this resolver.
    fn lookup(&self) -> Arc<Lookup> {
        look_up(&[self], None)
    }
}

impl Road for Script {
    fn ask<'a>(&'a self, _: &'a Query, family: Family) -> Asking<'a> {
        Box::pin(async move {
            let act = {
                let mut track = self.0[usize::from(family == Family::V6)].lock().unwrap();
                track.asked += 1;
                let acts = &mut track.acts;
                if acts.len() > 1 { acts.pop_front().unwrap() } else { acts[0].clone() }
            };
            match act {
                Answer(after, addresses, ttl) => {
                    sleep(Duration::from_millis(after)).await;
                    let ttl = Duration::from_secs(ttl);
                    Ok(Records { addresses: parse(addresses), ttl })
                }
                Fail(after) => {
                    sleep(Duration::from_millis(after)).await;
                    Err(Useless::Declined(2).into())
                }
                Silence => pending().await,
            }
        })
    }
}

/// A book whose pages can be looked at.
#[derive(Default)]
struct Pages(Mutex<HashMap<String, Vec<IpAddr>>>);

impl AddressBook for Pages {
    fn recall(&self, host: &str) -> Vec<IpAddr> {
        self.0.lock().unwrap().get(host).cloned().unwrap_or_default()
    }

    fn learn(&self, host: &str, addresses: &[IpAddr]) {
        self.0.lock().unwrap().insert(host.to_owned(), addresses.to_vec());
    }
}

fn parse(addresses: &[&str]) -> Vec<IpAddr> {
    addresses.iter().map(|address| address.parse().unwrap()).collect()
}

fn look_up(scripts: &[&Script], book: Option<Arc<dyn AddressBook>>) -> Arc<Lookup> {
    let road = |script: &&Script| Box::new((*script).clone()) as Box<dyn Road>;
    let resolvers = Arc::new(Resolvers::over(scripts.iter().map(road).collect()));
    Arc::new(Lookup::new("dns.test", resolvers, book, Witness::new(None, 0)))
}

/// What a lookup says and how many milliseconds it took.
async fn timed(lookup: &Arc<Lookup>) -> (Result<String, String>, u128) {
    let started = Instant::now();
    let list = lookup.list().await;
    (
        list.map(|list| shown(&list)).map_err(|failure| Chain(&failure).to_string()),
        started.elapsed().as_millis(),
    )
}

fn shown(list: &[IpAddr]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// What is known without waiting.
async fn known(lookup: &Arc<Lookup>) -> String {
    shown(&lookup.list().now_or_never().expect("it is known").expect("there is an address"))
}

/// Failure story 11: a client on a network with IPv4 only waited ten seconds for AAAA.
#[tokio::test(start_paused = true)]
async fn t32_the_other_family_is_waited_for_no_longer_than_50_ms() {
    for (v4, v6, found, took) in [
        (Answer(10, &["192.0.2.1"], 300), Silence, "192.0.2.1", 60),
        (Silence, Answer(10, &["2001:db8::1"], 300), "2001:db8::1", 60),
        (Answer(10, &["192.0.2.1"], 300), Fail(100), "192.0.2.1", 60),
        (Answer(10, &["192.0.2.1"], 300), Answer(0, &[], 0), "192.0.2.1", 10),
        (Answer(0, &[], 0), Answer(200, &["2001:db8::1"], 300), "2001:db8::1", 200),
        (Fail(0), Answer(200, &["2001:db8::1"], 300), "2001:db8::1", 200),
        (
            Answer(10, &["192.0.2.1", "192.0.2.2"], 300),
            Answer(40, &["2001:db8::1"], 300),
            "2001:db8::1 192.0.2.1 192.0.2.2",
            40,
        ),
    ] {
        let lookup = Script::new([v4], [v6]).lookup();

        assert_eq!(timed(&lookup).await, (Ok(found.to_owned()), took), "{found}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_family_that_was_late_is_looked_for_again_after_a_minute() {
    let v6 = [Answer(100, &["2001:db8::1"], 300)];
    let script = Script::new([Answer(0, &["192.0.2.1"], 300), Answer(90, &["192.0.2.1"], 300)], v6);
    let lookup = script.lookup();
    lookup.list().await.unwrap();

    sleep(MINUTE * 2).await;

    assert_eq!(known(&lookup).await, "2001:db8::1 192.0.2.1");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_waiters_make_one_lookup() {
    let script = Script::new([Answer(30, &["192.0.2.1"], 300)], [Answer(30, &[], 0)]);
    let lookup = script.lookup();
    let mut waiters = JoinSet::new();

    for _ in 0..1000 {
        let lookup = Arc::clone(&lookup);
        waiters.spawn(async move { known_or_waited(&lookup).await });
    }

    assert!(waiters.join_all().await.iter().all(|found| found == "192.0.2.1"));
    assert_eq!(script.asked(), 1);
    // Nor does what they waited for make another one later.
    sleep(MINUTE).await;
    assert_eq!(script.asked(), 1);
}

async fn known_or_waited(lookup: &Arc<Lookup>) -> String {
    shown(&lookup.list().await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn addresses_are_looked_up_again_when_they_expire_within_a_minute_and_a_day() {
    for (ttl, again) in [(1, MINUTE), (300, MINUTE * 5), (u64::from(u32::MAX), DAY)] {
        let script = Script::new([Answer(0, &["192.0.2.1"], ttl)], [Answer(0, &[], 0)]);
        let lookup = script.lookup();
        lookup.list().await.unwrap();

        sleep(again - Duration::from_secs(1)).await;
        assert_eq!(script.asked(), 1, "{ttl}");
        sleep(Duration::from_secs(2)).await;
        assert_eq!(script.asked(), 2, "{ttl}");
    }
}

#[tokio::test(start_paused = true)]
async fn t59_an_empty_refresh_keeps_what_is_known() {
    let good = Answer(0, &["192.0.2.1"], 60);
    for bad in [Answer(0, &[], 0), Fail(0), Silence] {
        let v4 = [good.clone(), bad, Answer(0, &["192.0.2.2"], 60)];
        let v6 = [Answer(0, &[], 0)];
        let script = Script::new(v4, v6);
        let lookup = script.lookup();
        lookup.list().await.unwrap();

        while script.asked() < 2 {
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(known(&lookup).await, "192.0.2.1");
        sleep(Duration::from_secs(6)).await;

        assert_eq!(known(&lookup).await, "192.0.2.2");
    }
}

#[tokio::test(start_paused = true)]
async fn a_family_that_failed_keeps_its_addresses_while_the_other_has_new_ones() {
    let v4 = [Answer(0, &["192.0.2.1"], 60), Answer(0, &["192.0.2.2"], 60)];
    let lookup = Script::new(v4, [Answer(0, &["2001:db8::1"], 60), Fail(0)]).lookup();
    lookup.list().await.unwrap();

    sleep(MINUTE + Duration::from_secs(1)).await;

    assert_eq!(known(&lookup).await, "2001:db8::1 192.0.2.2");
}

#[tokio::test(start_paused = true)]
async fn resolvers_that_come_back_are_believed_at_once() {
    let dead = vec![Fail(0); 3];
    let v4: Vec<_> = dead.into_iter().chain([Answer(0, &["192.0.2.1"], 300)]).collect();
    let script = Script::new(v4, [Silence]);
    let lookup = script.lookup();

    let (failed, took) = timed(&lookup).await;
    let failed = failed.unwrap_err();
    assert!(failed.contains("no address of `dns.test` is known"), "{failed}");
    assert!(took <= LOOKUP_TIMEOUT.as_millis(), "{took}");
    while lookup.list().await.is_err() {}

    assert_eq!((known(&lookup).await.as_str(), script.asked()), ("192.0.2.1", 4));
}

#[tokio::test(start_paused = true)]
async fn while_lookups_fail_there_is_at_most_one_a_second_however_many_want_one() {
    let script = Script::new([Fail(0)], [Fail(0)]);
    let lookup = script.lookup();
    let started = Instant::now();

    while started.elapsed() < MINUTE {
        assert!(lookup.list().await.is_err());
    }
    let wanted = script.asked();
    sleep(MINUTE * 60).await;

    // The first pauses are shorter than a second.
    assert!((55..70).contains(&wanted), "{wanted}");
    let unasked = script.asked() - wanted;
    assert!((60..=125).contains(&unasked), "{unasked}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_in_time_to_say_why() {
    let (found, took) = timed(&Script::new([Silence], [Silence]).lookup()).await;

    let said = "no address of `dns.test` is known: can the bootstrap resolvers be asked?: no \
                bootstrap resolver answered within 4s";
    assert_eq!((found.unwrap_err().as_str(), took), (said, 4000));
}

#[tokio::test(start_paused = true)]
async fn what_the_book_knows_is_used_at_once_and_what_is_found_is_written_down() {
    let book = Arc::new(Pages::default());
    book.learn("dns.test", &parse(&["192.0.2.9", "2001:db8::9"]));
    let script = Script::new([Answer(0, &["192.0.2.1"], 300)], [Answer(0, &[], 0)]);
    let lookup = look_up(&[&script], Some(book.clone()));

    assert_eq!(known(&lookup).await, "2001:db8::9 192.0.2.9");
    sleep(Duration::from_secs(1)).await;

    assert_eq!(known(&lookup).await, "192.0.2.1");
    assert_eq!(book.recall("dns.test"), parse(&["192.0.2.1"]));
}

#[tokio::test(start_paused = true)]
async fn what_the_book_knows_is_used_for_ever_while_no_resolver_answers() {
    let book = Arc::new(Pages::default());
    book.learn("dns.test", &parse(&["192.0.2.9"]));
    let lookup = look_up(&[&Script::new([Fail(0)], [Silence])], Some(book.clone()));

    for _ in 0..30 {
        assert_eq!(known(&lookup).await, "192.0.2.9");
        sleep(DAY).await;
    }
    assert_eq!(book.recall("dns.test"), parse(&["192.0.2.9"]));
}

#[tokio::test(start_paused = true)]
async fn doubt_brings_the_next_lookup_forward() {
    let v4 = [Answer(0, &["192.0.2.1"], 86_400), Answer(0, &["192.0.2.2"], 86_400)];
    let lookup = Script::new(v4, [Answer(0, &[], 0)]).lookup();
    lookup.list().await.unwrap();

    lookup.doubt();
    sleep(PAUSE_IN_DOUBT - Duration::from_secs(1)).await;
    assert_eq!(known(&lookup).await, "192.0.2.1");
    sleep(Duration::from_secs(2)).await;

    assert_eq!(known(&lookup).await, "192.0.2.2");
}

#[tokio::test(start_paused = true)]
async fn the_next_resolver_is_asked_when_one_fails_and_beside_one_that_is_silent() {
    let good = Script::new([Answer(5, &["192.0.2.1"], 300)], [Answer(5, &[], 0)]);
    for (bad, took) in [(Fail(0), 5), (Silence, 305)] {
        let bad = Script::new([bad.clone()], [bad]);

        let lookup = look_up(&[&bad, &good], None);

        assert_eq!(timed(&lookup).await, (Ok("192.0.2.1".to_owned()), took));
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_addresses_are_kept_than_could_be_dialled() {
    let addresses: Vec<String> = (0..200).map(|last| format!("192.0.2.{last}")).collect();
    let book = Arc::new(Pages::default());
    book.learn("dns.test", &addresses.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>());

    let lookup = look_up(&[&Script::new([Silence], [Silence])], Some(book));

    assert_eq!(known(&lookup).await.split(' ').count(), MAX_ADDRESSES);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_looked_up_for_a_client_that_is_gone() {
    let script = Script::new([Answer(0, &["192.0.2.1"], 60)], [Answer(0, &[], 0)]);
    let lookup = script.lookup();
    lookup.list().await.unwrap();

    drop(lookup);
    sleep(DAY).await;

    assert_eq!(script.asked(), 1);
}

#[test]
fn a_lookup_that_died_with_its_runtime_is_started_anew() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    };
    let lookup = Script::new([Answer(0, &["192.0.2.1"], 60)], [Answer(0, &[], 0)]).lookup();

    let first = runtime().block_on(async { lookup.list().now_or_never() });
    let second = runtime().block_on(async { known_or_waited(&lookup).await });

    assert!(first.is_none());
    assert_eq!(second, "192.0.2.1");
}
