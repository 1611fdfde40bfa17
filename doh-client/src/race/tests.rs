//! Races between scripted servers under a paused clock: who is asked when, and who wins.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Mutex;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::*;

const BUDGET: Budget =
    Budget { total: Duration::from_millis(4500), attempt: Duration::from_millis(1500) };

/// What a scripted server does with one query.
enum Act {
    Reply(u64, Merit),
    Fail(u64, Failure),
    Hang,
    Tell(u64, oneshot::Sender<()>),
}

fn good(after: u64) -> Act {
    Act::Reply(after, Merit::Good)
}

fn servfail(after: u64) -> Act {
    Act::Reply(after, Merit::Unhelpful)
}

fn truncated(after: u64) -> Act {
    Act::Reply(after, Merit::Truncated)
}

fn broken(after: u64) -> Act {
    Act::Fail(after, Failure::TooLarge)
}

fn reset(after: u64) -> Act {
    Act::Fail(after, Failure::Reset(2))
}

/// Scripted servers and what happened to them, in milliseconds since the start.
struct Stage {
    scripts: Vec<Mutex<VecDeque<Act>>>,
    paused: Vec<usize>,
    started: Instant,
    asked: Mutex<Vec<(usize, u128)>>,
    late: Mutex<Vec<(usize, u128)>>,
}

impl Stage {
    fn new<const N: usize>(scripts: impl IntoIterator<Item = [Act; N]>) -> Self {
        Self::of(scripts.into_iter().map(VecDeque::from))
    }

    fn of(scripts: impl IntoIterator<Item = VecDeque<Act>>) -> Self {
        Self {
            scripts: scripts.into_iter().map(Mutex::new).collect(),
            paused: Vec::new(),
            started: Instant::now(),
            asked: Mutex::default(),
            late: Mutex::default(),
        }
    }

    fn with_paused(mut self, server: usize) -> Self {
        self.paused.push(server);
        self
    }

    async fn race(&self) -> Result<Exchange, Error> {
        Race::new(self, BUDGET).run().await
    }

    fn asked(&self) -> Vec<(usize, u128)> {
        self.asked.lock().unwrap().clone()
    }
}

impl Servers for &Stage {
    fn count(&self) -> usize {
        self.scripts.len()
    }

    fn name(&self, server: usize) -> Arc<str> {
        server.to_string().into()
    }

    fn paused_until(&self, server: usize) -> Option<Instant> {
        self.paused.contains(&server).then(|| self.started + Duration::from_secs(60))
    }

    fn ask(&self, server: usize) -> Asking {
        self.asked.lock().unwrap().push((server, self.started.elapsed().as_millis()));
        let act = self.scripts[server].lock().unwrap().pop_front();
        Box::pin(async move {
            let after = |ms| sleep(Duration::from_millis(ms));
            match act.expect("a server is asked no more often than its script says") {
                Act::Reply(ms, merit) => {
                    after(ms).await;
                    let (answer, age) =
                        (Bytes::from(vec![u8::try_from(server).unwrap()]), Duration::ZERO);
                    Ok(Reply { answer, merit, age, round_trip: Duration::from_millis(ms) })
                }
                Act::Fail(ms, failure) => {
                    after(ms).await;
                    Err(failure)
                }
                Act::Hang => pending().await,
                Act::Tell(ms, tell) => {
                    after(ms).await;
                    tell.send(()).expect("the test waits");
                    Err(Failure::TooLarge)
                }
            }
        })
    }

