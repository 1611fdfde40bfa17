//! Events of a client go in by the number of a server, and come out under its name.

use doh_client::SendKind;

use super::*;

fn server(text: &str) -> Server {
    text.parse().unwrap()
}

fn answered(good: bool, age: u64) -> Event<'static> {
    let (round_trip, age) = (Duration::from_millis(3), Duration::from_secs(age));
    Event::Answered { round_trip, is_good: good, age }
}

#[test]
fn a_server_of_two_clients_has_one_set_of_numbers() {
    let register = Register::new();
    let [a, b] = ["https://192.0.2.1/q", "https://192.0.2.2/q"].map(server);
    let first = register.watch(&[a, b.clone()]);
    let second = register.watch(&[b]);

    first.note(1, &answered(true, 0));
    second.note(0, &answered(false, 60));
    second.note(0, &Event::Failed(&Failure::Status(503)));
    second.note(7, &answered(true, 0));

    let of = |name| register.find(name).unwrap();
    assert_eq!(of("https://192.0.2.1/q").became(), [0, 0, 0]);
    assert_eq!(of("https://192.0.2.2/q").became(), [1, 1, 1]);
    assert_eq!(of("https://192.0.2.2/q").age_adjusted.load(Ordering::Relaxed), 1);
    assert!(register.find("https://192.0.2.3/q").is_none());
}

#[test]
fn a_reload_keeps_the_numbers_of_a_server_that_stays_and_drops_those_of_one_that_goes() {
    let register = Register::new();
    let [a, b] = ["https://192.0.2.1/q#192.0.2.1", "https://192.0.2.2/q"].map(server);
    let before = register.watch(&[a, b]);
    before.note(0, &Event::Sent(SendKind::First));

    let after = register.watch(&[server("https://192.0.2.1/q")]);
    drop(before);
    after.note(0, &Event::Sent(SendKind::Hedge));
    register.watch(&[]);

    let kept = register.find("https://192.0.2.1/q").unwrap();
    assert_eq!(kept.sends.values()[..2], [1, 1]);
    assert!(register.find("https://192.0.2.2/q").is_none());
}

#[test]
fn only_who_speaks_http_has_responses_of_http() {
    let register = Register::new();
    let watch = register.watch(&["https://192.0.2.1/q", "tls://192.0.2.1"].map(server));
    for server in [0, 1] {
        watch.note(server, &answered(true, 0));
        watch.note(server, &Event::Failed(&Failure::Status(404)));
    }

    let responses = |name| register.find(name).unwrap().responses.sum();
    assert_eq!((responses("https://192.0.2.1/q"), responses("tls://192.0.2.1")), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn an_outage_can_be_seen_in_the_slices_of_its_time() {
    let register = Register::new();
    let watch = register.watch(&[server("https://192.0.2.1/q")]);
    let minute = || tokio::time::advance(Duration::from_secs(60));

    watch.note(0, &answered(true, 0));
    minute().await;
    watch.note(0, &Event::Failed(&Failure::UnknownIssuer));
    watch.note(0, &Event::Breaker(Breaker::Open));
    minute().await;
    watch.note(0, &Event::Breaker(Breaker::HalfOpen));
    watch.note(0, &answered(true, 0));
    watch.note(0, &Event::Breaker(Breaker::Closed));

    let numbers = register.find("https://192.0.2.1/q").unwrap();
    let slices = numbers.timeline.slices(Instant::now());
    let told = slices.iter().map(|it| [it.answered, it.failed, it.left_alone, it.taken_back]);
    let nothing = [0; 4];
    let expected = [[1, 0, 0, 0], nothing, [0, 1, 1, 0], nothing, [1, 0, 0, 1]];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert_eq!(numbers.breaker_opened.load(Ordering::Relaxed), 1);
}
