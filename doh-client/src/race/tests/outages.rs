//! Servers that are down: how long that takes, what it costs, and what happens at their return.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::stage::Note;
use super::{Act, Stage, good};
use crate::error::{Cause, Error, Failure};
use crate::ledger::Warmth;
use crate::observer::{Breaker, SendKind};

const PROBE: Note = Note::Sent(SendKind::Probe);

fn refused() -> Failure {
    let cause: Cause = Arc::new(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
    Failure::Connect { address: ([192, 0, 2, 1], 443).into(), cause }
}

/// What a server does whose packets get lost on the way.
fn unreachable() -> Act {
    let limit = Duration::from_millis(1500);
    Act::Fail(1500, Failure::ConnectTimeout(limit))
}

/// A server that is gone from one time to another.
fn gone(from: u64, to: u64, act: fn() -> Act) -> Box<dyn Fn(Duration, u64) -> Act + Send + Sync> {
    Box::new(move |at, _| if (from..to).contains(&at.as_secs()) { act() } else { good(10) })
}

/// Failure story 12: a silent server cost 10 s whatever the timeout was.
#[tokio::test(start_paused = true)]
async fn t50_silence_everywhere_ends_with_the_budget_and_names_every_server() {
    let stage = Stage::of([[Act::Hang, Act::Hang].into(), [Act::Hang].into()]).without_hedges();
    let stage = Arc::new(stage);
    let started = Instant::now();

    let Err(Error::Timeout { failures, .. }) = stage.race().await else { panic!("no timeout") };

    assert_eq!((started.elapsed().as_millis(), failures.len()), (4500, 2));
    assert_eq!(stage.asked(), [(0, 0), (1, 1500), (0, 3000)]);
}

#[tokio::test(start_paused = true)]
async fn t50_two_servers_known_to_be_down_end_a_query_within_two_seconds() {
    let hang = || Box::new(|_: Duration, _: u64| Act::Hang);
    let stage = Arc::new(Stage::ruled([hang(), hang()]).with_open(0).with_open(1));
    let started = Instant::now();

    assert!(stage.race().await.unwrap_err().is_timeout());

    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn t51_when_all_fails_the_load_grows_by_a_tenth_at_most() {
    for act in [|| Act::Fail(2, Failure::Reset(2)), unreachable, || Act::Hang] {
        let rule = |act: fn() -> Act| Box::new(move |_: Duration, _: u64| act());
        let stage = Arc::new(Stage::ruled([rule(act), rule(act)]));

        let times = stage.load(10_000, Duration::from_millis(2)).await;

        let sends = stage.asked().len();
        assert!(times.iter().all(Option::is_none));
        assert!(sends <= 11_000, "{sends} sends");
    }
}

/// Failure story 15: clients retry at once what failed with SERVFAIL, and so did we.
#[tokio::test(start_paused = true)]
async fn t51_a_storm_of_servfails_is_passed_on_and_not_doubled() {
    let rule = || Box::new(|_: Duration, _: u64| super::servfail(5));
    let stage = Arc::new(Stage::ruled([rule(), rule()]));

    stage.load(10_000, Duration::from_millis(1)).await;

    // Each answer, good or not, adds a tenth of a retry.
    let sends = stage.asked().len();
    assert!((10_000..=11_400).contains(&sends), "{sends} sends");
}

/// Failure story 11: one server that could not be reached held up all others.
#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_be_reached_costs_no_query_more_than_one_hedge() {
    let stage = Stage::ruled([Box::new(|_, _| unreachable()), Box::new(|_, _| good(20))]);
    let stage = Arc::new(stage);

    let times = stage.load(600, Duration::from_millis(100)).await;

    let slowest = times.iter().map(|time| time.expect("the other one answers")).max();
    assert!(slowest <= Some(420), "{slowest:?} ms");
    let slow = times.iter().flatten().filter(|time| **time > 20).count();
    assert!(slow <= 10, "{slow} of 600 had to wait");
}

#[tokio::test(start_paused = true)]
async fn t53_with_all_open_queries_go_to_who_half_opens_first() {
    let stage = Stage::of([[].into(), [good(5), good(5)].into()]).with_open(1);
    sleep(Duration::from_millis(300)).await;
    let stage = Arc::new(stage.with_open(0));

    assert_eq!(stage.race().await.unwrap().server, 1);
    assert!(stage.has_noted(1, Note::Breaker(Breaker::Closed)));
    assert_eq!(stage.race().await.unwrap().server, 1, "one answer is enough");
}

#[tokio::test(start_paused = true)]
async fn t53_a_lone_server_is_asked_whatever_it_did() {
    let stage = Arc::new(Stage::of([[good(5)].into()]).with_open(0));

    assert!(stage.race().await.is_ok());
    assert!(stage.has_noted(0, Note::Breaker(Breaker::Closed)));
}

#[tokio::test(start_paused = true)]
async fn t52_whether_a_server_is_back_is_found_out_beside_a_query_that_another_answers() {
    let stage = Stage::of([[good(900), good(5)].into(), [good(20), good(20), good(20)].into()]);
    let stage = Arc::new(stage.with_open(0));
    assert_eq!(stage.race().await.unwrap().server, 1);
    assert_eq!(stage.times(PROBE), 0, "too early");

    sleep(Duration::from_secs(1)).await;
    let exchange = stage.race().await.unwrap();
    assert_eq!((exchange.server, exchange.elapsed.as_millis()), (1, 20));
    stage.race().await.unwrap();
    assert_eq!(stage.times(PROBE), 1, "one at a time");
    assert_eq!(stage.ledger_of(0).record().breaker(), Breaker::HalfOpen);

    sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.ledger_of(0).record().breaker(), Breaker::Closed);
}

