//! New configurations and lists while queries come in.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
    process::Command,
    sync::Arc,
};

use axum::http::{HeaderMap, StatusCode};
use hickory_proto::op::ResponseCode;
use tokio::{sync::Notify, task::spawn_blocking};

use crate::lab::{Fake, Lab, ListHost, list};

/// Makes a pipe of the file system: a list that is not read to its end before the test wants it.
pub(crate) fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn slow_list(path: &Path) -> String {
    make_pipe(path);
    format!("[[lists]]\nname = 'slow'\npath = '{}'\n", path.display())
}

/// Waits until somebody wants to read the pipe, who then waits for `feed`.
pub(crate) fn wait_for_reader(path: &Path) -> File {
    let _reader_is_there = File::create(path).unwrap();
    // Whoever holds both ends never sees the pipe break between two readings.
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// Lets the pipe be read to its end, with these lines in it.
pub(crate) fn feed(mut pipe: File, lines: &str) {
    // More than a pipe holds: all of it is only taken when somebody reads.
    pipe.write_all(&[lines.as_bytes(), &[b'#'; 100_000]].concat()).unwrap();
}

async fn reader_of(path: &Path) -> File {
    let path = path.to_owned();
    spawn_blocking(move || wait_for_reader(&path)).await.unwrap()
}

async fn let_go(pipe: File) {
    spawn_blocking(move || feed(pipe, "")).await.unwrap();
}

#[tokio::test]
async fn a_changed_file_counts_after_a_reload() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("list.txt");
    std::fs::write(&file, "one.example\n").unwrap();
    let config = format!("[[lists]]\nname = 'file'\npath = '{}'", file.display());
    let lab = Lab::builder().upstream(Fake::new()).config(&config).start().await;

    assert_eq!(lab.ask("one.example", "A").await.addresses(), ["0.0.0.0"]);
    std::fs::write(&file, "two.example\n").unwrap();
    lab.reload(&config).await;

    assert_eq!(lab.ask("one.example", "A").await.rcode(), 3);
    assert_eq!(lab.ask("two.example", "A").await.addresses(), ["0.0.0.0"]);
}

#[tokio::test]
async fn no_query_is_lost_while_lists_and_settings_change() {
    let lab = Lab::builder().upstream(Fake::new().a("www.example", [192, 0, 2, 1])).start().await;
    let lists = [list("ads", &["||ads.example^"]), list("ads", &["||other.example^"])];

    let asking = async {
        for _ in 0..300 {
            assert_eq!(lab.ask("www.example", "A").await.addresses(), ["192.0.2.1"]);
        }
    };
    let changing = async {
        for turn in 0..20 {
            lab.reload(&lists[turn % 2]).await;
        }
    };
    tokio::join!(asking, changing);

    assert!(lab.sample("dnsward_generation").await > 20);
}

#[tokio::test]
async fn who_may_ask_and_local_names_change_without_a_restart() {
    let lab = Lab::builder().upstream(Fake::new()).start().await;
    let record = "[[records]]\nname = 'nas.lan'\na = ['192.168.1.2']";

    assert_eq!(lab.ask("nas.lan", "A").await.rcode(), 3);
    lab.reload(record).await;
    assert_eq!(lab.ask("nas.lan", "A").await.addresses(), ["192.168.1.2"]);
    lab.reload(&format!("dns.allow_from = ['192.0.2.1']\n{record}")).await;
    assert_eq!(lab.ask("nas.lan", "A").await.rcode(), 5);
}

#[tokio::test]
async fn a_reload_that_is_out_of_date_takes_nothing_from_the_one_after_it() {
    let host = ListHost::start("").await;
    host.now_sends(StatusCode::OK, &[("etag", "\"first\"")], b"||ads.example^");
    let lab = Lab::builder().upstream(Fake::new()).with_data_dir().config(&host.block(""));
    let lab = lab.start().await;
    let pipe = lab.path("pipe");
    let slow = slow_list(&pipe);

    let reader = tokio::select! {
        () = lab.reload(&slow) => panic!("its list is not read yet"),
        reader = reader_of(&pipe) => reader,
    };
    let config = host.block("");
    tokio::join!(lab.reload(&config), let_go(reader));

    // Whatever still goes on has time to do harm.
    for _ in 0..5 {
        lab.reload(&config).await;
    }

    let asked = host.asked();
    let is_known = |asked: &HeaderMap| asked.contains_key("if-none-match");
    assert!(asked.len() == 7 && asked[1..].iter().all(is_known), "the copy stays: {asked:?}");
    assert_eq!(lab.sample("dnsward_list_rules{list=\"remote\"}").await, 1);
    assert_eq!(lab.ask("ads.example", "A").await.ede(), [(15, "remote".to_owned())]);
}

