//! Who is asked after whom, and which answer wins.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::{Act, Stage, broken, good, reset, servfail, truncated};
use crate::error::{Error, Failure};
use crate::ledger::Warmth;
use crate::race::{Hedge, Race, Terms};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_good_answer_of_the_first_server_is_all_it_takes() {
    let stage = Arc::new(Stage::new([[good(20)], [good(1)]]));

    let exchange = stage.race().await.unwrap();

    assert_eq!((exchange.server, exchange.elapsed.as_millis()), (0, 20));
    assert_eq!(stage.asked(), [(0, 0)]);
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_the_next_server_is_asked_at_once() {
    let stage = Arc::new(Stage::new([[broken(5)], [good(20)]]));

    assert_eq!(stage.race().await.unwrap().server, 1);
    assert_eq!(stage.asked(), [(0, 0), (1, 5)]);
}

#[tokio::test(start_paused = true)]
async fn after_1500_ms_of_silence_the_next_server_is_asked_too() {
    let stage = Arc::new(Stage::new([[Act::Hang], [good(20)]]).without_hedges());

    let exchange = stage.race().await.unwrap();

    assert_eq!((exchange.server, exchange.elapsed.as_millis()), (1, 1520));
    assert_eq!(stage.asked(), [(0, 0), (1, 1500)]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_may_still_win() {
    let stage = Arc::new(Stage::new([[good(1600)], [good(1000)]]).without_hedges());

    let exchange = stage.race().await.unwrap();

    assert_eq!((exchange.server, exchange.elapsed.as_millis()), (0, 1600));
}

/// Failure story 14: who asks several servers at once returned the fastest SERVFAIL.
#[tokio::test(start_paused = true)]
async fn t55_a_fast_servfail_never_beats_a_good_answer() {
    let stage = Arc::new(Stage::new([[servfail(1)], [good(900)]]).without_hedges());
    assert_eq!(stage.race().await.unwrap().server, 1);

    let hedged = Arc::new(Stage::new([[good(900)], [servfail(1)]]));
    let exchange = hedged.race().await.unwrap();
    assert_eq!((exchange.server, exchange.elapsed.as_millis()), (0, 900));
    assert_eq!(hedged.asked(), [(0, 0), (1, 400)]);
}

#[tokio::test(start_paused = true)]
async fn t55_a_servfail_is_the_answer_when_nobody_has_a_better_one() {
    let stage = Arc::new(Stage::new([[broken(1)], [servfail(1)]]));

    assert_eq!(stage.race().await.unwrap().server, 1);
}

#[tokio::test(start_paused = true)]
async fn t55_after_a_servfail_one_more_server_is_asked_and_not_all() {
    let stage = Arc::new(Stage::new([[servfail(1)], [servfail(1)], [servfail(1)]]));

    let first = stage.race().await.unwrap().server;

    let asked: Vec<_> = stage.asked().iter().map(|(server, _)| *server).collect();
    assert_eq!((asked.len(), asked[0]), (2, first));
}

#[tokio::test(start_paused = true)]
async fn a_servfail_in_hand_waits_for_a_silent_server_no_longer_than_one_attempt() {
    let stage = Arc::new(Stage::new([[servfail(10)], [Act::Hang]]));

    let exchange = stage.race().await.unwrap();

    assert_eq!((exchange.server, exchange.elapsed.as_millis()), (0, 1510));
    assert_eq!(stage.asked(), [(0, 0), (1, 10)]);
}

#[tokio::test(start_paused = true)]
async fn a_truncated_answer_is_tried_elsewhere_once() {
    let stage = Arc::new(Stage::new([[truncated(1)], [truncated(1)]]));

    assert_eq!(stage.race().await.unwrap().server, 1);
    assert_eq!(stage.asked(), [(0, 0), (1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_truncated_answer_is_better_than_a_servfail() {
    let stage = Arc::new(Stage::new([[servfail(1)], [truncated(1)]]));

    assert_eq!(stage.race().await.unwrap().server, 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_left_alone_is_asked_last() {
    let stage = Arc::new(Stage::new([[good(1)], [good(1)]]).with_open(0));

    assert_eq!(stage.race().await.unwrap().server, 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_could_not_be_reached_is_asked_when_nobody_else_can_be() {
    let unreachable = |stage: Stage| stage.with_warmth(0, Warmth::Unreachable);
    let stage = Arc::new(unreachable(Stage::of([[].into(), [good(1)].into()])));
    assert_eq!(stage.race().await.unwrap().server, 1);

    let lone = Arc::new(unreachable(Stage::new([[good(1)]])));
    assert!(lone.race().await.is_ok());
    let others_are_down = Stage::of([[good(1)].into(), [].into()]).with_open(1);
    assert_eq!(Arc::new(unreachable(others_are_down)).race().await.unwrap().server, 0);
}

#[tokio::test(start_paused = true)]
async fn r78_a_stream_that_was_reset_is_tried_again_but_a_bad_answer_is_not() {
    let lone = Arc::new(Stage::of([[reset(1), reset(1), good(1)].into()]));
    assert!(lone.race().await.is_ok());
    assert_eq!(lone.asked(), [(0, 0), (0, 1), (0, 2)]);

    let bad = Arc::new(Stage::new([[broken(1)]]));
    assert!(matches!(bad.race().await, Err(Error::AllFailed(_))));
}

#[tokio::test(start_paused = true)]
async fn r40_a_query_is_sent_three_times_at_most() {
    let stage = Arc::new(Stage::new([[reset(1)], [reset(1)], [reset(1)], [reset(1)]]));

    let Err(Error::AllFailed(failures)) = stage.race().await else { panic!("nobody answered") };

    assert_eq!((stage.asked().len(), failures.len()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn full_servers_are_an_overload() {
    let full = || [Act::Fail(0, Failure::Overloaded)];
    let stage = Arc::new(Stage::new([full(), full()]));

    assert!(matches!(stage.race().await, Err(Error::Overloaded)));
}

/// Each query in flight holds one, and it is moved about before it starts.
#[test]
fn a_race_takes_half_a_kibibyte_and_its_future_less() {
    let stage = Arc::new(Stage::new([[good(1)]]));
    let terms = Terms { total: SECOND, attempt: SECOND, hedge: Hedge::Off };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();

    let mut race = Race::new(stage, terms);

    assert!(size_of_val(&race) <= 512, "{}", size_of_val(&race));
    assert!(size_of_val(&race.run()) <= 256);
}

#[tokio::test(start_paused = true)]
async fn a_race_that_is_dropped_lets_its_server_finish() {
    let (tell, told) = oneshot::channel();
    let stage = Arc::new(Stage::new([[Act::Tell(1000, tell)]]));
    let started = Instant::now();

    assert!(timeout(Duration::from_millis(1), stage.race()).await.is_err());

    assert_eq!(told.await, Ok(()));
    assert_eq!(started.elapsed().as_millis(), 1000);
}
