//! Lists from files and URLs: loaded, kept, and harmless when they are broken.

use axum::http::StatusCode;

use crate::lab::{Fake, Lab, ListHost, list};

#[tokio::test]
async fn a_list_is_downloaded_and_counts() {
    let host = ListHost::start("||ads.example^\n||more.example^\n").await;
    let lab = Lab::builder().config(&host.block("")).start().await;

    assert_eq!(lab.ask("ads.example", "A").await.ede(), [(15, "remote".to_owned())]);
    assert_eq!(lab.sample("dnsward_rules").await, 2);
}

#[tokio::test]
async fn the_last_good_copy_stays_when_a_download_fails() {
    for (status, text, why) in [
        (StatusCode::INTERNAL_SERVER_ERROR, "", "a server error"),
        (StatusCode::OK, "<!doctype html><p>moved", "a web page"),
    ] {
        let host = ListHost::start("||ads.example^").await;
        let lab = Lab::builder().config(&host.block("")).start().await;

        host.now_serves(status, text);
        lab.reload(&host.block("")).await;

        assert_eq!(lab.ask("ads.example", "A").await.addresses(), ["0.0.0.0"], "{why}");
        assert_eq!(lab.sample("dnsward_list_up{list=\"remote\"}").await, 0, "{why}");
    }
}

#[tokio::test]
async fn a_kept_copy_outlives_the_server_and_the_host() {
    let host = ListHost::start("||ads.example^").await;
    let lab = Lab::builder().with_data_dir().config(&host.block("")).start().await;
    let data = lab.path("data");
    let kept = tempfile::tempdir().unwrap();
    std::fs::rename(&data, kept.path().join("data")).unwrap();
    host.now_serves(StatusCode::NOT_FOUND, "");

    let config = format!("data_dir = '{}'\n", kept.path().join("data").display());
    let second = Lab::builder().config(&config).config(&host.block("")).start().await;

    assert_eq!(second.ask("ads.example", "A").await.addresses(), ["0.0.0.0"]);
}

#[tokio::test]
async fn a_list_on_a_private_address_needs_permission() {
    let host = ListHost::start("||ads.example^").await;
    let block = host.block("").replace("allow_private = true", "");
    let lab = Lab::builder().upstream(Fake::new()).config(&block).start().await;

    assert_eq!(lab.ask("ads.example", "A").await.rcode(), 3);
    assert!(host.asked().is_empty());
}

#[tokio::test]
async fn a_list_host_is_looked_up_through_our_own_upstream() {
    let host = ListHost::start("||ads.example^").await;
    let fake = Fake::new().a("lists.example", [127, 0, 0, 1]);
    let block = host.block("").replace("127.0.0.1", "lists.example");

    let lab = Lab::builder().upstream(fake.clone()).config(&block).start().await;
    let forbidden = block.replace("allow_private = true", "");
    let wary = Lab::builder().upstream(fake).config(&forbidden).start().await;

    assert_eq!(lab.ask("ads.example", "A").await.addresses(), ["0.0.0.0"]);
    assert_eq!(wary.ask("ads.example", "A").await.rcode(), 3);
    assert_eq!(host.asked().len(), 1);
}

#[tokio::test]
async fn a_list_larger_than_it_may_be_is_not_taken() {
    let host = ListHost::start(&"||ads.example^\n".repeat(1000)).await;
    let block = host.block("max_bytes = '1KiB'");
    let lab = Lab::builder().upstream(Fake::new()).config(&block).start().await;

    assert_eq!(lab.ask("ads.example", "A").await.rcode(), 3);
}

#[tokio::test]
async fn missing_and_broken_lists_hurt_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let junk = directory.path().join("junk.txt");
    std::fs::write(&junk, b"\xff\xfe\0\0 ???\n!!!!\n^^^^\nstill.example\n").unwrap();
    let config = format!(
        "[[lists]]\nname = 'missing'\npath = '{}/none'\n[[lists]]\nname = 'junk'\npath = '{}'\n{}",
        directory.path().display(),
        junk.display(),
        list("good", &["||ads.example^"])
    );
    let lab = Lab::builder().config(&config).start().await;

    assert_eq!(lab.ask("ads.example", "A").await.ede(), [(15, "good".to_owned())]);
    assert_eq!(lab.ask("still.example", "A").await.ede(), [(15, "junk".to_owned())]);
    assert_eq!(lab.sample("dnsward_list_up{list=\"missing\"}").await, 0);
    assert_eq!(lab.sample("dnsward_list_up{list=\"good\"}").await, 1);
}