#[tokio::test]
async fn a_reload_that_nobody_waits_for_counts_all_the_same() {
    let lab = Lab::builder().upstream(Fake::new()).start().await;
    let pipe = lab.path("pipe");
    let config = format!("{}{}", slow_list(&pipe), list("ads", &["||ads.example^"]));

    let reader = tokio::select! {
        () = lab.reload(&config) => panic!("its list is not read yet"),
        reader = reader_of(&pipe) => reader,
    };
    let other = list("other", &["||other.example^"]);
    tokio::select! {
        biased;
        () = lab.reload(&other) => panic!("the first is not done"),
        () = std::future::ready(()) => {}
    }
    let_go(reader).await;

    lab.comes_to_block("other.example").await;
    assert_eq!(lab.ask("ads.example", "A").await.rcode(), 3);
}

#[tokio::test]
async fn what_servers_have_said_that_are_asked_no_more_is_forgotten_with_them() {
    let lab = Lab::builder().upstream(Fake::new().a("www.example", [192, 0, 2, 1])).start().await;
    let other = Fake::new().a("www.example", [192, 0, 2, 2]).a("new.example", [192, 0, 2, 3]);
    let other = other.start().await;
    // Often enough that each thread has an answer of its own.
    for _ in 0..16 {
        assert_eq!(lab.ask("www.example", "A").await.addresses(), ["192.0.2.1"]);
        assert_eq!(lab.ask_udp("new.example", "A").await.rcode(), 3);
    }

    lab.reload_with(&[&other]).await;

    for _ in 0..16 {
        assert_eq!(lab.ask("www.example", "A").await.addresses(), ["192.0.2.2"]);
        assert_eq!(lab.ask_udp("new.example", "A").await.addresses(), ["192.0.2.3"]);
    }
    assert_eq!((lab.upstream_hits(), other.hits()), (2, 2));
}

#[tokio::test]
async fn names_that_failed_at_other_servers_are_asked_at_once_of_the_new_ones() {
    let broken = Fake::new().failing(ResponseCode::ServFail);
    let lab = Lab::builder().upstream(broken).start().await;
    let other = Fake::new().a("www.example", [192, 0, 2, 2]).start().await;
    assert_eq!(lab.ask("www.example", "A").await.rcode(), 2);

    lab.reload_with(&[&other]).await;

    assert_eq!(lab.ask("www.example", "A").await.addresses(), ["192.0.2.2"]);
}

#[tokio::test]
async fn what_a_server_says_after_it_was_taken_away_is_told_once_and_not_remembered() {
    let gate = Arc::new(Notify::new());
    let slow = Fake::new().a("www.example", [192, 0, 2, 1]).gated(&gate);
    let lab = Lab::builder().upstream(slow).start().await;
    let other = Fake::new().a("www.example", [192, 0, 2, 2]).start().await;
    let reloading = async {
        while lab.upstream_hits() == 0 {
            tokio::task::yield_now().await;
        }
        lab.reload_with(&[&other]).await;
        gate.notify_one();
    };

    let (waited, ()) = tokio::join!(lab.ask("www.example", "A"), reloading);

    assert_eq!(waited.addresses(), ["192.0.2.1"]);
    assert_eq!(lab.ask("www.example", "A").await.addresses(), ["192.0.2.2"]);
}

#[tokio::test]
async fn a_server_more_is_no_reason_to_forget_what_the_others_have_said() {
    let lab = Lab::builder().upstream(Fake::new().a("www.example", [192, 0, 2, 1])).start().await;
    let other = Fake::new().a("www.example", [192, 0, 2, 2]).start().await;
    lab.ask("www.example", "A").await;

    lab.reload_with(&[&other, &lab.upstreams[0]]).await;

    assert_eq!(lab.ask("www.example", "A").await.addresses(), ["192.0.2.1"]);
    assert_eq!((lab.upstream_hits(), other.hits()), (1, 0));
}
