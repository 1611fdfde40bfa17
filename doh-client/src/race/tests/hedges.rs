//! Second queries because of delay: when, to whom, how many, and what they are good for.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::stage::Note;
use super::{Act, Stage, broken, good};
use crate::choice::Dice;
use crate::ledger::Warmth;
use crate::observer::SendKind;

const HEDGE: Note = Note::Sent(SendKind::Hedge);

/// A server of 10 ms, of whose answers so many in a thousand take a second.
fn bumpy(per_mille: u64, seed: u64) -> Box<dyn Fn(Duration, u64) -> Act + Send + Sync> {
    let dice = Dice::new(seed);
    Box::new(move |_, _| good(if dice.roll() % 1000 < per_mille { 1000 } else { 10 }))
}

async fn p99(stage: Stage) -> (u128, Arc<Stage>) {
    let stage = Arc::new(stage);
    let mut times: Vec<_> =
        stage.load(5000, Duration::from_millis(20)).await.into_iter().flatten().collect();
    assert_eq!(times.len(), 5000);
    times.sort_unstable();
    (times[times.len() * 99 / 100], stage)
}

/// Failure story 13: answers came after the client had given up.
#[tokio::test(start_paused = true)]
async fn t36_hedges_take_the_tail_off_for_one_query_in_twenty() {
    let stage = || Stage::ruled([bumpy(30, 1), bumpy(30, 2)]);

    let (without, _) = p99(stage().without_hedges()).await;
    let (with, staged) = p99(stage()).await;

    assert_eq!(without, 1000);
    assert!(with <= 70, "{with} ms");
    assert!(staged.times(HEDGE) <= 5000 / 20 + 5, "{}", staged.times(HEDGE));
}

#[tokio::test(start_paused = true)]
async fn t36_servers_that_are_slow_half_of_the_time_get_no_more_than_their_share_of_hedges() {
    let (_, stage) = p99(Stage::ruled([bumpy(500, 1), bumpy(500, 2)])).await;

    assert!(stage.times(HEDGE) <= 5000 / 20 + 5, "{}", stage.times(HEDGE));
}