    fn note_late(&self, server: usize, waited: Duration) {
        self.late.lock().unwrap().push((server, waited.as_millis()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_answer_of_the_first_server_is_all_it_takes() {
    let stage = Stage::new([[good(20)], [good(1)]]);

    let exchange = stage.race().await.unwrap();

    assert_eq!((exchange.server, exchange.elapsed.as_millis()), (0, 20));
    assert_eq!(stage.asked(), [(0, 0)]);
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_the_next_server_is_asked_at_once() {
    let stage = Stage::new([[broken(5)], [good(20)]]);

    assert_eq!(stage.race().await.unwrap().server, 1);
    assert_eq!(stage.asked(), [(0, 0), (1, 5)]);
}

#[tokio::test(start_paused = true)]
async fn after_1500_ms_of_silence_the_next_server_is_asked_too() {
    let stage = Stage::new([[Act::Hang], [good(20)]]);

    let exchange = stage.race().await.unwrap();

    assert_eq!((exchange.server, exchange.elapsed.as_millis()), (1, 1520));
    assert_eq!(stage.asked(), [(0, 0), (1, 1500)]);
    assert_eq!(*stage.late.lock().unwrap(), [(0, 1500)]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_may_still_win() {
    let stage = Stage::new([[good(1600)], [good(1000)]]);

    let exchange = stage.race().await.unwrap();

    assert_eq!((exchange.server, exchange.elapsed.as_millis()), (0, 1600));
}

#[tokio::test(start_paused = true)]
async fn a_fast_servfail_never_beats_a_good_answer() {
    let stage = Stage::new([[servfail(1)], [good(900)]]);

    assert_eq!(stage.race().await.unwrap().server, 1);
}

#[tokio::test(start_paused = true)]
async fn a_servfail_is_the_answer_when_nobody_has_a_better_one() {
    let stage = Stage::new([[broken(1)], [servfail(1)], [servfail(1)]]);

    assert_eq!(stage.race().await.unwrap().server, 1);
}

#[tokio::test(start_paused = true)]
async fn a_servfail_in_hand_waits_for_a_silent_server_no_longer_than_one_attempt() {
    let stage = Stage::new([[servfail(10)], [Act::Hang]]);

    let exchange = stage.race().await.unwrap();

    assert_eq!((exchange.server, exchange.elapsed.as_millis()), (0, 1510));
    assert_eq!(stage.asked(), [(0, 0), (1, 10)]);
}

#[tokio::test(start_paused = true)]
async fn a_truncated_answer_is_tried_elsewhere_once() {
    let stage = Stage::new([[truncated(1)], [truncated(1)], [good(1)]]);

    assert_eq!(stage.race().await.unwrap().server, 1);
    assert_eq!(stage.asked(), [(0, 0), (1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_truncated_answer_is_better_than_a_servfail() {
    let stage = Stage::new([[servfail(1)], [truncated(1)], [servfail(1)]]);

    assert_eq!(stage.race().await.unwrap().server, 1);
}

#[tokio::test(start_paused = true)]
async fn a_paused_server_is_asked_last() {
    let stage = Stage::new([[good(1)], [good(1)]]).with_paused(0);
    assert_eq!(stage.race().await.unwrap().server, 1);

    let everyone_paused = Stage::new([[good(1)], [good(1)]]).with_paused(0).with_paused(1);
    assert_eq!(everyone_paused.race().await.unwrap().server, 0);
}

#[tokio::test(start_paused = true)]
async fn r78_a_stream_that_was_reset_is_tried_again_but_a_bad_answer_is_not() {
    let lone = Stage::of([[reset(1), reset(1), good(1)].into()]);
    assert!(lone.race().await.is_ok());
    assert_eq!(lone.asked(), [(0, 0), (0, 1), (0, 2)]);

    let bad = Stage::new([[broken(1)]]);
    assert!(matches!(bad.race().await, Err(Error::AllFailed(_))));
}

#[tokio::test(start_paused = true)]
async fn r40_a_query_is_sent_three_times_at_most() {
    let stage = Stage::new([[reset(1)], [reset(1)], [reset(1)], [good(1)]]);

    let Err(Error::AllFailed(failures)) = stage.race().await else { panic!("nobody answered") };

    assert_eq!(stage.asked().len(), MAX_ATTEMPTS);
    assert_eq!(failures.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn silence_everywhere_ends_with_the_budget_and_names_every_server() {
    let stage = Stage::of([[Act::Hang, Act::Hang].into(), [Act::Hang].into()]);
    let started = Instant::now();

    let Err(Error::Timeout { failures, .. }) = stage.race().await else { panic!("no timeout") };

    assert_eq!(started.elapsed(), BUDGET.total);
    assert_eq!(failures.len(), 2);
    assert_eq!(stage.asked(), [(0, 0), (1, 1500), (0, 3000)]);
}

#[tokio::test(start_paused = true)]
async fn full_servers_are_an_overload() {
    let full = || [Act::Fail(0, Failure::Overloaded)];
    let stage = Stage::new([full(), full()]);

    assert!(matches!(stage.race().await, Err(Error::Overloaded)));
}

#[tokio::test(start_paused = true)]
async fn a_race_that_is_dropped_lets_its_server_finish() {
    let (tell, told) = oneshot::channel();
    let stage = Stage::new([[Act::Tell(1000, tell)]]);

    assert!(timeout(Duration::from_millis(1), stage.race()).await.is_err());

    assert_eq!(told.await, Ok(()));
    assert_eq!(stage.started.elapsed().as_millis(), 1000);
}