#[tokio::test]
async fn while_the_first_lists_load_it_answers_but_is_not_ready() {
    let host = ListHost::start("||ads.example^").await;
    let shut = host.shut().await;
    let fake = Fake::new().a("ads.example", [192, 0, 2, 66]);
    let builder = Lab::builder().upstream(fake).config(&host.block(""));
    let lab = builder.without_waiting().start().await;

    assert_eq!(lab.ask("ads.example", "A").await.addresses(), ["192.0.2.66"]);
    assert_eq!(lab.get_metrics("/readyz").await, (503, "not ready: lists are loading\n".into()));
    drop(shut);
    lab.server.lists_loaded().await;

    assert_eq!(lab.ask("ads.example", "A").await.addresses(), ["0.0.0.0"]);
    assert_eq!(lab.get_metrics("/readyz").await.0, 200);
}

#[tokio::test]
async fn r92_nothing_gets_past_the_first_lists_where_that_is_asked_for() {
    let host = ListHost::start("||ads.example^").await;
    let shut = host.shut().await;
    let config = format!("[blocking]\nuntil_loaded = 'servfail'\n{}", host.block(""));
    let lab = Lab::builder().upstream(Fake::new()).config(&config).without_waiting().start().await;

    let early = lab.ask("www.example", "A").await;
    drop(shut);
    lab.server.lists_loaded().await;

    assert_eq!((early.rcode(), early.ede()[0].0), (2, 14));
    assert_eq!(lab.ask("www.example", "A").await.rcode(), 3);
}

#[tokio::test]
async fn a_list_that_hangs_holds_up_neither_its_neighbour_nor_a_reload() {
    let slow = ListHost::start("||slow.example^").await;
    let quick = ListHost::start("||ads.example^").await;
    let shut = slow.shut().await;
    let lists = format!("{}{}", slow.block("").replace("remote", "slow"), quick.block(""));
    let lab = Lab::builder().upstream(Fake::new()).config(&lists).without_waiting().start().await;

    lab.comes_to_block("ads.example").await;
    let rule = format!("{lists}[[rules]]\naction = 'deny'\nmatch = 'new.example'");
    tokio::select! {
        () = lab.reload(&rule) => panic!("a reload waits for the first attempt of each list"),
        () = lab.comes_to_block("new.example") => {}
    }
    drop(shut);
    lab.comes_to_block("slow.example").await;
}

#[tokio::test]
async fn a_list_that_is_added_later_does_not_stop_the_answers() {
    let host = ListHost::start("||ads.example^").await;
    let shut = host.shut().await;
    let fake = Fake::new().a("www.example", [192, 0, 2, 1]);
    let wary = "[blocking]\nuntil_loaded = 'servfail'\n";
    let lab = Lab::builder().upstream(fake).config(wary).start().await;

    let reload =
        format!("{wary}[[rules]]\naction = 'deny'\nmatch = 'new.example'\n{}", host.block(""));
    tokio::select! {
        () = lab.reload(&reload) => panic!("the list has not come"),
        () = lab.comes_to_block("new.example") => {}
    }

    assert_eq!(lab.ask("www.example", "A").await.addresses(), ["192.0.2.1"]);
    assert_eq!(lab.get_metrics("/readyz").await.0, 200);
    drop(shut);
}

#[tokio::test]
async fn a_download_for_an_old_configuration_does_not_count_in_the_new_one() {
    let host = ListHost::start("||ads.example^\n||precious.example^").await;
    let shut = host.shut().await;
    let lab = Lab::builder().upstream(Fake::new()).config(&host.block("")).without_waiting();
    let lab = lab.start().await;
    while host.asked().is_empty() {
        tokio::task::yield_now().await;
    }

    let config = format!("blocking.canaries = ['precious.example']\n{}", host.block(""));
    let open = async {
        while host.asked().len() < 2 {
            tokio::task::yield_now().await;
        }
        drop(shut);
    };
    tokio::join!(lab.reload(&config), open);
    lab.reload(&config).await;

    assert_eq!(lab.sample("dnsward_rules").await, 0);
    assert_eq!(lab.sample("dnsward_list_up{list=\"remote\"}").await, 0);
}

#[tokio::test]
async fn files_that_are_not_ours_stay_where_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let lists = directory.path().join("lists");
    std::fs::create_dir(&lists).unwrap();
    std::fs::write(lists.join("custom.txt"), "mine.example").unwrap();
    let old = lists.join(format!("{}.txt", "0123456789abcdef".repeat(2)));
    std::fs::write(&old, "old.example").unwrap();
    let unfinished = lists.join(format!("{}.x1y2z3.new", "0123456789abcdef".repeat(2)));
    std::fs::write(&unfinished, "half.exam").unwrap();
    let (data, path) = (directory.path().display(), lists.join("custom.txt"));
    let config = format!("data_dir = '{data}'\n[[lists]]\nname = 'm'\npath = '{}'", path.display());
    let lab = Lab::builder().config(&config).start().await;

    lab.reload(&config).await;

    assert_eq!(lab.ask("mine.example", "A").await.addresses(), ["0.0.0.0"]);
    assert!(path.exists() && !old.exists() && !unfinished.exists());
}
