//! Servers that are up and still no good: throttled, slow, unlucky, or all at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::stage::Note;
use super::{Act, Stage, good};
use crate::error::{Error, Failure};
use crate::ledger::Errand;
use crate::observer::{Breaker, SendKind};
use crate::race::Servers;

fn throttled(after: Option<u64>) -> Failure {
    Failure::Throttled { status: 429, after: after.map(Duration::from_secs) }
}

/// Failure story 9: a server that wanted fewer queries was banned, and the others fell over next.
#[tokio::test(start_paused = true)]
async fn t54_a_server_that_complains_gets_fewer_queries_and_is_not_left_alone() {
    let complains_until = Duration::from_secs(10);
    let rule = move |at: Duration, _| {
        if at < complains_until { Act::Fail(5, throttled(Some(2))) } else { good(10) }
    };
    let stage = Stage::ruled([Box::new(rule), Box::new(|_, _| good(30))]);
    let stage = Arc::new(stage.with_pace(0, 10).with_pace(1, 30));

    let times = stage.load(1000, Duration::from_millis(10)).await;

    assert!(times.iter().all(Option::is_some));
    let [asked, _] = stage.take_shares()[..] else { panic!("two servers") };
    assert!((4..100).contains(&asked), "{asked} of 1000");
    assert!(stage.has_noted(0, Note::Throttled(Duration::from_secs(2))));
    assert_eq!(stage.times(Note::Breaker(Breaker::Open)), 0);

    stage.load(1000, Duration::from_millis(10)).await;
    assert!(stage.take_shares()[0] > 500, "it is asked again");
}

#[tokio::test(start_paused = true)]
async fn t54_a_lone_server_that_takes_ten_at_once_gets_about_ten_at_once() {
    let busy = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&busy);
    let rule = move |_: Duration, _: u64| {
        if counted.fetch_add(1, Ordering::Relaxed) < 10 {
            good(100)
        } else {
            Act::Fail(100, throttled(None))
        }
    };
    let stage = Arc::new(Stage::ruled([Box::new(rule)]).without_hedges());
    let tick = tokio::spawn(async move {
        // Ten a tenth of a second, and whoever comes above that is refused.
        loop {
            sleep(Duration::from_millis(100)).await;
            busy.store(0, Ordering::Relaxed);
        }
    });

    let times = stage.load(4000, Duration::from_millis(4)).await;

    tick.abort();
    let answered = times.iter().flatten().count();
    let sends = stage.asked().len();
    // It takes 1600 in that time.
    assert!(answered > 1200, "{answered} of 4000");
    assert!(sends - answered < sends / 20, "{answered} of {sends}");
    let limit = stage.ledger_of(0).record().limit();
    assert!((2..60).contains(&limit), "{limit}");
}

/// A line that never ends must not keep the room at what it was when the line began.
#[tokio::test(start_paused = true)]
async fn t54_a_lone_server_that_complained_once_gets_all_queries_again_though_many_wait() {
    let rule = |_: Duration, number: u64| {
        if number == 0 { Act::Fail(5, throttled(None)) } else { good(50) }
    };
    let stage = Arc::new(Stage::ruled([Box::new(rule)]).without_hedges());

    let times = stage.load(1000, Duration::from_millis(10)).await;

    let answered = times.iter().flatten().count();
    assert!(answered > 950, "{answered} of 1000");
}

#[tokio::test(start_paused = true)]
async fn t57_equal_servers_share_the_load_and_a_slow_one_gets_less() {
    let answers = |ms| Box::new(move |_: Duration, number: u64| good(ms + number % 5));
    let stage = Stage::ruled([answers(20), answers(20), answers(20), answers(200)]);
    let stage = Arc::new(stage.without_hedges());

    stage.load(20_000, Duration::from_millis(1)).await;

    let shares = stage.take_shares();
    for fast in &shares[..3] {
        assert!((4500..8500).contains(fast), "{shares:?}");
    }
    assert!((20..1500).contains(&shares[3]), "{shares:?}");
}