#[tokio::test(start_paused = true)]
async fn t52_a_server_is_probed_also_while_the_others_are_busy() {
    let stage = Stage::of([[good(5)].into(), [good(20)].into()]).with_open(0);
    let stage = Arc::new(stage.with_warmth(1, Warmth::Unreachable));
    sleep(Duration::from_secs(1)).await;

    assert_eq!(stage.race().await.unwrap().server, 0, "its answer counts");
    assert_eq!((stage.times(PROBE), stage.take_shares()), (1, vec![1, 1]));
}

#[tokio::test(start_paused = true)]
async fn t52_one_of_two_servers_gone_for_hours_costs_a_probe_a_minute_and_no_time() {
    let (from, to) = (60, 3 * 3600);
    let stage = Arc::new(Stage::ruled([gone(from, to, unreachable), Box::new(|_, _| good(20))]));
    stage.load(300, Duration::from_millis(200)).await;
    stage.take_shares();

    let times = stage.load(4 * 3600, Duration::from_millis(740)).await;

    let [asked, _] = stage.take_shares()[..] else { panic!("two servers") };
    assert!((150..300).contains(&asked), "{asked} sends in three hours");
    let slow = times.iter().filter(|time| time.is_none_or(|time| time > 20)).count();
    assert!(slow <= 10, "{slow} had to wait");
    assert_ne!(stage.ledger_of(0).record().breaker(), Breaker::Closed);
    sleep(Duration::from_secs(120)).await;
    stage.load(200, Duration::from_millis(100)).await;
    assert_eq!(stage.ledger_of(0).record().breaker(), Breaker::Closed);
    assert!(stage.take_shares()[0] > 150);
}

/// Failure story 4, as far as choice goes: who comes back is met by all that has piled up.
#[tokio::test(start_paused = true)]
async fn all_servers_gone_for_hours_are_asked_once_a_query_and_met_by_no_storm() {
    let (from, to) = (60, 3 * 3600);
    let rule = || gone(from, to, || Act::Fail(1, refused()));
    let stage = Arc::new(Stage::ruled([rule(), rule()]));
    stage.load(600, Duration::from_millis(100)).await;
    stage.take_shares();

    let queries = u64::from(u16::try_from(to - from).unwrap());
    let times = stage.load(queries - 10, Duration::from_secs(1)).await;
    let sends: usize = stage.take_shares().iter().sum();
    assert!(times.iter().all(Option::is_none));
    assert!(sends as u64 <= queries * 2, "{sends} sends for {queries} queries");

    let times = stage.load(200, Duration::from_millis(100)).await;
    let sends: usize = stage.take_shares().iter().sum();
    let failed = times.iter().filter(|time| time.is_none()).count();
    assert!(failed <= 102, "{failed} failed, 100 of them before the return");
    assert!(sends <= 410, "{sends} sends");
    assert!(stage.times(Note::Breaker(Breaker::Closed)) >= 1);
}