#[tokio::test(start_paused = true)]
async fn a_hedge_waits_as_long_as_nearly_all_answers_take() {
    for (pace, expected) in [(1, 50), (50, 50), (120, 120), (399, 399), (900, 400)] {
        let stage = Stage::of([[good(1400)].into(), [good(1000)].into()]);
        let stage = Arc::new(stage.with_pace(0, pace).with_pace(1, 2000));

        stage.race().await.unwrap();

        let [(0, 0), (1, at)] = stage.asked()[..] else { panic!("{:?}", stage.asked()) };
        assert!(at.abs_diff(expected) <= expected / 20, "{at} for {pace}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_may_be_dead_is_hedged_sooner() {
    for (pace, expected) in [(1, 30), (24, 36), (200, 200)] {
        let stage = Stage::of([[Act::Hang].into(), [good(20)].into()]);
        let stage =
            Arc::new(stage.with_pace(0, pace).with_pace(1, 2000).with_warmth(0, Warmth::Doubtful));

        stage.race().await.unwrap();

        let [(0, 0), (1, at)] = stage.asked()[..] else { panic!("{:?}", stage.asked()) };
        assert!(at.abs_diff(expected) <= 10, "{at} for {pace}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_has_to_be_opened_is_given_the_time_for_that() {
    for (pace, expected) in [(10, 70), (100, 300), (200, 400)] {
        let stage = Stage::of([[good(1400)].into(), [good(1000)].into()]);
        let stage = stage.with_pace(0, pace).with_pace(1, 2000).with_warmth(0, Warmth::Cold);
        let stage = Arc::new(stage);

        stage.race().await.unwrap();

        let [(0, 0), (1, at)] = stage.asked()[..] else { panic!("{:?}", stage.asked()) };
        assert!(at.abs_diff(expected) <= 10, "{at} for {pace}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_connection_is_worth_two_round_trips() {
    for (pace, expected) in [(25, 1), (40, 0)] {
        let stage = Stage::of([[good(1)].into(), [good(1)].into()]);
        let stage = stage.with_pace(0, 10).with_pace(1, pace).with_warmth(0, Warmth::Cold);

        assert_eq!(Arc::new(stage).race().await.unwrap().server, expected, "{pace} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_server_is_hedged_to_itself_only_where_its_connection_may_be_dead() {
    let sound = Arc::new(Stage::of([[good(900)].into()]).with_pace(0, 20));
    sound.race().await.unwrap();
    assert_eq!(sound.asked().len(), 1);

    let doubtful =
        Stage::of([[Act::Hang, good(20)].into()]).with_pace(0, 20).with_warmth(0, Warmth::Doubtful);
    let doubtful = Arc::new(doubtful);
    let exchange = doubtful.race().await.unwrap();
    assert_eq!((exchange.elapsed.as_millis(), doubtful.times(HEDGE)), (50, 1));
}

#[tokio::test(start_paused = true)]
async fn t33_a_lone_server_that_falls_silent_is_asked_again_when_that_shows() {
    let stage = Stage::of([[Act::Hang, good(20)].into()]).with_pace(0, 20);
    let stage = Arc::new(stage.with_doubt_after(250));

    let exchange = stage.race().await.unwrap();

    assert_eq!((exchange.elapsed.as_millis(), stage.times(HEDGE)), (470, 1));
}

#[tokio::test(start_paused = true)]
async fn without_hedges_nobody_else_is_asked_before_the_first_has_failed_or_had_its_time() {
    let stage = Stage::of([[good(1499)].into(), [].into()])
        .with_pace(0, 1)
        .with_warmth(0, Warmth::Doubtful);
    let stage = Arc::new(stage.with_pace(1, 2000).without_hedges());
    stage.race().await.unwrap();
    assert_eq!(stage.asked(), [(0, 0)]);

    let failing = Arc::new(Stage::new([[broken(700)], [good(1)]]).without_hedges());
    failing.race().await.unwrap();
    assert_eq!(failing.asked(), [(0, 0), (1, 700)]);
}

/// Failure story 18: hedges doubled what a paid service counted.
#[tokio::test(start_paused = true)]
async fn who_pays_for_queries_is_sent_no_hedge_and_gets_none() {
    for metered in [0, 1] {
        let stage = Stage::of([[good(900)].into(), [].into()]).with_metered(metered);
        let stage = Arc::new(stage.with_pace(0, 1).with_pace(1, 2000));
        stage.race().await.unwrap();
        assert_eq!(stage.take_shares(), [1, 0]);
    }

    let failing = Stage::of([[broken(1)].into(), [good(1)].into()]).with_metered(1);
    let failing = Arc::new(failing.with_pace(0, 1).with_pace(1, 2000));
    assert_eq!(failing.race().await.unwrap().server, 1, "a retry is no hedge");
}

#[tokio::test(start_paused = true)]
async fn who_lost_to_a_hedge_is_taken_for_slower_than_who_won() {
    let stage = Stage::of([[Act::Hang].into(), [good(20), good(20)].into()]);
    let stage = Arc::new(stage.with_pace(0, 1).with_pace(1, 30));

    let exchange = stage.race().await.unwrap();

    assert_eq!((exchange.server, exchange.elapsed.as_millis()), (1, 70));
    assert!(stage.has_noted(1, Note::HedgeWon));
    assert_eq!(stage.race().await.unwrap().server, 1);
    assert_eq!(stage.asked().len(), 3);
}

/// Failure story 1, as far as choice goes: queries went on to a connection that was dead.
#[tokio::test(start_paused = true)]
async fn t33_a_server_that_falls_silent_costs_one_hedge_each_until_others_are_preferred() {
    let silent_after = Duration::from_secs(10);
    let falls_silent = Box::new(move |at, _| if at < silent_after { good(10) } else { Act::Hang });
    let stage = Arc::new(Stage::ruled([falls_silent, Box::new(|_, _| good(20))]));
    stage.load(200, Duration::from_millis(50)).await;
    assert!(stage.take_shares()[0] > 150);

    let times = stage.load(200, Duration::from_millis(50)).await;

    let slowest = times.iter().map(|time| time.expect("the other one answers")).max();
    assert!(slowest <= Some(75), "{slowest:?} ms");
    assert!(stage.take_shares()[0] <= 10);
}

#[tokio::test(start_paused = true)]
async fn t51_hedges_end_with_their_budget() {
    let stage = Stage::ruled([Box::new(|_, _| good(300)), Box::new(|_, _| good(300))]);
    let stage = Arc::new(stage.with_pace(0, 10).with_pace(1, 10));

    for _ in 0..4 {
        let races = (0..25).map(|_| {
            let stage = Arc::clone(&stage);
            tokio::spawn(async move { stage.race().await })
        });
        for race in races.collect::<Vec<_>>() {
            race.await.unwrap().unwrap();
        }
        sleep(Duration::from_secs(1)).await;
    }

    let (hedges, exhausted) = (stage.times(HEDGE), stage.times(Note::Exhausted));
    assert!((5..=10).contains(&hedges), "{hedges}");
    assert!(exhausted > 10, "{exhausted}");
}