#[tokio::test(start_paused = true)]
async fn t57_a_server_that_was_slow_for_a_while_is_found_out_to_be_quick_again() {
    let slow_until = Duration::from_secs(30);
    let was_slow = move |at: Duration, _| good(if at < slow_until { 300 } else { 10 });
    let stage = Arc::new(Stage::ruled([Box::new(was_slow), Box::new(|_, _| good(40))]));
    stage.load(1500, Duration::from_millis(20)).await;
    assert!(stage.take_shares()[0] < 150);

    stage.load(3000, Duration::from_millis(20)).await;
    stage.take_shares();

    stage.load(1000, Duration::from_millis(20)).await;
    assert!(stage.take_shares()[0] > 900);
}

#[tokio::test(start_paused = true)]
async fn t57_a_second_server_is_tried_soon() {
    let stage = Stage::ruled([Box::new(|_, _| good(30)), Box::new(|_, _| good(10))]);
    let stage = Arc::new(stage);

    stage.load(100, Duration::from_millis(100)).await;

    assert!(stage.take_shares()[1] > 90);
}

#[tokio::test(start_paused = true)]
async fn t58_a_query_leaves_the_line_when_no_answer_can_be_in_time() {
    let rule = |_: Duration, number: u64| {
        if number == 0 { Act::Fail(1, throttled(Some(1))) } else { good(2000) }
    };
    let stage = Arc::new(Stage::ruled([Box::new(rule)]).with_pace(0, 2000).without_hedges());
    assert!(stage.race().await.is_err());
    assert_eq!(stage.ledger_of(0).record().limit(), 1);

    let ask = |after: u64| {
        let deadline = Instant::now() + Duration::from_millis(after);
        tokio::spawn((&stage).ask_one(Errand { kind: SendKind::First, deadline }))
    };
    let (first, patient, hasty) = (ask(4500), ask(4500), ask(3500));
    let started = Instant::now();

    assert!(matches!(hasty.await.unwrap(), Err(Failure::Overloaded)));
    assert_eq!(started.elapsed().as_millis(), 1500);
    assert_eq!(stage.times(Note::TurnedAway), 1);
    assert!(first.await.unwrap().is_ok());
    assert!(patient.await.unwrap().is_ok());
    assert_eq!(started.elapsed().as_millis(), 4000);
}

#[tokio::test(start_paused = true)]
async fn t58_a_line_is_as_long_as_there_may_be_queries() {
    let stage = Stage::ruled([Box::new(|_, number| {
        if number == 0 { Act::Fail(1, throttled(Some(1))) } else { Act::Hang }
    })]);
    let stage = Arc::new(stage.without_hedges());
    assert!(stage.race().await.is_err());

    let races = (0..1100).map(|_| {
        let stage = Arc::clone(&stage);
        tokio::spawn(async move { stage.race().await })
    });
    let races: Vec<_> = races.collect();
    sleep(Duration::from_millis(1)).await;

    assert_eq!(races.iter().filter(|race| race.is_finished()).count(), 1100 - 1024);
    let mut overloads = 0;
    for race in races {
        overloads += usize::from(matches!(race.await.unwrap(), Err(Error::Overloaded)));
    }
    assert_eq!(overloads, 1100 - 1);
    assert_eq!(stage.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn t58_nobody_is_asked_again_when_no_answer_can_be_in_time() {
    for (pace, shares) in [(1900, [1, 1]), (3500, [1, 0])] {
        let fails = Act::Fail(3000, Failure::Reset(2));
        let stage = Stage::of([[fails].into(), [good(2000)].into()]).without_hedges();
        let stage = Arc::new(stage.with_pace(0, 1800).with_pace(1, pace));

        let outcome = stage.race().await;

        assert_eq!((stage.take_shares(), outcome.is_ok()), (shares.to_vec(), pace == 1900));
    }
}

trait AskOne {
    fn ask_one(self, errand: Errand) -> crate::race::Asking;
}

impl AskOne for &Arc<Stage> {
    fn ask_one(self, errand: Errand) -> crate::race::Asking {
        Servers::ask(self, 0, errand)
    }
}
